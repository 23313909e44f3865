"""The drivers through unmodified smbus2 and spidev, down to the ioctls of character devices that umockdev plays.

Three processes: the client with the drivers; umockdev's server, which takes the system calls apart; and this one, which
has the simulated chips. No root and no kernel module.
"""

from __future__ import annotations

import errno
import importlib.util
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hw.clock import SystemClock
from hw.sim.amg8833 import SimulatedAmg8833
from hw.sim.lepton import LEPTON_25, LEPTON_35, SimulatedLepton
from hw.sim.recorded import RecordedMlx90640

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SYSTEM_PYTHON = "/usr/bin/python3"
I2C_BYTE, SPI_BYTE = 9 / 400_000, 8 / 16e6


def _lacking() -> str | None:
    if shutil.which("umockdev-wrapper") is None:
        return "umockdev is not installed (Debian: umockdev)"
    if not Path(SYSTEM_PYTHON).exists():
        return f"there is no {SYSTEM_PYTHON}"
    probe = "import gi; gi.require_version('UMockdev', '1.0'); from gi.repository import UMockdev"
    if subprocess.run([SYSTEM_PYTHON, "-c", probe], check=False, capture_output=True).returncode:
        return "the system's Python cannot use umockdev (Debian: python3-gi gir1.2-umockdev-1.0)"
    absent = [name for name in ("smbus2", "spidev") if importlib.util.find_spec(name) is None]
    return f"{' and '.join(absent)} not installed" if absent else None


LACKING = _lacking()
pytestmark = [pytest.mark.service, pytest.mark.skipif(LACKING is not None, reason=LACKING or "")]


class ReadersClock:
    """Time as the reader makes it: a transfer takes its bits' time, a short pause half a millisecond, a long one all.

    So a chip that keeps its own pace waits for a reader on a machine of any load.
    """

    LONG = 0.15

    def __init__(self) -> None:
        self.now = 1000.0
        self._left = time.monotonic()

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def wait(self, event: threading.Event, timeout: float) -> bool:
        self.sleep(timeout)
        return event.is_set()

    def spawn(self, target: Callable[[], object], name: str) -> threading.Thread:
        raise NotImplementedError

    def arrive(self) -> None:
        paused = time.monotonic() - self._left
        self.now += paused if paused >= self.LONG else 0.0005

    def leave(self) -> None:
        self._left = time.monotonic()


class Chips:
    """Answers the relay's questions with simulated chips."""

    def __init__(self, i2c: dict[int, Any], spi: Any = None, clock: Any = None) -> None:
        self.i2c, self.spi = i2c, spi
        self.clock = clock or SystemClock()
        self.fails = 0
        """Errno of every transfer from now on; 0: none."""
        self.modes: set[tuple[int, int]] = set()

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        if isinstance(self.clock, ReadersClock):
            self.clock.arrive()
        try:
            return self._i2c(question["messages"]) if question["bus"] == "i2c" else self._spi(question)
        finally:
            if isinstance(self.clock, ReadersClock):
                self.clock.leave()

    def _i2c(self, messages: list[list[Any]]) -> dict[str, Any]:
        chip = self.i2c.get(messages[0][0])
        if self.fails or chip is None or not chip.powered:
            return {"errno": self.fails or errno.EREMOTEIO}
        read = []
        for _, what in messages:
            at = self.clock.monotonic()
            if isinstance(what, str):
                chip.write(bytes.fromhex(what), at)
            else:
                read.append(chip.read(what, at, I2C_BYTE).hex())
        return {"errno": 0, "read": read}

    def _spi(self, question: dict[str, Any]) -> dict[str, Any]:
        self.modes.add((question["mode"], question["hz"]))
        count = len(question["sent"]) // 2
        assert question["sent"] == "00" * count
        if self.spi is None:
            return {"errno": errno.EIO}
        start = self.clock.monotonic()
        if isinstance(self.clock, ReadersClock):
            self.clock.sleep(count * SPI_BYTE)
        return {"errno": 0, "read": self.spi.talk(count, start, SPI_BYTE).hex()}


@contextmanager
def answering(chips: Chips, path: Path) -> Iterator[None]:
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen(1)

    def serve() -> None:
        try:
            line, _ = server.accept()
        except OSError:
            return
        with line, line.makefile("rw", encoding="ascii") as file:
            for question in file:
                file.write(json.dumps(chips.answer(json.loads(question))) + "\n")
                file.flush()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(10.0)


numbers = itertools.count()


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    def run(chips: Chips, settings: dict[str, Any], frames: int = 1, *, forbidden: bool = False) -> dict[str, Any]:
        path = tmp_path / f"relay-{next(numbers)}"
        command = ["umockdev-wrapper", SYSTEM_PYTHON, str(HERE / "relay.py"), str(path)]
        client = [sys.executable, str(HERE / "client.py"), json.dumps(settings), str(frames)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)} | ({"RELAY_FORBIDDEN": "1"} if forbidden else {})
        with answering(chips, path):
            done = subprocess.run(
                command + client, env=environment, capture_output=True, text=True, timeout=120, check=False
            )
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    return run


