"""The simulated bus and chip keep the time and the manners of the real ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hw.errors import BusError
from hw.sim.i2c import SimulatedI2cBus
from hw.sim.mlx90640_calibration import decode
from hw.sim.mlx90640_eeprom import synthetic_eeprom

ADDRESS = 0x33
RAM, STATUS, CONTROL = b"\x04\x00", b"\x80\x00", b"\x80\x0d"


def words(rig: Any, register: bytes, count: int) -> Any:
    return np.frombuffer(rig.bus.write_read(ADDRESS, register, 2 * count), dtype=">u2")


def word(rig: Any, register: bytes) -> int:
    return int(words(rig, register, 1)[0])


def store(rig: Any, register: bytes, value: int) -> None:
    rig.bus.write(ADDRESS, register + value.to_bytes(2, "big"))


@pytest.mark.parametrize(("clock_hz", "milliseconds"), [(100_000, 151), (400_000, 37.8), (1_000_000, 15.1)])
def test_a_frame_takes_the_time_of_its_bits(make_rig: Any, clock_hz: int, milliseconds: float) -> None:
    rig = make_rig(clock_hz=clock_hz)
    before = rig.clock.now
    words(rig, RAM, 832)
    assert (rig.clock.now - before) * 1e3 == pytest.approx(milliseconds, rel=0.01)


def test_power_on(make_rig: Any) -> None:
    rig = make_rig()
    assert word(rig, CONTROL) == 0x1901
    assert word(rig, STATUS) == 0
    assert not words(rig, RAM, 832).any()
    rig.clock.sleep(0.54)
    assert word(rig, STATUS) == 0x08
    row, column = np.divmod(np.arange(768), 32)
    seen = words(rig, RAM, 768) != 0
    assert not seen[(row + column) % 2 == 1].any()
    assert seen[(row + column) % 2 == 0].mean() > 0.9
    rig.clock.sleep(0.5)
    assert word(rig, STATUS) == 0x09


def test_new_data_is_only_cleared_never_set(make_rig: Any) -> None:
    rig = make_rig()
    store(rig, STATUS, 0x18)
    assert word(rig, STATUS) == 0x10
    rig.clock.sleep(0.55)
    assert word(rig, STATUS) == 0x18
    store(rig, STATUS, 0x00)
    assert word(rig, STATUS) == 0x00


def test_a_new_rate_holds_after_the_measurement_under_way(make_rig: Any) -> None:
    rig = make_rig()
    store(rig, CONTROL, 0x1A81)
    rig.clock.sleep(0.5)
    assert word(rig, STATUS) & 0x08 == 0
    rig.clock.sleep(0.05)
    assert word(rig, STATUS) & 0x08
    before = rig.chip.measurements
    rig.clock.sleep(1.0)
    word(rig, STATUS)
    assert rig.chip.measurements - before in {4, 16}


def test_a_slow_read_is_torn(make_rig: Any) -> None:
    rig = make_rig(lambda now: np.full((24, 32), 20.0 if now < 1002.0 else 60.0), clock_hz=50_000)
    rig.clock.sleep(1001.95 - rig.clock.now)
    # The transfer lasts 0.3 s; the measurement at 1002.04 falls into it.
    torn = words(rig, RAM, 768).astype(np.int16).astype(int)
    whole = words(rig, RAM, 768).astype(np.int16).astype(int)
    changed = np.flatnonzero(torn != whole)
    assert changed.size > 50
    own = np.flatnonzero((np.arange(768) // 32 + np.arange(768) % 32) % 2 == (word(rig, STATUS) & 1))
    still_old = np.isin(own, changed)
    first_new = int(np.argmin(still_old))
    assert 50 < first_new < 350
    assert still_old[:first_new].all()
    assert not still_old[first_new:].any()


def test_data_hold_keeps_ram_until_overwrite_is_enabled(make_rig: Any) -> None:
    rig = make_rig()
    rig.clock.sleep(1.1)
    store(rig, CONTROL, 0x1905)
    store(rig, STATUS, 0x0000)
    held = words(rig, RAM, 832)
    rig.clock.sleep(3.0)
    assert np.array_equal(words(rig, RAM, 832), held)
    assert word(rig, STATUS) & 0x08 == 0
    store(rig, STATUS, 0x0010)
    rig.clock.sleep(1.0)
    assert word(rig, STATUS) & 0x08


@pytest.mark.parametrize(("control", "subpages"), [(0x1900, {0}), (0x1909, {0}), (0x1919, {1}), (0x1901, {0, 1})])
def test_subpage_modes(make_rig: Any, control: int, subpages: set[int]) -> None:
    rig = make_rig()
    store(rig, CONTROL, control)
    rig.clock.sleep(1.1)
    seen = set()
    for _ in range(6):
        seen.add(word(rig, STATUS) & 1)
        rig.clock.sleep(0.5)
    assert seen == subpages


def test_glitches_are_reproducible_and_at_their_rate(make_rig: Any) -> None:
    rig = make_rig()
    rig.clock.sleep(1.2)
    truth = words(rig, b"\x24\x00", 832)

    def wrong(seed: int) -> Any:
        bus = SimulatedI2cBus({ADDRESS: rig.chip}, rig.clock, seed=seed)
        bus.faults.glitch_rate = 0.01
        return np.frombuffer(bus.write_read(ADDRESS, b"\x24\x00", 1664), dtype=">u2") != truth

    assert np.array_equal(wrong(1), wrong(1))
    assert not np.array_equal(wrong(1), wrong(2))
    assert 4 <= np.count_nonzero(wrong(1)) <= 35


def test_an_unknown_address_does_not_acknowledge(make_rig: Any) -> None:
    rig = make_rig()
    with pytest.raises(BusError, match="0x40 did not acknowledge"):
        rig.bus.write(0x40, b"\x00")


def test_a_long_silence_costs_no_measurements(make_rig: Any) -> None:
    rig = make_rig(lambda now: np.full((24, 32), now % 50))
    rig.clock.sleep(86_400.0)
    word(rig, STATUS)
    assert rig.chip.measurements < 10


def test_a_scene_must_be_a_scene(make_rig: Any) -> None:
    for scene in (np.zeros((24, 31)), np.full((24, 32), np.nan)):
        rig = make_rig(lambda _, scene=scene: scene)
        rig.clock.sleep(1.0)
        with pytest.raises(ValueError, match="finite float"):
            word(rig, STATUS)


def test_every_seed_is_another_healthy_sensor() -> None:
    serials = set()
    for seed in range(50):
        eeprom = synthetic_eeprom(seed, fov=(55, 110)[seed % 2])
        calibration = decode(eeprom)
        serials.add(tuple(eeprom[7:10]))
        assert not calibration.dead.any()
        assert (calibration.alpha > 0).all()
        assert 0.4 < calibration.alpha.reshape(24, 32)[0, 0] / calibration.alpha.max() < 0.8
        assert calibration.tgc == 0
    assert len(serials) == 50


def test_impossible_eeprom_requests() -> None:
    with pytest.raises(ValueError, match="55 or 110"):
        synthetic_eeprom(1, fov=90)
    with pytest.raises(ValueError, match="dead"):
        synthetic_eeprom(1, dead=(768,))
