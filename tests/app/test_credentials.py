"""From the wires to the relay: a card at a gate, with and without a face, and PINs that are guessed."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest

from controller.config import parse
from controller.errors import ConfigError
from controller.gallery.credentials import add_credential
from controller.gallery.index import GalleryIndex
from controller.gallery.model import Enrolment, Person, Template
from controller.gallery.store import GalleryStore
from controller.health.device import Health
from controller.health.followed import Followed
from controller.lane import events as ev
from controller.lane.effects import Prompt
from controller.lane.model import CredentialKind
from controller.lane.states import State
from controller.perception.engines import open_engine
from controller.readers.credentials import CredentialDesk, PinGuard
from controller.readers.lamp import lamps_of
from controller.service import gallery_of, serve
from controller.sight.recognition import Recognition
from controller.watch import Step, Watch
from hw.board import simulated_board
from hw.clock import SystemClock
from hw.errors import DeviceMissing
from hw.executor import ClockExecutor
from hw.ports import CredentialRead, Lamp, ReaderState, ReadKind, unheard
from hw.sim.clock import VirtualClock
from hw.sim.figures import Person as Passer
from hw.sim.reader import SimulatedKeys, SimulatedWires
from hw.sim.scene import enrolment_photo
from hw.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from controller.app import App
    from controller.health.device import Report
    from controller.perception.types import Face

IDENTITY, OTHER = 7, 8
READER = '[reader]\ndriver = "wiegand"\nd0 = 2\nd1 = 3\n'


class CountingEngine:
    """The demo engine, which tells how often a face was turned into numbers."""

    def __init__(self) -> None:
        self._engine = open_engine("demo")
        self.embedded = 0
        self.looks_down = False
        """No face is found from now on."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def detect(self, pixels: NDArray[np.uint8]) -> list[Face]:
        return [] if self.looks_down else self._engine.detect(pixels)

    def embed(self, pixels: NDArray[np.uint8], face: Face) -> NDArray[np.float32]:
        self.embedded += 1
        return self._engine.embed(pixels, face)


class Records(Watch):
    def __init__(self) -> None:
        self.kept: list[tuple[str, str | None, dict[str, Any]]] = []

    def on_step(self, step: Step) -> None:
        self.kept += [(one.entry.kind, one.entry.person, dict(one.entry.detail)) for one in step.stored]

    def of(self, kind: str) -> list[tuple[str | None, dict[str, Any]]]:
        return [(person, detail) for found, person, detail in self.kept if found == kind]


class Gate:
    """A whole lane with a reader, and the people in its gallery."""

    def __init__(self, folder: Path, require: str, reader: str = READER) -> None:
        self.clock = VirtualClock(300.0)
        self.world = World(self.clock, seed=1)
        mount = self.world.mount
        text = f'[lane]\nrequire = "{require}"\n{reader}[store]\nfolder = "{folder}"\n[perception.registration]\n'
        text += f"camera_fov = {mount.camera_fov}\nthermal_fov = {list(mount.array_fov)}\n"
        text += f"offset_x = {mount.array_x}\noffset_y = {mount.array_y}\n"
        self.config = parse(text, where="test")
        self.engine = CountingEngine()
        with GalleryStore.open(folder, create=True) as store:
            photos = [enrolment_photo(IDENTITY, moment, glasses=False) for moment in range(2)]
            faces = [self.engine.embed(photo, self.engine.detect(photo)[0]) for photo in photos]
            store.write([Enrolment(Person("s-7"), tuple(Template(self.engine.template_model, one) for one in faces))])
            add_credential(store, "s-7", "card", "1-7")
            add_credential(store, "s-9", "card", "1-9", create=True)
        self.engine.embedded = 0
        self.records = Records()

    def play(self, scene: Callable[[Gate], Any]) -> None:
        board, self.simulation = simulated_board(
            self.config.thermal, self.config.camera, self.config.gate, clock=self.clock, world=self.world, seed=1,
            reader=self.config.reader,
        )  # fmt: skip
        gallery = gallery_of(self.config, self.engine)

        async def beside(app: App) -> None:
            await app.ready.wait()
            await asyncio.sleep(1.0)
            await scene(self)

        try:
            board.run(serve(self.config, board, self.engine, gallery, watches=(self.records,), beside=beside))
        finally:
            self.simulation.turnstile.close()

    def hold(self, number: int) -> None:
        reader = self.simulation.reader
        assert isinstance(reader, SimulatedWires)
        reader.hold(1, number)


async def step_up_with(gate: Gate, identity: int, card: int, core: float = 36.6) -> None:
    gate.world.place(Passer(identity=identity, core=core, glasses=False))
    await asyncio.sleep(0.5)
    gate.hold(card)
    await asyncio.sleep(5.0)


