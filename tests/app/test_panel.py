"""From a grant to another controller: who is let in here is told there, once, and never late."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from controller.config import parse
from controller.errors import ConfigError, GalleryError
from controller.gallery.credentials import add_credential, open_book, remove_credentials
from controller.gallery.store import GalleryStore
from controller.lane import events as ev
from controller.lane.states import State
from controller.perception.engines import open_engine
from controller.readers.panel import PanelDesk
from controller.record.entry import Entry, Stored
from controller.service import gallery_of, serve
from controller.watch import Step
from hw.board import simulated_board
from hw.clock import SystemClock
from hw.errors import DeviceError, DeviceMissing, PulseError
from hw.sim.clock import VirtualClock
from hw.sim.figures import Person as Passer
from hw.sim.reader import SimulatedWires
from hw.sim.world import World

if TYPE_CHECKING:
    from pathlib import Path

    from controller.app import App
    from hw.clock import Clock

WIRED = """
[lane]
require = "card"
[reader]
driver = "wiegand"
d0 = 2
d1 = 3
[wiegand_out]
d0 = 20
d1 = 21
"""


def test_who_is_let_in_is_told_to_the_panel(tmp_path: Path) -> None:
    """Card in, gate's own decision, grant on disk, another number out: over both wires, below both drivers."""
    clock = VirtualClock(300.0)
    world = World(clock, seed=1)
    mount = world.mount
    text = f'{WIRED}[store]\nfolder = "{tmp_path}"\n[perception.registration]\n'
    text += f"camera_fov = {mount.camera_fov}\nthermal_fov = {list(mount.array_fov)}\n"
    text += f"offset_x = {mount.array_x}\noffset_y = {mount.array_y}\n"
    config = parse(text, where="test")
    with GalleryStore.open(tmp_path, create=True) as store:
        add_credential(store, "s-9", "card", "1-9", create=True)
        add_credential(store, "s-9", "panel", "200-54321")
    board, simulation = simulated_board(
        config.thermal, config.camera, config.gate, clock=clock, world=world, seed=1,
        reader=config.reader, wiegand_out=config.wiegand_out,
    )  # fmt: skip
    engine = open_engine("demo")

    async def beside(app: App) -> None:
        await app.ready.wait()
        await asyncio.sleep(1.0)
        world.place(Passer(identity=8, core=36.6, glasses=False))
        await asyncio.sleep(0.5)
        reader, panel = simulation.reader, simulation.panel
        assert isinstance(reader, SimulatedWires)
        assert panel is not None
        reader.hold(1, 8)
        await asyncio.sleep(2.0)
        assert panel.listen() == [], "nobody was let in"
        reader.hold(1, 9)
        await asyncio.sleep(5.0)
        assert panel.listen() == ["200-54321"]

    try:
        board.run(serve(config, board, engine, gallery_of(config, engine), beside=beside))
    finally:
        simulation.turnstile.close()


# The book


def test_a_panels_number_is_kept_encrypted_and_opens_nothing_here(tmp_path: Path) -> None:
    with GalleryStore.open(tmp_path, create=True) as store:
        add_credential(store, "s-1", "panel", "12-34567", create=True)
        add_credential(store, "s-1", "card", "9-9")
        book = open_book(store)
        assert book.number_for("s-1") == "12-34567"
        assert book.number_for("s-2") is None
        assert book.find("card", "12-34567") is None
        assert book.find("panel", "12-34567") is None
        add_credential(store, "s-1", "panel", "12-34568")
        assert open_book(store).number_for("s-1") == "12-34568", "one for each person"
        with pytest.raises(GalleryError, match="this panel is s-1's already"):
            add_credential(store, "s-2", "panel", "12-34568", create=True)
        with pytest.raises(GalleryError, match="a panel's number is digits") as caught:
            add_credential(store, "s-1", "panel", "12-34x")
        assert "34x" not in str(caught.value)
    assert not any(b"34568" in path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    with GalleryStore.open(tmp_path) as store:
        remove_credentials(store, "s-1", "panel")
        assert open_book(store).number_for("s-1") is None


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        ("d0 = 17\nd1 = 21", r"GPIO line 17 is given twice: as \[gate\] unlock_a and as \[wiegand_out\] d0"),
        ("d0 = 20\nd1 = 3", r"GPIO line 3 is given twice: as \[reader\] d1 and as \[wiegand_out\] d1"),
        ("d0 = 20\nd1 = 21\nsense0 = 5\nsense1 = 7", r"as \[gate\] pass_a and as \[wiegand_out\] sense0"),
        ("d0 = 20", r"\[wiegand_out\]: needs `d0` and `d1`"),
        ("d0 = 20\nd1 = 21\npulse = 0.0005", r"\[wiegand_out\] pulse: "),
    ],
)
def test_wires_that_contradict_the_rest_are_refused(lines: str, wrong: str) -> None:
    reader = '[reader]\ndriver = "wiegand"\nd0 = 2\nd1 = 3\n'
    with pytest.raises(ConfigError, match=wrong):
        parse(f"{reader}[wiegand_out]\n{lines}\n", where="gate.toml")


