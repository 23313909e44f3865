"""Draws docs/lane-states.md from the tables: `python -m controller.lane.diagram`; `--check` tells if it is fresh."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from controller.lane import barrier, door, faults, orders
from controller.lane.facts import PRIORITY
from controller.lane.states import CYCLE, IDLE, State, Trigger
from controller.lane.table import IGNORE, ILLEGAL, LEADS_TO, TRANSITIONS

if TYPE_CHECKING:
    import enum
    from collections.abc import Iterator, Mapping, Sequence

    from controller.lane.mechanics import Mechanics
    from controller.lane.table import Cell, Handler

PAGE = Path(__file__).resolve().parents[2] / "docs" / "lane-states.md"

_HEAD = """\
# The lane's states

<!-- Drawn from controller/lane/table.py by `python -m controller.lane.diagram`. Edit the table, not this page. -->

`controller/lane/machine.py` opens with the theory of operation; this page shows its tables.

## One visit

```mermaid
stateDiagram-v2
    direction LR
"""

_STANDING = """\
## What stands

A visit goes on only where the lane may admit people. Otherwise the lane is in the first of these whose condition
holds. It goes there at once, except that a person in the arms is let through first (only fire is stronger), and that a
grant not yet used is taken back only by fire, the key, a lockdown and a relay that doesn't obey.

| | state | when |
|---|---|---|
"""

_TABLE = """\
## Every state and every event

A handler is named with its module in `controller/lane`. "stays" means that it never changes the state. An ignored event
can happen and the state has nothing to do about it; an impossible one changes nothing and is counted as its feeder's
error.
"""

_KINDS = """\
## Doors and barriers

The tables above are a turnstile's. A door and a barrier have the same visit and the same standing states, but for the
cells that are named here; and beside them runs a machine for the leaf or the arm, with its own places, triggers and
table. It tells the visit when a passage begins and ends.
"""

_DRAWN = CYCLE | {State.BOOT, State.SELFTEST, State.LOCKED}
_START = (orders.start, orders.pass_test)


def render() -> str:
    """Return the whole page."""
    parts = [_HEAD, *_edges(), "```\n\n", _STANDING, *_ladder(), "\n", _TABLE]
    for state in State:
        parts += ["\n", *_rows(state)]
    parts += ["\n", _KINDS]
    parts += _kind("door", "leaf", door.DOOR, door.LEAF_LEADS_TO)
    parts += _kind("barrier", "arm", barrier.BARRIER, barrier.ARM_LEADS_TO)
    return "".join(parts)


def _edges() -> Iterator[str]:
    labels: dict[tuple[State, State], list[str]] = {}
    for state, row in TRANSITIONS.items():
        for trigger, cell in row.items():
            for target in _drawn_targets(state, cell):
                labels.setdefault((state, target), []).append(trigger.value)
    yield f"    [*] --> {State.BOOT.name}\n"
    for (state, target), triggers in labels.items():
        yield f"    {state.name} --> {target.name}: {' / '.join(triggers)}\n"


def _drawn_targets(state: State, cell: Cell) -> list[State]:
    if state not in _DRAWN or cell is IGNORE or cell is ILLEGAL:
        return []
    if cell.__module__ in (orders.__name__, faults.__name__) and cell not in _START:
        return []
    return [target for target in State if target in LEADS_TO.get(cell, ()) and target in _DRAWN]


def _ladder() -> Iterator[str]:
    for place, (state, _, when) in enumerate(PRIORITY, start=1):
        yield f"| {place} | {state.name} | {when} |\n"


