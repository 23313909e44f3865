"""`thermogate enrol SOURCE`: one run over a roll, from the plan to the summary."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import sys
import tempfile
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controller.errors import GalleryError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from controller.config import Config
    from controller.gallery.audit import AuditLog
    from controller.gallery.enrol import Enroller, PersonResult
    from controller.gallery.model import Consent
    from controller.gallery.roll import Roll
    from controller.gallery.store import GalleryStore
    from controller.perception.types import FaceEngine

SUMMARY = "enrolment-summary.json"


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """Who is taken out by a roll."""

    removed: tuple[str, ...]
    suspended: tuple[str, ...]
    enrolled: int
    """People in the gallery before."""

    @property
    def people(self) -> int:
        """How many lose their way in."""
        return len(self.removed) + len(self.suspended)


def enrol(arguments: argparse.Namespace, config: Config) -> int:
    """Enrol a roll. Raises `GateError` kinds for what stops all of it."""
    from controller.gallery.audit import AuditLog
    from controller.gallery.enrol import Enroller
    from controller.gallery.index import GalleryIndex
    from controller.service import engine_of

    _quiet_decoders()
    roll = _roll(arguments)
    print(f"{roll.source}: {_kind(roll)}, {len(roll.candidates)} people", file=sys.stderr)
    engine = engine_of(config)
    index = GalleryIndex.for_engine(
        engine,
        threshold=config.perception.threshold,
        margin=config.perception.margin,
        false_accept=config.perception.false_accept,
    )
    with _gallery(config, writing=not arguments.dry_run) as store:
        plan = _plan(roll, store, missing=arguments.remove_missing)
        guard(plan, config.enrolment.removal_share, arguments.allow_removals)
        audit = None if arguments.dry_run else AuditLog(config.store.folder, actor=arguments.by, create=True)
        started = dt.datetime.now(dt.UTC)
        if store is not None:
            if audit is not None:
                audit.append("run", counts={"people": len(roll.candidates), "removals": plan.people})
                _take_out(plan, store, config, audit)
            index.load(store, incomplete=True)
            for person in plan.removed if arguments.dry_run else ():
                if person in index:
                    index.remove(person)
        enroller = Enroller(
            engine,
            index,
            store,
            settings=config.enrolment,
            basis=_basis(arguments),
            audit=audit,
            keep_pictures=config.store.keep_pictures,
            dry_run=arguments.dry_run,
            renew=arguments.renew,
        )
        results: list[PersonResult] = []
        try:
            results.extend(_with_progress(roll, enroller, tell=arguments.dry_run))
        finally:
            told = _summary(roll, engine, plan, results, started, dry_run=arguments.dry_run)
            if audit is not None:
                told["audit_head"] = audit.append("run_ended", counts=told["counts"]).mac
            _write_summary(arguments, config, told)
    _print_counts(told, engine, dry_run=arguments.dry_run)
    return 1 if told["counts"]["refused"] else 0


def _quiet_decoders() -> None:
    """OpenCV's own words about a damaged picture would tear the progress bar; the reason is told by us."""
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def _roll(arguments: argparse.Namespace) -> Roll:
    from controller.gallery.consent import read_consents
    from controller.gallery.roll import RosterOptions, read_roll

    options = RosterOptions(
        id_column=arguments.id_column,
        photo_column=arguments.photo_column,
        photo_rule=arguments.photo_rule,
        photos=arguments.photos,
    )
    roll = read_roll(arguments.what[0], options)
    if arguments.consent_file is None:
        return roll
    consents = read_consents(arguments.consent_file)
    candidates = (
        dataclasses.replace(one, consent=consents.get(one.person.person, one.consent)) for one in roll.candidates
    )
    return dataclasses.replace(roll, candidates=tuple(candidates))


def _kind(roll: Roll) -> str:
    return roll.kind if roll.kind == "folder" else f"{roll.kind} in {roll.encoding}"


def _basis(arguments: argparse.Namespace) -> Consent | None:
    from controller.gallery.consent import legal_basis

    if arguments.legal_basis is None:
        return None
    return legal_basis(arguments.legal_basis, dt.datetime.now().astimezone().date())


def _gallery(config: Config, *, writing: bool) -> AbstractContextManager[GalleryStore | None]:
    """The store; in a dry run None where there is none yet, so that nothing is made."""
    from controller.gallery.store import DATABASE, GalleryStore

    if not writing and not (config.store.folder / DATABASE).exists():
        return nullcontext()
    return GalleryStore.open(config.store.folder, config.store.key, create=writing)


def _plan(roll: Roll, store: GalleryStore | None, *, missing: bool) -> Plan:
    """Those of the enrolled whom the roll says to remove or to suspend, or, if asked, does not name."""
    people = {} if store is None else store.people()
    listed = {candidate.person.person for candidate in roll.candidates} | set(roll.suspended)
    removed = [person for person in people if person in roll.leaving or (missing and person not in listed)]
    yesterday = _yesterday()
    suspended = []
    for person in roll.suspended:
        until = people[person].valid_until if person in people else yesterday
        if until is None or until > yesterday:
            suspended.append(person)
    return Plan(tuple(removed), tuple(suspended), len(people))


