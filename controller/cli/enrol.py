"""`thermogate enrol`: photographs into the gallery, people out of it, advice, export and the audit log."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from controller.cli.types import Subparsers
    from controller.config import Config

DESCRIPTION = """\
Enrols people from photographs into this gate's gallery, or removes them.

SOURCE is a folder with PERSON_ID.jpg, or PERSON_ID/*.jpg for several photographs of one person; or a .csv file with
the columns person_id, photo (relative to the file) and optionally valid_from, valid_until (dates like 2026-09-01),
groups, consent_date, consent_by, consent_scope, consent_expires; or a OneRoster 1.2 users.csv. UTF-8 and GB18030 are
read. Each photograph is judged: its face, size, sharpness, light and pose. A face that is enrolled under another id
already is refused; people who look much alike are marked for a second factor. Without a consent record, or a legal
basis that is stated, nobody is enrolled.

Each person is one transaction; a run that was stopped goes on where it was when it is started again. Only numbers are
kept, encrypted (AES-256-GCM): no name, and no picture unless [store] keep_pictures says so. A running gate takes over
what changed within seconds.

In place of SOURCE (a folder of that name is given as ./advice):
  advice       whose photographs or consents should be renewed, with the reasons
  audit        verify the audit log
  export DIR   copy the gallery into DIR for another gate, encrypted with a key of its own
"""

EPILOG = """\
examples:
  thermogate enrol photos/ --legal-basis "staff agreement of 2026-03-01" --config /etc/thermogate/gate.toml
  thermogate enrol students.csv --gallery /var/lib/thermogate --dry-run
  thermogate enrol users.csv --photos photos/ --photo-rule '{identifier}' --consent-file consents.csv
  thermogate enrol --remove s-2041 --gallery /var/lib/thermogate
  thermogate enrol --list --gallery /var/lib/thermogate
  thermogate enrol advice --config /etc/thermogate/gate.toml

exit status: 0 everybody was enrolled, 1 somebody was not (each is named, with the reason)
"""
VERBS = ("advice", "audit", "export")


def add_parser(commands: Subparsers) -> None:
    """Add `enrol`."""
    command = commands.add_parser(
        "enrol",
        help="enrol people from photographs, or remove them",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("what", type=Path, nargs="*", metavar="SOURCE", help="a folder or a .csv file")
    command.add_argument(
        "--config", type=Path, metavar="GATE.TOML", help="take gallery, key, engine, models and [enrolment] from there"
    )
    command.add_argument(
        "--gallery", type=Path, metavar="DIR", help="folder of the gallery, in place of the configured one"
    )
    command.add_argument(
        "--engine", choices=("auto", "opencv", "tflite", "demo"), help="in place of the configured one"
    )
    command.add_argument("--models", type=Path, metavar="DIR", help="folder of the model files")
    command.add_argument("--dry-run", action="store_true", help="judge the photographs, tell what would change")
    command.add_argument("--renew", action="store_true", help="also those whose photographs have not changed")
    command.add_argument("--summary", type=Path, metavar="FILE", help="JSON of what was done; else in the gallery")
    command.add_argument("--by", metavar="WHO", help="who acts, for the audit log; else this account")
    _add_consent(command)
    _add_removal(command)
    _add_oneroster(command)
    command.add_argument("--list", action="store_true", help="print the ids and validities of everybody enrolled")
    command.add_argument("--json", action="store_true", help="advice and audit as JSON")
    command.set_defaults(run=run)


def _add_consent(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("consent")
    group.add_argument(
        "--consent-file", type=Path, metavar="CSV", help="person_id and the consent columns; comes before SOURCE's own"
    )
    group.add_argument(
        "--legal-basis", metavar="TEXT", help="right to keep templates of those who bring no consent of their own"
    )
    group.add_argument("--leave-out", action="store_true", help="export the others where somebody has no consent")


def _add_removal(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("removal")
    group.add_argument(
        "--remove", nargs="+", metavar="PERSON_ID", help="erase people, their templates and their readings"
    )
    group.add_argument("--remove-missing", action="store_true", help="also erase everybody whom SOURCE does not name")
    group.add_argument("--allow-removals", type=int, metavar="N", help="so many may be removed or suspended")
    group.add_argument("--person", metavar="PERSON_ID", help="audit: only this person's entries")
    group.add_argument("--head", default="", metavar="MAC", help="audit: a head that was noted, and must be there")


def _add_oneroster(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("OneRoster users.csv")
    group.add_argument("--id-column", default="sourcedId", metavar="NAME", help="the person's id (%(default)s)")
    group.add_argument(
        "--photo-column", metavar="NAME", help="names the photograph (metadata.photo where there is one)"
    )
    group.add_argument(
        "--photo-rule", default="{sourcedId}", metavar="RULE", help="its name without ending, by columns (%(default)s)"
    )
    group.add_argument("--photos", type=Path, metavar="DIR", help="folder of the photographs; else the table's")


def run(arguments: argparse.Namespace) -> int:
    """Enrol, remove, list, or one of the verbs."""
    chosen = [bool(arguments.what), arguments.remove is not None, arguments.list]
    verb = str(arguments.what[0]) if arguments.what and str(arguments.what[0]) in VERBS else ""
    if sum(chosen) != 1 or len(arguments.what) > 1 + (verb == "export"):
        print("thermogate enrol: give one of SOURCE, --remove or --list (see --help)", file=sys.stderr)
        return 2
    config = _settings(arguments)
    if arguments.list:
        return _list(config)
    if arguments.remove is not None:
        return _remove(arguments, config)
    if verb:
        return {"advice": _advice, "audit": _audit, "export": _export}[verb](arguments, config)
    from controller.cli.enrol_run import enrol

    return enrol(arguments, config)


def _settings(arguments: argparse.Namespace) -> Config:
    import msgspec

    from controller.config import Config, load

    config = Config() if arguments.config is None else load(arguments.config)
    perception, store = config.perception, config.store
    if arguments.engine is not None:
        perception = msgspec.structs.replace(perception, engine=arguments.engine)
    if arguments.models is not None:
        perception = msgspec.structs.replace(perception, models=arguments.models)
    if arguments.gallery is not None:
        store = msgspec.structs.replace(store, folder=arguments.gallery)
    return msgspec.structs.replace(config, perception=perception, store=store)


def _list(config: Config) -> int:
    from controller.gallery.store import GalleryStore

    with GalleryStore.open(config.store.folder, config.store.key) as store:
        people = store.people()
    for person in people.values():
        begins = "" if person.valid_from is None else f" from {person.valid_from}"
        ends = "" if person.valid_until is None else f" until {person.valid_until}"
        marked = " second-factor" if person.second_factor else ""
        faceless = " no-face" if person.no_face else ""
        print(f"{person.person}{begins}{ends}{marked}{faceless}")
    return 0


def _remove(arguments: argparse.Namespace, config: Config) -> int:
    from controller.gallery.audit import AuditLog
    from controller.gallery.erase import erase
    from controller.gallery.store import GalleryStore

    with GalleryStore.open(config.store.folder, config.store.key):
        pass  # a folder without a gallery gets no audit log
    audit = AuditLog(config.store.folder, actor=arguments.by, create=True)
    absent = 0
    for one in erase(arguments.remove, config.store.folder, config.store.key, audit):
        if not one.enrolled and not one.readings:
            print(f"thermogate enrol: nobody is enrolled as {one.person!r} in {config.store.folder}", file=sys.stderr)
            absent += 1
            continue
        readings = f", with {one.readings} temperature readings" if one.readings else ""
        print(f"{one.person} erased{readings}; {one.traces} traces searched for in the files, none found")
    return 1 if absent else 0


def _advice(arguments: argparse.Namespace, config: Config) -> int:
    from controller.errors import EngineError, ModelError
    from controller.gallery.advice import advise
    from controller.gallery.store import GalleryStore
    from controller.record.scores import read_scores
    from controller.service import engine_of

    try:
        model = engine_of(config).template_model
    except (EngineError, ModelError):
        model = None  # advice about ages and consents needs no engine
    with GalleryStore.open(config.store.folder, config.store.key) as store:
        enrolments = store.enrolments()
    scores = read_scores(config.store.folder / "journal.sqlite3")
    today = dt.datetime.now().astimezone().date()
    found = advise(enrolments, scores, today=today, settings=config.enrolment, template_model=model)
    if arguments.json:
        print(json.dumps([{"person": one.person, "reasons": one.reasons} for one in found], ensure_ascii=False))
        return 0
    for one in found:
        print(f"{one.person}: {'; '.join(one.reasons)}")
    seen = f"match scores of {len(scores)} people from the journal" if scores else "no match scores: no journal here"
    print(f"{len(found)} of {len(enrolments)} people; {seen}")
    return 0


def _audit(arguments: argparse.Namespace, config: Config) -> int:
    import msgspec

    from controller.gallery.audit import AuditLog

    log = AuditLog(config.store.folder, actor=arguments.by)
    report = log.verify(arguments.head)
    who = None if arguments.person is None else log.pseudonym(arguments.person)
    entries = [entry for entry in report.entries if who is None or entry.who == who]
    if arguments.json:
        print(msgspec.json.encode(entries).decode())
    else:
        for entry in entries:
            counts = " ".join(f"{name}={count}" for name, count in entry.counts.items())
            print(f"{entry.seq} {entry.at} {entry.actor} {entry.action} {entry.who} {counts}".rstrip())
    for entry in report.unproven:
        print(f"thermogate enrol: entry {entry.seq}: an erasure began and has no proof: run it again", file=sys.stderr)
    print(f"{len(report.entries)} entries, unbroken; head {report.head}", file=sys.stderr)
    return 1 if report.unproven else 0


def _export(arguments: argparse.Namespace, config: Config) -> int:
    from controller.gallery.audit import AuditLog
    from controller.gallery.export import export
    from controller.gallery.store import GalleryStore

    if len(arguments.what) != 2:
        print("thermogate enrol export: give the folder to export into", file=sys.stderr)
        return 2
    target = arguments.what[1]
    today = dt.datetime.now().astimezone().date()
    with GalleryStore.open(config.store.folder, config.store.key) as store:
        audit = AuditLog(config.store.folder, actor=arguments.by, create=True)
        scope = config.enrolment.consent_scope
        gone, staying = export(store, target, today=today, scope=scope, audit=audit, leave_out=arguments.leave_out)
    for reason in staying:
        print(f"left out: {reason}", file=sys.stderr)
    print(f"{gone} people exported to {target}, with their consent records; the key there is {target}/gallery.key")
    return 1 if staying else 0
