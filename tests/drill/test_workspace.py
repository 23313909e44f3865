"""Rehearsals clean up after themselves, and after those that could not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from controller.drill.workspace import PREFIX, sweep, workspace
from controller.errors import ConfigError

ROOT = Path(__file__).parents[2]


def left_in(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{PREFIX}*"))


def test_a_temporary_folder_is_gone_afterwards_also_after_an_error(tmp_path: Path) -> None:
    def fails() -> None:
        with workspace(None, parent=tmp_path) as folder:
            (folder / "journal.sqlite3").write_bytes(b"x")
            assert left_in(tmp_path) == [folder]
            raise RuntimeError("something")

    with pytest.raises(RuntimeError, match="something"):
        fails()
    assert left_in(tmp_path) == []


def test_a_running_rehearsal_is_left_alone(tmp_path: Path) -> None:
    with workspace(None, parent=tmp_path) as first, workspace(None, parent=tmp_path) as second:
        assert first.is_dir()
        assert second.is_dir()
        assert sweep(tmp_path) == []


def test_what_a_killed_rehearsal_left_is_removed_by_the_next(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from controller.drill.workspace import workspace\n"
        "with workspace(None, parent=pathlib.Path(sys.argv[1])) as folder:\n"
        "    print(folder, flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        assert sweep(tmp_path) == []
        os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=20)
    assert left_in(tmp_path) == [folder]
    with workspace(None, parent=tmp_path) as own:
        assert left_in(tmp_path) == [own]


def test_a_folder_that_is_asked_for_is_kept_and_must_be_empty(tmp_path: Path) -> None:
    wanted = tmp_path / "a" / "b"
    with workspace(wanted) as folder:
        (folder / "journal.sqlite3").write_bytes(b"x")
    assert (wanted / "journal.sqlite3").exists()
    with pytest.raises(ConfigError, match="is not empty"), workspace(wanted):
        pass
    with pytest.raises(ConfigError, match="cannot keep"), workspace(wanted / "journal.sqlite3" / "x"):
        pass
