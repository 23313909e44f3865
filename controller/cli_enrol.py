"""`thermogate enrol`: photographs into the gallery."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from controller.cli_types import Subparsers
    from controller.config import Config
    from controller.gallery.enrol import PersonResult
    from controller.gallery.store import GalleryStore

DESCRIPTION = """\
Enrols people from photographs into this gate's gallery, or removes them.

SOURCE is a folder with PERSON_ID.jpg, or PERSON_ID/*.jpg for several photographs of one person; or a .csv file with
the columns person_id, photo (relative to the file) and optionally valid_from, valid_until (dates like 2026-09-01) and
groups. Each photograph is judged: its face, size, sharpness, light and pose. A face that is enrolled under another id
already is refused. Each person is one transaction; stopping in between loses nothing, and running again renews who is
there.

Only numbers are kept, encrypted (AES-256-GCM): no name, and no picture unless [store] keep_pictures says so. A running
gate reads its gallery when it starts.
"""

EPILOG = """\
examples:
  thermogate enrol photos/ --config /etc/thermogate/gate.toml
  thermogate enrol students.csv --gallery /var/lib/thermogate --dry-run
  thermogate enrol --remove s-2041 --gallery /var/lib/thermogate
  thermogate enrol --list --gallery /var/lib/thermogate

exit status: 0 everybody was enrolled, 1 somebody was not (each is named, with the reason)
"""


def add_parser(commands: Subparsers) -> None:
    """Add `enrol`."""
    command = commands.add_parser(
        "enrol",
        help="enrol people from photographs, or remove them",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("source", type=Path, nargs="?", metavar="SOURCE", help="a folder or a .csv file")
    command.add_argument(
        "--config", type=Path, metavar="GATE.TOML", help="take gallery, key, engine and models from there"
    )
    command.add_argument(
        "--gallery", type=Path, metavar="DIR", help="folder of the gallery, in place of the configured one"
    )
    command.add_argument(
        "--engine", choices=("auto", "opencv", "tflite", "demo"), help="in place of the configured one"
    )
    command.add_argument("--models", type=Path, metavar="DIR", help="folder of the model files")
    command.add_argument("--dry-run", action="store_true", help="judge the photographs, write nothing")
    command.add_argument("--remove", metavar="PERSON_ID", help="erase a person, their templates and their readings")
    command.add_argument("--list", action="store_true", help="print the ids and validities of everybody enrolled")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Enrol, remove or list."""
    chosen = [arguments.source is not None, arguments.remove is not None, arguments.list]
    if sum(chosen) != 1:
        print("thermogate enrol: give one of SOURCE, --remove or --list (see --help)", file=sys.stderr)
        return 2
    config = _settings(arguments)
    if arguments.source is not None:
        return _enrol(arguments, config)
    from controller.gallery.store import GalleryStore

    with GalleryStore.open(config.store.folder, config.store.key) as store:
        return _list(store) if arguments.list else _remove(store, arguments.remove, config)


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


def _list(store: GalleryStore) -> int:
    for person in store.people().values():
        begins = "" if person.valid_from is None else f" from {person.valid_from}"
        ends = "" if person.valid_until is None else f" until {person.valid_until}"
        print(f"{person.person}{begins}{ends}")
    return 0


def _remove(store: GalleryStore, person: str, config: Config) -> int:
    from controller.errors import GateError
    from controller.gallery.history_store import erase_person

    found = store.remove(person)
    try:
        # Also of somebody who is enrolled no more: an earlier removal may have ended in between.
        readings = erase_person(config.store.folder, config.store.key, person)
    except GateError as error:
        erased = "templates erased" if found else "not enrolled"
        print(f"thermogate enrol: {person}: {erased}, but the temperature readings stay: {error}", file=sys.stderr)
        return 1
    if not found and not readings:
        print(f"thermogate enrol: nobody is enrolled as {person!r} in {store.path}", file=sys.stderr)
        return 1
    print(f"{person} erased" + (f", with {readings} temperature readings" if readings else ""))
    return 0


def _enrol(arguments: argparse.Namespace, config: Config) -> int:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from controller.gallery.enrol import Enroller
    from controller.gallery.index import GalleryIndex
    from controller.gallery.roll import read_roll
    from controller.service import engine_of

    roll = read_roll(arguments.source)
    engine = engine_of(config)
    index = GalleryIndex.for_engine(engine, threshold=config.perception.threshold, margin=config.perception.margin)
    errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    columns = (TextColumn("enrolling"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    refused = 0
    with _gallery(config, writing=not arguments.dry_run) as store:
        if store is not None:
            index.load(store, incomplete=True)
        keep = config.store.keep_pictures
        enroller = Enroller(engine, index, None if arguments.dry_run else store, keep_pictures=keep)
        with Progress(*columns, console=errors, transient=True) as progress:
            task = progress.add_task("enrolling", total=len(roll))
            for candidate in roll:
                result = enroller.enrol_one(candidate)
                refused += not result.enrolled
                for line in lines(result):
                    progress.console.print(line)
                progress.advance(task)
    done = "would be enrolled" if arguments.dry_run else "enrolled"
    print(f"{len(roll) - refused} of {len(roll)} people {done} with {engine.name} ({engine.template_model})")
    return 1 if refused else 0


def lines(result: PersonResult) -> list[str]:
    """What there is to say of one person: the photographs that were rejected, and why they were not enrolled."""
    told = [f"{photo.photo}: {photo.reason}" for photo in result.photos if photo.reason]
    return told if result.enrolled else [*told, f"{result.person.person}: not enrolled: {result.reason}"]


def _gallery(config: Config, *, writing: bool) -> contextlib.AbstractContextManager[GalleryStore | None]:
    """The store; in a dry run None where there is none yet, so that nothing is made."""
    from controller.gallery.store import DATABASE, GalleryStore

    if not writing and not (config.store.folder / DATABASE).exists():
        return contextlib.nullcontext()
    return GalleryStore.open(config.store.folder, config.store.key, create=writing)
