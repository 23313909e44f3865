"""A scene in °C goes through the simulated chip's words, the bus and the driver, and comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from _fastcore.thermal import Mlx90640
from hw.sim.mlx90640_calibration import decode
from hw.sim.mlx90640_eeprom import synthetic_eeprom
from hw.thermal_settings import Mlx90640Settings


def half_step(chip: Any, celsius: float) -> Any:
    """Kelvin that half a raw step is worth in each pixel: what rounding to words may cost."""
    calibration = decode(chip.eeprom)
    slope = calibration.alpha * (1 + calibration.ks_to[1] * celsius) * 4 * (celsius + 273.15) ** 3
    return (0.55 / slope).reshape(24, 32)


@pytest.mark.parametrize("celsius", [-20.0, -0.5, 0.5, 22.0, 37.0, 80.0])
@pytest.mark.parametrize("pattern", ["chess", "interleaved"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_uniform_scene_comes_back(make_rig: Any, seed: int, pattern: Any, celsius: float) -> None:
    rig = make_rig(
        celsius,
        seed=seed,
        ambient=29.3,
        supply=3.27,
        fov=(55, 110)[seed % 2],
        settings=Mlx90640Settings(pattern=pattern),
    )
    rig.driver.open()
    frame = rig.frames(2)[-1]
    error = frame.temperatures - celsius
    assert frame.temperatures.dtype == np.float32
    assert abs(float(error.mean())) < 0.01
    assert (np.abs(error) < half_step(rig.chip, celsius) + 0.02).all()
    assert frame.ambient == pytest.approx(29.3, abs=0.01)
    assert frame.supply == pytest.approx(3.27, abs=0.001)


def test_each_pixel_keeps_its_place_and_flip_mirrors(make_rig: Any) -> None:
    scene = 20.0 + np.arange(768).reshape(24, 32) / 20.0
    for flip in (False, True):
        rig = make_rig(scene, fov=110, settings=Mlx90640Settings(flip=flip))
        rig.driver.open()
        shown = rig.frames(2)[-1].temperatures
        wanted = scene[:, ::-1] if flip else scene
        assert np.abs(shown - wanted).max() < 0.2
        assert shown.flags.c_contiguous


@pytest.mark.parametrize(("emissivity", "reflected"), [(0.98, None), (0.9, 21.0), (1.0, None)])
def test_emissivity_and_reflection_are_undone(make_rig: Any, emissivity: float, reflected: float | None) -> None:
    settings = Mlx90640Settings(emissivity=emissivity, reflected=reflected)
    rig = make_rig(36.6, ambient=31.0, emissivity=emissivity, reflected=reflected, settings=settings)
    rig.driver.open()
    assert abs(float(rig.frames(2)[-1].temperatures.mean()) - 36.6) < 0.02


def test_a_mismatch_of_emissivity_shows(make_rig: Any) -> None:
    rig = make_rig(36.6, emissivity=0.9, settings=Mlx90640Settings(emissivity=0.98))
    rig.driver.open()
    assert float(rig.frames(2)[-1].temperatures.mean()) < 36.0


@pytest.mark.parametrize(("fov", "refresh", "netd"), [(55, 1, 0.25), (110, 4, 0.28), (55, 16, 1.0)])
def test_noise_is_the_data_sheets(make_rig: Any, fov: int, refresh: Any, netd: float) -> None:
    rig = make_rig(
        25.0, fov=fov, netd=None, emissivity=1.0, settings=Mlx90640Settings(refresh_hz=refresh, emissivity=1.0)
    )
    info = rig.driver.open()
    assert info.noise == pytest.approx(netd)
    stack = np.stack([frame.temperatures for frame in rig.frames(120)[::2]])
    per_pixel = stack.std(axis=0, ddof=1)
    assert float(per_pixel.mean()) == pytest.approx(netd, rel=0.1)
    corners = per_pixel[[0, 0, -1, -1], [0, -1, 0, -1]].mean()
    assert corners > per_pixel[8:16, 12:20].mean()
    assert rig.driver.counters.glitches == 0


def test_noise_is_reproducible_and_differs_by_seed(make_rig: Any) -> None:
    def picture(seed: int) -> Any:
        rig = make_rig(25.0, seed=seed, netd=None)
        rig.driver.open()
        return rig.frames(1)[0].temperatures

    assert np.array_equal(picture(5), picture(5))
    assert not np.array_equal(picture(5), picture(6))


@pytest.mark.parametrize("bits", [16, 17, 18, 19])
@pytest.mark.parametrize("chess", [True, False])
def test_every_adc_resolution_says_the_same(make_rig: Any, bits: int, *, chess: bool) -> None:
    rig = make_rig(37.0, ambient=27.0, supply=3.35, fov=110)
    control = 0x0001 | 5 << 7 | (bits - 16) << 10 | chess << 12
    rig.bus.write(0x33, bytes([0x80, 0x0D, *control.to_bytes(2, "big")]))
    rig.clock.sleep(2.0)
    kernel = Mlx90640(rig.chip.eeprom)
    words = np.frombuffer(rig.bus.write_read(0x33, b"\x04\x00", 1664), dtype=">u2")
    out = np.full(768, np.nan, dtype=np.float32)
    for subpage in (0, 1):
        frame = np.array([*words, control, subpage], dtype=np.uint16)
        assert kernel.object_temperatures(frame, out) == subpage
        assert kernel.supply_voltage(frame) == pytest.approx(3.35, abs=0.005)
        assert kernel.ambient_temperature(frame) == pytest.approx(27.0, abs=0.02)
    assert float(np.abs(out - 37.0).mean()) < 0.6 * 2.0 ** (16 - bits)


def test_a_scene_that_moves_is_seen_half_by_half(make_rig: Any) -> None:
    rig = make_rig(lambda t: np.full((24, 32), 20.0 + 10.0 * (t % 1000.0)))
    rig.driver.open()
    first, second = rig.frames(2)
    row, column = np.mgrid[:24, :32]
    renewed = (row + column) % 2 == second.subpage
    assert second.subpage == 1 - first.subpage
    assert float((second.temperatures - first.temperatures)[renewed].mean()) == pytest.approx(1.25, abs=0.1)
    assert np.array_equal(second.temperatures[~renewed], first.temperatures[~renewed])


def test_defect_pixels_are_filled_in_and_told(make_rig: Any) -> None:
    eeprom = synthetic_eeprom(4, dead=(0, 400), outliers=(767,))
    rig = make_rig(33.0, eeprom=eeprom)
    info = rig.driver.open()
    frame = rig.frames(2)[-1]
    assert np.isfinite(frame.temperatures).all()
    assert np.abs(frame.temperatures - 33.0).max() < 0.3
    assert any("2 failed pixels" in warning and "(12, 16)" in warning for warning in info.warnings)
    assert any("1 out-of-specification" in warning for warning in info.warnings)


def test_identity_is_read(make_rig: Any) -> None:
    wide, narrow = make_rig(fov=110, seed=1), make_rig(fov=55, seed=2)
    infos = wide.driver.open(), narrow.driver.open()
    assert "BAA" in infos[0].model
    assert "BAB" in infos[1].model
    assert infos[0].serial == "".join(f"{word:04x}" for word in wide.chip.eeprom[7:10])
    assert infos[0].serial != infos[1].serial
    assert (infos[0].rows, infos[0].columns, infos[0].frame_rate) == (24, 32, 16.0)
    assert infos[0].warnings == ()


@pytest.mark.parametrize("chess", [True, False])
@pytest.mark.parametrize("file", ["own_golden.npz", "mlx90640_golden.npz"])
def test_every_known_calibration_reads_the_same_both_ways(
    make_rig: Any, request: pytest.FixtureRequest, file: str, *, chess: bool
) -> None:
    """Simulated chip and kernel were written apart; the known calibrations vary every field of the EEPROM."""
    own = Path(__file__).parents[2] / "data" / file
    vectors = np.load(own if own.exists() else request.getfixturevalue("testdata") / "thermal" / file)
    # Calibrated at 16 bit on paper only: at 18 their supply words do not fit into 16 bit, and the kernel says 1.9 V.
    usable = (vectors["rc"] == 0) & np.array(["res_ee_16" not in str(name) for name in vectors["name"]])
    eeproms = np.unique(vectors["eeprom"][usable], axis=0)
    assert len(eeproms) > 30
    for eeprom in eeproms:
        rig = make_rig(37.0, eeprom=eeprom, ambient=28.0)
        control = 0x0901 | chess << 12
        rig.bus.write(0x33, bytes([0x80, 0x0D, *control.to_bytes(2, "big")]))
        rig.clock.sleep(5.0)
        words = np.frombuffer(rig.bus.write_read(0x33, b"\x04\x00", 1664), dtype=">u2")
        kernel = Mlx90640(eeprom)
        out = np.full(768, np.nan, dtype=np.float32)
        for subpage in (0, 1):
            kernel.object_temperatures(np.array([*words, control, subpage], dtype=np.uint16), out)
        error = out[eeprom[64:] != 0] - 37.0
        assert abs(float(np.mean(error))) < 0.05
        assert np.abs(error).max() < 0.6
