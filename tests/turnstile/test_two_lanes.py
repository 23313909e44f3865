"""Two lanes of one board in one program: each its own, what they share shared, and the end of one the end of both."""

from __future__ import annotations

import asyncio
import math
import signal
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import pytest

from controller.bank import Place, check, serve_bank
from controller.cli.main import main
from controller.config import Config, SiteSettings, StoreSettings, parse
from controller.errors import ConfigError
from controller.gallery.index import GalleryIndex
from controller.gallery.model import Person
from controller.health.notify import MISCONFIGURED
from controller.health.vitals import JOURNAL_HANGS
from controller.lane import events as ev
from controller.lane.model import Assessment, Direction, LaneSettings, Liveness, Match, Screening, Verdict
from controller.lane.states import State
from hw.board import simulated_board, simulated_kind
from hw.errors import DeviceClosed
from hw.ports import Side, Signal
from hw.settings import CameraSettings, GateSettings
from hw.sim.clock import VirtualClock
from hw.sim.world import World
from hw.thermal_settings import Mlx90640Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from controller.app import App
    from controller.perception.types import Face
    from hw.ports import HardwareWatchdog

    Kind = Literal["turnstile", "door", "barrier"]
    Scene = Callable[["Pair"], Coroutine[Any, Any, None]]

STATES = (State.LOCKED, State.LOCKED)


class CountingEngine:
    """Sees nobody; notes how many ask it at the same time."""

    name = "blind"
    template_model = "blind:1"
    dim = 4
    threshold = 0.5
    margin = 0.0
    rehearsal_only = False

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._asked = 0
        self.most = 0
        self.looks = 0

    def detect(self, pixels: NDArray[np.uint8]) -> list[Face]:
        del pixels
        self._asked += 1
        self.looks += 1
        self.most = max(self.most, self._asked)
        self._clock.sleep(0.01)  # the others get their turn meanwhile
        self._asked -= 1
        return []

    def embed(self, pixels: NDArray[np.uint8], face: Face) -> NDArray[np.float32]:
        raise AssertionError(f"no face was found, so none at {face.box} of {pixels.shape}")


class Pair:
    """The two lanes, on one clock."""

    def __init__(
        self,
        folder: Path,
        *,
        interlock: bool = False,
        anti_passback: float = 0.0,
        kinds: tuple[Kind, Kind] = ("turnstile", "turnstile"),
        watchdog: HardwareWatchdog | None = None,
    ) -> None:
        self.clock = VirtualClock()
        self.engine = CountingEngine(self.clock)
        self.turnstiles: list[Any] = []
        """What closes each lane: a turnstile, or a door or a barrier where `kinds` says so."""
        self.apps: list[App] = []
        self.places: list[Place] = []
        self._people = 0
        for number, kind in enumerate(kinds, start=1):
            slow: dict[str, Any] = {"thermal": Mlx90640Settings(refresh_hz=2), "camera": CameraSettings(fps=2)}
            config = Config(
                site=SiteSettings(name=f"gate-{number}", interlock=interlock),
                gate=GateSettings(stop=24, ready=12, fire=13),
                lane=LaneSettings(kind=kind, anti_passback=anti_passback),
                store=StoreSettings(folder=folder / f"gate-{number}"),
                **({} if watchdog is None else slow),
            )
            world = World(self.clock, seed=number)
            thermal, camera = config.thermal, config.camera
            sim: dict[str, Any] = {"clock": self.clock, "world": world, "seed": number}
            if isinstance(config.wiring, GateSettings):
                board, simulation = simulated_board(thermal, camera, config.wiring, **sim)
                self.turnstiles.append(simulation.turnstile)
            else:
                board, other = simulated_kind(thermal, camera, config.wiring, **sim)
                self.turnstiles.append(other.mechanics)
            if number == 1:
                board = replace(board, watchdog=watchdog)
            self.places.append(Place(config, board, GalleryIndex.for_engine(self.engine)))

    def play(self, scene: Scene) -> None:
        async def beside(apps: list[App]) -> None:
            self.apps = sorted(apps, key=lambda app: app.config.site.name)
            for app in self.apps:
                await app.ready.wait()
            await scene(self)

        self.places[0].board.run(serve_bank(self.places, self.engine, beside=beside))

    async def come(self, lane: int, person: str) -> None:
        """Somebody registered and well comes to a lane and is looked at."""
        self._people += 1
        app, now = self.apps[lane], self.clock.monotonic()
        self.places[lane].gallery.add(Person(person), [])
        found = Assessment(
            match=Match(person, 0.8, 0.5),
            ambiguous=False,
            liveness=Liveness.LIVE,
            screening=Screening(Verdict.NORMAL, 36.6, 0.2, 35.4, 12),
            quality=0.9,
            faces=1,
            attempt=1,
        )
        app.post(ev.Approached(now=now, presence=self._people))
        app.post(ev.Assessed(now=now, assessment=found, grant_id=f"g{self._people}", presence=self._people))
        await asyncio.sleep(0.2)

    async def pass_through(self, lane: int) -> None:
        assert self.turnstiles[lane].push(Side.A)
        self.apps[lane].post(ev.Left(now=self.clock.monotonic()))
        await asyncio.sleep(2.0)

    def states(self) -> tuple[State, ...]:
        return tuple(app.lane.state for app in self.apps)

    def reasons(self) -> tuple[str | None, ...]:
        return tuple(app.runner.reason for app in self.apps)

    def active(self) -> list[set[str]]:
        outputs = ("unlock_a", "unlock_b", "stop")
        return [{name for name in outputs if turnstile.active(name)} for turnstile in self.turnstiles]