def test_card_and_face_of_one_person_open(tmp_path: Path) -> None:
    gate = Gate(tmp_path, "face_and_card")
    gate.play(lambda gate: step_up_with(gate, IDENTITY, 7))
    ((person, detail),) = gate.records.of("grant")
    assert (person, detail["credential"], detail["verified"]) == ("s-7", "card", True)
    assert "1-7" not in str(gate.records.kept), "no number in any record"


def test_somebody_elses_card_does_not(tmp_path: Path) -> None:
    gate = Gate(tmp_path, "face_and_card")
    gate.play(lambda gate: step_up_with(gate, OTHER, 7))
    assert gate.records.of("grant") == []
    assert "face_mismatch" in [detail["reason"] for _, detail in gate.records.of("deny")]


def test_who_has_no_face_here_is_screened_without_one(tmp_path: Path) -> None:
    """Somebody whose face is never turned into numbers, at a lane where nobody passes without a card."""
    gate = Gate(tmp_path, "card")
    gate.play(lambda gate: step_up_with(gate, OTHER, 9))
    ((person, detail),) = gate.records.of("grant")
    assert (person, detail["verified"], detail["verdict"]) == ("s-9", None, "normal")
    assert gate.engine.embedded == 0


@pytest.mark.parametrize("after", [0.5, 2.5, 4.0])
def test_who_came_by_card_and_looks_down_is_screened_by_heat(tmp_path: Path, after: float) -> None:
    """Whoever shows the camera no face keeps their claim while they stand there, whenever they present the card."""
    gate = Gate(tmp_path, "card")
    gate.engine.looks_down = True

    async def scene(gate: Gate) -> None:
        gate.world.place(Passer(identity=OTHER, core=36.6, glasses=False))
        await asyncio.sleep(after)
        gate.hold(9)
        await asyncio.sleep(4.0)

    gate.play(scene)
    ((person, detail),) = gate.records.of("grant")
    assert (person, detail["faces"], detail["verdict"]) == ("s-9", 0, "normal")


def test_a_fever_by_card_goes_to_the_doctor(tmp_path: Path) -> None:
    gate = Gate(tmp_path, "card")
    gate.play(lambda gate: step_up_with(gate, OTHER, 9, core=39.2))
    assert gate.records.of("grant") == []
    assert [person for person, _ in gate.records.of("ticket")] == ["s-9"]


def test_a_wedge_is_as_good(tmp_path: Path) -> None:
    gate = Gate(tmp_path, "face_or_card", '[reader]\ndriver = "wedge"\ndevice = "/dev/input/by-id/sim"\n')
    with GalleryStore.open(tmp_path) as store:
        add_credential(store, "s-9", "card", "0008046766")

    async def scene(gate: Gate) -> None:
        reader = gate.simulation.reader
        assert isinstance(reader, SimulatedKeys)
        gate.world.place(Passer(identity=OTHER, core=36.6, glasses=False))
        await asyncio.sleep(0.3)
        reader.scan("0008046766")
        await asyncio.sleep(5.0)

    gate.play(scene)
    assert [person for person, _ in gate.records.of("grant")] == ["s-9"]


# The desk


class FakeReader:
    def __init__(self, missing: int = 0) -> None:
        self.missing = missing
        self.on_read: Callable[[CredentialRead], None] = lambda _: None
        self.on_state: Callable[[ReaderState], None] = unheard
        self.closed = False

    def open(self, on_read: Callable[[CredentialRead], None], on_state: Callable[[ReaderState], None] = unheard) -> str:
        self.on_state = on_state
        if self.missing:
            self.missing -= 1
            raise DeviceMissing("[reader] unplugged")
        self.on_read = on_read
        return "fake"

    def close(self) -> None:
        self.closed = True


class FakeBook:
    """Knows one card and one PIN."""

    asked = 0

    def find(self, kind: str, value: str) -> str | None:
        self.asked += 1
        return {("card", "1-1"): "p1", ("card", "1-9"): "gone", ("pin", "5*4711"): "p1"}.get((kind, value))


class Devices(Watch):
    def __init__(self) -> None:
        self.seen: list[bool] = []

    def on_device(self, name: str, *, up: bool, text: str) -> None:
        assert (name, bool(text)) == ("reader", True)
        self.seen.append(up)


def followed(told: list[Report] | None = None) -> Followed:
    reports = [] if told is None else told
    return Followed("reader", SystemClock(), Random(1), lambda _name, report: reports.append(report))


def read(value: str, kind: ReadKind = ReadKind.CARD, at: float = 0.0) -> CredentialRead:
    return CredentialRead(kind, value, at)


