"""`thermogate-hub gate`, `people` and `roster`: which gates are given people, and whom they know already."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import msgspec

from campus.auth import audit
from campus.cli import photographs as cli_photographs
from campus.cli.admin import here, work
from campus.config import load
from campus.errors import HubConfigError
from campus.gates import keys as gate_keys
from campus.gates.documents import start_over
from campus.people.records import People, Person, PersonKind, Template
from controller.gallery.store import GalleryStore
from controller.link.contract import CHANNELS
from controller.link.documents import read_reported
from controller.link.messages import PREFIX

if TYPE_CHECKING:
    import argparse

    from sqlalchemy.ext.asyncio import AsyncConnection

    from campus.cli.orders import Subparsers
    from controller.gallery.model import Enrolment


def add_parsers(parsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add all three."""
    gate = parsers.add_parser("gate", help="say which gates are given people")
    what = gate.add_subparsers(required=True, metavar="ACTION")
    add = what.add_parser("add", help="give a gate people: compare its key with the one on the gate first")
    add.add_argument("name")
    add.add_argument("--key", required=True, metavar="BASE64", help="the gate's own, from its log at the start")
    add.set_defaults(run=_add)
    revoke = what.add_parser(
        "revoke", help="a gate was stolen: give it nothing more, and change the key for the others"
    )
    revoke.add_argument("name")
    revoke.set_defaults(run=_revoke)
    listed = what.add_parser("list", help="print them, and what each has installed")
    listed.set_defaults(run=_list)
    acl = what.add_parser("acl", help="print mosquitto's access list for the gates that count, and this hub")
    acl.set_defaults(run=_acl)
    roster = parsers.add_parser("roster", help="what gates are given")
    actions = roster.add_subparsers(required=True, metavar="ACTION")
    again = actions.add_parser(
        "start-over", help="after a backup was restored: number everything above what gates have"
    )
    again.set_defaults(run=_start_over)
    people = parsers.add_parser("people", help="whom the gates know")
    deeds = people.add_subparsers(required=True, metavar="ACTION")
    take = deeds.add_parser("take", help="take over people and templates of a gallery that a gate exported")
    take.add_argument("folder", type=Path, help="as `thermogate enrol export` made it")
    take.add_argument("--kind", choices=get_args(PersonKind), default="student", help="of those who are new here")
    take.set_defaults(run=_take)
    cli_photographs.add_parsers(deeds)
    for parser in (add, revoke, listed, acl, again, take):
        parser.add_argument("--config", required=True, type=Path, metavar="FILE", help="hub.toml")


def _add(options: argparse.Namespace) -> int:
    work(options, lambda query: gate_keys.pin(query, here(), options.name, options.key, now=time.time()))
    return 0


def _revoke(options: argparse.Namespace) -> int:
    people = People(load(options.config).people)
    if not work(options, lambda query: gate_keys.revoke(query, here(), people, options.name, now=time.time())):
        raise HubConfigError(f"{options.name}: is no gate that is given people")
    print("It is told nothing more. Now shut it out of the broker: renew the access list (gate acl), and revoke its")
    print("certificate or password there. If card numbers or templates may have been read: docs/roster.md.")
    return 0


def _list(options: argparse.Namespace) -> int:
    for gate in work(options, gate_keys.gates):
        has = ""
        if gate.reported is not None:
            said = read_reported(gate.gate, gate.reported)
            has = " ".join(f"{kind} {one.version}" for kind, one in said.documents.items())
        print(f"{gate.gate:<16} {'revoked' if gate.revoked else 'counts ':<8} {gate.public}  {has}".rstrip())
    return 0


def _acl(options: argparse.Namespace) -> int:
    campus = load(options.config).campus
    gates = [gate.gate for gate in work(options, gate_keys.gates) if gate.revoked is None]
    for user, of in (("hub", "+"), *((gate, gate) for gate in gates)):
        print(f"user {user}")
        for channel in CHANNELS:
            way = "write" if channel.gate_sends != (user == "hub") else "read"
            print(f"topic {way} {PREFIX}/{campus}/{of}/{channel.kind}")
        print()
    return 0


def _take(options: argparse.Namespace) -> int:
    people = People(load(options.config).people)
    with GalleryStore.open(options.folder) as store:
        enrolments = store.enrolments()

    async def job(query: AsyncConnection) -> None:
        for one in enrolments:
            await _take_one(query, people, one, options.kind)

    work(options, job)
    print(f"{len(enrolments)} people, with {sum(len(one.templates) for one in enrolments)} templates")
    return 0


async def _take_one(query: AsyncConnection, people: People, one: Enrolment, kind: PersonKind) -> None:
    """Of somebody who is here already, what the hub knows of them stays: the gallery has templates and a consent."""
    now, found = time.time(), await people.get(query, one.person.person)
    new = Person(
        id=one.person.person,
        kind=kind,
        groups=one.person.groups,
        valid_from=one.person.valid_from,
        valid_until=one.person.valid_until,
    )
    marked = one.person.second_factor or bool(found and found.second_factor)
    wanted = msgspec.structs.replace(found or new, consent=one.origin.consent, second_factor=marked)
    await people.upsert(query, here(), wanted, now=now)
    templates = [Template(each.model, each.embedding, None) for each in one.templates]
    if templates:
        await people.set_templates(query, here(), wanted.id, templates, now=now)


def _start_over(options: argparse.Namespace) -> int:
    async def job(query: AsyncConnection) -> None:
        now = time.time()
        await audit.append(query, here(), "roster_started_over", "", {}, now=now)
        await start_over(query, now=now)

    work(options, job)
    return 0
