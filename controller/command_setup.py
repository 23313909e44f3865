"""The command desk of a gate, from gate.toml: who may give orders, the reply key, and what is done beside the lane."""

from __future__ import annotations

import asyncio
import functools
import signal
import time
from typing import TYPE_CHECKING, Final

from controller.commands import ROTATE_EVERY, CommandDesk, CommandersFile, Identity
from controller.link.signing import create_private, public_text, read_private
from controller.observe.log import get_logger
from controller.record.boot import clock_state

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from controller.app import App
    from controller.commands import Challenges, JournalPort
    from controller.config import Config
    from controller.link.messages import Scalar
    from hw.clock import Clock

REPLY_KEY: Final = "reply.key"
"""In the store's folder: the gate's own key, made at its first start."""
RESTART_AFTER: Final = 1.0
"""Seconds in which the reply goes out before the program ends."""

log = get_logger("commands")


class ChallengeClock:
    """Renews the challenge, as a service of the app; `on_turn` has the new one announced."""

    def __init__(self, challenges: Challenges, on_turn: Callable[[], None]) -> None:
        self._challenges = challenges
        self._on_turn = on_turn

    async def run(self) -> None:
        """Renew for ever."""
        while True:
            await asyncio.sleep(ROTATE_EVERY)
            if self._challenges.turn():
                self._on_turn()


def reply_key(folder: Path) -> Ed25519PrivateKey:
    """The gate's key, made where there is none. Raises `ConfigError` for one that is damaged or exposed."""
    path = folder / REPLY_KEY
    return read_private(path) if path.exists() else create_private(path)


def command_desk(
    config: Config,
    journal: JournalPort,
    clock: Clock,
    boot_id: str,
    app: Callable[[], App],
    *,
    reread: Callable[[], None],
    on_refused: Callable[[str], None],
    end: Callable[[], None] | None = None,
) -> CommandDesk | None:
    """The desk; None where nobody may give orders. Raises `ConfigError` for keys or a file that cannot be used."""
    if config.link is None or config.link.commanders is None:
        return None
    commanders = CommandersFile(config.link.commanders)
    key = reply_key(config.store.folder)
    log.info("takes commands", keys=len(commanders.now()), reply_key=public_text(key.public_key()))

    def look_again() -> dict[str, Scalar]:
        reread()
        return {}

    def start_anew() -> dict[str, Scalar]:
        # By default as a service manager would end it.
        asyncio.get_running_loop().call_later(
            RESTART_AFTER, end or functools.partial(signal.raise_signal, signal.SIGTERM)
        )
        return {"seconds": RESTART_AFTER}

    return CommandDesk(
        Identity(config.link.campus, config.site.name, boot_id, key),
        commanders.now,
        monotonic=clock.monotonic,
        wall=time.time,
        clock_state=clock_state,
        journal=journal,
        append_timeout=config.store.append_timeout,
        degraded=not config.lane.on_journal_failure_deny,
        post=lambda event: app().post(event),
        lane_state=lambda: app().lane.state.value,
        deeds={"reread": look_again, "self_test": lambda: how_it_is(app()), "restart": start_anew},
        on_refused=on_refused,
    )


def how_it_is(app: App) -> dict[str, Scalar]:
    """How lane and devices are, flat."""
    told: dict[str, Scalar] = {"faults": ", ".join(sorted(fault.value for fault in app.lane.faults))}
    for capture in app.captures:
        told[f"{capture.name}_silent"] = round(capture.silent_for, 2)
        told[f"{capture.name}_frames"] = capture.counters.frames
    return told