def _rows(state: State) -> Iterator[str]:
    kind = "a visit" if state in CYCLE else "standing, admits people" if state in IDLE else "standing"
    yield f"### {state.name}\n\n({kind})\n\n| event | handler | may lead to |\n|---|---|---|\n"
    skipped: dict[Cell, list[str]] = {IGNORE: [], ILLEGAL: []}
    for trigger in Trigger:
        cell = TRANSITIONS[state][trigger]
        if cell is IGNORE or cell is ILLEGAL:
            skipped[cell].append(trigger.value)
        else:
            yield f"| {trigger.value} | `{_name(cell)}` | {_targets(state, cell)} |\n"
    yield f"\nIgnored: {', '.join(skipped[IGNORE]) or 'none'}.\nImpossible: {', '.join(skipped[ILLEGAL]) or 'none'}.\n"


def _kind(name: str, body: str, kind: Mechanics, leads_to: Mapping[Handler, frozenset[enum.Enum]]) -> Iterator[str]:
    """One kind's section: its places, what it changes in the visit, and its own table."""
    yield f"\n### The {body} of a {name}\n\n```mermaid\nstateDiagram-v2\n    direction LR\n"
    yield f"    [*] --> {kind.start.name if kind.start else ''}\n"
    for place, row in kind.table.items():
        for target, triggers in _moves(place, row, leads_to).items():
            yield f"    {place.name} --> {target.name}: {' / '.join(triggers)}\n"
    yield "```\n\nIn the visit:\n\n| state | event | handler |\n|---|---|---|\n"
    yield from _differences(kind)
    yield f"\n| {body} | event | handler | may lead to |\n|---|---|---|---|\n"
    for place, row in kind.table.items():
        for trigger, cell in row.items():
            if cell is IGNORE or cell is ILLEGAL:
                yield f"| {place.name} | {trigger.value} | {'ignored' if cell is IGNORE else 'impossible'} | |\n"
            else:
                targets = ", ".join(sorted(target.name for target in leads_to.get(cell, frozenset()) - {place}))
                yield f"| {place.name} | {trigger.value} | `{_name(cell)}` | {targets or 'stays'} |\n"


def _moves(
    place: enum.Enum, row: Mapping[enum.Enum, Cell], leads_to: Mapping[Handler, frozenset[enum.Enum]]
) -> dict[enum.Enum, list[str]]:
    moves: dict[enum.Enum, list[str]] = {}
    for trigger, cell in row.items():
        if cell is not IGNORE and cell is not ILLEGAL:
            for target in sorted(leads_to.get(cell, frozenset()) - {place}, key=lambda target: target.name):
                moves.setdefault(target, []).append(trigger.value)
    return moves


def _differences(kind: Mechanics) -> Iterator[str]:
    """Cells of the visit's table that are not a turnstile's."""
    changed: dict[tuple[str, Cell], list[str]] = {}
    for state, row in kind.visit.items():
        for trigger, cell in row.items():
            if cell is not TRANSITIONS[state][trigger]:
                changed.setdefault((trigger.value, cell), []).append(state.name)
    for (trigger_name, cell), states in changed.items():
        where = "every state" if len(states) == len(kind.visit) else ", ".join(states)
        told = "impossible" if cell is ILLEGAL else "ignored" if cell is IGNORE else f"`{_name(cell)}`"
        yield f"| {where} | {trigger_name} | {told} |\n"


def _name(handler: Handler) -> str:
    return f"{handler.__module__.rpartition('.')[2]}.{handler.__name__}"


def _targets(state: State, handler: Handler) -> str:
    targets = LEADS_TO.get(handler, frozenset()) - {state}
    return ", ".join(target.name for target in State if target in targets) or "stays"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or with `--check` return 1 where it isn't fresh."""
    parser = argparse.ArgumentParser(prog="python -m controller.lane.diagram", description="Draw the lane's states.")
    parser.add_argument("page", nargs="?", type=Path, default=PAGE, help="the page to write (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if the page isn't fresh")
    chosen = parser.parse_args(arguments)
    if not chosen.check:
        chosen.page.write_text(render(), encoding="utf-8")
        return 0
    if chosen.page.is_file() and chosen.page.read_text(encoding="utf-8") == render():
        return 0
    sys.stderr.write(f"{chosen.page} is not fresh: run `python -m controller.lane.diagram`\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