def test_an_mlx90640_plays_recorded_words(run: Any) -> None:
    """The vendor's temperatures come out at the top of the stack."""
    with np.load(ROOT / "tests" / "data" / "own_golden.npz") as golden:
        case = int(np.flatnonzero((golden["rc"] == 0) & (np.isfinite(golden["to_full"]).all(axis=1)))[0])
        chosen = {key: golden[key][case] for key in ("eeprom", "frames", "emissivity", "tr", "to_full")}
    chip = RecordedMlx90640(chosen["eeprom"], chosen["frames"], SystemClock(), loop=True)
    chess = bool(int(chosen["frames"][0, 832]) & 0x1000)
    settings = {
        "driver": "mlx90640",
        "pattern": "chess" if chess else "interleaved",
        "emissivity": float(chosen["emissivity"]),
        "reflected": float(chosen["tr"]),
    }
    found = run(Chips({0x33: chip}), settings)
    assert "MLX90640" in found["model"]
    assert any("does not tell its clock" in warning for warning in found["warnings"])
    picture = np.array(found["frames"][0]["picture"]).reshape(-1)
    assert np.nanmedian(np.abs(picture - chosen["to_full"])) < 0.01


def test_an_amg8833(run: Any) -> None:
    scene = np.linspace(10, 40, 64).reshape(8, 8)
    chip = SimulatedAmg8833(lambda _: scene, SystemClock(), seed=1, netd=0.0, reflected=22.0)
    found = run(Chips({0x69: chip}), {"driver": "amg8833"}, frames=2)
    assert np.abs(np.array(found["frames"][-1]["picture"]) - scene).max() < 0.14
    assert found["frames"][-1]["ambient"] == 25.0


@pytest.mark.parametrize("kind", [LEPTON_25, LEPTON_35], ids=["2.5", "3.5"])
def test_a_lepton_obeys_on_i2c_and_shows_on_spi(run: Any, kind: Any) -> None:
    clock = ReadersClock()
    scene = np.linspace(20, 40, kind.rows * kind.columns).reshape(kind.rows, kind.columns)
    chip = SimulatedLepton(lambda _: scene, clock, seed=1, kind=kind, reflected=22.0)
    clock.sleep(5.0)
    chips = Chips({0x2A: chip.cci}, chip.video, clock)
    found = run(chips, {"driver": "lepton", "spi_hz": 16_000_000}, frames=3)
    assert kind.part in found["model"]
    assert found["serial"] == "0000000100011234"
    assert chips.modes == {(3, 16_000_000)}
    for frame in found["frames"]:
        assert np.abs(np.array(frame["picture"]) - scene).max() < 0.4
        assert np.abs(np.array(frame["picture"]) - scene).mean() < 0.06


@pytest.mark.parametrize("driver", ["mlx90640", "lepton", "amg8833"])
def test_nobody_acknowledges(run: Any, driver: str) -> None:
    found = run(Chips({}), {"driver": driver})
    assert "BusError" in found["error"]
    assert "OSError" in found["error"]
    assert "did not acknowledge: not connected, without supply, or another address" in found["text"]


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        (errno.ETIMEDOUT, "BusTimeout", "SCL is held low"),
        (errno.EAGAIN, "BusStuck", "SDA is held low"),
        (errno.EOPNOTSUPP, "BusError", "SMBus only"),
        (errno.EIO, "BusError", "Input/output error"),
    ],
)
def test_the_kernels_errors_reach_the_driver_by_name(run: Any, code: int, kind: str, said: str) -> None:
    chips = Chips({})
    chips.fails = code
    found = run(chips, {"driver": "mlx90640"})
    assert kind in found["error"]
    assert said in found["text"]


def test_video_that_the_controller_cannot_have(run: Any) -> None:
    clock = ReadersClock()
    chip = SimulatedLepton(lambda _: np.full((60, 80), 30.0), clock, seed=1, kind=LEPTON_25)
    clock.sleep(5.0)
    found = run(Chips({0x2A: chip.cci}, None, clock), {"driver": "lepton"})
    assert "BusError" in found["error"]
    assert "/dev/spidev0.0: transfer failed: Input/output error" in found["text"]


@pytest.mark.parametrize(
    ("settings", "kind", "said"),
    [
        (
            {"driver": "amg8833", "bus": "/dev/i2c-7"},
            "DeviceMissing",
            "/dev/i2c-7: no such I2C bus: put dtparam=i2c_arm=on",
        ),
        (
            {"driver": "lepton", "spi": "/dev/spidev1.1"},
            "DeviceMissing",
            "/dev/spidev1.1: no such SPI device: put dtparam",
        ),
    ],
)
def test_a_node_that_is_not_there(run: Any, settings: Any, kind: str, said: str) -> None:
    clock = ReadersClock()
    chip = SimulatedLepton(lambda _: np.full((60, 80), 30.0), clock, seed=1, kind=LEPTON_25)
    clock.sleep(5.0)
    found = run(Chips({0x2A: chip.cci}, chip.video, clock), settings)
    assert kind in found["error"]
    assert said in found["text"]


def test_the_self_test_says_what_answers_instead(run: Any) -> None:
    chip = SimulatedAmg8833(lambda _: np.full((8, 8), 25.0), SystemClock(), seed=1, netd=0.0)

    def told(driver: str) -> list[str]:
        lines: list[str] = run(Chips({0x69: chip}), {"driver": driver}, frames=0)["missing"]
        return [line for line in lines if line.startswith("thermal sensor: ")]

    (line,) = told("mlx90640")
    assert "0x33 did not acknowledge" in line
    assert 'an AMG8833 answers at 0x69, but [thermal] driver = "mlx90640"' in line
    assert told("amg8833") == []


def test_a_node_that_this_user_may_not_open(run: Any) -> None:
    found = run(Chips({}), {"driver": "mlx90640"}, forbidden=True)
    assert "DeviceDenied" in found["error"]
    assert "the service's user must be in group i2c" in found["text"]
