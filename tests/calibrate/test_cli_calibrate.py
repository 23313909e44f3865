"""`thermogate calibrate` from its arguments to the file, in the simulated world."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from controller.calibrate.canvas import GREEN
from controller.calibrate.dialogue import REFUSED, Answer, Terminal
from controller.calibrate.practice import Practice
from controller.calibrate.refusal import CalibrationError, Refusal
from controller.cli.main import main
from controller.config import load
from controller.models import registry
from controller.perception.registration import thermal_point
from controller.prompts import Text

EXAMPLE = Path(__file__).parents[2] / "image" / "gate.toml"


@pytest.fixture(autouse=True)
def lane_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A working folder with a gate.toml in it; recognition by the engine that needs no models."""
    monkeypatch.setenv(registry.ENVIRONMENT, str(tmp_path / "no-models"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gate.toml").write_bytes(EXAMPLE.read_bytes())
    return tmp_path


def calibrate(*arguments: str) -> int:
    return main(["calibrate", arguments[0], "--config", "gate.toml", "--simulated", *arguments[1:]])


def marked(name: str) -> int:
    """How many pixels of a picture have the colour of its marks."""
    picture = cv2.imread(name)
    assert picture is not None
    return int((np.abs(picture.astype(int) - GREEN).max(axis=2) < 12).sum())


@pytest.mark.parametrize("seed", ["2", "5"])
def test_registration_finds_the_simulated_mount(seed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert calibrate("registration", "--yes", "--seed", seed, "--seconds", "1.5", "--picture", "seen.png") == 0
    said = capsys.readouterr().out
    assert "请将目标举在距摄像头 0.5 米处，画面左上" in said
    assert "predicted from the others:" in said
    found = load(Path("gate.practice.toml")).perception.registration
    mount = Practice(load(Path("gate.toml")), int(seed)).truth.mount
    assert found.offset_x == pytest.approx(mount.array_x, abs=0.006)
    assert found.offset_y == pytest.approx(mount.array_y, abs=0.006)
    for z in (0.4, 0.5, 0.65, 0.9):
        for across, down in ((-0.3, -0.15), (0.0, 0.0), (0.3, 0.15)):
            u, v = mount.to_picture(across * z, down * z, z, (640, 480))
            column, row = thermal_point(found, (u, v), z, (480, 640), (24, 32))
            true = mount.to_array(across * z, down * z, z, 32, 24)
            assert math.hypot(column - true[0], row - true[1]) < 0.25
    assert Path("gate.toml").read_bytes() == EXAMPLE.read_bytes()
    assert Path("gate.practice.toml.bak").read_bytes() == EXAMPLE.read_bytes()
    assert marked("seen.png") > 500


def test_one_distance_is_refused_and_still_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    assert calibrate("registration", "--yes", "--distance", "0.5", "--seconds", "1") == 1
    said = capsys.readouterr()
    assert "thermogate: one-distance: only 0.5 m" in said.err
    assert "需要第二个距离" in said.out
    assert marked("calibrate-registration.png") > 200
    assert Path("gate.practice.toml").read_bytes() == EXAMPLE.read_bytes()


def test_reference_and_its_emissivity(capsys: pytest.CaptureFixture[str]) -> None:
    assert calibrate("reference", "--yes", "--temperature", "37") == 0
    written = load(Path("gate.practice.toml")).perception.reference
    assert written is not None
    column, row = Practice(load(Path("gate.toml")), 1).truth.source
    assert math.hypot(written.column - column, written.row - row) < 0.15
    assert written.radius >= 1.0
    assert marked("calibrate-reference.png") > 100
    capsys.readouterr()
    known = ["--at", "11,12", "--known", "0.95", "--known-at", "24,12"]
    assert calibrate("emissivity", "--yes", "--surface", "52", "--of", "reference", *known) == 0
    again = load(Path("gate.practice.toml")).perception.reference
    assert again is not None
    assert again.emissivity == pytest.approx(0.93, abs=0.02)
    assert again.column == written.column
    assert "known patch reads" in capsys.readouterr().out


def test_reference_says_why_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert calibrate("reference", "--yes") == 1
    assert "--temperature is needed" in capsys.readouterr().err
    assert calibrate("reference", "--yes", "--temperature", "37", "--at", "40,3") == 1
    assert "--at 40,3 is outside of 32 columns and 24 rows" in capsys.readouterr().err
    assert calibrate("emissivity", "--yes", "--surface", "52", "--of", "reference") == 1
    assert "there is no [perception.reference] yet" in capsys.readouterr().err
    assert calibrate("emissivity", "--yes", "--surface", "25") == 1
    assert "badly-conditioned: " in capsys.readouterr().err
    assert calibrate("emissivity", "--yes", "--surface", "52", "--known", "0.95") == 1
    assert "--known and --known-at belong together" in capsys.readouterr().err


def test_emissivity_of_the_lane_is_asked_about(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = iter(["", "n"])

    def answer(prompt: str) -> str:
        print(prompt)
        return next(asked)

    monkeypatch.setattr("builtins.input", answer)
    assert calibrate("emissivity", "--surface", "52") == 1
    said = capsys.readouterr().out
    assert "0.98 (ISO/TR 13154)" in said
    assert "皮肤" in said
    assert "nothing is written" in said
    assert load(Path("gate.practice.toml")).thermal.emissivity == 0.98


def test_distance_makes_the_gate_agree_with_the_tape(capsys: pytest.CaptureFixture[str]) -> None:
    assert calibrate("distance", "--yes", "--picture", "people.png") == 0
    assert "residual" in capsys.readouterr().out
    found = load(Path("gate.practice.toml")).perception.registration
    assert 48 < found.camera_fov < 64
    assert marked("people.png") > 300
    assert calibrate("distance", "--yes", "--fit", "face_breadth", "--dry-run") == 0
    assert calibrate("distance", "--yes", "--distance", "0.5") == 1
    assert "too-few: 2 marked distances" in capsys.readouterr().err


def test_offset_from_a_file_and_from_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"p{n},{36.2 + 0.05 * (n % 5):.2f},{36.5 + 0.05 * (n % 7):.2f}" for n in range(14)]
    Path("pairs.csv").write_text("\n".join(["name,gate,clinical", *rows, "sick,38.0,38.3"]), encoding="utf-8")
    assert calibrate("offset", "pairs.csv", "--yes") == 0
    said = capsys.readouterr().out
    assert "left out, 37.5 °C or more: sick" in said
    offset = load(Path("gate.practice.toml")).perception.screening.offset
    assert 0.25 < offset < 0.5
    assert 0.01 < (load(Path("gate.practice.toml")).perception.screening.offset_uncertainty or 0) < 0.1
    lines = [row.partition(",")[2] for row in rows]
    answers = iter([*lines[:3], "36,4", "98.1, 98.2", *lines[3:], "", "y"])
    monkeypatch.setattr("builtins.input", lambda _: next(answers))
    assert calibrate("offset") == 0
    assert "person 4, gate: '98.1'" in capsys.readouterr().out
    # The same pairs again: what the gate said then held no offset, so it is added once more.
    assert load(Path("gate.practice.toml")).perception.screening.offset == pytest.approx(2 * offset, abs=0.01)
    assert cv2.imread("calibrate-offset.png") is not None


def test_wrong_input_names_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    Path("gate.toml").write_text("[gate]\nunlock = 4\n", encoding="utf-8")
    assert calibrate("registration", "--yes") == 1
    assert "[gate]: Object contains unknown field `unlock`" in capsys.readouterr().err
    for arguments in (["--distance", "far"], ["--seconds", "0"], ["--at", "3"], ["--temperature", "nan"]):
        kind = "registration" if arguments[0] == "--distance" else "reference"
        with pytest.raises(SystemExit) as ended:
            calibrate(kind, *arguments)
        assert ended.value.code == 2
        assert arguments[0] in capsys.readouterr().err


def test_a_dry_run_and_an_unwritable_picture(capsys: pytest.CaptureFixture[str]) -> None:
    assert calibrate("reference", "--yes", "--temperature", "37", "--dry-run") == 0
    assert "dry run: nothing is written" in capsys.readouterr().out
    assert Path("gate.practice.toml").read_bytes() == EXAMPLE.read_bytes()
    assert calibrate("reference", "--yes", "--temperature", "37", "--picture", "none/seen.png") == 1
    assert "none/seen.png: the picture cannot be written" in capsys.readouterr().err


def test_every_refusal_has_words_in_both_languages() -> None:
    assert set(REFUSED) == set(Refusal)
    assert all(text.english.isascii() and not text.chinese.isascii() for text in REFUSED.values())


def test_nobody_at_the_terminal_is_told_so() -> None:
    def gone(prompt: str) -> str:
        raise EOFError(prompt)

    with pytest.raises(CalibrationError, match="nobody answers"):
        Terminal(gone, print).ready(Text("a", "b"))
    said: list[str] = []
    lines = iter(["s", "f", "", "Y", "maybe"])

    def answer(prompt: str) -> str:
        said.append(prompt)
        return next(lines)

    guide = Terminal(answer, said.append)
    answers = [guide.ready(Text("a", "甲")) for _ in range(3)]
    assert answers == [Answer.SKIP, Answer.FINISH, Answer.READY]
    assert guide.confirm(Text("a", "b"))
    assert not guide.confirm(Text("a", "b"))
    assert "甲" in said[0]


def test_no_lock_is_even_opened() -> None:
    program = (
        "import sys; from controller.cli.main import main; code = main(['calibrate', 'reference', '--config', "
        "'gate.toml', '--temperature', '37', '--every', '0']); assert not [name for name in sys.modules if "
        "name.startswith(('gpiozero', 'lgpio', 'hw.linux.gpio'))]; sys.exit(code)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "/dev/i2c-1" in ran.stderr


def test_a_wide_lens_and_a_mirrored_one(capsys: pytest.CaptureFixture[str]) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    lens = "[perception.registration]\nthermal_fov = [110.0, 75.0]\n"
    Path("gate.toml").write_text(f"{text}\n{lens}", encoding="utf-8")
    assert calibrate("registration", "--yes", "--seconds", "1") == 0
    assert load(Path("gate.practice.toml")).perception.registration.thermal_fov == (110.0, 75.0)
    # The copy that practice works on follows what is changed.
    Path("gate.toml").write_text(text.replace("[thermal]\n", "[thermal]\nflip = true\n"), encoding="utf-8")
    assert calibrate("registration", "--yes", "--seconds", "1") == 1
    assert "mirrored: " in capsys.readouterr().err