@pytest.fixture
def make_pair(tmp_path: Path) -> Iterator[Callable[..., Pair]]:
    pairs: list[Pair] = []

    def make(**changes: Any) -> Pair:
        pairs.append(Pair(tmp_path, **changes))
        return pairs[-1]

    yield make
    for pair in pairs:
        for turnstile in pair.turnstiles:
            turnstile.close()


def test_each_lane_is_its_own_and_both_look_through_one_engine(make_pair: Callable[..., Pair], tmp_path: Path) -> None:
    pair = make_pair()

    async def scene(pair: Pair) -> None:
        assert pair.states() == STATES
        await pair.come(0, "p1")
        await pair.come(1, "p2")
        assert pair.states() == (State.GRANTED, State.GRANTED)
        await pair.pass_through(1)
        assert [len(turnstile.passages(Side.A)) for turnstile in pair.turnstiles] == [0, 1]
        await pair.pass_through(0)
        assert pair.states() == STATES

    pair.play(scene)
    assert [len(turnstile.passages(Side.A)) for turnstile in pair.turnstiles] == [1, 1]
    assert [(tmp_path / name / "journal.sqlite3").exists() for name in ("gate-1", "gate-2")] == [True, True]
    assert pair.engine.looks > 50
    assert pair.engine.most == 1, "two lanes never ask at the same time"


def test_with_an_interlock_one_waits_for_the_other(make_pair: Callable[..., Pair]) -> None:
    pair = make_pair(interlock=True)

    async def scene(pair: Pair) -> None:
        await pair.come(0, "p1")
        await pair.come(1, "p2")
        assert pair.states() == (State.GRANTED, State.DENIED)
        assert pair.reasons()[1] == "interlock"
        assert not pair.turnstiles[1].push(Side.A)
        assert pair.turnstiles[1].push(Side.B), "whoever leaves asks nobody"
        await pair.pass_through(0)
        await pair.come(1, "p2")
        assert pair.states()[1] is State.GRANTED
        await pair.pass_through(1)

    pair.play(scene)


def test_a_fire_at_one_lane_frees_it_though_the_other_is_open(make_pair: Callable[..., Pair]) -> None:
    pair = make_pair(interlock=True)

    async def scene(pair: Pair) -> None:
        await pair.come(0, "p1")
        pair.turnstiles[1].press_fire(True)
        await asyncio.sleep(0.1)
        assert pair.active()[1] == {"unlock_a", "unlock_b"}
        await asyncio.sleep(8.0)
        assert pair.states() == (State.SCREENING, State.EMERGENCY_OPEN)
        pair.apps[0].post(
            ev.OpenOnce(now=pair.clock.monotonic(), direction=Direction.ENTRY, grant_id="guard", actor="guard")
        )
        await asyncio.sleep(0.2)
        assert pair.active()[0] == set(), "nobody is let in beside an open lane"

    pair.play(scene)


def test_who_entered_at_one_lane_does_not_enter_at_the_other(make_pair: Callable[..., Pair]) -> None:
    pair = make_pair(anti_passback=600.0)

    async def scene(pair: Pair) -> None:
        await pair.come(0, "p1")
        await pair.come(1, "p1")
        assert pair.reasons()[1] == "anti_passback", "from the grant on"
        await pair.pass_through(0)
        await asyncio.sleep(3.0)
        await pair.come(1, "p1")
        assert pair.reasons()[1] == "anti_passback"
        await pair.come(1, "p2")

    pair.play(scene)