# The desk


class FakeClock(SystemClock):
    """Always a hundred seconds."""

    def monotonic(self) -> float:
        return 100.0


class FakeSender:
    """Raises what it is told to, in order; None: sent."""

    def __init__(self, *faults: Exception | None, missing: int = 0) -> None:
        self.faults = list(faults)
        self.missing = missing
        self.sent: list[str] = []
        self.closed = 0

    def open(self) -> str:
        if self.missing:
            self.missing -= 1
            raise DeviceMissing("[wiegand_out] no such port")
        return "fake wires"

    def send(self, number: str) -> None:
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            raise fault
        self.sent.append(number)

    def close(self) -> None:
        self.closed += 1


def granted(person: str | None, at: float = 100.0, direction: str = "entry", kind: str = "grant") -> Step:
    entry = Entry(
        kind=kind, monotonic=at, wall=0.0, clock="ok", grant_id="g", person=person, detail={"direction": direction}
    )
    event = ev.TimerFired(now=at, name="x", token=1)
    return Step(event, State.SCREENING, State.GRANTED, (), (Stored(1, 1, "boot", entry),), at, at)


class Desk:
    def __init__(self, sender: FakeSender) -> None:
        self.sender = sender
        self.clock: Clock = FakeClock()
        self.told: list[bool] = []
        self.desk = PanelDesk(
            sender,
            {"s-1": "1-1", "s-2": "1-2"}.get,
            clock=self.clock,
            executor=ThreadPoolExecutor(1),
            tell=lambda up, _text: self.told.append(up),
        )

    async def play(self, *steps: Step) -> None:
        task = asyncio.ensure_future(self.desk.run())
        for step in steps:
            self.desk.on_step(step)
        for _ in range(500):
            await asyncio.sleep(0.001)
            if self.desk.sent + self.desk.unsent >= len(steps):
                break
        task.cancel()
        self.desk.close()


@pytest.mark.asyncio
async def test_only_a_recorded_grant_of_entry_to_somebody_is_told() -> None:
    desk = Desk(FakeSender())
    for step in (granted("s-1", direction="exit"), granted(None), granted("s-1", kind="deny")):
        desk.desk.on_step(step)
    await desk.play(granted("s-2"))
    assert (desk.sender.sent, desk.told) == (["1-2"], [True])


@pytest.mark.asyncio
async def test_an_old_grant_is_not_told() -> None:
    desk = Desk(FakeSender())
    await desk.play(granted("s-1", at=97.9), granted("s-2", at=98.1))
    assert (desk.sender.sent, desk.desk.unsent) == (["1-2"], 1)


@pytest.mark.asyncio
async def test_a_spoiled_card_and_an_unknown_person_cost_themselves_alone(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(FakeSender(PulseError("spoiled"), ValueError("too large"), None))
    await desk.play(granted("s-1"), granted("s-1"), granted("s-9"), granted("s-2"))
    assert (desk.sender.sent, desk.desk.unsent) == (["1-2"], 3)
    assert "1-1" not in caplog.text, "no number in any log"


@pytest.mark.asyncio
async def test_more_than_can_wait_are_not_told_late() -> None:
    desk = Desk(FakeSender())
    await desk.play(*[granted("s-1")] * 6)
    assert (desk.desk.sent, desk.desk.unsent) == (4, 2)


def test_wires_that_are_lost_are_had_again() -> None:
    """In virtual time: the wires are not there at first, are lost once, and come back."""
    from hw.sim.loop import run

    clock = VirtualClock(0.0)
    desk = Desk(FakeSender(DeviceError("gone"), missing=2))
    desk.clock = clock

    async def main() -> None:
        from hw.executor import ClockExecutor

        desk.desk = PanelDesk(
            desk.sender,
            {"s-1": "1-1"}.get,
            clock=clock,
            executor=ClockExecutor(clock, 1, "panel"),
            tell=lambda up, _text: desk.told.append(up),
        )
        task = asyncio.ensure_future(desk.desk.run())
        await asyncio.sleep(12.0)
        desk.desk.on_step(granted("s-1", at=clock.monotonic()))
        await asyncio.sleep(6.0)
        desk.desk.on_step(granted("s-1", at=clock.monotonic()))
        await asyncio.sleep(1.0)
        task.cancel()
        desk.desk.close()

    run(main(), clock)
    assert desk.told == [False, True, False, True], "said once, however often it was tried"
    assert (desk.sender.sent, desk.desk.unsent) == (["1-1"], 1)
