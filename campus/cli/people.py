"""`thermogate-hub import`: the school's people, from a file, its database or its directory."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from campus.cli.admin import here
from campus.config import load
from campus.database import Database
from campus.errors import HubConfigError
from campus.people import ldap as people_ldap
from campus.people import sources as people_sources
from campus.people.reconcile import reconcile
from campus.people.records import People

if TYPE_CHECKING:
    import argparse

    from campus.cli.orders import Subparsers
    from campus.config import HubConfig
    from campus.people.reconcile import Plan
    from campus.people.sources import Source

NAMED = 20
"""Ids that one line names."""


def add_parsers(parsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add it."""
    command = parsers.add_parser("import", help="take over people from a file, a database or a directory")
    command.add_argument("file", nargs="?", type=Path, help="people.csv, or the .zip of OneRoster 1.2")
    command.add_argument("--database", action="store_true", help="from [people.source] of hub.toml instead")
    command.add_argument("--ldap", action="store_true", help="from [people.ldap] of hub.toml instead")
    command.add_argument("--config", required=True, type=Path, metavar="FILE", help="hub.toml")
    command.add_argument("--id-column", default="sourcedId", metavar="NAME", help="OneRoster: which column is the id")
    command.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")
    command.add_argument("--allow-removals", type=int, metavar="N", help="so many may be removed or suspended")
    command.set_defaults(run=_import)


def _import(options: argparse.Namespace) -> int:
    if (options.file is not None) + options.database + options.ldap != 1:
        raise HubConfigError("import: name a file, or --database, or --ldap")
    config = load(options.config)
    plan = asyncio.run(_run(config, options))
    for what, ids in (("new", plan.added), ("changed", plan.changed), ("removed", plan.removed)):
        more = f" and {len(ids) - NAMED} more" if len(ids) > NAMED else ""
        print(f"{what:<10} {len(ids):>6}  {' '.join(ids[:NAMED])}{more}".rstrip())
    print(f"{'suspended':<10} {len(plan.suspended):>6}  (of those changed)")
    print(f"{'unchanged':<10} {plan.unchanged:>6}")
    if options.dry_run:
        print("A dry run: nothing was changed.")
    return 0


async def _run(config: HubConfig, options: argparse.Namespace) -> Plan:
    source = await _read(config, options)
    async with Database(config.database, config.campus) as database:
        return await reconcile(
            database,
            People(config.people),
            here(),
            source,
            share=config.people.removal_share,
            allowed=options.allow_removals,
            dry_run=options.dry_run,
        )


async def _read(config: HubConfig, options: argparse.Namespace) -> Source:
    if options.ldap:
        if config.people.ldap is None:
            raise HubConfigError(f"{options.config}: people.ldap: is missing")
        return await people_ldap.read_directory(config.people.ldap)
    if not options.database:
        return await asyncio.to_thread(people_sources.read_file, options.file, options.id_column)
    if config.people.source is None:
        raise HubConfigError(f"{options.config}: people.source: is missing")
    return await people_sources.read_database(config.people.source)