@pytest.mark.parametrize("lane", [0, 1])
def test_a_crash_of_one_ends_both_with_the_outputs_safe(make_pair: Callable[..., Pair], lane: int) -> None:
    pair = make_pair()

    async def scene(pair: Pair) -> None:
        for app in pair.apps:
            app.post(ev.SetFree(now=pair.clock.monotonic(), entry=True, exit=True, actor="guard"))
        await asyncio.sleep(1.0)
        assert pair.active() == [{"unlock_a", "unlock_b"}] * 2
        pair.apps[lane].post(None)  # type: ignore[arg-type]  # no event at all: the runner's task ends with an error
        await asyncio.sleep(60.0)

    with pytest.raises(ExceptionGroup):
        pair.play(scene)
    assert pair.active() == [set(), set()]
    for place in pair.places:
        with pytest.raises(DeviceClosed):
            place.board.gate.read(Signal.FIRE)


def test_the_service_managers_signal_ends_both(make_pair: Callable[..., Pair]) -> None:
    pair = make_pair()

    async def scene(pair: Pair) -> None:
        for app in pair.apps:
            app.post(ev.SetFree(now=pair.clock.monotonic(), entry=True, exit=True, actor="guard"))
        await asyncio.sleep(1.0)
        assert pair.active() == [{"unlock_a", "unlock_b"}] * 2
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(60.0)

    with pytest.raises(asyncio.CancelledError):
        pair.play(scene)
    assert pair.active() == [set(), set()]


def test_who_waits_for_the_other_lane_is_looked_at_as_soon_as_it_is_shut(make_pair: Callable[..., Pair]) -> None:
    pair = make_pair(interlock=True)

    async def scene(pair: Pair) -> None:
        await pair.come(0, "p1")
        await pair.come(1, "p2")
        denied = pair.clock.monotonic()
        assert pair.turnstiles[0].push(Side.A)
        await asyncio.sleep(1.6)
        assert pair.clock.monotonic() - denied < pair.apps[1].config.lane.deny_show
        assert pair.states()[1] is State.SCREENING

    pair.play(scene)


def test_a_turnstile_waits_until_the_door_beside_it_is_shut(make_pair: Callable[..., Pair]) -> None:
    pair = make_pair(interlock=True, kinds=("door", "turnstile"))
    door, turnstile = pair.turnstiles

    async def scene(pair: Pair) -> None:
        await pair.come(0, "p1")
        assert door.released
        assert door.pull(Side.A, hold=2.0)
        await asyncio.sleep(1.0)
        await pair.come(1, "p2")
        assert pair.reasons()[1] == "interlock"
        assert not turnstile.push(Side.A)
        await asyncio.sleep(4.0)
        assert not door.open
        await pair.come(1, "p3")
        assert turnstile.push(Side.A)
        await pair.come(0, "p4")
        assert pair.reasons()[0] == "interlock"
        assert not door.released
        assert door.pull(Side.B), "whoever leaves asks nobody"

    pair.play(scene)


def test_a_door_waits_until_the_arm_beside_it_is_down(make_pair: Callable[..., Pair]) -> None:
    pair = make_pair(interlock=True, kinds=("barrier", "door"))
    barrier, door = pair.turnstiles

    async def scene(pair: Pair) -> None:
        barrier.arrive()
        await asyncio.sleep(3.0)
        await pair.come(0, "p1")
        await asyncio.sleep(2.0)
        assert barrier.is_up
        await pair.come(1, "p2")
        assert pair.reasons()[1] == "interlock"
        while barrier.angle > 0.0:
            assert not door.released
            await asyncio.sleep(0.2)
        await asyncio.sleep(1.0)
        await pair.come(1, "p2")
        assert door.released

    pair.play(scene)
    assert not barrier.hits


