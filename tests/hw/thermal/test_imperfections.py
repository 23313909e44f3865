"""What a chip gets wrong shows in the shipped driver's degrees, by as much as was asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hw.board import simulated_board
from hw.settings import CameraSettings, GateSettings
from hw.sim.clock import ManualClock
from hw.sim.mlx90640_flaws import ZONES, Imperfections
from hw.sim.mount import Mount
from hw.sim.world import World
from hw.thermal_settings import Mlx90640Settings

ROOM = 22.0


def read(rig: Any, count: int = 8) -> Any:
    """Mean of some frames, float64[24, 32] °C."""
    return np.mean([frame.temperatures for frame in rig.frames(count)], axis=0, dtype=np.float64)


def opened(make_rig: Any, scene: Any = 35.0, **options: Any) -> Any:
    rig = make_rig(scene, ambient=ROOM + 8, reflected=ROOM, **options)
    rig.driver.open()
    return rig


def test_a_chip_without_fault_is_as_before(make_rig: Any) -> None:
    shown = [read(opened(make_rig, netd=None, imperfections=given)) for given in (None, Imperfections())]
    assert np.array_equal(*shown)


@pytest.mark.parametrize("fov", [55, 110])
@pytest.mark.parametrize("bias", [-1.0, 0.7])
def test_a_bias_is_so_many_kelvin_on_skin(make_rig: Any, bias: float, fov: int) -> None:
    rig = opened(make_rig, fov=fov, imperfections=Imperfections(bias=bias))
    # T⁴ bends, and the sensitivity falls with what is read: 3 % of a kelvin.
    assert float(read(rig).mean()) - 35.0 == pytest.approx(bias, abs=0.04)


def test_stray_flux_is_worth_less_on_a_warmer_object(make_rig: Any) -> None:
    """Equal flux is 4 T³ dT: a kelvin at 35 °C is 0.87 K at 50 °C."""
    rig = opened(make_rig, 50.0, imperfections=Imperfections(bias=1.0))
    assert float(read(rig).mean()) - 50.0 == pytest.approx((308.15 / 323.15) ** 3, abs=0.02)


@pytest.mark.parametrize("gain", [-0.02, 0.02, 0.1])
def test_a_gain_error_tilts_the_line_around_the_die(make_rig: Any, gain: float) -> None:
    """A signal ∝ To⁴ - Ta⁴ that is too large by g reads g (To⁴ - Ta⁴) / 4 To³ too much."""
    die = ROOM + 8 + 273.15
    level, found = [0.0], []
    rig = opened(make_rig, lambda _: np.full((24, 32), level[0]), imperfections=Imperfections(gain=gain))
    for level[0] in (30.0, 35.0, 40.0):
        rig.frames(2)
        found.append(float(read(rig, 12).mean()))
        kelvin = level[0] + 273.15
        expected = (kelvin**4 * (1 + gain) - gain * die**4) ** 0.25 - 273.15
        # What the scene reflects is amplified as well, and the sensitivity's own slope: a hundredth of the error.
        assert found[-1] == pytest.approx(expected, abs=0.03 + 0.02 * abs(gain) * 100)
    slope = (found[2] - found[1]) / 5
    assert slope - 1 == pytest.approx(gain, rel=0.25, abs=0.004)


@pytest.mark.parametrize("size", [2.0, -1.5])
def test_the_warm_up_decays_within_four_minutes(make_rig: Any, size: float) -> None:
    rig = make_rig(35.0, ambient=ROOM + 8, reflected=ROOM, imperfections=Imperfections(warm_up=size))
    rig.driver.open()
    first = float(read(rig, 4).mean()) - 35.0
    assert abs(first) > 0.9 * abs(size)
    seen = []
    for _ in range(4):
        rig.clock.sleep(60.0)
        rig.driver.open()
        seen.append(float(read(rig, 4).mean()) - 35.0)
    assert np.all(np.diff(np.abs([first, *seen])) < 0)
    assert abs(seen[1]) > 0.1 * abs(size)
    assert abs(seen[3]) < 0.05


def test_the_die_heats_itself_and_the_driver_follows(make_rig: Any) -> None:
    rig = opened(make_rig, imperfections=Imperfections(self_heating=8.0))
    assert rig.frames(1)[0].ambient == pytest.approx(ROOM + 8 - 8, abs=0.5)
    early = float(read(rig).mean())
    # At first Ta - 8 is not the room, and what skin reflects of it is misjudged; a little.
    assert early - 35.0 == pytest.approx(0.02 * 8 * (292 / 308) ** 3, abs=0.05)
    rig.clock.sleep(300.0)
    rig.driver.open()
    assert rig.frames(1)[0].ambient == pytest.approx(ROOM + 8, abs=0.1)
    assert float(read(rig).mean()) == pytest.approx(35.0, abs=0.03)
    assert rig.driver.counters.glitches == 0


def test_warming_up_is_not_taken_for_wrong_bytes(make_rig: Any) -> None:
    rig = opened(make_rig, netd=None, imperfections=Imperfections(self_heating=8.0, warm_up=2.0))
    assert len(rig.frames(16 * 60)) == 960
    assert rig.driver.counters.glitches == 0


def test_a_power_cycle_starts_the_warm_up_anew(make_rig: Any) -> None:
    rig = opened(make_rig, imperfections=Imperfections(warm_up=2.0))
    rig.clock.sleep(600.0)
    rig.driver.open()
    assert float(read(rig, 4).mean()) == pytest.approx(35.0, abs=0.03)
    rig.chip.power(on=False)
    rig.clock.sleep(10.0)
    rig.chip.power(on=True)
    rig.driver.open()
    assert float(read(rig, 4).mean()) > 36.7


def test_the_bias_walks_by_the_root_of_the_days(make_rig: Any) -> None:
    days, each = 25, []
    for seed in range(60):
        rig = opened(make_rig, seed=1, imperfections=Imperfections(drift=0.1, seed=seed))
        assert float(read(rig, 2).mean()) == pytest.approx(35.0, abs=0.03)
        rig.clock.sleep(days * 86_400.0)
        rig.driver.open()
        each.append(float(read(rig, 2).mean()) - 35.0)
    # The standard deviation of 60 is known to 9 % (1 sigma).
    assert np.std(each) == pytest.approx(0.1 * days**0.5, rel=0.3)
    assert abs(np.mean(each)) < 0.25


def test_age_is_a_walk_that_lies_behind(make_rig: Any) -> None:
    walk = Imperfections(drift=0.1, seed=5)
    old = Imperfections(drift=0.1, age=25.0, seed=5)
    rig = opened(make_rig, imperfections=walk)
    rig.clock.sleep(25 * 86_400.0 - 2)
    rig.driver.open()
    later = float(read(rig, 2).mean())
    assert float(read(opened(make_rig, imperfections=old), 2).mean()) == pytest.approx(later, abs=0.03)
    assert abs(later - 35.0) > 0.05


@pytest.mark.parametrize("pattern", ["chess", "interleaved"])
def test_the_subpages_differ_by_the_checkerboard(make_rig: Any, pattern: Any) -> None:
    settings = Mlx90640Settings(pattern=pattern)
    shown = read(opened(make_rig, settings=settings, imperfections=Imperfections(checkerboard=0.6)))
    row, column = np.mgrid[:24, :32]
    later = (row + column if pattern == "chess" else row) % 2 == 1
    assert float(shown[later].mean() - shown[~later].mean()) == pytest.approx(0.6, abs=0.04)
    assert float(shown.mean()) == pytest.approx(35.0, abs=0.03)


def test_marked_pixels_are_told_and_filled_in_unmarked_ones_are_not(make_rig: Any) -> None:
    flaws = Imperfections(dead=(100,), outliers=(300,), stuck=(500,), hot=(700,), hot_by=12.0)
    rig = opened(make_rig, imperfections=flaws)
    shown = read(rig).reshape(-1)
    warnings = " ".join(rig.driver.open().warnings)
    assert "1 failed" in warnings
    assert "1 out-of-specification" in warnings
    assert abs(shown[100] - 35.0) < 0.3
    assert abs(shown[300] - 35.0) < 0.3
    assert shown[500] == pytest.approx(ROOM + 8, abs=0.5)
    assert 44 < shown[700] < 47
    assert float(np.delete(shown, [100, 300, 500, 700]).mean()) == pytest.approx(35.0, abs=0.03)


@pytest.mark.parametrize("fov", [55, 110])
def test_data_sheet_chips_keep_the_data_sheets_limits(make_rig: Any, fov: int) -> None:
    means, gains, worst, marked = [], [], [], []
    for seed in range(40):
        chip = Imperfections.datasheet(seed, fov=fov)
        assert chip == Imperfections.datasheet(seed, fov=fov)
        assert chip.pattern is not None
        middle = chip.pattern[8:16, 11:21]
        assert np.abs(middle).max() <= ZONES[fov][0] + 0.5
        means.append(chip.bias)
        gains.append(chip.gain)
        worst.append(np.abs(chip.pattern).max())
        marked.append(len(chip.dead) + len(chip.outliers))
    assert max(np.abs(means)) <= 1
    assert np.std(means) == pytest.approx(1 / 3**0.5, rel=0.3)
    assert max(np.abs(gains)) <= 0.02
    assert 0.9 < max(worst) <= ZONES[fov][2] + 0.5
    assert set(marked) <= set(range(5))
    assert len(set(means)) == 40


def test_a_data_sheet_chip_reads_within_its_limits_once_it_is_warm(make_rig: Any) -> None:
    errors = []
    for seed in range(12):
        chip = Imperfections.datasheet(seed)
        rig = opened(make_rig, seed=seed, imperfections=chip)
        rig.clock.sleep(300.0)
        rig.driver.open()
        errors.append(float(np.median(read(rig))) - 35.0)
    # Frame accuracy ±1 K, 2 % of To - Ta, and up to a year of drift (0.05 K per root day, 1 σ 0.96 K).
    assert np.abs(errors).max() < 1 + 0.1 + 3 * 0.96
    assert np.std(errors) > 0.3


@pytest.mark.parametrize(
    "wrong",
    [
        {"dead": (768,)},
        {"hot": (-1,)},
        {"gain": -1.0},
        {"warm_up_constant": 0.0},
        {"drift": -0.1},
        {"age": -1.0},
        {"pattern": np.zeros((32, 24))},
    ],
)
def test_impossible_chips_are_refused(wrong: Any) -> None:
    with pytest.raises(ValueError):
        Imperfections(**wrong)


def test_no_other_lens_is_sold() -> None:
    with pytest.raises(ValueError, match="55 or 110"):
        Imperfections.datasheet(1, fov=90)


@pytest.mark.parametrize(("degrees", "kind"), [(55, "BAB"), (110, "BAA")])
def test_a_board_has_the_worlds_lens_and_the_given_faults(degrees: int, kind: str) -> None:
    clock = ManualClock()
    world = World(clock, seed=1, mount=Mount.with_lens(degrees))
    settings = Mlx90640Settings(), CameraSettings(), GateSettings()
    faults = Imperfections(bias=1.0, self_heating=8.0)
    shown = []
    for given in (None, faults):
        board, _ = simulated_board(*settings, clock=clock, world=world, seed=3, imperfections=given)
        sensor = board.make_thermal()
        assert kind in sensor.open().model
        clock.sleep(600.0)
        sensor.open()
        shown.append(np.mean([sensor.read(5.0).temperatures for _ in range(64)]))
    # The room is not skin: at 22 °C the flux of a kelvin at 35 °C is worth (308 / 295)³.
    assert shown[1] - shown[0] == pytest.approx(1.0 * (308.15 / 295.15) ** 3, abs=0.1)
