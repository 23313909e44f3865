"""What orders do beside the lane: a self-test that measures and moves nothing, and the restart of the machine."""

from __future__ import annotations

import asyncio
import stat
from typing import TYPE_CHECKING, Any

import pytest

from controller.app import App
from controller.config import Config, StoreSettings
from controller.gallery.index import GalleryIndex
from controller.lane import events as ev
from controller.lane.model import Direction
from controller.link import commands as wire
from controller.orders.desk import Refused, lane_event
from controller.orders.setup import ENDS_AFTER, Deeds
from controller.record.entry import Entry, Stored
from hw.board import simulated_board
from hw.errors import DeviceError
from hw.linux.reboot import CALL, LogindReboot
from hw.ports import Side
from hw.sim.clock import VirtualClock
from hw.sim.turnstile import RelayMove
from hw.sim.world import World
from tests.link.test_commands import Rig

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from controller.perception.types import FaceEngine


class Memory:
    """A journal that never fails."""

    def __init__(self) -> None:
        self.rows: list[Entry] = []

    async def append(self, entry: Entry, *, timeout: float) -> Stored:  # noqa: ASYNC109 - as the port has it
        del timeout
        self.rows.append(entry)
        return Stored(1, len(self.rows), "boot", entry)


class Machine:
    """Notes when it was restarted."""

    def __init__(self) -> None:
        self.why_not: str | None = None
        self.rebooted: list[float] = []
        self.clock: VirtualClock | None = None

    async def refusal(self) -> str | None:
        return self.why_not

    async def reboot(self) -> None:
        assert self.clock is not None
        self.rebooted.append(self.clock.monotonic())


class Bench:
    """A lane in service on a simulated board, and the deeds of its desk."""

    def __init__(self, folder: Path, engine: FaceEngine) -> None:
        self.engine = engine
        self.clock = VirtualClock()
        self.config = Config(store=StoreSettings(folder=folder))
        world, config = World(self.clock, seed=3), self.config
        self.board, self.simulation = simulated_board(
            config.thermal, config.camera, config.gate, clock=self.clock, world=world, seed=3
        )
        self.machine = Machine()
        self.machine.clock = self.clock
        object.__setattr__(self.board, "reboot", self.machine)
        self.app: App
        self.journal = Memory()
        self.ended: list[float] = []
        self.deeds = Deeds(
            self.config,
            self.board,
            lambda: self.app,
            reread=lambda: None,
            end=lambda: self.ended.append(self.clock.monotonic()),
        )

    def play(self, scene: Callable[[Bench], Awaitable[None]]) -> None:
        async def main() -> None:
            gallery = GalleryIndex.for_engine(self.engine)
            self.app = App(self.config, self.board, engine=self.engine, gallery=gallery, journal=self.journal)

            async def beside() -> None:
                await self.app.ready.wait()
                await scene(self)

            await self.app.run(beside)

        self.board.run(main())

    def post(self, kind: type[ev.LaneEvent], **values: Any) -> None:
        self.app.post(kind(now=self.clock.monotonic(), **values))

    def relays(self) -> list[RelayMove]:
        return [move for move in self.simulation.turnstile.moves if isinstance(move, RelayMove)]


@pytest.fixture
def bench(tmp_path: Path, blind: Callable[[], FaceEngine]) -> Iterator[Bench]:
    made = Bench(tmp_path, blind())
    yield made
    made.simulation.turnstile.close()


async def refused(bench: Bench) -> str:
    with pytest.raises(Refused) as caught:
        await bench.deeds.reboot()
    return str(caught.value)


def test_the_self_test_measures_and_moves_nothing(bench: Bench, tmp_path: Path) -> None:
    async def scene(bench: Bench) -> None:
        told = await bench.deeds.self_test()
        assert isinstance(told["passed"], bool)
        assert str(told["thermal_kernel"]).startswith("ok: within ")
        assert told["search_kernel"] == "ok: finds what brute force finds"
        assert told["journal_disk_n"] == 20.0
        assert 0 < float(str(told["journal_disk_median_ms"])) <= float(str(told["journal_disk_worst_ms"]))
        assert float(str(told["disk_space_free_mb"])) > 0
        assert told["faults"] == ""
        assert (told["camera_health"], told["thermal_health"], told["journal_health"]) == ("ok", "ok", "ok")
        assert int(str(told["thermal_frames"])) > 0

    bench.play(scene)
    assert bench.relays() == []
    assert list(tmp_path.glob("thermogate-selftest-*")) == []


def test_a_disk_that_hangs_is_told_in_time(bench: Bench) -> None:
    class Hanging:
        user = "gate"

        def throttled(self) -> int | None:
            bench.clock.sleep(60.0)
            return None

    bench.deeds._machine = Hanging()  # type: ignore[assignment]

    async def scene(bench: Bench) -> None:
        begun = bench.clock.monotonic()
        with pytest.raises(Refused, match="not_possible/not measured within 4 s"):
            await bench.deeds.self_test()
        assert bench.clock.monotonic() - begun < 5.0

    bench.play(scene)


def test_the_machine_is_restarted_once_the_reply_is_out(bench: Bench) -> None:
    async def scene(bench: Bench) -> None:
        begun = bench.clock.monotonic()
        assert await bench.deeds.reboot() == {"seconds": ENDS_AFTER}
        assert bench.machine.rebooted == []
        await asyncio.sleep(2.0)
        assert bench.machine.rebooted == [pytest.approx(begun + ENDS_AFTER, abs=0.1)]

    bench.play(scene)


