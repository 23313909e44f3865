"""`thermogate gallery`: looks after the templates at rest."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from controller.cli.types import Subparsers
    from controller.config import StoreSettings

DESCRIPTION = """\
Looks after what is kept of people on this board: whether every record opens, and the key that opens them.
"""

CHECK = """\
Opens every record of the gallery (people, templates, credentials, pictures) and of the temperature history, and names
each one that was altered, moved, removed or put back. Says where the key is and what guards it there.

--repair erases what is not as it was written, and keeps the rest; enrol again whoever lost something.
"""

ROTATE = """\
Seals everything anew under a new key and destroys the old one. Stop the gate first. It may be killed at any moment:
both keys are read until all is done, and running it again finishes what is half done. Copies of the gallery made before
still open with the old key, so destroy those as well.

Where the key is a systemd credential its successor has to be one too: docs/templates-at-rest.md.
"""

NEW_KEY = """\
Makes a new key in FILE, mode 0600, to be encrypted with systemd-creds. A file that is there is never replaced.
"""


def add_parser(commands: Subparsers) -> None:
    """Add `gallery`."""
    raw = argparse.RawDescriptionHelpFormatter
    command = commands.add_parser(
        "gallery", help="check the templates at rest, change their key", description=DESCRIPTION, formatter_class=raw
    )
    parts = command.add_subparsers(title="commands", metavar="COMMAND", required=True)
    check = parts.add_parser("check", help="open every record", description=CHECK, formatter_class=raw)
    check.add_argument("--repair", action="store_true", help="erase what is damaged")
    check.set_defaults(run=run_check)
    rotate = parts.add_parser("rotate-key", help="change the key", description=ROTATE, formatter_class=raw)
    rotate.set_defaults(run=run_rotate)
    for part in (check, rotate):
        part.add_argument("--config", type=Path, metavar="GATE.TOML", help="take folder and key from there")
        part.add_argument("--gallery", type=Path, metavar="DIR", help="folder of the gallery, in place of it")
        part.add_argument("--key", type=Path, metavar="FILE", help="file with the key, in place of the configured one")
    new = parts.add_parser("new-key", help="make a key", description=NEW_KEY, formatter_class=raw)
    new.add_argument("file", type=Path, metavar="FILE")
    new.set_defaults(run=run_new_key)


def settings(arguments: argparse.Namespace) -> StoreSettings:
    """[store], with what the command line says in place of it."""
    import msgspec

    from controller.config import StoreSettings, load

    store = StoreSettings() if arguments.config is None else load(arguments.config).store
    changes = {"folder": arguments.gallery, "key": getattr(arguments, "key", None)}
    return msgspec.structs.replace(store, **{name: value for name, value in changes.items() if value is not None})


def run_check(arguments: argparse.Namespace) -> int:
    """Open everything, and say what is wrong."""
    from controller.errors import GateError
    from controller.gallery import history_store
    from controller.gallery.credentials import credentials_of
    from controller.gallery.history_store import HistoryStore
    from controller.gallery.keyfile import described, key_place, successor
    from controller.gallery.pictures import count_pictures, erase_damaged, picture_faults
    from controller.gallery.store import GalleryStore

    place = settings(arguments)
    key = key_place(place.folder, place.key)
    print(f"key: {described(key)}")
    if successor(key).exists():
        print(f"     {successor(key).name} is there too: a change of the key was not finished; run rotate-key again")
    with GalleryStore.open(place.folder, place.key) as store:
        found = store.inspect()
        faults = [f"{store.path}: {fault}" for fault in (*found.faults, *picture_faults(store).values())]
        templates = sum(len(one.templates) for one in found.enrolments)
        others = f"{len(credentials_of(store))} credentials, {count_pictures(store)} pictures"
        print(f"gallery: {len(found.enrolments)} people, {templates} templates, {others}")
        if arguments.repair and faults:
            erase_damaged(store)
            store.repair()
    if (place.folder / history_store.DATABASE).exists():
        try:
            with HistoryStore.open(place.folder, place.key) as history:
                print(f"history: {sum(1 for _ in history.readings())} readings")
        except GateError as error:
            faults.append(str(error))
    for fault in faults:
        print(f"thermogate gallery: {fault}", file=sys.stderr)
    if not faults:
        print("every record opens, and none is missing")
    return 1 if faults else 0


def run_rotate(arguments: argparse.Namespace) -> int:
    """Change the key."""
    from controller.gallery.rotation import rotate_key

    place = settings(arguments)
    done = rotate_key(place.folder, place.key)
    print(f"{done.records} records and {done.readings} readings sealed anew under the key {done.key}")
    if not done.in_force:
        print("now make the credential gallery.key.next the credential gallery.key (docs/templates-at-rest.md)")
    return 0


def run_new_key(arguments: argparse.Namespace) -> int:
    """Make a key."""
    from controller.gallery.keyfile import create_key, key_id

    path: Path = arguments.file
    if path.exists():
        print(f"thermogate gallery: {path}: is there already, and is never replaced", file=sys.stderr)
        return 1
    print(f"{path}: key {key_id(create_key(path))}")
    return 0
