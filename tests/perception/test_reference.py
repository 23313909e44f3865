"""The black body: it corrects within what it says, and what is before it is never taken for it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.perception.reference import (
    ENOUGH,
    OPEN_AIR,
    RELEARN,
    SILENT,
    WINDOW,
    LocalTime,
    Optics,
    Reference,
    Standing,
    apparent,
)
from controller.perception.reference_settings import LinearitySettings, ReferenceSettings
from hw.sim import things

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from controller.perception.linearity import LinearityResult

RATE = 16.0
SET_POINT = 37.0
PLACE = ReferenceSettings(column=25.5, row=17.5, radius=1.5, temperature=SET_POINT)
SPOT = np.s_[15:20, 23:28]
"""Where the source is drawn: a pixel wider each way than the nine that are read."""
DIE = 30.0


@dataclass(frozen=True)
class Frame:
    temperatures: NDArray[np.float32]
    ambient: float
    timestamp: float


@dataclass
class Bench:
    """A chess-pattern sensor before a room with a source in it; `noise` is of one sample of one pixel, K."""

    settings: ReferenceSettings = PLACE
    noise: float = 0.5
    offset: float = 0.0
    seed: int = 0
    rate: float = RATE
    source: Callable[[float], float] = lambda _: SET_POINT
    local: Callable[[float], LocalTime | None] = lambda _: None
    now: float = 100.0
    tests: list[LinearityResult] = field(default_factory=list)
    standings: list[tuple[float, Standing | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reference = Reference(self.settings)
        self._random = np.random.default_rng(self.seed)
        self._held: NDArray[np.float64] | None = None
        self._parity = np.add.outer(np.arange(24), np.arange(32)) % 2
        self._count = 0

    def feed(self, seconds: float, cover: Callable[[NDArray[np.float64], float], None] | None = None) -> None:
        for _ in range(round(seconds * self.rate)):
            self.now += 1 / self.rate
            scene = np.full((24, 32), 23.0)
            scene[SPOT] = apparent(self.source(self.now), PLACE.emissivity, Optics(), DIE)
            if cover is not None:
                cover(scene, self.now)
            fresh = scene + self.offset + self._random.normal(0, self.noise, scene.shape)
            old = fresh if self._held is None else self._held
            self._held = np.where(self._parity == self._count % 2, fresh, old)
            self._count += 1
            done = self.reference.feed(Frame(self._held.astype(np.float32), DIE, self.now), self.local(self.now))
            self.tests += [] if done is None else [done]
            self.standings.append((self.now, self.standing))

    @property
    def standing(self) -> Standing | None:
        return self.reference.standing(self.now)

    @property
    def correction(self) -> float:
        standing = self.standing
        assert standing is not None
        return standing.correction


def hand(temperature: float, share: float = 1.0) -> Callable[[NDArray[np.float64], float], None]:
    """Something at this temperature over so much of what is read of the source, from its left edge."""

    def cover(scene: NDArray[np.float64], _: float) -> None:
        scene[15:20, 23 : 28 if share == 1 else 24 + round(share * 3)] = temperature

    return cover


# What it says


def test_nothing_is_said_before_enough_frames() -> None:
    bench = Bench()
    bench.feed((ENOUGH - 1) / RATE)
    assert bench.standing is None
    bench.feed(1 / RATE)
    assert bench.standing is not None


@pytest.mark.parametrize("offset", [-1.5, 0.0, 0.8])
def test_the_noise_of_a_correction_is_what_it_states(offset: float) -> None:
    """With a perfect source: errors over stated standard uncertainties of 150 sensors have a variance of 1."""
    exact = ReferenceSettings(column=25.5, row=17.5, temperature=SET_POINT, accuracy=0.0)
    scores = []
    for seed in range(150):
        bench = Bench(settings=exact, offset=offset, seed=seed, noise=1.0)
        bench.feed(3.0)
        standing = bench.standing
        assert standing is not None
        scores.append((standing.correction + offset) / standing.uncertainty)
    # 150 values: the variance's own standard error is 0.12; the few frames' noise is itself only known to a tenth.
    assert 0.65 < np.mean(np.square(scores)) < 1.5
    assert abs(np.mean(scores)) < 0.3


def test_a_correction_covers_the_sources_own_error() -> None:
    """Sources are off by up to their accuracy, evenly: one standard uncertainty covers 58 % of such, two nearly all."""
    dice = np.random.default_rng(5)
    within = []
    for seed in range(100):
        off = dice.uniform(-PLACE.accuracy, PLACE.accuracy)
        bench = Bench(offset=0.6, seed=seed, source=lambda _, off=off: SET_POINT + off)  # type: ignore[misc]
        bench.feed(6.0)
        standing = bench.standing
        assert standing is not None
        within.append(abs(standing.correction + 0.6) <= 2 * standing.uncertainty)
    assert np.mean(within) > 0.95


def test_noise_shrinks_with_frames() -> None:
    exact = ReferenceSettings(column=25.5, row=17.5, temperature=SET_POINT, accuracy=0.0)
    parts = []
    for seconds in (1.0, 4.0, WINDOW):
        found = []
        for seed in range(20):
            bench = Bench(settings=exact, seed=seed)
            bench.feed(seconds)
            assert bench.standing is not None
            found.append(bench.standing.uncertainty)
        parts.append(float(np.mean(found)))
    assert parts[0] / parts[1] == pytest.approx(2.0, rel=0.15)
    assert parts[1] / parts[2] == pytest.approx(math.sqrt(2.5), rel=0.15)


def test_the_sources_accuracy_remains_however_many_frames() -> None:
    bench = Bench(noise=0.01)
    bench.feed(WINDOW)
    assert bench.standing is not None
    assert bench.standing.uncertainty == pytest.approx(PLACE.accuracy / math.sqrt(3), rel=0.01)


def test_a_slow_sensor_is_believed_as_well() -> None:
    bench = Bench(rate=0.5, noise=0.2, offset=-0.7)
    bench.feed(ENOUGH / 0.5)
    assert bench.correction == pytest.approx(0.7, abs=0.15)
    bench.feed(30.0)
    assert all(standing is not None for _, standing in bench.standings[ENOUGH:])


def test_a_sensor_that_warms_up_is_followed() -> None:
    bench = Bench(noise=0.3)
    for _ in range(120):
        bench.offset = 2.0 * math.exp(-(bench.now - 100.0) / 60.0)
        bench.feed(0.5)
    assert bench.correction == pytest.approx(-bench.offset, abs=0.15)


# What is before it


@pytest.mark.parametrize("noise", [0.2, 1.0])
@pytest.mark.parametrize("cold_or_hot", [24.0, 33.0, 45.0])
@pytest.mark.parametrize("share", [1 / 3, 2 / 3, 1.0])
def test_a_hand_that_passes_is_left_out(noise: float, cold_or_hot: float, share: float) -> None:
    bench = Bench(noise=noise, offset=0.4)
    bench.feed(WINDOW)
    bench.feed(1.0, hand(cold_or_hot, share))
    assert bench.correction == pytest.approx(-0.4, abs=0.25)
    bench.feed(2.0)
    assert bench.correction == pytest.approx(-0.4, abs=0.25)


@pytest.mark.parametrize("share", [1 / 3, 2 / 3])
@pytest.mark.parametrize("noise", [0.2, 0.5, 1.0])
def test_something_that_stays_before_part_of_it_is_never_taken_for_it(share: float, noise: float) -> None:
    bench = Bench(noise=noise, offset=0.4)
    bench.feed(WINDOW)
    bench.feed(60.0, hand(33.0, share))
    assert bench.standing is None
    assert bench.reference.missing_for(bench.now) > 50
    said = [standing.correction for _, standing in bench.standings[ENOUGH:] if standing is not None]
    assert np.abs(np.array(said) + 0.4).max() < 0.45
    bench.feed(8.0)
    assert bench.correction == pytest.approx(-0.4, abs=0.2)


def test_a_hand_that_is_never_still_is_never_learned() -> None:
    def waving(scene: NDArray[np.float64], now: float) -> None:
        scene[SPOT] = 35.0 if math.sin(3 * now) > 0 else 33.5

    bench = Bench(noise=0.2)
    bench.feed(WINDOW)
    bench.feed(40.0, waving)
    assert bench.standing is None
    assert bench.reference.missing_for(bench.now) > 30


def test_two_glances_of_a_hand_are_no_lasting_leap() -> None:
    """Between them the source is off: that the first was a while ago makes the second no older."""
    bench = Bench(noise=0.2)
    bench.feed(WINDOW)
    bench.feed(0.25, hand(35.0))
    bench.feed(RELEARN, hand(23.0))
    bench.feed(1.0, hand(35.0))
    assert bench.standing is None


def test_a_source_that_is_off_is_missing_from_the_first_frame_on() -> None:
    bench = Bench(source=lambda _: 23.0)
    assert bench.reference.missing_for(bench.now) == 0.0
    bench.feed(20.0)
    assert bench.standing is None
    assert bench.reference.missing_for(bench.now) == pytest.approx(20.0, abs=0.1)


def test_a_source_that_goes_out_is_missing_more_and_more() -> None:
    bench = Bench()
    bench.feed(WINDOW)
    grown = []
    for _ in range(8):
        bench.feed(1.0, hand(23.0))
        grown.append(bench.reference.missing_for(bench.now))
    assert grown[0] == grown[1] == 0.0
    assert bench.standing is None
    assert grown[-1] == pytest.approx(8.0, abs=0.1)
    assert grown == sorted(grown)


def test_a_source_that_comes_back_is_learned_anew() -> None:
    """Nothing of what was known before it went is mixed into what is known now."""
    bench = Bench(noise=0.2, offset=0.4)
    bench.feed(WINDOW)
    bench.feed(60.0, hand(23.0))
    bench.offset = 0.0
    bench.feed(0.75)
    assert bench.correction == pytest.approx(0.0, abs=0.15)


@pytest.mark.parametrize("leap", [-1.8, 1.8, 3.0])
def test_a_lasting_leap_of_the_sensor_is_believed(leap: float) -> None:
    bench = Bench(noise=0.3)
    bench.feed(WINDOW)
    bench.offset = leap
    bench.feed(SILENT + 0.5)
    assert bench.standing is None
    bench.feed(RELEARN)
    assert bench.correction == pytest.approx(-leap, abs=0.15)


# Pixels


def test_pixels_that_are_not_numbers_are_left_out() -> None:
    def holes(scene: NDArray[np.float64], _: float) -> None:
        scene[16, 25] = scene[17, 26] = np.nan

    bench = Bench(offset=0.5)
    bench.feed(WINDOW, holes)
    assert bench.correction == pytest.approx(-0.5, abs=0.2)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_source_of_hardly_a_number_says_nothing(bad: float) -> None:
    def blind(scene: NDArray[np.float64], _: float) -> None:
        scene[16:18, 24:28] = bad

    bench = Bench()
    bench.feed(5.0)
    bench.feed(5.0, blind)
    assert bench.standing is None
    bench.feed(2.0)
    assert bench.correction == pytest.approx(0.0, abs=0.2)


@pytest.mark.parametrize("corner", [(0.4, 0.4), (31.6, 23.6), (0.0, 12.0), (32.0, 24.0)])
def test_a_source_at_the_arrays_edge_is_read_where_it_is_on_it(corner: tuple[float, float]) -> None:
    column, row = corner
    place = ReferenceSettings(column=column, row=row, temperature=SET_POINT)
    bench = Bench(settings=place, offset=0.5)
    warm = apparent(SET_POINT, place.emissivity, Optics(), DIE)

    def source(scene: NDArray[np.float64], _: float) -> None:
        scene[:] = 23.0
        rows, columns = np.ogrid[:24, :32]
        scene[np.hypot(columns + 0.5 - column, rows + 0.5 - row) < 2.5] = warm

    bench.feed(5.0, source)
    assert bench.correction == pytest.approx(-0.5, abs=0.3)


def test_a_source_beyond_the_array_is_missing() -> None:
    bench = Bench(settings=ReferenceSettings(column=60.0, row=10.0, temperature=SET_POINT))
    bench.feed(2.0)
    assert bench.standing is None


def test_a_sensor_of_another_shape_is_followed() -> None:
    reference = Reference(PLACE)
    for index in range(30):
        shape = (24, 32) if index < 15 else (48, 64)
        frame = Frame(np.full(shape, SET_POINT, np.float32), DIE, index / RATE)
        reference.feed(frame)
    assert reference.standing(29 / RATE) is not None


# Radiometry


temperatures = st.floats(15, 60)
emissivities = st.floats(0.8, 1.0)


def seen_by_bisection(temperature: float, emissivity: float, told: float, reflected: float) -> float:
    """The temperature that, at the told emissivity, sends as much as this surface: found by trying."""

    def sent(celsius: float, share: float) -> float:
        return 5.670374419e-8 * (share * (celsius + 273.15) ** 4 + (1 - share) * (reflected + 273.15) ** 4)

    low, high = -200.0, 400.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if sent(middle, told) < sent(temperature, emissivity) else (low, middle)
    return low


@given(temperatures, emissivities, emissivities, st.floats(-10, 50))
def test_what_a_source_shows_agrees_with_a_search_for_it(
    temperature: float, emissivity: float, told: float, reflected: float
) -> None:
    found = apparent(temperature, emissivity, Optics(told, reflected), 25.0)
    assert found == pytest.approx(seen_by_bisection(temperature, emissivity, told, reflected), abs=1e-6)


@given(temperatures, emissivities, st.floats(0, 45))
def test_what_a_source_shows_agrees_with_the_simulated_worlds(
    temperature: float, emissivity: float, room: float
) -> None:
    """The world writes its own formula, for a sensor that is told skin's emissivity and the room as Tr."""
    told = Optics(0.98, room)
    assert apparent(temperature, emissivity, told, 25.0) == pytest.approx(
        things.apparent(temperature, emissivity, room), abs=1e-6
    )
    # In open air a settled die is 8 K above the room.
    assert apparent(temperature, emissivity, Optics(), room + OPEN_AIR) == pytest.approx(
        things.apparent(temperature, emissivity, room), abs=1e-6
    )


