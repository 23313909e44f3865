"""`thermogate explain`: why the access policy grants or denies somebody, by the code that decides."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from controller.cli.types import Subparsers
    from controller.lane.access.keeper import Access

DESCRIPTION = """\
Says whether the access policy lets somebody in at a point, and what each of its rules found, in their order. It is the
function that decides at the gate, asked with the same policy, gallery and journal; it changes nothing, and a running
gate is not disturbed. Faces, temperature, lockdown and the interlock are the lane's, and not looked at here.

Anti-passback and the first card of the day are as this board's journal has them now, also for another time.
"""

EPILOG = """\
exit status:
  0  granted
  1  denied, or it could not be told

examples:
  thermogate explain --config /etc/thermogate/gate.toml --person s-2041
  thermogate explain --config gate.toml --person s-2041 --at dormitory --when 2026-12-01T22:30
"""


def add_parser(commands: Subparsers) -> None:
    """Add `explain`."""
    from controller.lane.access.times import local_time

    command = commands.add_parser(
        "explain",
        help="why somebody may pass, or not",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--config", type=Path, required=True, metavar="GATE.TOML", help="the lane's")
    command.add_argument("--person", required=True, metavar="ID")
    command.add_argument("--at", metavar="POINT", help="a point of the policy (default: this lane's)")
    command.add_argument("--when", type=local_time, metavar="TIME", help="by the policy's time zone (default: now)")
    command.add_argument("--direction", choices=("entry", "exit"), default="entry", help="(default %(default)s)")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Say why; returns the exit status."""
    import time

    from controller.config import load
    from controller.errors import PolicyError
    from controller.follow.access import access_of, passages_of, recall, wall_clock
    from controller.gallery.store import GalleryStore
    from controller.lane.access.decision import Question, decide, told
    from controller.lane.access.times import Moment, unix_of
    from controller.lane.model import Direction
    from controller.record.boot import read_boot_id

    config = load(arguments.config)
    with GalleryStore.open(config.store.folder, config.store.key) as store:
        people = store.people()
    access = access_of(config, people.get)
    point = arguments.at or config.point
    if point not in access.policy.document.points:
        raise PolicyError(f"--at: there is no point {point!r} ({', '.join(sorted(access.policy.document.points))})")
    now, monotonic = wall_clock(), time.monotonic()
    path = config.store.folder / "journal.sqlite3"
    recall(access, passages_of(path, boot_id=read_boot_id(), monotonic=monotonic, moment=now))
    moment = now if arguments.when is None else Moment(unix_of(arguments.when, access.policy.zone), known=True)
    decision = decide(
        Question(
            policy=access.policy,
            point=point,
            direction=Direction(arguments.direction),
            person=arguments.person,
            find=access.find,
            moment=moment,
            now=monotonic + moment.unix - now.unix,
            whereabouts=access.whereabouts,
        )
    )
    print(_heading(access, point))
    print("\n".join(told(decision)))
    return 0 if decision.reason is None else 1


def _heading(access: Access, point: str) -> str:
    place = access.policy.document.points[point]
    return f"policy {access.policy.revision}, {point}: from {place.from_} to {place.to}"