def guard(plan: Plan, share: float, allowed: int | None) -> None:
    """Stop a run that would take out more than `share` of the enrolled, unless it was told their number, or is now.

    One person may always go. Raises `GalleryError`; then nothing was changed.
    """
    limit = max(1, int(share * plan.enrolled))
    if plan.people <= limit or (allowed is not None and plan.people <= allowed):
        return
    what = f"{plan.people} of {plan.enrolled} enrolled people would be removed or suspended, more than {share:.0%}"
    if allowed is None and sys.stdin.isatty():
        answer = input(f"{what}. Type their number to go on: ")
        if answer.strip() == str(plan.people):
            return
    raise GalleryError(f"{what}: nothing was changed; if that is right, give --allow-removals {plan.people}")


def _take_out(plan: Plan, store: GalleryStore, config: Config, audit: AuditLog) -> None:
    """Before anybody is enrolled: who comes back under a new number must not be taken for a duplicate."""
    from controller.gallery.erase import erase

    if plan.removed:
        erase(plan.removed, config.store.folder, config.store.key, audit)
    if not plan.suspended:
        return
    known = {one.person.person: one for one in store.enrolments()}
    changed = []
    for person in plan.suspended:
        before = known[person]
        ended = dataclasses.replace(before.person, valid_from=None, valid_until=_yesterday())
        # Without the digest of the terms, the person is enrolled anew when they are enabled again.
        changed.append(dataclasses.replace(before, person=ended, origin=before.origin.without_terms()))
        audit.append("suspended", who=person)
    store.write(changed)


def _yesterday() -> dt.date:
    return dt.datetime.now().astimezone().date() - dt.timedelta(days=1)


def _with_progress(roll: Roll, enroller: Enroller, *, tell: bool) -> Iterable[PersonResult]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    columns = (TextColumn("enrolling"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True) as progress:
        task = progress.add_task("enrolling", total=len(roll.candidates))
        for candidate in roll.candidates:
            result = enroller.enrol_one(candidate)
            for line in lines(result):
                progress.console.print(line)
            if tell and result.enrolled:
                print(f"{result.person.person}: {result.change.value}")
            yield result
            progress.advance(task)


def lines(result: PersonResult) -> list[str]:
    """What there is to say of one person: rejected photographs, resemblance, and why they were not enrolled."""
    who = result.person.person
    told = [f"{photo.photo}: {photo.reason}" for photo in result.photos if photo.reason]
    if result.alike:
        others = ", ".join(f"{other} (score {score:.2f})" for other, score in result.alike.items())
        told.append(f"{who}: looks much like {others}: marked for a second factor, all of them")
    return told if result.enrolled else [*told, f"{who}: not enrolled: {result.reason}"]


def _summary(
    roll: Roll, engine: FaceEngine, plan: Plan, results: list[PersonResult], started: dt.datetime, *, dry_run: bool
) -> dict[str, Any]:
    counts = Counter(result.change.value for result in results)
    marked = {result.person.person for result in results if result.alike}
    for result in results:
        marked |= set(result.alike)
    people = [
        {
            "person": result.person.person,
            "change": result.change.value,
            "reason": result.reason,
            "alike": result.alike,
            "photos": [
                {"photo": str(photo.photo), "reason": photo.reason, "quality": photo.quality} for photo in result.photos
            ],
        }
        for result in results
    ]
    return {
        "source": str(roll.source),
        "kind": _kind(roll),
        "engine": engine.name,
        "template_model": engine.template_model,
        "dry_run": dry_run,
        "started": started.isoformat(timespec="seconds"),
        "ended": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "complete": len(results) == len(roll.candidates),
        "counts": {
            **{name: counts[name] for name in ("new", "renewed", "unchanged", "refused")},
            "marked": len(marked),
            "removed": len(plan.removed),
            "suspended": len(plan.suspended),
        },
        "removed": list(plan.removed),
        "suspended": list(plan.suspended),
        "people": people,
    }


def _write_summary(arguments: argparse.Namespace, config: Config, told: dict[str, Any]) -> None:
    """Whole or not at all, and only its owner's: ids and reasons are nobody else's business."""
    from controller.gallery.keyfile import give_to_owner

    path = arguments.summary
    if path is None:
        if arguments.dry_run:
            return
        path = config.store.folder / SUMMARY
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            give_to_owner(descriptor, path.parent)
            json.dump(told, file, ensure_ascii=False, indent=1)
        Path(name).replace(path)
    except OSError as error:
        raise GalleryError(f"{path}: the summary cannot be written: {error.strerror}") from error


def _print_counts(told: dict[str, Any], engine: FaceEngine, *, dry_run: bool) -> None:
    counts = told["counts"]
    refused, people = counts["refused"], len(told["people"])
    done = "would be enrolled" if dry_run else "enrolled"
    print(f"{people - refused} of {people} people {done} with {engine.name} ({engine.template_model})")
    print(", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing to do")
