"""`thermogate credential` (also `thermogate enrol credential`): cards, codes and PINs of people."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from controller.cli.types import Subparsers
    from controller.gallery.audit import AuditLog
    from controller.gallery.store import GalleryStore
    from hw.ports import CredentialRead, CredentialReader

PATIENCE = 30.0
"""Seconds for which a credential is waited for."""

DESCRIPTION = """\
Gives people a card, a code or a PIN, besides their face or in place of it, and takes it away again. Also reached as
`thermogate enrol credential`. A running gate takes over what changed within seconds.
"""

ADD = """\\
Adds a credential. VALUE is what the reader reads: a card's FACILITY-NUMBER (or its number, where the format has no
facility), a code's text, or for a PIN NUMBER*PIN, where NUMBER is what the person keys in before the PIN. Left out, it
is asked for and not shown, and stays out of the shell's history; --read takes it from the reader. Only an HMAC of it is
kept, of a PIN an scrypt. A panel's number is what another controller is told on a grant ([wiegand_out]); it is kept
encrypted, one for each person.

Somebody who is not enrolled is enrolled without a face (--create), and then passes by this credential alone.
"""

EPILOG = """\
examples:
  thermogate credential add s-2041 card 123-45678 --config /etc/thermogate/gate.toml
  thermogate credential add s-2041 card --read --config /etc/thermogate/gate.toml
  thermogate credential add s-2041 pin                   asks for NUMBER*PIN
  thermogate credential add v-17 qr --create             a visitor without a face
  thermogate credential policy s-2041 --second-factor    a twin: face and card
  thermogate credential remove s-2041 --kind card        the card is lost
