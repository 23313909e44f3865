"""The crowd on disk: whole or not at all, and never a reason for the gate not to run."""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from controller import footing_state
from controller.config import Config, StoreSettings
from controller.footing_state import NAME, SAVE_EVERY, CrowdFile, FootingState, local_time
from controller.perception.crowd import CrowdBaseline, CrowdState, Passer
from hw.board import simulated_board
from hw.settings import GateSettings
from hw.sim.clock import VirtualClock
from hw.sim.loop import run
from hw.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from hw.board import Board

WRITER = Path(__file__).with_name("crowd_writer.py")
ROOT = Path(__file__).parents[2]


def state_of(people: int) -> CrowdState:
    baseline = CrowdBaseline()
    for number in range(people):
        baseline.observe(Passer(float(number), 24.0, 12.0, 0.2, flagged=False))
    return baseline.state


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / NAME


def test_what_was_saved_is_loaded(path: Path) -> None:
    state = state_of(30)
    CrowdFile(path).save(state)
    assert CrowdFile(path).load() == state
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == [NAME]


def test_nothing_saved_is_nothing_loaded_and_nothing_to_say(path: Path) -> None:
    with capture_logs() as logs:
        assert CrowdFile(path).load() is None
    assert logs == []


def test_a_state_saved_already_is_not_written_again(path: Path) -> None:
    file, state = CrowdFile(path), state_of(3)
    file.save(state)
    written = path.stat().st_mtime_ns
    file.save(state)
    assert path.stat().st_mtime_ns == written
    again = CrowdFile(path)
    loaded = again.load()
    assert loaded is not None
    again.save(loaded)
    assert path.stat().st_mtime_ns == written


GOOD = msgspec.json.encode(state_of(12))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 300,
        GOOD[:-7],
        b"{}[]",
        b'{"unknown": 1}',
        b"\xff\xfe",
        GOOD.replace(b'"time"', b'"tim\x80"'),
        GOOD.replace(b'"mean":[', b'"mean":["x",'),
        msgspec.json.encode(CrowdState(covariance=((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)))),
        msgspec.json.encode(CrowdState(mean=(1e9, 0.0, 0.0))),
        msgspec.json.encode(CrowdState(day_people=-4)),
    ],
)
def test_a_damaged_file_is_moved_aside_and_the_gate_begins_anew(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    file = CrowdFile(path)
    with capture_logs() as logs:
        assert file.load() is None
    (warning,) = logs
    assert warning["log_level"] == "warning"
    assert warning["file"] == str(path)
    assert path.with_name(NAME + ".damaged").read_bytes() == content
    file.save(state_of(4))
    assert CrowdFile(path).load() == state_of(4)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=40), st.integers(0, len(GOOD)), st.integers(0, len(GOOD)))
def test_whatever_is_in_the_file_the_gate_goes_on(path: Path, noise: bytes, begin: int, end: int) -> None:
    path.write_bytes(GOOD[:begin] + noise + GOOD[end:])
    with capture_logs():
        state = CrowdFile(path).load()
    correction = CrowdBaseline(state).correction(1e6, 24.0)
    assert abs(correction.value) < 100
    assert correction.uncertainty >= 0


def test_a_file_that_cannot_be_read_is_said_and_no_reason_to_stop(path: Path) -> None:
    path.mkdir()
    (path / "occupied").touch()
    with capture_logs() as logs:
        assert CrowdFile(path).load() is None
    assert logs[0]["log_level"] == "warning"


def test_a_full_disk_is_said_and_what_was_stays(path: Path) -> None:
    file = CrowdFile(path)
    file.save(state_of(5))
    # A name that is taken by a folder fails as a disk does: before anything of the old file is touched.
    path.with_name(NAME + ".new").mkdir()
    with capture_logs() as logs:
        file.save(state_of(6))
    assert logs[0]["log_level"] == "warning"
    assert "not saved" in logs[0]["event"]
    assert CrowdFile(path).load() == state_of(5)
    path.with_name(NAME + ".new").rmdir()
    file.save(state_of(6))
    assert CrowdFile(path).load() == state_of(6)