@given(temperatures, st.floats(0.5, 1.0), st.floats(-10, 50))
def test_a_source_like_the_sensor_was_told_shows_its_own_temperature(
    temperature: float, emissivity: float, reflected: float
) -> None:
    assert apparent(temperature, emissivity, Optics(emissivity, reflected), 25.0) == pytest.approx(
        temperature, abs=1e-6
    )


def test_a_dull_source_is_made_up_for() -> None:
    """A source of emissivity 0.9 shows 1.3 K less than it has; the correction is the sensor's error alone."""
    dull = ReferenceSettings(column=25.5, row=17.5, temperature=SET_POINT, emissivity=0.9)
    bench = Bench(settings=dull, noise=0.05, offset=0.5)
    shown = seen_by_bisection(SET_POINT, 0.9, 0.98, DIE - OPEN_AIR)
    assert 36.0 > shown > 35.5

    def source(scene: NDArray[np.float64], _: float) -> None:
        scene[SPOT] = shown

    bench.feed(5.0, source)
    assert bench.correction == pytest.approx(-0.5, abs=0.05)


def test_a_die_that_is_no_number_does_no_harm() -> None:
    reference = Reference(PLACE)
    for index in range(20):
        reference.feed(Frame(np.full((24, 32), SET_POINT, np.float32), math.nan, index / RATE))
    standing = reference.standing(19 / RATE)
    assert standing is not None
    assert standing.correction == pytest.approx(0.0, abs=0.01)


