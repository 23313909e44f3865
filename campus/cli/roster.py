"""`thermogate-hub gate`, `people` and `roster`: which gates are given people, and whom they know already."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import msgspec

from campus.auth import audit
from campus.cli import photographs as cli_photographs
from campus.cli.admin import here, work
from campus.cli.shutout import add_actions
from campus.config import load
from campus.gates import keys as gate_keys
from campus.gates.documents import start_over
from campus.gates.told import report_of
from campus.people.records import People, Person, PersonKind, Template, hold
from controller.gallery.store import GalleryStore

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
    listed = what.add_parser("list", help="print them, and what each has installed")
    listed.set_defaults(run=_list)
    add_actions(what)
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
    for parser in (add, listed, again, take):
        parser.add_argument("--config", required=True, type=Path, metavar="FILE", help="hub.toml")


def _add(options: argparse.Namespace) -> int:
    work(options, lambda query: gate_keys.pin(query, here(), options.name, options.key, now=time.time()))
    return 0


def _list(options: argparse.Namespace) -> int:
    for gate in work(options, gate_keys.gates):
        has = ""
        if gate.reported is not None:
            said = report_of(gate.gate, gate.reported)
            has = " ".join(f"{kind} {one.version}" for kind, one in said.documents.items())
        print(f"{gate.gate:<16} {'revoked' if gate.revoked else 'counts ':<8} {gate.public}  {has}".rstrip())
    return 0


def _take(options: argparse.Namespace) -> int:
    people = People(load(options.config).people)
    with GalleryStore.open(options.folder) as store:
        enrolments = store.enrolments()

    async def job(query: AsyncConnection) -> None:
        await hold(query)
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
        await start_over(query, now=now)
        await audit.append(query, here(), "roster_started_over", "", {}, now=now)

    work(options, job)
    return 0
