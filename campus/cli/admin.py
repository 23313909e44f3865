"""`thermogate-hub token`, `audit` and `retention`: who is known to the hub, what was done with it, what it forgets."""

from __future__ import annotations

import asyncio
import datetime as dt
import getpass
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from campus.auth import audit, tokens
from campus.auth.roles import Actor, Role
from campus.config import load
from campus.database import Database
from campus.errors import HubConfigError
from campus.retention import Retention

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable

    from sqlalchemy.ext.asyncio import AsyncConnection

    from campus.cli.orders import Subparsers
    from campus.retention import Due

T = TypeVar("T")


def add_parsers(parsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add them."""
    token = parsers.add_parser("token", help="issue, list and revoke tokens of the REST interface")
    what = token.add_subparsers(required=True, metavar="ACTION")
    issue = what.add_parser("issue", help="make a token; it is printed this once")
    issue.add_argument("name", help="whose it is")
    issue.add_argument("--role", required=True, choices=[role.value for role in Role])
    issue.add_argument("--days", type=float, metavar="N", help="how long it counts; left out: until it is revoked")
    issue.set_defaults(run=_issue)
    listed = what.add_parser("list", help="print all tokens, but for themselves")
    listed.set_defaults(run=_list)
    revoke = what.add_parser("revoke", help="take a token back")
    revoke.add_argument("id")
    revoke.set_defaults(run=_revoke)
    log = parsers.add_parser("audit", help="check the audit log")
    checks = log.add_subparsers(required=True, metavar="ACTION")
    verify = checks.add_parser("verify", help="recompute the hash chain; exit status 1 where it is not as written")
    verify.add_argument("--head", metavar="SEQ:HASH", help="a head noted before, which must be part of it")
    verify.set_defaults(run=_verify)
    erase = parsers.add_parser(
        "retention", help="erase what was kept long enough, now", description="By [retention] of hub.toml."
    )
    erase.add_argument("--dry-run", action="store_true", help="say what would be erased, and erase nothing")
    erase.set_defaults(run=_retention)
    for parser in (issue, listed, revoke, verify, erase):
        parser.add_argument("--config", required=True, type=Path, metavar="FILE", help="hub.toml")


def work(options: argparse.Namespace, job: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    """What `job` gives, in one transaction on the database of `--config`."""
    config = load(options.config)

    async def work() -> T:
        async with Database(config.database, config.campus) as database, database.transaction() as query:
            return await job(query)

    return asyncio.run(work())


def here() -> Actor:
    """Whoever can run this beside the database administers it."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user need have no name
        name = f"user {os.getuid()}"
    return Actor(f"{name} (shell)", Role.ADMIN)


def _issue(options: argparse.Namespace) -> int:
    now = time.time()
    expires = None if options.days is None else now + options.days * 86_400
    secret, row = work(
        options, lambda query: tokens.issue(query, here(), options.name, Role(options.role), now=now, expires=expires)
    )
    print(f"# {row.id}: {row.name}, {row.role}; the hub keeps only its hash")
    print(secret)
    return 0


def _list(options: argparse.Namespace) -> int:
    for row in work(options, tokens.everyone):
        end = f"revoked {_day(row.revoked)}" if row.revoked else f"until {_day(row.expires)}" if row.expires else ""
        print(f"{row.id}  {row.role:<10} {row.name:<24} since {_day(row.created)}  {end}".rstrip())
    return 0


def _day(seconds: float) -> str:
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC).astimezone():%Y-%m-%d %H:%M}"


def _revoke(options: argparse.Namespace) -> int:
    if not work(options, lambda query: tokens.revoke(query, here(), options.id, now=time.time())):
        raise HubConfigError(f"{options.id}: there is no such token, or it was revoked before")
    return 0


def _verify(options: argparse.Namespace) -> int:
    kept = None if options.head is None else _read_head(options.head)
    head = work(options, lambda query: audit.verify(query, kept))
    print(f"{head.seq} entries, as they were written. Note elsewhere: {head.seq}:{head.chain}")
    return 0


def _retention(options: argparse.Namespace) -> int:
    config = load(options.config)

    async def work() -> Due:
        async with Database(config.database, config.campus) as database:
            retention = Retention(database, config.retention)
            return await (retention.due(time.time()) if options.dry_run else retention.erase(here(), time.time()))

    due = asyncio.run(work())
    said = "would go" if options.dry_run else "are erased"
    for name, count in {**due.months, **due.rows}.items():
        print(f"{name:<20} {count:>10} rows {said}")
    print(f"{due.total} rows from before {_day(due.before)} {said}")
    return 0


def _read_head(text: str) -> audit.Head:
    seq, _, chain = text.partition(":")
    if not seq.isdecimal() or len(chain) != len(audit.START):
        raise HubConfigError("--head: SEQ:HASH, as `audit verify` printed it")
    return audit.Head(int(seq), chain)