# While the source moves

PROGRAMME = LinearitySettings(at="05:30", points=(35.0, 37.5, 40.0), dwell=40.0, settle=20.0)
MOVING = ReferenceSettings(column=25.5, row=17.5, temperature=SET_POINT, linearity=PROGRAMME)
START = 5.5 * 3600


def clock(first: float) -> Callable[[float], LocalTime]:
    """A local time that is `first` at monotonic 100."""
    return lambda now: LocalTime(7, first + now - 100.0)


def moving(first: float) -> Callable[[float], float]:
    """What the source holds by that clock; it takes 10 s from point to point."""
    steps = [(START + 40.0 * index, point) for index, point in enumerate((*PROGRAMME.points, SET_POINT))]

    def celsius(now: float) -> float:
        at, held = first + now - 100.0, SET_POINT
        for begin, point in steps:
            if at >= begin:
                held += (point - held) * min(1.0, (at - begin) / 10.0)
        return held

    return celsius


def test_the_programme_holds_the_correction_while_the_source_moves() -> None:
    first = START - 15.0
    bench = Bench(settings=MOVING, noise=0.3, offset=0.6, source=moving(first), local=clock(first))
    bench.feed(15.0 + 3 * 40.0 + 40.0)
    said = [standing for _, standing in bench.standings[ENOUGH - 1 :]]
    assert all(standing is not None for standing in said)
    corrections = np.array([standing.correction for standing in said if standing is not None])
    assert np.abs(corrections[RATE_FRAMES:] + 0.6).max() < 0.25
    assert [test.passed for test in bench.tests] == [True]


