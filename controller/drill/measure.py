"""From what was watched to what is audited and reported: latencies, readings, relay moves with their witness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from controller.drill.evidence import Latency, Reading, RelayMove
from controller.lane.effects import RecordKind
from controller.lane.events import Approached, Assessed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from controller.drill.diary import VisitLog
    from controller.drill.witness import Sighting
    from controller.lane.model import Assessment, Direction, Verdict
    from controller.record.entry import Stored
    from controller.watch import Step
    from hw.ports import Side

WITNESS_WINDOW: Final = 0.1
"""Seconds by which a relay may follow its order: threads of the gate and the turnstile lie in between."""


def witnessed(
    moves: Sequence[tuple[float, Side, bool]], sightings: Sequence[Sighting], directions: Mapping[Side, Direction]
) -> tuple[RelayMove, ...]:
    """Match relay moves (time, side, level) to the orders that the witness saw; one without an order has 0 grants."""
    open_orders = list(sightings)
    found = []
    for at, side, active in moves:
        order = None
        if active:
            near = [seen for seen in open_orders if seen.side is side and 0 <= at - seen.at <= WITNESS_WINDOW]
            order = near[0] if near else None
            if order is not None:
                open_orders.remove(order)
        found.append(RelayMove(at, directions[side], active, 0 if order is None else order.grants_on_disk))
    return tuple(found)


def latencies(
    visits: Sequence[VisitLog], steps: Sequence[Step], journal: Sequence[Stored], relay: Sequence[RelayMove]
) -> tuple[Latency, ...]:
    """The way from foot on the mark to relay, of everybody who was granted at the first look."""
    return tuple(filter(None, (_latency(log, steps, journal, relay) for log in visits)))


def _latency(
    log: VisitLog, steps: Sequence[Step], journal: Sequence[Stored], relay: Sequence[RelayMove]
) -> Latency | None:
    first = log.tries[0] if log.tries else None
    if first is None or not first.stepped or first.answer is None or not first.answer.admits or log.outage is not None:
        return None
    mark, end = first.began, first.answer.at
    # Steps begin when an event is taken from the queue, and carry when it was made.
    seen = [s.event.now for s in steps if isinstance(s.event, Approached) and mark <= s.event.now <= end]
    found = [s.event.now for s in steps if isinstance(s.event, Assessed) and mark <= s.event.now <= end]
    rows = [row for row in journal if row.entry.kind == RecordKind.GRANT.value and mark <= row.entry.monotonic <= end]
    moved = [move.at for move in relay if move.active and mark <= move.at <= log.end]
    if not (seen and found and rows and moved):
        return None
    decided = rows[0].entry.monotonic
    return Latency(log.visit.number, seen[0] - mark, found[-1] - seen[0], decided - found[-1], moved[0] - decided)


def first_readings(
    visits: Sequence[VisitLog],
    steps: Sequence[Step],
    predict: Callable[[VisitLog, Assessment, float], tuple[float, Mapping[Verdict, float]]],
) -> Iterator[Reading]:
    """The first screening of each visit that can be predicted.

    `predict` gives the true surface and the chances for a visit, its finding and when that was made.

    First looks only: whether there is a second one depends on the first, and the counts would no longer be sums of
    independent outcomes.
    """
    for log in visits:
        if not log.visit.kind.is_screened or not log.tries or not log.stays:
            continue
        begin, end = log.tries[0].began, log.end
        found = (s.event for s in steps if isinstance(s.event, Assessed) and begin <= s.event.now < end)
        first = next(found, None)
        # With a second face in the picture nobody is screened, be it a ghost's.
        if first is not None and first.assessment.faces <= 1:
            surface, chances = predict(log, first.assessment, first.now)
            yield Reading(log.visit.number, surface, first.assessment.screening.verdict, chances)


def throughput(visits: Sequence[VisitLog]) -> float | None:
    """People a minute of the gate's clock, from the first one's turn to the last one's end; None of less than two."""
    if len(visits) < 2:
        return None
    return 60 * len(visits) / (visits[-1].end - visits[0].begin)
