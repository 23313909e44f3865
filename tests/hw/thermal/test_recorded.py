"""Recorded words go through bus, driver and kernel without a bypass."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hw.errors import DeviceMissing, DeviceTimeout, RecordingError
from hw.sim.recorded import RecordedMlx90640, Recording, load_recording
from hw.thermal_settings import Mlx90640Settings

OWN = Path(__file__).parents[2] / "data" / "own_golden.npz"


def play(make_rig: Any, clock: Any, recording: Recording, **options: Any) -> Any:
    settings = Mlx90640Settings(emissivity=recording.emissivity or 0.98, reflected=recording.reflected)
    chip = RecordedMlx90640(recording.eeprom, recording.frames, clock, **options)
    rig = make_rig(chip=chip, settings=settings)
    rig.driver.open()
    return rig


def golden(file: Path, kind: str | None) -> Any:
    vectors = np.load(file)
    wanted = vectors["rc"] == 0
    if kind is not None:
        wanted &= vectors["kind"] == kind
    return vectors, np.flatnonzero(wanted)


def assert_shows(make_rig: Any, clock: Any, vectors: Any, index: int, file: Path) -> None:
    recording = load_recording(file, str(vectors["name"][index]))
    rig = play(make_rig, clock, recording)
    frame = rig.driver.read(5.0)
    expected = vectors["to_fixed"][index].reshape(24, 32)
    assert np.abs(frame.temperatures - expected).max() <= 5e-4
    newest = int(recording.frames[-1, 833])
    assert frame.subpage == newest
    assert frame.ambient == pytest.approx(float(vectors["ta"][index][1]), abs=1e-4)
    assert frame.supply == pytest.approx(float(vectors["vdd"][index][1]), abs=1e-5)
    assert rig.chip.stray_writes == []


@pytest.mark.realdata
def test_real_recordings_show_the_vendors_temperatures(make_rig: Any, clock: Any, testdata: Path) -> None:
    file = testdata / "thermal" / "mlx90640_golden.npz"
    vectors, cases = golden(file, "real")
    names = {str(vectors["name"][case]).split("/", maxsplit=1)[0] for case in cases}
    assert names == {"melexis_xlsx", "signaloid"}
    for case in cases:
        assert_shows(make_rig, clock, vectors, case, file)


@pytest.mark.realdata
def test_melexis_own_expected_temperatures(make_rig: Any, clock: Any, testdata: Path) -> None:
    file = testdata / "thermal" / "raw" / "melexis_xlsx.json"
    recording = load_recording(file)
    chip = RecordedMlx90640(recording.eeprom, recording.frames, clock)
    rig = make_rig(chip=chip, settings=Mlx90640Settings(emissivity=1.0, reflected=None))
    rig.driver.open()
    shown = rig.driver.read(5.0).temperatures.reshape(-1)
    expected = json.loads(file.read_text())["to_expected_by_melexis_emissivity1_tr_ta_minus_8"]
    row, column = np.divmod(np.arange(768), 32)
    for subpage, key in enumerate(("To frame 0", "To frame 1")):
        own = (row + column) % 2 == subpage
        # The workbook prints three decimals.
        assert np.abs(shown[own] - np.array(expected[key])[own]).max() < 2e-3


def test_made_recordings_show_the_vendors_temperatures(make_rig: Any, clock: Any) -> None:
    vectors, cases = golden(OWN, None)
    # Their calibration at 16 bit exists on paper only, and gives 1.8 V, which the driver rightly refuses.
    names = [str(name) for name in vectors["name"]]
    lobby = [case for case in cases if "/lobby/" in names[case] and "/res_ee_16/" not in names[case]]
    assert len(lobby) > 30
    for case in lobby:
        assert_shows(make_rig, clock, vectors, case, OWN)


def recording() -> Recording:
    vectors = np.load(OWN)
    return Recording("made", vectors["eeprom"][0], vectors["frames"][0])


def test_a_recording_ends_in_silence(make_rig: Any, clock: Any) -> None:
    rig = play(make_rig, clock, recording())
    rig.driver.read(5.0)
    assert rig.chip.finished
    with pytest.raises(DeviceTimeout, match="no new data"):
        rig.driver.read(5.0)


def test_a_recording_may_loop(make_rig: Any, clock: Any) -> None:
    rig = play(make_rig, clock, recording(), loop=True)
    shown = [rig.driver.read(5.0) for _ in range(6)]
    assert [frame.sequence for frame in shown] == list(range(6))
    assert np.array_equal(shown[0].temperatures, shown[2].temperatures)
    assert not rig.chip.finished


@pytest.mark.parametrize("clock_hz", [50_000, 100_000, 400_000])
def test_a_slow_bus_loses_no_recorded_frame(make_rig: Any, clock: Any, clock_hz: int) -> None:
    words = recording()
    frames = np.concatenate([words.frames] * 5)
    rig = make_rig(chip=RecordedMlx90640(words.eeprom, frames, clock), clock_hz=clock_hz)
    rig.driver.open()
    assert len(rig.frames(9)) == 9
    assert rig.driver.counters.torn == 0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"frames": []}, "key 'eeprom'"),
        ({"eeprom": [0] * 832}, "key 'frames'"),
        ({"eeprom": [0] * 831, "frames": [[0] * 834]}, "eeprom: shape"),
        ({"eeprom": [0] * 832, "frames": [[0] * 834, [0] * 833]}, "frames: "),
        ({"eeprom": [0] * 832, "frames": [[70000] + [0] * 833]}, "16-bit unsigned"),
        ({"eeprom": [0] * 832, "frames": [[0] * 833 + [2]]}, "subpage, 0 or 1"),
        ({"eeprom": [0] * 832, "frames": [[0] * 834], "emissivity": "x"}, "emissivity: not a number"),
        ([1, 2], "not a JSON object"),
    ],
)
def test_a_bad_json_names_file_and_key(tmp_path: Path, content: Any, says: str) -> None:
    file = tmp_path / "broken.json"
    file.write_text(json.dumps(content))
    with pytest.raises(RecordingError, match=says) as caught:
        load_recording(file)
    assert "broken.json" in str(caught.value)


def test_other_bad_files(tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing, match=r"nowhere\.npz"):
        load_recording(tmp_path / "nowhere.npz")
    for name in ("cut.npz", "cut.json"):
        (tmp_path / name).write_bytes(b"PK\x03\x04 not much")
        with pytest.raises(RecordingError, match=name.replace(".", r"\.")):
            load_recording(tmp_path / name)


def test_one_case_of_several_is_asked_for() -> None:
    with pytest.raises(RecordingError, match="say which one: syn1/"):
        load_recording(OWN)
    with pytest.raises(RecordingError, match="none is called 'x'"):
        load_recording(OWN, "x")
    name = str(np.load(OWN)["name"][3])
    assert load_recording(OWN, name).frames.shape == (2, 834)


def test_a_single_npz(tmp_path: Path) -> None:
    words = recording()
    np.savez(tmp_path / "one.npz", eeprom=words.eeprom, frames=words.frames, emissivity=0.95)
    loaded = load_recording(tmp_path / "one.npz")
    assert loaded.emissivity == 0.95
    assert loaded.reflected is None
    assert np.array_equal(loaded.frames, words.frames)
    with pytest.raises(RecordingError, match="no case 'x'"):
        load_recording(tmp_path / "one.npz", "x")