RATE_FRAMES = round(RATE)


def test_a_source_that_is_away_does_not_come_back_with_the_programme() -> None:
    """It was covered before; between two set points nobody looks, and that is no news of it."""
    first = START - 30.0
    bench = Bench(settings=MOVING, noise=0.3, source=moving(first), local=clock(first))
    bench.feed(10.0)
    bench.feed(20.0 + 3 * 40.0, hand(23.0))
    assert all(standing is None for now, standing in bench.standings if now > 100.0 + 14.0)
    assert bench.reference.missing_for(bench.now) > 120


def test_without_a_clock_the_source_is_taken_to_hold_its_own_temperature() -> None:
    bench = Bench(settings=MOVING, noise=0.3, offset=0.6)
    bench.feed(20.0)
    assert bench.correction == pytest.approx(-0.6, abs=0.2)
    assert bench.tests == []


# Whatever comes


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0.01, 8.0), st.one_of(st.floats(-40, 300), st.just(math.nan)), st.floats(0, 3)),
        max_size=80,
    )
)
def test_it_stays_sane_whatever_comes(frames: list[tuple[float, float, float]]) -> None:
    reference, now = Reference(PLACE), 0.0
    random: Any = np.random.default_rng(1)
    for step, level, noise in frames:
        now += step
        frame = Frame((level + noise * random.standard_normal((24, 32))).astype(np.float32), DIE, now)
        reference.feed(frame)
        standing = reference.standing(now)
        assert reference.missing_for(now) >= 0
        if standing is not None:
            assert abs(standing.correction) <= PLACE.furthest
            assert 0 < standing.uncertainty < 10
            assert reference.missing_for(now) == 0.0
        assert reference.standing(now + SILENT + 0.01) is None
