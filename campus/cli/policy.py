"""`thermogate-hub explain`: why somebody may pass a point, or not."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

from campus.config import load
from campus.database import Database
from campus.people.records import People
from campus.policy.explain import explain
from controller.lane.access.decision import told
from controller.lane.access.times import local_time
from controller.lane.model import Direction

if TYPE_CHECKING:
    import argparse

    from campus.cli.orders import Subparsers
    from controller.lane.access.decision import Decision


def add_parsers(parsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add `explain`."""
    command = parsers.add_parser(
        "explain",
        help="why somebody may pass a point, or not",
        description="Ask the policy as a gate does, and say what each rule found; exit status 1 where it denies.",
    )
    command.add_argument("--config", required=True, type=Path, metavar="FILE", help="hub.toml")
    command.add_argument("--person", required=True, metavar="ID")
    command.add_argument("--at", required=True, metavar="POINT", help="a point of the policy")
    command.add_argument("--when", type=local_time, metavar="TIME", help="by the policy's time zone (default: now)")
    command.add_argument("--direction", choices=[one.value for one in Direction], default=Direction.ENTRY.value)
    command.set_defaults(run=_explain)


def _explain(options: argparse.Namespace) -> int:
    config = load(options.config)

    async def ask() -> Decision:
        async with Database(config.database, config.campus) as database, database.transaction() as query:
            return await explain(
                query,
                People(config.people),
                person=options.person,
                point=options.at,
                direction=Direction(options.direction),
                when=options.when,
                now=time.time(),
            )

    decision = asyncio.run(ask())
    print("\n".join(told(decision)))
    return 0 if decision.reason is None else 1