"""


def add_parser(commands: Subparsers) -> None:
    """Add `credential`."""
    raw = argparse.RawDescriptionHelpFormatter
    command = commands.add_parser(
        "credential",
        help="cards, codes and PINs of people",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=raw,
    )
    parts = command.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add = parts.add_parser("add", help="add one", description=ADD, formatter_class=raw)
    add.add_argument("person", metavar="PERSON_ID")
    add.add_argument("kind", choices=("card", "qr", "pin", "plate", "panel"))
    add.add_argument("value", nargs="?", metavar="VALUE")
    add.add_argument("--read", action="store_true", help="take it from the configured reader; stop the gate first")
    add.add_argument("--create", action="store_true", help="enrol the person without a face")
    add.set_defaults(run=run_add)
    remove = parts.add_parser("remove", help="take them away")
    remove.add_argument("person", metavar="PERSON_ID")
    remove.add_argument("--kind", choices=("card", "qr", "pin", "plate", "panel"), help="only those of this kind")
    remove.add_argument("--record", metavar="RECORD", help="only this one, as `list` names it")
    remove.set_defaults(run=run_remove)
    listing = parts.add_parser("list", help="who has what; no numbers, for none are kept")
    listing.add_argument("person", nargs="?", metavar="PERSON_ID")
    listing.set_defaults(run=run_list)
    policy = parts.add_parser("policy", help="by what somebody is known")
    policy.add_argument("person", metavar="PERSON_ID")
    policy.add_argument(
        "--second-factor",
        action=argparse.BooleanOptionalAction,
        help="their face alone is not enough: a card besides (twins)",
    )
    policy.add_argument(
        "--face",
        action=argparse.BooleanOptionalAction,
        help="--no-face erases their templates: they come by card alone",
    )
    policy.set_defaults(run=run_policy)
    for part in (add, remove, policy):
        part.add_argument("--by", metavar="WHO", help="who acts, for the audit log; else this account")
    for part in (add, remove, listing, policy):
        part.add_argument("--config", type=Path, metavar="GATE.TOML", help="take folder and key from there")
        part.add_argument("--gallery", type=Path, metavar="DIR", help="folder of the gallery, in place of it")


def run_add(arguments: argparse.Namespace) -> int:
    """Add a credential."""
    from controller.gallery.credentials import add_credential

    value = arguments.value
    if arguments.read:
        value = _read(arguments)
    elif value is None:
        prompt = "NUMBER*PIN: " if arguments.kind == "pin" else "value: "
        value = getpass.getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline()
    with _open(arguments) as store:
        audit = _audit(arguments)
        made = add_credential(store, arguments.person, arguments.kind, value.strip(), create=arguments.create)
        audit.append("credential_added", who=made.person, counts={made.kind: 1})
    print(f"{made.person} has the {made.kind} {made.record}")
    return 0


def from_reader(reader: CredentialReader, kind: str, seconds: float = PATIENCE) -> str:
    """What is presented to a reader within `seconds`. Raises `GalleryError` for nothing, or another kind."""
    import queue

    from controller.errors import GalleryError

    reads: queue.SimpleQueue[CredentialRead] = queue.SimpleQueue()
    reader.open(reads.put)
    try:
        read = reads.get(timeout=seconds)
    except queue.Empty:
        raise GalleryError(f"nothing was presented to the reader within {seconds:g} s") from None
    finally:
        reader.close()
    if read.kind.value != kind:
        raise GalleryError(f"what was presented is a {read.kind.value}, not a {kind}")
    return read.value


def _read(arguments: argparse.Namespace) -> str:
    from controller.config import Config, load
    from controller.errors import ConfigError
    from hw.board import linux_reader

    config = Config() if arguments.config is None else load(arguments.config)
    if config.reader is None:
        raise ConfigError("--read needs a --config with a [reader]")
    print(f"present the {arguments.kind} to the reader", file=sys.stderr)
    return from_reader(linux_reader(config.reader, config.wiring), arguments.kind)


def run_remove(arguments: argparse.Namespace) -> int:
    """Take credentials away."""
    from controller.gallery.credentials import remove_credentials

    with _open(arguments) as store:
        audit = _audit(arguments)
        count = remove_credentials(store, arguments.person, arguments.kind, arguments.record)
        if count:
            audit.append("credential_removed", who=arguments.person, counts={"credentials": count})
    if not count:
        print(f"thermogate credential: {arguments.person} has no such credential", file=sys.stderr)
        return 1
    print(f"{count} of {arguments.person} removed")
    return 0


def run_list(arguments: argparse.Namespace) -> int:
    """Print who has what."""
    from controller.gallery.credentials import credentials_of

    with _open(arguments) as store:
        people = store.people()
        for one in credentials_of(store, arguments.person):
            known = people.get(one.person)
            notes = [] if known is None else [*(["second factor"] if known.second_factor else [])]
            notes += ["no face"] if known is not None and known.no_face else []
            print("  ".join([one.person, one.kind, one.record, *([", ".join(notes)] if notes else [])]))
    return 0


def run_policy(arguments: argparse.Namespace) -> int:
    """Say by what somebody is known."""
    with _open(arguments) as store:
        known = store.people().get(arguments.person)
        if known is None:
            print(f"thermogate credential: nobody is enrolled as {arguments.person!r}", file=sys.stderr)
            return 1
        second = known.second_factor if arguments.second_factor is None else arguments.second_factor
        no_face = known.no_face if arguments.face is None else not arguments.face
        if arguments.face is not False:
            audit = _audit(arguments)
            store.set_factors(arguments.person, second_factor=second, no_face=no_face)
            told = {"second_factor": int(second), "no_face": int(no_face)}
            audit.append("factors_changed", who=arguments.person, counts=told)
    if arguments.face is False:
        _without_face(arguments, second_factor=second)
    ways = (
        "card, code or PIN alone"
        if no_face
        else "face and card, code or PIN"
        if second
        else "face, or as the lane says"
    )
    print(f"{arguments.person} passes by {ways}")
    return 0


def _without_face(arguments: argparse.Namespace, *, second_factor: bool) -> None:
    from controller.cli.gallery import settings
    from controller.gallery.erase import erase_face

    place = settings(arguments)
    count = erase_face(arguments.person, place.folder, place.key, _audit(arguments), second_factor=second_factor)
    if count:
        print(f"{arguments.person}'s face erased; {count} traces searched for in the files, none found")


def _audit(arguments: argparse.Namespace) -> AuditLog:
    """The gallery's log; opened before anything changes, so that nothing changes which cannot be noted."""
    from controller.cli.gallery import settings
    from controller.gallery.audit import AuditLog

    return AuditLog(settings(arguments).folder, actor=arguments.by, create=True)


def _open(arguments: argparse.Namespace) -> GalleryStore:
    from controller.cli.gallery import settings
    from controller.gallery.store import GalleryStore

    place = settings(arguments)
    return GalleryStore.open(place.folder, place.key, create=getattr(arguments, "create", False))