def test_it_is_not_while_somebody_passes_or_a_way_is_held_open(bench: Bench) -> None:
    async def scene(bench: Bench) -> None:
        bench.post(ev.OpenOnce, direction=Direction.ENTRY, grant_id="g1", actor="guard")
        await asyncio.sleep(0.3)
        assert await refused(bench) == "not_possible/somebody_passes"
        assert bench.simulation.turnstile.push(Side.A)
        await asyncio.sleep(0.6)
        assert await refused(bench) == "not_possible/somebody_passes", "in the arms"
        await asyncio.sleep(5.0)
        bench.simulation.turnstile.push(Side.B)
        await asyncio.sleep(0.7)
        assert await refused(bench) == "not_possible/somebody_passes", "on the way out"
        await asyncio.sleep(5.0)
        bench.post(ev.FireAlarm, active=True)
        await asyncio.sleep(0.1)
        assert await refused(bench) == "not_possible/emergency_open"
        bench.post(ev.FireAlarm, active=False)
        bench.post(ev.ResetEmergency, actor="guard")
        await asyncio.sleep(0.1)
        await bench.deeds.reboot()
        bench.post(ev.OpenOnce, direction=Direction.ENTRY, grant_id="g2", actor="guard")
        await asyncio.sleep(3.0)
        assert bench.machine.rebooted == [], "somebody came between"

    bench.play(scene)


def test_it_is_not_where_the_machine_does_not_permit_it(bench: Bench) -> None:
    async def scene(bench: Bench) -> None:
        bench.machine.why_not = "polkit lets this user not restart the machine"
        assert await refused(bench) == "not_possible/polkit lets this user not restart the machine"
        object.__setattr__(bench.board, "reboot", None)
        assert "not the gate's to restart" in await refused(bench)

    bench.play(scene)
    assert bench.machine.rebooted == []


def test_an_order_to_acknowledge_silences_the_buzzer_and_is_in_the_journal(bench: Bench) -> None:
    order = wire.Command(
        cmd_id="0" * 32,
        campus="school",
        gate="north",
        boot_id="boot",
        challenge="0" * 32,
        expires=0.0,
        actor="guard",
        reason="seen",
        action=wire.Acknowledge(),
    )

    async def scene(bench: Bench) -> None:
        bench.simulation.turnstile.force(Side.A)
        await asyncio.sleep(1.0)
        assert dict(bench.app.lane.alarms) == {"intrusion": False}
        event = lane_event(order, bench.clock.monotonic())
        assert event is not None
        bench.app.post(event)
        await asyncio.sleep(0.1)
        assert dict(bench.app.lane.alarms) == {}
        (noted,) = (row.detail for row in bench.journal.rows if row.kind == "command")
        assert (noted["command"], noted["actor"], noted["alarms"]) == ("acknowledge", "guard", "intrusion")

    bench.play(scene)
    assert bench.relays() == []


def test_the_program_ends_once_the_reply_is_out(bench: Bench) -> None:
    async def scene(bench: Bench) -> None:
        await bench.deeds.start_anew()
        assert bench.ended == []
        await asyncio.sleep(2.0)
        assert len(bench.ended) == 1

    bench.play(scene)


# What logind is asked, and what its answers mean


def busctl(folder: Path, script: str) -> LogindReboot:
    """A busctl that notes what it was told; `script` is what it says."""
    tool = folder / "busctl"
    tool.write_text(f'#!/bin/sh\necho "$@" >> {folder}/told\n{script}\n')
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    return LogindReboot(str(tool))


@pytest.mark.asyncio
async def test_logind_is_asked_and_told_in_its_own_words(tmp_path: Path) -> None:
    logind = busctl(tmp_path, "echo 's \"yes\"'")
    assert await logind.refusal() is None
    await logind.reboot()
    words = " ".join(CALL)
    assert (tmp_path / "told").read_text().splitlines() == [f"{words} CanReboot", f"{words} Reboot b false"]


@pytest.mark.asyncio
@pytest.mark.parametrize("answer", ["no", "challenge", "na"])
async def test_whoever_would_need_a_password_may_not(tmp_path: Path, answer: str) -> None:
    why = await busctl(tmp_path, f"echo 's \"{answer}\"'").refusal()
    assert why is not None
    assert f'logind says s "{answer}"' in why
    assert "docs/commands.md" in why


@pytest.mark.asyncio
async def test_without_logind_or_its_tool_the_reason_is_told(tmp_path: Path) -> None:
    broken = busctl(tmp_path, "echo 'Failed to connect to bus' >&2; exit 1")
    assert await broken.refusal() == "logind: Failed to connect to bus"
    with pytest.raises(DeviceError, match="Failed to connect to bus"):
        await broken.reboot()
    assert "cannot be run: No such file" in str(await LogindReboot(str(tmp_path / "none")).refusal())


@pytest.mark.asyncio
async def test_whatever_a_deed_does_there_is_an_answer() -> None:
    """A mistake in one must not end the link's session, and a long finding must not leave the reply unsigned."""
    rig = Rig()

    async def fails() -> dict[str, Any]:
        raise ArithmeticError("x" * 500)

    async def tells_much() -> dict[str, Any]:
        return {f"device {number}": "y" * 200 for number in range(60)}

    rig.desk._deeds = {"self_test": fails, "reread": tells_much}
    answer = await rig.desk.take(rig.signed(rig.command(wire.SelfTest())), retained=False)
    assert answer is not None
    reply = rig.read(answer)
    assert (reply.accepted, str(reply.refused)[:30]) == (False, "not_possible/ArithmeticError: ")
    answer = await rig.desk.take(rig.signed(rig.command(wire.Reread())), retained=False)
    assert answer is not None
    reply = rig.read(answer)
    assert (reply.accepted, list(reply.detail)) == (True, ["left_out"])
