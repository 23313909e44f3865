"""The Lepton's driver above a module simulated at its registers and its packets, and what goes wrong there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hw.errors import (
    BusError,
    BusStuck,
    DeviceClosed,
    DeviceError,
    DeviceTimeout,
    FrameError,
    NotReady,
)
from hw.sim.lepton import LEPTON_20, LEPTON_25, LEPTON_30, LEPTON_35
from hw.thermal_settings import LeptonSettings

if TYPE_CHECKING:
    import threading
    from pathlib import Path


ADDRESS = 0x2A
UNIQUE = 3 / 26.4
"""Seconds from one frame to the next that differs."""


@pytest.mark.parametrize(
    ("kind", "shape", "fov"), [(LEPTON_25, (60, 80), (51.0, 39.4)), (LEPTON_35, (120, 160), (57.0, 44.3))]
)
def test_it_says_what_it_is_and_reads_a_scene(lepton: Any, kind: Any, shape: tuple[int, int], fov: Any) -> None:
    scene = 20.0 + 20.0 * np.arange(shape[0] * shape[1]).reshape(shape) / (shape[0] * shape[1])
    rig = lepton(scene, kind=kind)
    info = rig.open()
    assert (info.rows, info.columns) == shape
    assert info.fov == fov
    assert (info.frame_rate, info.noise) == (8.8, 0.05)
    assert kind.part in info.model
    assert info.serial == "0000000100011234"
    frame = rig.frames(1)[0]
    assert frame.temperatures.shape == shape
    assert frame.temperatures.dtype == np.float32
    assert np.abs(frame.temperatures - scene).max() < 0.04
    assert frame.ambient == pytest.approx(33.0, abs=0.01)


@pytest.mark.parametrize("kind", [LEPTON_25, LEPTON_35])
def test_each_frame_comes_once_and_in_its_time(lepton: Any, kind: Any) -> None:
    """It sends every frame three times."""
    rig = lepton(lambda at: np.full((kind.rows, kind.columns), 20.0 + at % 50), kind=kind)
    rig.open()
    frames = rig.frames(30)
    assert [frame.sequence for frame in frames] == list(range(30))
    assert np.diff([frame.timestamp for frame in frames]) == pytest.approx(UNIQUE, abs=0.005)
    means = np.array([frame.temperatures.mean() for frame in frames])
    assert np.diff(means) == pytest.approx(UNIQUE, abs=0.011)
    counters = rig.driver.counters
    assert (counters.torn, counters.damaged, counters.resyncs, rig.chip.video.lost) == (0, 0, 1, 0)
    # A Lepton 3 marks the repetitions itself, with segment number 0.
    assert counters.repeated == (0 if kind is LEPTON_35 else pytest.approx(58, abs=2))


def test_noise_is_the_data_sheets(lepton: Any) -> None:
    rig = lepton(30.0, kind=LEPTON_35, netd=0.05)
    info = rig.open()
    stack = np.stack([frame.temperatures for frame in rig.frames(12)])
    assert float(stack.std(axis=0).mean()) == pytest.approx(info.noise, rel=0.1)


def test_flip_mirrors(lepton: Any) -> None:
    scene = np.tile(np.linspace(20, 40, 80), (60, 1))
    rig = lepton(scene, settings=LeptonSettings(flip=True))
    rig.open()
    assert np.abs(rig.frames(1)[0].temperatures - scene[:, ::-1]).max() < 0.04


@pytest.mark.parametrize(("emissivity", "reflected"), [(0.98, 22.0), (0.9, 35.0), (1.0, 0.0)])
def test_the_module_calculates_with_the_scene_it_was_told(lepton: Any, emissivity: float, reflected: float) -> None:
    settings = LeptonSettings(emissivity=emissivity, reflected=reflected)
    rig = lepton(36.6, settings=settings, emissivity=emissivity, reflected=reflected)
    rig.open()
    assert float(rig.frames(1)[0].temperatures.mean()) == pytest.approx(36.6, abs=0.03)


def test_a_mismatch_of_emissivity_shows(lepton: Any) -> None:
    rig = lepton(36.6, emissivity=0.9, settings=LeptonSettings(emissivity=0.98))
    rig.open()
    assert float(rig.frames(1)[0].temperatures.mean()) < 36.0


def test_steps_of_a_tenth_of_a_kelvin_are_read_as_such(lepton: Any) -> None:
    """The telemetry says of each frame in which steps it is."""
    rig = lepton(36.63, netd=0.05)
    rig.open()
    rig.chip.cci.attributes[0x4EC4] = (0, 0)
    assert float(rig.frames(3)[-1].temperatures.mean()) == pytest.approx(36.65, abs=0.051)


# ---- what it will not do


@pytest.mark.parametrize("kind", [LEPTON_20, LEPTON_30])
def test_a_module_without_radiometry_is_refused_with_the_reason(lepton: Any, kind: Any) -> None:
    with pytest.raises(DeviceError, match=r"has no radiometry: its counts \(raw14\) depend .* 2.5 or 3.5 is needed"):
        lepton(kind=kind).open()


def test_radiometry_that_the_firmware_refuses_is_told(lepton: Any) -> None:
    rig = lepton()
    rig.chip.cci.refuse[0x4E11] = -8
    with pytest.raises(DeviceError, match=r"gives no temperatures: .*0x4E11 refused: function not supported"):
        rig.open()


def test_an_unknown_part_is_named(lepton: Any) -> None:
    rig = lepton()
    text = b"500-9999-01".ljust(32, b"\0")
    rig.chip.cci.attributes[0x481C] = tuple(np.frombuffer(text, dtype="<u2").tolist())
    with pytest.raises(DeviceError, match="part number '500-9999-01' is no Lepton known here"):
        rig.open()


def test_raw_counts_never_pass_for_degrees(lepton: Any) -> None:
    rig = lepton()
    rig.open()
    rig.frames(1)
    rig.chip.cci.attributes[0x4EC0] = (0, 0)
    with pytest.raises(BusError, match="its pixels are no temperatures: it lost its settings"):
        rig.frames(3)
    rig.open()
    assert float(rig.frames(1)[0].temperatures.mean()) == pytest.approx(34.0, abs=0.02)


def test_brightness_never_passes_for_degrees(lepton: Any) -> None:
    rig = lepton()
    rig.open()
    rig.frames(1)
    rig.chip.cci.attributes[0x0100] = (1, 0)
    with pytest.raises(BusError, match="no temperatures"):
        rig.frames(3)


def test_a_clock_too_slow_for_the_video_is_refused(lepton: Any) -> None:
    with pytest.raises(DeviceError, match=r"runs at 8 MHz, and a Lepton 3\.5 needs 9\.4 MHz"):
        lepton(kind=LEPTON_35, spi_hz=8_000_000).open()
    lepton(kind=LEPTON_25, spi_hz=8_000_000).open()


# ---- commands


def test_nobody_at_the_address(lepton: Any) -> None:
    rig = lepton()
    rig.i2c.faults.absent.add(ADDRESS)
    with pytest.raises(BusError, match="0x2a did not acknowledge"):
        rig.open()
    rig.i2c.faults.absent.clear()
    rig.open()


def test_a_module_that_boots_is_waited_for(lepton: Any) -> None:
    rig = lepton(age=0.0)
    before = rig.clock.now
    rig.open()
    assert 0.95 < rig.clock.now - before < 2.0


def test_a_module_that_is_off_the_bus_for_longer_is_not_there(lepton: Any) -> None:
    rig = lepton()
    rig.i2c.faults.absent.add(ADDRESS)
    before = rig.clock.now
    with pytest.raises(BusError, match="0x2a did not acknowledge"):
        rig.open()
    assert 1.0 < rig.clock.now - before < 1.5


def test_a_module_that_does_not_boot_is_given_up(lepton: Any) -> None:
    rig = lepton()
    rig.chip.booted = lambda _: False
    before = rig.clock.now
    with pytest.raises(DeviceTimeout, match="does not boot: status 0x0002"):
        rig.open()
    assert 2.0 <= rig.clock.now - before < 2.5


def test_a_module_that_stays_busy_is_given_up(lepton: Any) -> None:
    rig = lepton()
    rig.chip.cci._status = lambda _: 0x0007 if rig.chip.cci.commands else 0x0006
    with pytest.raises(DeviceTimeout, match="busy for 1 s"):
        rig.open()


@pytest.mark.parametrize(("code", "meaning"), [(-9, "data out of range"), (-6, "wrong data length"), (-99, "unknown")])
def test_a_result_code_is_told_in_words(lepton: Any, code: int, meaning: str) -> None:
    rig = lepton()
    rig.chip.cci.refuse[0x4EBD] = code
    with pytest.raises(DeviceError, match=rf"0x4EBD refused: {meaning}.*\({code}\)"):
        rig.open()


def test_a_setting_that_does_not_take_is_told(lepton: Any) -> None:
    rig = lepton()
    rig.chip.cci._set = lambda _: 0
    with pytest.raises(DeviceError, match=r"attribute 0x0218 shows \[0, 0\] after it was set to \[1, 0\]"):
        rig.open()


def test_sda_held_low(lepton: Any) -> None:
    rig = lepton()
    rig.i2c.faults.sda_low, rig.i2c.faults.recoverable = True, False
    with pytest.raises(DeviceError):
        rig.open()
    rig.i2c.faults.recoverable = True
    rig.open()
    assert rig.frames(1)


def test_a_floating_line_is_no_module(lepton: Any) -> None:
    rig = lepton()
    rig.chip.cci.read = lambda count, *_: b"\xff" * count
    with pytest.raises(BusStuck, match="status reads 0xFFFF"):
        rig.open()


# ---- video


@pytest.mark.realdata
def test_real_pictures_go_through_segments_bus_and_driver(lepton: Any, testdata: Path) -> None:
    """Twelve pictures that a Lepton 3 took (raw14), word for word."""
    with np.load(testdata / "thermal" / "lepton3_real_frames_vospi_synth.npz") as data:
        frames = data["frames"]
    rig = lepton(kind=LEPTON_35)
    rig.chip._picture = lambda number, *_: frames[number % len(frames)]
    rig.open()
    shown = rig.frames(len(frames))
    words = [np.rint((frame.temperatures.astype(np.float64) + 273.15) * 100).astype(np.uint16) for frame in shown]
    first = next(index for index, frame in enumerate(frames) if np.array_equal(frame, words[0]))
    assert all(np.array_equal(frames[(first + step) % len(frames)], picture) for step, picture in enumerate(words))


def test_a_damaged_packet_costs_its_frame_and_no_more(lepton: Any) -> None:
    rig = lepton(kind=LEPTON_35)
    rig.open()
    rig.frames(2)
    rig.spi.faults.glitch_rate = 1 / 150_000
    shown = rig.frames(40)
    assert rig.driver.counters.damaged > 3
    assert rig.driver.counters.resyncs == 1
    assert all(np.abs(frame.temperatures - 34.0).max() < 0.04 for frame in shown)
    assert shown[-1].sequence - shown[0].sequence > 40


def test_a_reader_that_is_late_falls_out_of_step_and_comes_into_it_again(lepton: Any) -> None:
    rig = lepton(kind=LEPTON_35)
    rig.open()
    rig.frames(1)
    read, calls = rig.spi.read, iter(range(100))

    def interrupted(count: int) -> bytes:
        if next(calls, 99) == 30:
            # The scheduler takes the thread away amid a segment.
            rig.clock.sleep(0.02)
        return bytes(read(count))

    rig.spi.read = interrupted
    frames = rig.frames(10)
    assert rig.chip.video.lost == 1
    assert rig.driver.counters.resyncs == 2
    assert np.diff([frame.timestamp for frame in frames]).max() < 0.7


def test_a_pause_between_frames_is_no_loss(lepton: Any) -> None:
    rig = lepton(kind=LEPTON_35)
    rig.open()
    for pause in np.linspace(0.001, 0.13, 40):
        rig.frames(1)
        rig.clock.sleep(float(pause))
    assert rig.chip.video.lost == 0
    assert rig.driver.counters.resyncs == 1


def test_a_bus_slower_than_it_says_never_ends_a_segment(lepton: Any) -> None:
    rig = lepton(kind=LEPTON_35)
    rig.open()
    rig.frames(1)
    rig.spi.set_speed(4_000_000)
    with pytest.raises((BusStuck, DeviceTimeout)):
        rig.driver.read(1.0)
    assert rig.chip.video.lost > 0
    rig.spi.set_speed(16_000_000)
    rig.open()
    rig.frames(3)


def test_bytes_that_slip_cost_no_wrong_picture(lepton: Any) -> None:
    rig = lepton(kind=LEPTON_35)
    rig.open()
    for _ in range(6):
        rig.spi.faults.slip = True
        assert np.abs(rig.frames(1)[0].temperatures - 34.0).max() < 0.04


def test_video_that_only_a_reset_brings_back(lepton: Any) -> None:
    """Resyncs without end helped nobody; the module is restarted, here by its line."""
    rig = lepton(reset=True)
    rig.open()
    rig.frames(2)
    rig.chip.video.wedged, rig.chip.video._in_step = True, False
    with pytest.raises((BusStuck, DeviceTimeout), match="discard packets only"):
        rig.driver.read(5.0)
    assert rig.chip.resets == 0
    rig.open()
    assert rig.chip.resets == 1
    assert 0x4842 not in rig.chip.cci.commands
    assert float(rig.frames(1)[0].temperatures.mean()) == pytest.approx(34.0, abs=0.02)


def test_without_a_reset_line_it_is_rebooted_by_command(lepton: Any) -> None:
    rig = lepton()
    rig.chip.video.wedged = True
    rig.open()
    assert rig.chip.resets == 1
    assert rig.driver.counters.resets == 1
    assert rig.frames(1)


@pytest.mark.parametrize(("level", "said"), [(0x00, "MISO reads 0x00"), (0xFF, "MISO reads 0xFF")])
def test_video_that_is_not_connected_is_told_after_the_restart(lepton: Any, level: int, said: str) -> None:
    rig = lepton()
    rig.spi.faults.unplugged, rig.spi.faults.floating = True, level
    before = rig.clock.now
    with pytest.raises((BusStuck, DeviceTimeout), match=said):
        rig.open()
    assert rig.chip.resets == 1
    # Longer, and the thread would count as hanging.
    assert rig.clock.now - before < 3.5


def test_a_restart_of_its_own_is_noticed(lepton: Any) -> None:
    rig = lepton()
    rig.open()
    rig.frames(2)
    rig.chip.power(on=False)
    rig.clock.sleep(0.1)
    rig.chip.power(on=True)
    rig.clock.sleep(2.0)
    with pytest.raises((BusError, DeviceTimeout)):
        rig.frames(3)
    rig.open()
    assert rig.frames(1)[0].sequence == 0


def test_a_picture_that_stands_still_is_no_picture(lepton: Any) -> None:
    """Without noise and movement every frame is the same, as of an imager that hangs."""
    rig = lepton()
    rig.open()
    rig.frames(1)
    picture = rig.frames(1) and rig.chip._shown[1]
    rig.chip._picture = lambda *_: picture
    with pytest.raises(DeviceTimeout, match="its picture stands still"):
        rig.frames(3)


def test_pixels_without_a_reading_are_nan_and_a_blank_frame_is_refused(lepton: Any) -> None:
    rig = lepton()
    rig.open()
    make = rig.chip._picture

    def holes(*given: Any) -> Any:
        words = make(*given).copy()
        words[3, 4] = 0
        words[5, 6] = 0xFFFF
        words[0, 0] += given[0] % 5
        return words

    rig.chip._picture = holes
    picture = rig.frames(3)[-1].temperatures
    assert np.isnan(picture[3, 4])
    assert np.isnan(picture[5, 6])
    assert np.isfinite(picture).sum() == picture.size - 2
    rig.chip._picture = lambda *_: np.zeros((60, 80), dtype=np.uint16)
    with pytest.raises(FrameError, match="every pixel is 0x0000"):
        rig.frames(2)


# ---- flat-field correction


def test_a_correction_gives_no_frame_and_says_so(lepton: Any) -> None:
    rig = lepton(lambda at: np.full((60, 80), 20.0 + at % 50), settings=LeptonSettings(settle=0.5))
    rig.open()
    rig.frames(3)
    begin = rig.clock.now
    rig.chip.correct(begin)
    shown, said, waits = [], set(), 0
    while rig.clock.now < begin + 3.0:
        try:
            shown.append(rig.driver.read(0.3))
        except NotReady as error:
            said.add(str(error))
            waits += 1
    assert said == {"Lepton at 0x2a on simulated-i2c: flat-field correction under way"}
    assert waits >= 3
    assert rig.driver.counters.shuttered >= 8
    during = [frame for frame in shown if begin + UNIQUE < frame.timestamp < begin + 0.6 + 0.4]
    assert during == []
    assert all(frame.temperatures.mean() == pytest.approx(20.0 + frame.timestamp % 50, abs=0.15) for frame in shown)


def test_a_correction_that_is_only_announced_costs_nothing(lepton: Any) -> None:
    rig = lepton(lambda at: np.full((60, 80), 20.0 + at % 50), ffc_period=20.0, age=17.0)
    rig.open()
    frames = rig.frames(8)
    assert np.diff([frame.sequence for frame in frames]).max() == 1
    assert rig.driver.counters.shuttered == 0


def test_the_leap_of_a_correction_is_left_to_whoever_averages_and_its_frames_are_not_shown(lepton: Any) -> None:
    """Before it the picture has drifted; afterwards it is right again. No frame lies between."""
    rig = lepton(34.0, drift=0.5, ffc_period=180.0, netd=0.02, age=178.0)
    rig.open()
    values = []
    while rig.clock.now < 1000.0 + 186.0:
        try:
            values.append(float(rig.driver.read(0.5).temperatures.mean()))
        except NotReady:
            continue
    assert values[0] == pytest.approx(35.5, abs=0.1)
    assert values[-1] == pytest.approx(34.0, abs=0.1)
    assert all(min(abs(value - 35.5), abs(value - 34.0)) < 0.1 for value in values)


def test_an_impossible_housing_temperature_is_refused(lepton: Any) -> None:
    rig = lepton(ambient=140.0)
    rig.open()
    with pytest.raises(FrameError, match=r"housing temperature of 148\.0 °C cannot be"):
        rig.driver.read(1.0)


# ---- closing


def test_reading_a_closed_module(lepton: Any) -> None:
    rig = lepton()
    rig.open()
    rig.driver.close()
    rig.driver.close()
    with pytest.raises(DeviceClosed):
        rig.driver.read(1.0)
    rig.open()
    assert rig.frames(1)
    assert rig.driver.counters.reinits == 1


def test_closing_ends_a_wait(lepton: Any) -> None:
    rig = lepton()
    rig.open()
    wait = rig.clock.wait

    def closing(event: threading.Event, timeout: float) -> bool:
        rig.driver.close()
        return bool(wait(event, timeout))

    rig.clock.wait = closing
    with pytest.raises(DeviceClosed):
        rig.driver.read(60.0)
