"""The command line: every command explains itself, and what is missing or wrong is named."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import pytest

from controller.cli import run as cli_run
from controller.cli.main import main
from controller.health.notify import MISCONFIGURED
from controller.models import registry
from hw.sim.scene import enrolment_photo

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLE = Path(__file__).parents[2] / "image" / "gate.toml"
COMMANDS = ["drill", "run", "replay", "enrol", "models", "calibrate", "selftest", "bench"]


@pytest.fixture(autouse=True)
def no_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(registry.ENVIRONMENT, str(tmp_path / "no-models"))


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert len(capsys.readouterr().out.splitlines()) > 8


def test_the_whole_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert all(command in said for command in COMMANDS)


def test_run_lists_everything_that_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(EXAMPLE)]) == 1
    said = capsys.readouterr().err
    for name in ("recognition:", "thermal sensor:", "camera:", "gate:"):
        assert f"  - {name}" in said
    assert "thermogate models pull" in said
    assert "never stands before a real lock" in said


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The service manager's end of what the program tells it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "notify"))
        end.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield end


def told(manager: socket.socket) -> list[str]:
    found: list[str] = []
    with contextlib.suppress(BlockingIOError):
        while True:
            found += manager.recv(4096).decode().splitlines()
    return found


def test_a_service_that_cannot_run_yet_says_why_and_lets_time_pass(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_run, "LOOKS_AGAIN", 0.2)
    began = time.monotonic()
    assert main(["run", str(EXAMPLE)]) == 1
    assert time.monotonic() - began >= 0.2
    said = told(manager)
    assert said[-1].startswith("STATUS=cannot run: recognition: ")
    assert "READY=1" not in said


def test_a_wrong_configuration_is_named(
    capsys: pytest.CaptureFixture[str], manager: socket.socket, tmp_path: Path
) -> None:
    wrong = tmp_path / "gate.toml"
    wrong.write_text("[gate]\nunlock = 4\n", encoding="utf-8")
    assert main(["run", str(wrong)]) == MISCONFIGURED
    where = "gate.toml: [gate]: Object contains unknown field `unlock`"
    assert where in capsys.readouterr().err
    assert [line for line in told(manager) if where in line] == [f"STATUS=cannot run: {tmp_path}/{where}"]


def test_selftest_passes_without_devices(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["selftest"]) == 0
    said = capsys.readouterr().out
    assert said.count("ok ") >= 4
    assert "of its oracle" in said


def test_selftest_of_a_board_names_its_devices(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    config = tmp_path / "gate.toml"
    config.write_text(f"[store]\nfolder = '{tmp_path}'\n", encoding="utf-8")
    assert main(["selftest", str(config)]) == 1
    said = capsys.readouterr().out
    assert [line.split()[0] for line in said.splitlines() if "thermal sensor" in line] == ["WRONG"]


def test_people_are_enrolled_listed_and_removed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    photos, gallery = tmp_path / "photos", tmp_path / "gallery"
    photos.mkdir()
    for identity in (7, 11):
        assert cv2.imwrite(str(photos / f"s-{identity}.png"), enrolment_photo(identity, 0))
    (photos / "s-99.png").write_bytes(b"torn")
    options = ["--gallery", str(gallery), "--engine", "demo", "--legal-basis", "drawn people"]
    assert main(["enrol", str(photos), *options, "--dry-run"]) == 1
    assert not gallery.exists()
    assert "2 of 3 people would be enrolled" in capsys.readouterr().out
    assert main(["enrol", str(photos), *options]) == 1
    said = capsys.readouterr()
    assert "2 of 3 people enrolled with demo" in said.out
    assert "s-99.png: is a text file, not a picture" in said.err
    assert main(["enrol", "--list", "--gallery", str(gallery)]) == 0
    assert capsys.readouterr().out.split() == ["s-11", "s-7"]
    assert main(["enrol", "--remove", "s-7", "--gallery", str(gallery)]) == 0
    assert main(["enrol", "--remove", "s-7", "--gallery", str(gallery)]) == 1
    capsys.readouterr()
    shutil.rmtree(photos)
    assert main(["enrol", str(photos), *options]) == 1
    assert "neither a folder" in capsys.readouterr().err


def test_enrol_wants_one_thing_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["enrol"]) == 2
    assert "give one of" in capsys.readouterr().err


def test_a_recording_that_is_none_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    recording = tmp_path / "words.json"
    recording.write_text("{}", encoding="utf-8")
    assert main(["replay", str(recording), "--pictures", str(tmp_path), "--engine", "demo"]) == 1
    assert "words.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("lacking", "fit", "said"),
    [
        ([], True, ""),
        (["thermal sensor: gone", "camera: gone", "reader: gone"], True, "the lane starts without these"),
        (["camera: gone", "gate: gone"], False, "this board cannot run the lane yet"),
        (["recognition: no gallery"], False, "this board cannot run the lane yet"),
    ],
)
def test_a_lane_starts_without_what_it_looks_for_again(
    lacking: list[str],
    fit: bool,  # noqa: FBT001 - pytest passes by name
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli_run._tell("gate.toml", lacking) is fit
    told = capsys.readouterr().err
    assert said in told
    assert all(f"  - {line}" in told for line in lacking)


@pytest.mark.parametrize("left_behind", [True, False])
def test_a_thread_that_is_left_behind_does_not_keep_the_process(*, left_behind: bool) -> None:
    script = (
        "import threading, time\n"
        "from controller.__main__ import entry\n"
        "def run():\n"
        "    print('ran')\n"
        f"    if {left_behind}: threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
        "    return 3\n"
        "entry(run)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (3, "ran\n")
