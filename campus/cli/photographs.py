"""`thermogate-hub people photos` and `alike`: many photographs at once, and twins."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from campus.cli.admin import here, work
from campus.config import load
from campus.database import Database
from campus.errors import HubConfigError
from campus.people import batch
from campus.people import lookalikes as pairs
from campus.people.enrolment import PhotographDesk
from campus.people.records import People
from controller.errors import GalleryError
from controller.gallery.consent import legal_basis, read_consents

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator, Sequence

    from campus.cli.orders import Subparsers
    from campus.config import HubConfig
    from campus.people.batch import FileResult, Result

DESCRIPTION = """\
Enrols people whom the hub knows from photographs: a folder or a ZIP archive with PERSON_ID.jpg, or PERSON_ID/*.jpg for
several photographs of one person, or a .csv file with the columns person_id, photo and optionally those of a consent.
Each photograph is judged; each person is one transaction; the same command goes on where it was stopped. What is there
from the same photographs is left alone; other templates of the same model are replaced. Photographs are not kept.
"""


def add_parsers(people: Subparsers[argparse.ArgumentParser]) -> None:
    """Add both to `people`."""
    photos = people.add_parser("photos", help="enrol people from photographs", description=DESCRIPTION)
    photos.add_argument("source", nargs="?", type=Path, help="a folder, a .zip or a .csv file")
    photos.add_argument("--consent-file", type=Path, metavar="CSV", help="person_id and the consent columns")
    photos.add_argument(
        "--legal-basis", metavar="TEXT", help="right to keep templates of those without a consent that holds"
    )
    photos.add_argument("--dry-run", action="store_true", help="judge and compare, tell what would change")
    photos.add_argument("--summary", type=Path, metavar="FILE", help="JSON of what became of each photograph")
    photos.add_argument(
        "--missing", action="store_true", help="instead: print who has no template of the engine's model"
    )
    photos.set_defaults(run=_photos)
    alike = people.add_parser("alike", help="let two people be enrolled whose faces are as one, such as twins")
    alike.add_argument("one", metavar="PERSON_ID")
    alike.add_argument("other", metavar="PERSON_ID")
    alike.add_argument("--reason", metavar="TEXT", help="for the audit log")
    alike.add_argument("--undo", action="store_true", help="take it back")
    alike.set_defaults(run=_alike)
    for parser in (photos, alike):
        parser.add_argument("--config", required=True, type=Path, metavar="FILE", help="hub.toml")


def _photos(options: argparse.Namespace) -> int:
    if (options.source is None) != options.missing:
        raise HubConfigError("people photos: name a folder, a .zip or a .csv file, or give --missing")
    config = load(options.config)
    if options.missing:
        return asyncio.run(_missing(config))
    try:
        consents = {} if options.consent_file is None else read_consents(options.consent_file)
        today = dt.datetime.now().astimezone().date()
        basis = None if options.legal_basis is None else legal_basis(options.legal_basis, today)
    except GalleryError as error:
        raise HubConfigError(str(error)) from error
    started = time.time()
    results: list[Result] = []
    template_model = ""

    async def run() -> None:
        nonlocal template_model
        async with _at_desk(config) as (database, people, desk):
            template_model = (await desk.engine.engine()).template_model
            job = batch.Batch(
                database,
                people,
                desk,
                here(),
                today=today,
                consents=consents,
                basis=basis,
                scope=config.people.consent_scope,
                dry_run=options.dry_run,
            )
            async for result in job.run(everybody):
                results.append(result)
                _print(result)

    with batch.opened(options.source) as everybody:
        try:
            asyncio.run(run())
        finally:
            if options.summary is not None:
                told = _summary(options, template_model, len(everybody), results, started)
                _write(options.summary, told)
    found = batch.counts(results)
    print(", ".join(f"{count} {name}" for name, count in found.items() if count) or "nothing to do")
    if options.dry_run:
        print("A dry run: nothing was changed.")
    return 1 if found["refused"] else 0


@contextlib.asynccontextmanager
async def _at_desk(config: HubConfig) -> AsyncIterator[tuple[Database, People, PhotographDesk]]:
    """The hub's database, people and desk, until the block is left."""
    settings = config.people.photographs
    if settings is None:
        raise HubConfigError("people.photographs: is missing from hub.toml")
    people = People(config.people)
    async with Database(config.database, config.campus) as database:
        desk = PhotographDesk(database, people, settings)
        try:
            await desk.prepare()
            yield database, people, desk
        finally:
            desk.close()


async def _missing(config: HubConfig) -> int:
    """Whose templates, if any, are all of other models."""
    async with _at_desk(config) as (database, people, desk):
        model = (await desk.engine.engine()).template_model
        known = (await desk.faces()).index
        found = 0
        async with database.transaction() as query:
            async for one in people.everybody(query):
                if one.active and not one.no_face and one.id not in known:
                    found += 1
                    print(one.id)
    print(f"# {found} without a template of {model}")
    return 0


def _print(result: Result) -> None:
    for file in result.files:
        if file.reason:
            code = next(one.code for one in file.findings if one.refuses)
            print(f"{file.name}: {file.reason} ({code}: {next(iter(file.findings)).advice.english})")
    if result.alike:
        others = ", ".join(f"{other} (score {score:.2f})" for other, score in result.alike.items())
        print(f"{result.id}: looks much like {others}: marked for a second factor, all of them")
    print(f"{result.id}: {result.change}{f': {result.reason}' if result.reason else ''}")


def _summary(
    options: argparse.Namespace, model: str, people: int, results: Sequence[Result], started: float
) -> dict[str, Any]:
    return {
        "source": str(options.source),
        "template_model": model,
        "dry_run": options.dry_run,
        "started": _moment(started),
        "ended": _moment(time.time()),
        "complete": len(results) == people,
        "counts": batch.counts(list(results)),
        "people": [
            {
                "person": one.id,
                "change": one.change,
                "reason": one.reason,
                "alike": dict(one.alike),
                "photographs": [_file(file) for file in one.files],
            }
            for one in results
        ],
    }


def _file(file: FileResult) -> dict[str, Any]:
    findings = [
        {"code": one.code, "refuses": one.refuses, "reason": one.reason, **one.advice._asdict()}
        for one in file.findings
    ]
    return {"photograph": file.name, "reason": file.reason, "quality": file.quality, "findings": findings}


def _moment(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="seconds")


def _write(path: Path, told: dict[str, Any]) -> None:
    """Whole or not at all, and only its owner's: ids and reasons are nobody else's business."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(told, file, ensure_ascii=False, indent=1)
        Path(name).replace(path)
    except OSError as error:
        raise HubConfigError(f"{path}: the summary cannot be written: {error.strerror}") from error


def _alike(options: argparse.Namespace) -> int:
    if options.undo:
        undone = work(options, lambda query: pairs.forbid(query, here(), options.one, options.other, now=time.time()))
        if not undone:
            raise HubConfigError(f"{options.one} and {options.other}: were not said to be alike")
        return 0
    if not options.reason:
        raise HubConfigError("people alike: give a --reason for the audit log")
    said = work(
        options,
        lambda query: pairs.allow(query, here(), options.one, options.other, options.reason, now=time.time()),
    )
    if said is None:
        raise HubConfigError(f"{options.one} and {options.other}: at least one of them is not at this hub")
    return 0