async def desk_of(*reads: CredentialRead, guard: PinGuard | None = None) -> tuple[list[ev.LaneEvent], FakeBook]:
    reader, book, posted = FakeReader(), FakeBook(), list[ev.LaneEvent]()
    index = GalleryIndex(4, "m", threshold=0.5, margin=0.0)
    index.add(Person("p1", second_factor=True), [])
    desk = CredentialDesk(
        reader,
        book,  # type: ignore[arg-type]
        index,
        clock=SystemClock(),
        executor=ClockExecutor(SystemClock(), 1),
        post=posted.append,
        health=followed(),
        guard=guard,
    )
    task = asyncio.ensure_future(desk.run())
    await asyncio.sleep(0)
    for one in reads:
        count = len(posted)
        reader.on_read(one)
        for _ in range(200):
            await asyncio.sleep(0.001)
            if len(posted) > count:
                break
    task.cancel()
    desk.close()
    assert reader.closed
    return posted, book


@pytest.mark.asyncio
async def test_the_lane_is_told_a_person_and_no_number() -> None:
    posted, _ = await desk_of(read("1-1"), read("1-2"), read("1-9"), read("x", ReadKind.QR))
    found = [(one.credential, one.person, one.second_factor) for one in posted if isinstance(one, ev.Presented)]
    assert found == [
        (CredentialKind.CARD, "p1", True),
        (CredentialKind.CARD, None, False),
        (CredentialKind.CARD, None, False),
        (CredentialKind.QR, None, False),
    ]
    assert "1-1" not in repr(posted)


@pytest.mark.asyncio
async def test_a_reader_that_stammers_is_heard_once() -> None:
    posted, _ = await desk_of(read("1-1"), read("1-1", at=0.5), read("1-2", at=0.6), read("1-2", at=2.0))
    assert [one.person for one in posted if isinstance(one, ev.Presented)] == ["p1", None, None]


@pytest.mark.asyncio
async def test_wrong_pins_lock_their_number_and_are_not_even_looked_at() -> None:
    guesses = [read(f"5*{guess}", ReadKind.PIN, at=10.0 * guess) for guess in range(4000, 4004)]
    posted, book = await desk_of(*guesses, read("5*4711", ReadKind.PIN, at=1e6), guard=PinGuard(tries=4))
    assert [one.locked for one in posted if isinstance(one, ev.Presented)] == [False, False, False, False, True]
    assert book.asked == 4


@pytest.mark.asyncio
async def test_a_reader_that_is_not_there_is_waited_for() -> None:
    reader, devices = FakeReader(missing=2), Devices()
    index = GalleryIndex(4, "m", threshold=0.5, margin=0.0)
    clock, executor = SystemClock(), ClockExecutor(SystemClock(), 1)
    told: list[Report] = []
    health = followed(told)
    desk = CredentialDesk(
        reader,
        FakeBook(),  # type: ignore[arg-type]
        index,
        clock=clock,
        executor=executor,
        post=lambda _: None,
        health=health,
        watches=(devices,),
    )
    task = asyncio.ensure_future(desk.run())
    await asyncio.sleep(1.0)
    assert devices.seen == [False, True]
    assert [(report.health, report.tries) for report in told] == [(Health.LOST, 1), (Health.OK, 2)]
    assert told[0].reason, "why it is not there"
    # Pulled out, and put back.
    reader.on_state(ReaderState(up=False, text="/dev/input/event3 is gone"))
    await asyncio.sleep(0.01)
    assert (health.report.health, health.report.reason) == (Health.LOST, "/dev/input/event3 is gone")
    reader.on_state(ReaderState(up=True, text="a reader on /dev/input/event4"))
    await asyncio.sleep(0.01)
    assert health.report.health is Health.OK
    task.cancel()
    desk.close()


def test_a_number_is_locked_for_a_while_and_a_right_pin_forgives() -> None:
    guard = PinGuard(tries=3, locked=300.0)
    for now in (0.0, 1.0, 2.0):
        assert not guard.blocks("5", now)
        guard.wrong("5", now)
    assert guard.blocks("5", 3.0)
    assert not guard.blocks("6", 3.0)
    assert not guard.blocks("5", 302.0)
    guard.wrong("5", 303.0)
    guard.right("5")
    for now in (304.0, 305.0):
        guard.wrong("5", now)
    assert not guard.blocks("5", 306.0)


def test_one_pin_tried_with_every_number_locks_all() -> None:
    guard = PinGuard(tries=5, locked=300.0, all_tries=30)
    for number in range(30):
        assert not guard.blocks(str(number), float(number))
        guard.wrong(str(number), float(number))
    assert guard.blocks("999", 31.0)
    assert not guard.blocks("999", 301.0)
    for number in range(3000):
        guard.wrong(str(number), 400.0 + number)
    assert len(guard._wrong) <= PinGuard.NUMBERS


# What is compared with what