class Watchdog:
    """A hardware watchdog that writes down when it was fed."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def open(self) -> float:
        self.told.append("open")
        return 60.0

    def feed(self) -> None:
        self.told.append("feed")

    def close(self) -> None:
        self.told.append("close")


@pytest.mark.parametrize("hanging", [0, 1])
def test_the_hardware_watchdog_of_one_lane_starves_when_either_hangs(
    make_pair: Callable[..., Pair], hanging: int
) -> None:
    watchdog = Watchdog()
    pair = make_pair(watchdog=watchdog)

    async def scene(pair: Pair) -> None:
        await asyncio.sleep(5.0)
        assert watchdog.told[:2] == ["open", "feed"]
        assert 4 <= watchdog.told.count("feed") <= 20
        journal: Any = pair.apps[hanging].runner._journal
        journal._executor.submit(pair.clock.wait, threading.Event(), math.inf)
        await asyncio.sleep(JOURNAL_HANGS + 3.0)
        watchdog.told.append("hung for long")
        await asyncio.sleep(5.0)

    pair.play(scene)
    assert set(watchdog.told[watchdog.told.index("hung for long") :]) == {"hung for long", "close"}


# What is refused before anything is opened


FIRST = """
[site]
name = "gate-1"
[store]
folder = "/var/lib/thermogate/gate-1"
"""
SECOND = """
[site]
name = "gate-2"
[thermal]
bus = "/dev/i2c-3"
[camera]
source = "/dev/video2"
[store]
folder = "/var/lib/thermogate/gate-2"
[gate]
unlock_a = 24
unlock_b = 25
lamp_go = 10
lamp_stop = 9
pass_a = 12
pass_b = 13
"""


def refuse(first: str, second: str) -> None:
    check({"one.toml": parse(first, where="one.toml"), "two.toml": parse(second, where="two.toml")})


def test_two_lanes_that_share_nothing_may_run_together() -> None:
    refuse(FIRST, SECOND)


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (("", ""), ("gate-2", "gate-1"), r"both have the (name 'gate-1'|folder .*), as \[site\] name"),
        (("", ""), ("thermogate/gate-2", "thermogate/gate-1"), r"both have the folder .*gate-1, as \[store\] folder"),
        (("", ""), ("i2c-3", "i2c-1"), r"both have the sensor /dev/i2c-1 0x33, as \[thermal\] bus"),
        (("", ""), ("video2", "video0"), r"both have the camera /dev/video0"),
        (("", ""), ("unlock_a = 24", "unlock_a = 17"), r"GPIO line 17 of chip 0, as \[gate\] unlock_a and as \[gate\]"),
        (
            ("[store]", '[reader]\ndriver = "wiegand"\nd0 = 12\nd1 = 21\n[store]'),
            ("", ""),
            r"both have GPIO line 12 of chip 0, as \[reader\] d0 and as \[gate\] pass_a",
        ),
        (
            ("[store]", "[observe]\nmetrics_port = 9100\n[store]"),
            ("[store]", "[observe]\nmetrics_port = 9100\n[store]"),
            r"both have the port 9100, as \[observe\] metrics_port",
        ),
        (("[store]", "[screen]\n[store]"), ("[store]", "[screen]\n[store]"), r"both have the device /dev/fb0"),
        (
            ('"gate-1"\n', '"gate-1"\ninterlock = true\n'),
            ("", ""),
            r"\[site\] interlock must be the same in both, not True and False",
        ),
        (("[store]", "[lane]\nanti_passback = 60.0\n[store]"), ("", ""), r"\[lane\] anti_passback must be the same"),
    ],
)
def test_what_both_lanes_claim_is_named_with_both_files(
    first: tuple[str, str], second: tuple[str, str], told: str
) -> None:
    one = FIRST.replace(*first) if first[0] else FIRST
    two = SECOND.replace(*second) if second[0] else SECOND
    with pytest.raises(ConfigError, match=r"^one\.toml and two\.toml: .*" + told):
        refuse(one, two)


def test_an_interlock_of_one_lane_is_refused() -> None:
    alone = parse("[site]\ninterlock = true", where="gate.toml")
    with pytest.raises(
        ConfigError, match=r"gate\.toml: \[site\] interlock is about two lanes: thermogate run gate\.toml"
    ):
        check({"gate.toml": alone})


def test_more_than_two_lanes_are_refused() -> None:
    configs = {f"{number}.toml": parse(FIRST, where="x") for number in range(3)}
    with pytest.raises(ConfigError, match="3 lanes: a board runs 2 at most"):
        check(configs)


def test_the_command_reads_both_files_before_it_opens_anything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = tmp_path / "one.toml", tmp_path / "two.toml"
    one.write_text(FIRST)
    two.write_text(SECOND.replace("video2", "video0"))
    assert main(["run", str(one), str(two)]) == MISCONFIGURED
    assert f"{one} and {two}: both have the camera /dev/video0" in capsys.readouterr().err
    two.write_text(SECOND)
    assert main(["run", "--check", str(one), str(two)]) == 1
    told = capsys.readouterr().err
    assert f"{one}: this board cannot run the lane yet:" in told
    assert f"{two}: this board cannot run the lane yet:" in told
    assert main(["run", str(one), str(one)]) == MISCONFIGURED
    assert "is given twice" in capsys.readouterr().err
