"""The command desk of a gate, from gate.toml: who may give orders, the reply key, and what is done beside the lane."""

from __future__ import annotations

import asyncio
import functools
import signal
import time
from typing import TYPE_CHECKING, Final

from controller.link.signing import create_private, public_text, read_private
from controller.observe.log import get_logger
from controller.orders.desk import ROTATE_EVERY, CommandDesk, CommandersFile, Identity, Refused
from controller.record.boot import clock_state
from controller.selftest.quick import flat, quick
from hw.errors import DeviceError
from hw.executor import ClockExecutor
from hw.linux.machine import LinuxMachine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from controller.app import App
    from controller.config import Config
    from controller.link.messages import Scalar
    from controller.orders.desk import Challenges, Deed, JournalPort
    from controller.selftest.machine import Machine
    from hw.board import Board
    from hw.ports import MachineReboot

REPLY_KEY: Final = "reply.key"
"""In the store's folder: the gate's own key, made at its first start."""
ENDS_AFTER: Final = 1.0
"""Seconds in which the reply goes out before the program or the machine ends."""
MEASURE_WITHIN: Final = 4.0
"""Seconds the self-test may take: other orders wait for it."""

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
    board: Board,
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
    deeds = Deeds(config, board, app, reread=reread, end=end)
    return CommandDesk(
        Identity(config.link.campus, config.site.name, boot_id, key),
        commanders.now,
        monotonic=board.clock.monotonic,
        wall=time.time,
        clock_state=clock_state,
        journal=journal,
        append_timeout=config.store.append_timeout,
        degraded=not config.lane.on_journal_failure_deny,
        post=lambda event: app().post(event),
        lane_state=lambda: app().lane.state.value,
        deeds=deeds.by_name(),
        on_refused=on_refused,
    )


class Deeds:
    """What orders ask for beside the lane.

    Args:
        config: of the gate.
        board: its machine and its time.
        app: the lane, once it is there.
        reread: looks for a changed gallery.
        end: ends the program; None: as a service manager would.
        machine: what the self-test asks.
    """

    def __init__(
        self,
        config: Config,
        board: Board,
        app: Callable[[], App],
        *,
        reread: Callable[[], None],
        end: Callable[[], None] | None = None,
        machine: Machine | None = None,
    ) -> None:
        self._config = config
        self._board = board
        self._app = app
        self._reread = reread
        self._end = end or functools.partial(signal.raise_signal, signal.SIGTERM)
        self._machine = machine or LinuxMachine()
        self._reboots: set[asyncio.Task[None]] = set()

    def by_name(self) -> dict[str, Deed]:
        """Each under the name of its order."""
        return {
            "reread": self.look_again,
            "self_test": self.self_test,
            "restart": self.start_anew,
            "reboot": self.reboot,
        }

    async def look_again(self) -> dict[str, Scalar]:
        """Look whether the gallery has changed."""
        self._reread()
        return {}

    async def self_test(self) -> dict[str, Scalar]:
        """Measure, and tell how lane and devices are. Moves nothing."""
        executor = ClockExecutor(self._board.clock, 1, "self-test")
        job = functools.partial(quick, self._config, self._machine, clock_state(), time.time())
        try:
            async with asyncio.timeout(MEASURE_WITHIN):
                found = await asyncio.get_running_loop().run_in_executor(executor, job)
        except TimeoutError as error:
            raise Refused("not_possible", f"not measured within {MEASURE_WITHIN:g} s: the disk hangs") from error
        finally:
            executor.shutdown(wait=False)
        return flat(found) | how_it_is(self._app())

    async def start_anew(self) -> dict[str, Scalar]:
        """End the program."""
        asyncio.get_running_loop().call_later(ENDS_AFTER, self._end)
        return {"seconds": ENDS_AFTER}

    async def reboot(self) -> dict[str, Scalar]:
        """Restart the machine, where it may be, while nobody is on their way and nothing holds a way open."""
        machine, in_use = self._board.reboot, self._app().in_use
        if in_use is not None:
            raise Refused("not_possible", in_use)
        if machine is None:
            raise Refused("not_possible", "this machine is not the gate's to restart")
        refusal = await machine.refusal()
        if refusal is not None:
            raise Refused("not_possible", refusal)
        task = asyncio.create_task(self._reboot_soon(machine))
        self._reboots.add(task)
        task.add_done_callback(self._reboots.discard)
        return {"seconds": ENDS_AFTER}

    async def _reboot_soon(self, machine: MachineReboot) -> None:
        await asyncio.sleep(ENDS_AFTER)
        try:
            if (in_use := self._app().in_use) is not None:
                log.error("the machine is not restarted", reason=in_use)
                return
            await machine.reboot()
        except DeviceError as error:
            log.error("the machine is not restarted", reason=str(error))


def how_it_is(app: App) -> dict[str, Scalar]:
    """How lane and devices are, flat."""
    told: dict[str, Scalar] = {"faults": ", ".join(sorted(fault.value for fault in app.lane.faults))}
    for name, report in app.health.items():
        told[f"{name}_health"] = f"{report.health.value}: {report.reason}" if report.reason else report.health.value
    for capture in app.captures:
        told[f"{capture.name}_silent"] = round(capture.silent_for, 2)
        told[f"{capture.name}_frames"] = capture.counters.frames
    return told