def test_perception_compares_as_the_lane_asks() -> None:
    index = GalleryIndex(4, "m", threshold=0.9, margin=0.0, verify_threshold=0.5)
    one, two = np.eye(4, dtype=np.float32)[:2]
    index.add(Person("p1"), [one])
    index.add(Person("p2"), [two])
    engine = CountingEngine()
    recognition = Recognition(engine, index.identify, index.verify)
    near = np.array([0.6, 0.8, 0, 0], dtype=np.float32)
    assert recognition.identify(near).match is None
    recognition.expect("p1", face=True)
    match = recognition.identify(near).match
    assert match is not None
    assert (match.person, round(match.score, 2)) == ("p1", 0.6)
    recognition.expect("p3", face=True)
    assert recognition.identify(near).match is None
    recognition.expect("p1", face=False)
    assert recognition.identify(near).match is None
    assert recognition.name == "demo"
    blank = recognition.embed(np.zeros((8, 8, 3), np.uint8), None)  # type: ignore[arg-type]
    assert (engine.embedded, float(np.linalg.norm(blank))) == (0, 1.0)


@pytest.mark.parametrize("bad", [np.full(4, np.nan, np.float32), np.zeros(4, np.float32)])
def test_no_number_verifies_nobody(bad: NDArray[np.float32]) -> None:
    index = GalleryIndex(4, "m", threshold=0.5, margin=0.0)
    index.add(Person("p1"), [np.eye(4, dtype=np.float32)[0]])
    assert index.verify("p1", bad).match is None
    assert index.verify("p2", np.eye(4, dtype=np.float32)[0]).match is None


# What a configuration may say


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ('[lane]\nrequire = "card"', "there is no .reader.: nobody would pass"),
        ('[lane]\nrequire = "finger"', "require"),
        (
            '[reader]\ndriver = "wiegand"\nd0 = 17\nd1 = 3',
            r"line 17 is given twice: as \[gate\] unlock_a and as \[reader\] d0",
        ),
        ('[reader]\ndriver = "wiegand"', "needs `d0` and `d1`"),
        ('[reader]\ndriver = "wedge"\ndevice = "/dev/x"\nlayout = "ru"', r"\[reader\] layout"),
    ],
)
def test_a_reader_that_contradicts_the_rest_is_refused(text: str, wrong: str) -> None:
    with pytest.raises(ConfigError, match=wrong):
        parse(text, where="gate.toml")


def test_a_reader_is_configured() -> None:
    config = parse(READER + '[[reader.custom]]\nbits = 35\nnumber = [14, 33]\n[lane]\nrequire = "card"', where="x")
    assert config.reader is not None
    assert config.reader.custom[0].number == (14, 33)


@pytest.mark.asyncio
async def test_a_card_that_is_held_is_one_until_it_is_taken_away() -> None:
    held = [read("1-1", at=0.8 * moment) for moment in range(8)]
    posted, _ = await desk_of(*held, read("1-1", at=held[-1].timestamp + 1.1))
    assert len(posted) == 2


@pytest.mark.asyncio
async def test_a_reader_that_is_lost_or_opened_is_told() -> None:
    reader, posted, devices = FakeReader(), list[ev.LaneEvent](), Devices()
    desk = CredentialDesk(
        reader,
        FakeBook(),  # type: ignore[arg-type]
        GalleryIndex(4, "m", threshold=0.5, margin=0.0),
        clock=SystemClock(),
        executor=ClockExecutor(SystemClock(), 1),
        post=posted.append,
        health=followed(),
        watches=(devices,),
    )
    task = asyncio.ensure_future(desk.run())
    await asyncio.sleep(0)
    reader.on_state(ReaderState(up=False, text="unplugged"))
    reader.on_state(ReaderState(up=True, text="back"))
    reader.on_state(ReaderState(up=True, text="its housing is open", tampered=True))
    await asyncio.sleep(0)
    task.cancel()
    desk.close()
    assert devices.seen == [True, False, True, True]
    assert [one.active for one in posted if isinstance(one, ev.Tamper)] == [True]


def test_a_readers_lamp_shows_what_the_lane_shows() -> None:
    class Lamps:
        shown: ClassVar[list[Lamp]] = []

        def indicate(self, lamp: Lamp) -> None:
            self.shown.append(lamp)

    prompt = Prompt.IDLE
    (watch,) = lamps_of(Lamps(), lambda: prompt)
    for prompt in (Prompt.PASS, Prompt.DENIED):  # noqa: B007 - the watch reads it
        watch.on_step(Step(ev.Booted(now=0.0), State.BOOT, State.BOOT, (), (), 0.0, 0.0))
    assert Lamps.shown == [Lamp.GO, Lamp.STOP]
    assert lamps_of(FakeReader(), lambda: prompt) == []
