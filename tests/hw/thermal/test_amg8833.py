"""The AMG8833's driver: its two encodings, and every fault that can be injected below it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hw.drivers.amg8833 import Amg8833Driver, pixel_temperature, thermistor_temperature
from hw.errors import BusError, BusStuck, DeviceClosed, DeviceError, DeviceTimeout, FrameError
from hw.sim.amg8833 import SimulatedAmg8833
from hw.sim.i2c import SimulatedI2cBus
from hw.thermal_settings import Amg8833Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ADDRESS = 0x69


@dataclass
class GridRig:
    clock: Any
    chip: SimulatedAmg8833
    bus: SimulatedI2cBus
    driver: Amg8833Driver

    def frames(self, count: int) -> list[Any]:
        return [self.driver.read(3.0) for _ in range(count)]


@pytest.fixture
def grid(clock: Any) -> Callable[..., GridRig]:
    def make(scene: Any = 30.0, *, settings: Any = None, **options: Any) -> GridRig:
        see = scene if callable(scene) else lambda _: np.broadcast_to(np.asarray(scene, dtype=float), (8, 8))
        chip = SimulatedAmg8833(see, clock, **{"seed": 1, "netd": 0.0, "reflected": 22.0, **options})
        bus = SimulatedI2cBus({ADDRESS: chip}, clock)
        clock.sleep(1.0)
        return GridRig(clock, chip, bus, Amg8833Driver(bus, settings or Amg8833Settings(), clock))

    return make


# ---- encodings

PIXELS = [(0x1F4, 125.0), (0x064, 25.0), (0x001, 0.25), (0x000, 0.0), (0xFFF, -0.25), (0xF9C, -25.0), (0xF24, -55.0)]
THERMISTOR = [(0x7FF, 127.9375), (0x190, 25.0), (0x004, 0.25), (0x000, 0.0), (0x804, -0.25), (0xBBB, -59.6875)]


def test_a_pixel_is_twos_complement() -> None:
    words, values = zip(*PIXELS, strict=True)
    assert pixel_temperature(np.array(words, dtype=np.uint16)).tolist() == list(values)


def test_the_thermistor_is_sign_and_magnitude() -> None:
    assert [thermistor_temperature(word) for word, _ in THERMISTOR] == [value for _, value in THERMISTOR]


@pytest.mark.realdata
def test_vectors_and_a_real_frame(testdata: Path) -> None:
    vectors = json.loads((testdata / "thermal" / "amg8833_vectors.json").read_text(encoding="utf-8"))
    for word, value in vectors["pixel_twos_complement_12bit_0.25C"]:
        assert pixel_temperature(np.array([word], dtype=np.uint16))[0] == value
    for word, value in vectors["thermistor_sign_magnitude_12bit_0.0625C"]:
        assert thermistor_temperature(word) == value
    words = np.array(vectors["recovered_words"], dtype=np.uint16)
    assert pixel_temperature(words).tolist() == vectors["recovered_C"]


@pytest.mark.realdata
def test_a_real_frame_goes_through_registers_bus_and_driver(grid: Any, testdata: Path) -> None:
    vectors = json.loads((testdata / "thermal" / "amg8833_vectors.json").read_text(encoding="utf-8"))
    rig = grid(settings=Amg8833Settings(emissivity=1.0), ambient=-3.0)
    rig.chip._measure = lambda _: None
    rig.driver.open()
    rig.chip._registers[0x80:0x100] = np.array(vectors["recovered_words"], dtype="<u2").tobytes()
    rig.chip._registers[0x0E:0x10] = b"\x30\x08"
    frame = rig.frames(1)[0]
    assert frame.temperatures == pytest.approx(np.array(vectors["recovered_C"]), abs=1e-3)
    assert frame.ambient == -3.0


# ---- reading


def test_it_says_what_it_is_and_reads_a_scene(grid: Any) -> None:
    scene = np.linspace(-10.0, 70.0, 64).reshape(8, 8)
    rig = grid(scene, ambient=-12.5)
    info = rig.driver.open()
    assert (info.rows, info.columns, info.frame_rate, info.noise, info.fov) == (8, 8, 10.0, 0.16, (60.0, 60.0))
    frame = rig.frames(1)[0]
    assert np.abs(frame.temperatures - scene).max() < 0.14
    assert frame.temperatures.dtype == np.float32
    assert frame.ambient == -12.5


@pytest.mark.parametrize(("emissivity", "reflected"), [(0.98, 22.0), (0.9, 40.0), (1.0, 22.0)])
def test_emissivity_and_reflection_are_undone(grid: Any, emissivity: float, reflected: float) -> None:
    settings = Amg8833Settings(emissivity=emissivity, reflected=reflected)
    rig = grid(36.6, settings=settings, emissivity=emissivity, reflected=reflected)
    rig.driver.open()
    assert float(rig.frames(1)[0].temperatures.mean()) == pytest.approx(36.6, abs=0.15)


def test_flip_mirrors(grid: Any) -> None:
    scene = np.tile(np.linspace(20, 40, 8), (8, 1))
    rig = grid(scene, settings=Amg8833Settings(flip=True))
    rig.driver.open()
    assert np.abs(rig.frames(1)[0].temperatures - scene[:, ::-1]).max() < 0.14


@pytest.mark.parametrize("rate", [1, 10])
def test_frames_come_at_their_rate(grid: Any, rate: Any) -> None:
    rig = grid(settings=Amg8833Settings(frame_hz=rate))
    assert rig.driver.open().frame_rate == rate
    frames = rig.frames(6)
    assert [frame.sequence for frame in frames] == list(range(6))
    assert np.diff([frame.timestamp for frame in frames]) == pytest.approx(1 / rate, abs=0.001)
    assert rig.chip._registers[0x02] == (rate == 1)


def test_averaging_and_interrupt_are_off_whatever_was_set_before(grid: Any) -> None:
    rig = grid()
    rig.chip._registers[0x03], rig.chip._registers[0x07], rig.chip._registers[0x00] = 0x03, 0x20, 0x10
    rig.driver.open()
    assert [rig.chip._registers[register] for register in (0x00, 0x03, 0x07)] == [0, 0, 0]
    assert rig.chip._unlocking == []
    assert rig.frames(2)


def test_a_reader_that_was_away_sees_a_gap(grid: Any) -> None:
    rig = grid()
    rig.driver.open()
    (before,) = rig.frames(1)
    rig.clock.sleep(0.75)
    (after,) = rig.frames(1)
    assert after.sequence - before.sequence == pytest.approx(8, abs=1)
    assert rig.driver.counters.missed == after.sequence - before.sequence - 1


# ---- faults


def test_nobody_at_the_address(grid: Any) -> None:
    rig = grid()
    rig.bus.faults.absent.add(ADDRESS)
    with pytest.raises(BusError, match="0x69 did not acknowledge"):
        rig.driver.open()
    rig.bus.faults.absent.clear()
    rig.driver.open()
    assert rig.bus.recoveries >= 1


def test_a_frame_renewed_while_it_is_read_is_read_again(grid: Any) -> None:
    rig = grid(lambda at: np.full((8, 8), 20.0 if int(at * 10) % 2 else 40.0), skew=0.004)
    rig.driver.open()
    frames = rig.frames(300)
    assert all(np.ptp(frame.temperatures) < 0.01 for frame in frames)
    assert rig.driver.counters.unsure > 0


def test_glitches_are_outvoted_or_refused(grid: Any) -> None:
    rig = grid()
    rig.driver.open()
    rig.bus.faults.glitch_rate = 1 / 400
    shown, refused = [], 0
    for _ in range(200):
        try:
            shown.append(rig.driver.read(1.0).temperatures)
        except FrameError:
            refused += 1
        except BusError:
            rig.driver.open()
    assert len(shown) > 150
    assert np.abs(np.stack(shown) - 30.0).max() < 0.2
    assert rig.driver.counters.unsure > 10


def test_a_bus_that_is_only_noise_is_refused(grid: Any) -> None:
    rig = grid()
    rig.driver.open()
    rig.bus.faults.glitch_rate = 0.2
    with pytest.raises((FrameError, BusError)):
        rig.driver.read(1.0)


def test_a_dip_of_the_supply_is_noticed(grid: Any) -> None:
    """After power-on every setting is as the driver wants it but one."""
    rig = grid()
    rig.driver.open()
    rig.frames(2)
    rig.chip.power(on=False)
    rig.chip.power(on=True)
    with pytest.raises(BusError, match="it was reset"):
        rig.driver.read(1.0)
    assert rig.driver.counters.resets == 1
    rig.driver.open()
    assert rig.frames(1)[0].sequence == 0


def test_sda_held_low(grid: Any) -> None:
    rig = grid()
    rig.bus.faults.sda_low, rig.bus.faults.recoverable = True, False
    with pytest.raises(BusStuck, match="whatever is written: SDA is held"):
        rig.driver.open()
    rig.bus.faults.recoverable = True
    rig.driver.open()
    rig.bus.faults.sda_low = True
    with pytest.raises(BusError):
        rig.driver.read(1.0)


class Floating:
    """Nobody drives SDA, yet something acknowledges."""

    powered = True

    def write(self, data: bytes, at: float) -> None:
        pass

    def read(self, count: int, start: float, seconds_per_byte: float) -> bytes:  # noqa: ARG002 - an I2cSlave's
        return b"\xff" * count


def test_a_floating_line_reads_ones(grid: Any) -> None:
    rig = grid()
    rig.driver.open()
    rig.bus._devices[ADDRESS] = Floating()
    with pytest.raises(BusStuck, match="0xFF"):
        rig.driver.read(1.0)
    with pytest.raises(BusStuck, match="0xFF"):
        rig.driver.open()


def test_another_chip_at_the_address_is_no_amg8833(grid: Any, make_rig: Any) -> None:
    rig = grid()
    rig.bus._devices[ADDRESS] = make_rig().chip
    rig.bus._devices[ADDRESS].read = lambda count, *_: b"\x12\xf3" * (count // 2)
    with pytest.raises(DeviceError, match="no AMG8833: its words have more than 12 bits"):
        rig.driver.open()


def test_what_no_scene_is_is_refused(grid: Any) -> None:
    rig = grid(ambient=120.0)
    rig.driver.open()
    with pytest.raises(FrameError, match=r"thermistor 120\.0 °C"):
        rig.driver.read(1.0)
    assert rig.driver.counters.glitches == 1


def test_a_short_timeout_is_kept(grid: Any) -> None:
    rig = grid(settings=Amg8833Settings(frame_hz=1))
    rig.driver.open()
    rig.frames(1)
    before = rig.clock.now
    with pytest.raises(DeviceTimeout):
        rig.driver.read(0.3)
    assert rig.clock.now - before == pytest.approx(0.3, abs=0.01)
    assert rig.frames(1)[0].sequence == 1


def test_reading_a_closed_sensor(grid: Any) -> None:
    rig = grid()
    rig.driver.open()
    rig.driver.close()
    with pytest.raises(DeviceClosed):
        rig.driver.read(1.0)
