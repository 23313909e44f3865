"""Passes on what other gates have seen, once the hub's signature under it was looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.follow.access import hear_peers, wall_clock
from controller.link.peers import PeersGuard
from controller.link.signing import read_public

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.lane.access.keeper import Access
    from controller.lane.access.times import Moment
    from controller.link.settings import LinkSettings, RosterSettings


def peers_desk(
    link: LinkSettings,
    roster: RosterSettings | None,
    gate: str,
    monotonic: Callable[[], float],
    access: Callable[[], Access],
    *,
    moment: Callable[[], Moment] = wall_clock,
) -> Callable[[bytes], None]:
    """What takes the campus' word, for `Link(peers=...)`.

    `monotonic`: the board's clock; `access`: is told.

    Raises `ConfigError` for a key of the hub that is none; what it returns, `PeersRefusedError`.
    """
    hub = None if roster is None else read_public("[roster] hub_key", roster.hub_key)
    guard = PeersGuard(link.campus, gate, hub, started=monotonic())

    def take(payload: bytes) -> None:
        now, since_boot = moment(), monotonic()
        told = guard.take(payload, unix=now.unix if now.known else None, monotonic=since_boot)
        hear_peers(access(), told, monotonic=since_boot, moment=now)

    return take