def test_a_really_full_disk_leaves_the_old_file(path: Path) -> None:
    """The file's size is limited to nothing for a child of ours: its write fails as on a full disk."""
    CrowdFile(path).save(state_of(5))
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from controller.footing_state import CrowdFile\n"
        "from controller.perception.crowd import CrowdState\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "CrowdFile(Path(sys.argv[1])).save(CrowdState(mean=(0.5, 0.0, 0.0)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert os.strerror(errno.EFBIG) in done.stdout + done.stderr
    assert CrowdFile(path).load() == state_of(5)


@pytest.mark.parametrize("seconds", [0.0, 0.003, 0.02])
def test_kill_9_leaves_the_old_or_the_new_never_half(path: Path, seconds: float) -> None:
    command = [sys.executable, str(WRITER), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}) as writer:
        assert writer.stdout is not None
        told = [int(writer.stdout.readline()) for _ in range(5)]
        time.sleep(seconds)
        writer.kill()
        told += [int(line) for line in writer.stdout.read().split()]
        writer.wait(30)
    assert writer.returncode == -signal.SIGKILL
    with capture_logs() as logs:
        state = CrowdFile(path).load()
    assert logs == []
    assert state is not None
    assert told[-1] <= state.day_people <= told[-1] + 1


# As a service of the app


GATE = GateSettings(stop=24, ready=16, fire=26)


def board_of(clock: VirtualClock, config: Config) -> tuple[Board, Callable[[], None]]:
    board, simulation = simulated_board(
        config.thermal, config.camera, GATE, clock=clock, world=World(clock, seed=3), seed=3
    )
    return board, simulation.turnstile.close


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(gate=GATE, store=StoreSettings(folder=tmp_path))


def serve(state: FootingState, clock: VirtualClock, *, seconds: float, teach: int) -> None:
    async def main() -> None:
        task = asyncio.create_task(state.run())
        await asyncio.sleep(1.0)
        for number in range(teach):
            state.keeper.crowd.observe(Passer(float(number), 24.0, 12.0, 0.2, flagged=False))
        await asyncio.sleep(seconds)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main(), clock)


@pytest.mark.parametrize("seconds", [2.0, SAVE_EVERY + 5.0])
def test_a_restart_keeps_the_crowd(config: Config, seconds: float) -> None:
    clock = VirtualClock()
    board, close = board_of(clock, config)
    state = FootingState(config, board)
    serve(state, clock, seconds=seconds, teach=20)
    assert FootingState(config, board).keeper.crowd.state == state.keeper.crowd.state == state_of(20)
    close()


def test_a_gate_whose_folder_is_not_there_runs_all_the_same(config: Config, tmp_path: Path) -> None:
    lost = msgspec.structs.replace(config, store=StoreSettings(folder=tmp_path / "not" / "there"))
    clock = VirtualClock()
    board, close = board_of(clock, lost)
    with capture_logs() as logs:
        serve(FootingState(lost, board), clock, seconds=2.0, teach=3)
    assert [entry["event"] for entry in logs] == ["crowd baseline not saved"]
    close()


def test_a_board_without_a_date_has_no_local_time(config: Config) -> None:
    board, close = board_of(VirtualClock(), config)
    assert footing_state._local_time(board)() is None
    close()


def test_a_board_with_a_date_tells_the_time_of_day(config: Config) -> None:
    board, close = board_of(VirtualClock(), config)
    evening = time.mktime((2024, 3, 5, 19, 30, 15, 0, 0, -1))
    local = footing_state._local_time(dataclasses.replace(board, wall=lambda: evening))()
    assert local is not None
    assert local.seconds == 19.5 * 3600 + 15
    assert local_time(evening + 86400).day != local.day == local_time(evening + 3600).day
    close()
