"""Every fault of sensor and bus, injected below the real driver, ends as it should."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from hw.clock import SystemClock
from hw.drivers.mlx90640 import Mlx90640Driver
from hw.errors import (
    BusError,
    BusStuck,
    BusTimeout,
    CalibrationDataError,
    DeviceClosed,
    DeviceTimeout,
    FrameError,
)
from hw.sim.i2c import SimulatedI2cBus
from hw.sim.mlx90640 import SimulatedMlx90640
from hw.sim.mlx90640_eeprom import synthetic_eeprom
from hw.thermal_settings import Mlx90640Settings

ADDRESS = 0x33


def started(make_rig: Any, *args: Any, **options: Any) -> Any:
    rig = make_rig(*args, **options)
    rig.driver.open()
    return rig


def test_nobody_at_the_address(make_rig: Any) -> None:
    rig = make_rig()
    rig.bus.faults.absent.add(ADDRESS)
    with pytest.raises(BusError, match="0x33 did not acknowledge") as caught:
        rig.driver.open()
    assert isinstance(caught.value, OSError)
    rig.bus.faults.absent.clear()
    rig.driver.open()
    assert rig.frames(1)[0].sequence == 0


def test_dropping_off_the_bus_and_coming_back(make_rig: Any) -> None:
    rig = started(make_rig)
    rig.frames(3)
    rig.chip.power(on=False)
    with pytest.raises(BusError):
        rig.driver.read(1.0)
    rig.chip.power(on=True)
    rig.driver.open()
    again = rig.frames(2)
    assert [frame.sequence for frame in again] == [0, 1]
    assert rig.driver.counters.reinits == 1
    assert rig.bus.recoveries >= 1
    assert np.abs(again[0].temperatures - 30.0).max() < 0.5


def test_a_dip_of_the_supply_is_noticed(make_rig: Any) -> None:
    rig = started(make_rig)
    rig.frames(2)
    rig.chip.power(on=False)
    rig.chip.power(on=True)
    with pytest.raises(BusError, match="was reset"):
        rig.driver.read(5.0)
    assert rig.driver.counters.resets == 1
    rig.driver.open()
    assert rig.driver.open().frame_rate == 16.0
    assert rig.frames(1)[0].sequence == 0


def test_the_first_frame_has_both_subpages_after_power_on(make_rig: Any) -> None:
    rig = make_rig()
    info = rig.driver.open()
    assert rig.chip.measurements <= 1
    frame = rig.driver.read(2.0)
    assert np.isfinite(frame.temperatures).all()
    assert np.abs(frame.temperatures - 30.0).max() < 0.5
    assert info.frame_rate == 16.0


def test_a_measurement_begun_in_the_other_pattern_is_left_out(make_rig: Any) -> None:
    rig = make_rig(31.0, settings=Mlx90640Settings(pattern="interleaved"))
    rig.clock.sleep(3.0)
    rig.driver.open()
    assert np.abs(rig.frames(1)[0].temperatures - 31.0).max() < 0.5


@pytest.mark.parametrize("recoverable", [True, False])
def test_sda_held_low_at_open(make_rig: Any, *, recoverable: bool) -> None:
    rig = make_rig()
    rig.bus.faults.sda_low, rig.bus.faults.recoverable = True, recoverable
    with pytest.raises(BusStuck, match="EEPROM reads 0x0000 throughout"):
        rig.driver.open()
    if recoverable:
        rig.driver.open()
        rig.frames(1)
    else:
        with pytest.raises(BusStuck):
            rig.driver.open()


def test_sda_held_low_while_running(make_rig: Any) -> None:
    rig = started(make_rig)
    rig.frames(2)
    rig.bus.faults.sda_low = True
    with pytest.raises(BusStuck, match="held or floating"):
        rig.driver.read(5.0)
    rig.driver.open()
    rig.frames(2)


class Floating:
    """Nobody drives SDA, yet something acknowledges."""

    powered = True

    def write(self, data: bytes, at: float) -> None:
        pass

    def read(self, count: int, start: float, seconds_per_byte: float) -> bytes:  # noqa: ARG002 - an I2cSlave's
        return b"\xff" * count


def test_a_floating_line_reads_ones(make_rig: Any) -> None:
    with pytest.raises(BusStuck, match="0xFFFF"):
        make_rig(chip=Floating()).driver.open()


def test_a_floating_line_while_running(make_rig: Any) -> None:
    rig = started(make_rig)
    rig.frames(2)
    rig.bus._devices[ADDRESS] = Floating()
    with pytest.raises(BusStuck, match="RAM reads 0xFFFF"):
        rig.driver.read(5.0)


def test_a_clock_held_low(make_rig: Any) -> None:
    rig = started(make_rig)
    rig.bus.faults.stretched = 1
    with pytest.raises(BusTimeout) as caught:
        rig.driver.read(5.0)
    assert isinstance(caught.value, BusStuck)
    assert isinstance(caught.value, TimeoutError)
    rig.driver.open()
    rig.frames(1)


def test_a_sensor_that_stops_measuring_times_out_soon(make_rig: Any) -> None:
    rig = started(make_rig)
    rig.frames(2)
    rig.chip.freeze()
    before = rig.clock.now
    with pytest.raises(DeviceTimeout, match="no new data"):
        rig.driver.read(60.0)
    assert rig.clock.now - before < 2.5 / 16 + 0.05
    assert rig.driver.counters.timeouts == 1


def test_a_short_timeout_is_kept_and_nothing_is_lost(make_rig: Any) -> None:
    rig = started(make_rig, settings=Mlx90640Settings(refresh_hz=1))
    rig.frames(1)
    before = rig.clock.now
    with pytest.raises(DeviceTimeout):
        rig.driver.read(0.3)
    assert rig.clock.now - before == pytest.approx(0.3, abs=0.03)
    assert rig.driver.read(2.0).sequence == 1


@pytest.mark.parametrize("word", [0x0000, 0xFFFF])
def test_an_erased_eeprom_behind_live_registers(make_rig: Any, word: int) -> None:
    rig = make_rig()
    rig.chip.eeprom[:] = word
    with pytest.raises(CalibrationDataError, match=f"EEPROM is 0x{word:04X} throughout"):
        rig.driver.open()


def test_an_impossible_eeprom(make_rig: Any) -> None:
    rig = make_rig()
    rig.chip.eeprom[0x30:0x34] = 0
    with pytest.raises(CalibrationDataError, match="0x24"):
        rig.driver.open()


def test_eeprom_above_its_clock_is_read_until_it_agrees(make_rig: Any) -> None:
    rig = make_rig(clock_hz=1_000_000)
    truth = rig.chip.eeprom.copy()
    info = rig.driver.open()
    assert any("1000 kHz" in warning and "i2c_arm_baudrate=400000" in warning for warning in info.warnings)
    assert info.serial == "".join(f"{word:04x}" for word in truth[7:10])
    assert np.abs(rig.frames(1)[0].temperatures - 30.0).max() < 0.5


def test_an_eeprom_that_never_agrees_is_refused(make_rig: Any) -> None:
    rig = make_rig()
    rig.bus.faults.glitch_rate = 0.05
    with pytest.raises((CalibrationDataError, BusError), match="differ"):
        rig.driver.open()


def test_a_clock_that_the_kernel_does_not_tell(make_rig: Any) -> None:
    rig = make_rig()
    rig.bus.set_speed(100_000, told=False)
    info = rig.driver.open()
    assert any("does not tell its clock" in warning and "150 ms" in warning for warning in info.warnings)
    assert info.frame_rate == 4.0


@pytest.mark.parametrize(
    ("clock_hz", "asked", "runs"),
    [(100_000, 64, 4.0), (400_000, 64, 16.0), (1_000_000, 64, 32.0), (400_000, 16, 16.0), (100_000, 2, 2.0)],
)
def test_a_rate_too_fast_for_the_bus_is_lowered(make_rig: Any, clock_hz: int, asked: Any, runs: float) -> None:
    rig = make_rig(clock_hz=clock_hz, settings=Mlx90640Settings(refresh_hz=asked))
    info = rig.driver.open()
    assert info.frame_rate == runs
    assert any(f"too long for {asked} Hz: running at {runs:g} Hz" in text for text in info.warnings) == (runs != asked)
    frames = rig.frames(20)
    assert [frame.sequence for frame in frames] == list(range(20))
    steps = np.diff([frame.timestamp for frame in frames])
    assert steps == pytest.approx(1 / runs, rel=0.25)
    assert rig.driver.counters.torn == 0


def test_torn_reads_end_and_are_counted(make_rig: Any) -> None:
    rig = started(make_rig, scene=lambda t: np.full((24, 32), 20.0 + t % 10))
    rig.frames(2)
    rig.bus.set_speed(100_000)
    before = rig.clock.now
    with pytest.raises(FrameError, match="torn 3 times"):
        rig.driver.read(5.0)
    assert rig.clock.now - before < 1.0
    assert rig.driver.counters.torn == 3
    rig.bus.set_speed(400_000)
    assert rig.frames(3)[-1].sequence > 4


def test_a_reader_that_was_away_sees_a_gap(make_rig: Any) -> None:
    rig = started(make_rig)
    (before,) = rig.frames(1)
    rig.clock.sleep(10.03 / 16)
    first, second = rig.frames(2)
    assert first.sequence - before.sequence == pytest.approx(10, abs=1)
    assert second.sequence == first.sequence + 1
    assert rig.driver.counters.missed == first.sequence - before.sequence - 1


def test_a_glitchy_bus_never_shows_a_fever_that_is_not_there(make_rig: Any) -> None:
    """One byte in 500 is wrong: without the nets 300 to 1000 °C would be seen."""
    rig = started(make_rig, 30.0, netd=None, settings=Mlx90640Settings(refresh_hz=8))
    rig.frames(2)
    rig.bus.faults.glitch_rate = 1 / 500
    shown, refused = [], 0
    for _ in range(200):
        try:
            shown.append(rig.driver.read(5.0).temperatures)
        except FrameError:
            refused += 1
    assert len(shown) > 150
    assert refused > 0
    assert rig.driver.counters.glitches > 300
    assert np.isfinite(shown).all()
    # A leap of 6 K is believed for one frame; NETD at 8 Hz is 0.7 K, 1.3 K in the corners.
    assert np.max(shown) < 30 + 12
    assert np.min(shown) > 30 - 12


class Flip:
    """A slave whose RAM bytes are turned in transit, once."""

    powered = True

    def __init__(self, chip: SimulatedMlx90640) -> None:
        self.chip = chip
        self.flips: dict[int, int] = {}

    def write(self, data: bytes, at: float) -> None:
        self.chip.write(data, at)

    def read(self, count: int, start: float, seconds_per_byte: float) -> bytes:
        data = bytearray(self.chip.read(count, start, seconds_per_byte))
        if count == 1664 and self.flips:
            for index, bits in self.flips.items():
                data[index] ^= bits
            self.flips = {}
        return bytes(data)


@pytest.fixture
def flipping(make_rig: Any, clock: Any) -> Any:
    chip = SimulatedMlx90640(lambda _: np.full((24, 32), 30.0), clock, seed=1, netd=0.0)
    rig = make_rig(chip=Flip(chip))
    rig.driver.open()
    rig.frames(2)
    return rig


def owned(subpage: int) -> list[int]:
    return [pixel for pixel in range(768) if (pixel // 32 + pixel % 32) % 2 == subpage]


def test_a_flipped_high_byte_is_filled_in_and_forgotten(flipping: Any) -> None:
    coming = 1 - flipping.driver.read(1.0).subpage
    flipping.chip.flips = {2 * owned(coming)[100]: 0x02}
    for frame in flipping.frames(3):
        assert np.abs(frame.temperatures - 30.0).max() < 0.5
    # Once when it was new and leapt, once when RAM did not show it again.
    assert flipping.driver.counters.glitches == 2


def test_a_small_flip_is_found_by_the_next_read(flipping: Any) -> None:
    coming = 1 - flipping.driver.read(1.0).subpage
    flipping.chip.flips = {2 * owned(coming)[100] + 1: 0x08}
    with_error, after, later = (np.abs(frame.temperatures - 30.0).max() for frame in flipping.frames(3))
    assert 0.5 < with_error < 6.0
    assert after < 0.5
    assert later < 0.5
    assert flipping.driver.counters.glitches == 1


def test_a_flip_in_the_old_half_is_seen(flipping: Any) -> None:
    old = flipping.driver.read(1.0).subpage
    flipping.chip.flips = {2 * owned(old)[100] + 1: 0x08}
    flipping.frames(1)
    assert flipping.driver.counters.glitches == 1


@pytest.mark.parametrize(
    ("word", "bits"),
    [(0x00, 0x40), (0x0A, 0x10), (0x20, 0x04), (0x2A, 0x40), (0x2A, 0x08), (0x0A, 0x01)],
    ids=["vbe", "gain", "ptat", "vdd", "vdd-small", "gain-small"],
)
def test_a_flipped_auxiliary_word_is_refused(flipping: Any, word: int, bits: int) -> None:
    flipping.chip.flips = {2 * (768 + word): bits}
    with pytest.raises(FrameError, match=r"read wrong|no possible"):
        flipping.driver.read(1.0)
    (after,) = flipping.frames(1)
    assert np.abs(after.temperatures - 30.0).max() < 0.5
    assert flipping.driver.counters.glitches == 1


def test_a_reading_full_of_leaps_is_refused(flipping: Any) -> None:
    coming = 1 - flipping.driver.read(1.0).subpage
    flipping.chip.flips = {2 * pixel: 0x10 for pixel in owned(coming)[::20]}
    with pytest.raises(FrameError, match="pixels leap at once"):
        flipping.driver.read(1.0)
    assert np.abs(flipping.frames(1)[0].temperatures - 30.0).max() < 0.5


def test_a_lamp_is_believed_at_its_second_reading(make_rig: Any) -> None:
    def scene(now: float) -> Any:
        picture = np.full((24, 32), 25.0)
        picture[10, 10] = 90.0 if now > 1003.0 else 25.0
        return picture

    rig = started(make_rig, scene)
    shown = [(frame.timestamp, float(frame.temperatures[10, 10])) for frame in rig.frames(60)]
    assert shown[-1][0] > 1003.2
    assert all(abs(value - 90.0) < 1.0 for at, value in shown if at > 1003.2)
    assert all(abs(value - 25.0) < 1.0 for at, value in shown if at < 1003.0)


def test_a_warm_hand_before_the_sensor_is_no_glitch(make_rig: Any) -> None:
    def scene(now: float) -> Any:
        picture = np.full((24, 32), 21.0)
        if now > 1003.0:
            picture[4:20, 8:24] = 34.0
        return picture

    rig = started(make_rig, scene, netd=None)
    rig.frames(80)
    assert rig.clock.now > 1004
    assert rig.driver.counters.glitches == 0


def test_the_die_may_warm_up(make_rig: Any) -> None:
    rig = started(make_rig, ambient=lambda now: 25.0 + 12.0 * (1 - np.exp(-(now - 1000.0) / 60.0)))
    frames = rig.frames(400)
    assert frames[-1].ambient > frames[0].ambient + 3
    assert rig.driver.counters.glitches == 0


def test_a_leap_of_the_die_that_lasts_is_believed(make_rig: Any) -> None:
    rig = started(make_rig, ambient=lambda now: 25.0 if now < 1002 else 31.0)
    while rig.clock.now < 1001.8:
        rig.driver.read(1.0)
    refused, seen = 0, []
    while rig.clock.now < 1002.5:
        try:
            seen.append(rig.driver.read(1.0).ambient)
        except FrameError:
            refused += 1
    assert refused == 1
    assert seen[-1] == pytest.approx(31.0, abs=0.02)


class SixteenBitOnly(SimulatedMlx90640):
    """A chip whose resolution bits do not take."""

    def _store(self, address: int, word: int, at: float) -> None:
        super()._store(address, word & ~0x0C00 if address == 0x800D else word, at)


def test_what_the_control_register_shows_counts(make_rig: Any, clock: Any) -> None:
    rig = make_rig(chip=SixteenBitOnly(lambda _: np.full((24, 32), 30.0), clock, seed=1, netd=0.0))
    info = rig.driver.open()
    assert any("shows 0x1281 instead of 0x1A81" in text for text in info.warnings)
    assert abs(float(rig.frames(2)[-1].temperatures.mean()) - 30.0) < 0.1


def test_nothing_is_ever_written_but_the_two_registers(make_rig: Any) -> None:
    rig = started(make_rig)
    before = rig.chip.eeprom.copy()
    rig.frames(5)
    rig.driver.open()
    rig.frames(5)
    assert rig.chip.stray_writes == []
    assert np.array_equal(rig.chip.eeprom, before)


def test_a_damaged_start_word_does_no_harm(make_rig: Any) -> None:
    for word in (0x0000, 0xFFFF):
        eeprom = synthetic_eeprom(1)
        eeprom[0x0C] = word
        rig = started(make_rig, 30.0, eeprom=eeprom)
        assert np.abs(rig.frames(3)[-1].temperatures - 30.0).max() < 0.5


def test_reading_a_closed_sensor(make_rig: Any) -> None:
    rig = started(make_rig)
    rig.driver.close()
    rig.driver.close()
    with pytest.raises(DeviceClosed):
        rig.driver.read(1.0)
    rig.driver.open()
    rig.frames(1)


def test_closing_ends_a_wait_in_another_thread() -> None:
    clock = SystemClock()
    chip = SimulatedMlx90640(lambda _: np.full((24, 32), 30.0), clock, seed=1)
    driver = Mlx90640Driver(SimulatedI2cBus({ADDRESS: chip}, clock), Mlx90640Settings(refresh_hz=0.5), clock)
    driver.open()
    ended: list[Exception] = []
    reading = threading.Event()

    def read() -> None:
        reading.set()
        try:
            driver.read(60.0)
        except DeviceClosed as error:
            ended.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    assert reading.wait(5.0)
    driver.close()
    thread.join(5.0)
    assert not thread.is_alive()
    assert len(ended) == 1
