"""ALSA's own player, really started: what reaches the device is the file's samples, and its complaints become ours."""

from __future__ import annotations

import io
import os
import shutil
import stat
import time
import wave
from pathlib import Path

import numpy as np
import pytest

from hw.errors import DeviceDenied, DeviceError, DeviceMissing
from hw.linux.aplay import AplayPlayer, AplaySound

PATIENCE = 20.0

needs_aplay = pytest.mark.skipif(shutil.which("aplay") is None, reason="aplay is not installed (alsa-utils)")


def tone(seconds: float) -> bytes:
    samples = (9000 * np.sin(np.arange(round(seconds * 22_050)) * 0.13)).astype("<i2")
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(22_050)
        file.writeframes(samples.tobytes())
    return out.getvalue()


def wait(sound: AplaySound) -> None:
    """Until it is over; the process is not ours to hurry."""
    deadline = time.monotonic() + PATIENCE
    while not sound.ended():
        assert time.monotonic() < deadline
        os.sched_yield()


@needs_aplay
@pytest.mark.service
def test_the_samples_reach_the_device(tmp_path: Path) -> None:
    """ALSA's file plug-in writes down what its null device is given."""
    heard = tmp_path / "heard.raw"
    wait(AplayPlayer(f"file:{heard},raw").start(tone(0.5)))
    with wave.open(io.BytesIO(tone(0.5))) as file:
        sent = file.readframes(file.getnframes())
    got = heard.read_bytes()
    assert len(sent) == 2 * 11_025
    # It fills the last period up with silence.
    same, rest = got[: len(sent)] == sent, set(got[len(sent) :])
    assert same
    assert rest <= {0}


@needs_aplay
@pytest.mark.service
def test_no_such_device_is_said_with_where_to_look() -> None:
    sound = AplayPlayer("nosuchdevice").start(tone(0.2))
    with pytest.raises(DeviceMissing, match=r"no such sound device .*`aplay -L`"):
        wait(sound)


@needs_aplay
@pytest.mark.service
def test_a_sound_is_cut_short(tmp_path: Path) -> None:
    """The device is a pipe that nobody empties, so the sound would last for ever."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        sound = AplayPlayer(f"file:{pipe},raw").start(tone(7))
        assert not sound.ended()
        sound.stop()
        with pytest.raises(DeviceError):
            sound.ended()
    finally:
        os.close(reader)


@needs_aplay
@pytest.mark.service
def test_no_descriptor_is_left_behind() -> None:
    player = AplayPlayer("null")
    wait(player.start(tone(0.1)))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        wait(player.start(tone(0.1)))
        player.start(tone(0.1)).stop()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def program(folder: Path, body: str) -> str:
    path = folder / "aplay"
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="ascii")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.mark.parametrize(
    ("said", "kind", "told"),
    [
        ("audio open error: Permission denied", DeviceDenied, "group audio"),
        ("audio open error: Device or resource busy", DeviceError, "in use by another program"),
        ("main:831: audio open error: No such device", DeviceMissing, "no such sound device"),
        ("set_params:1407: Unable to install hw params:", DeviceError, "status 1: Unable to install hw params:"),
    ],
)
def test_complaints_are_put_in_words(tmp_path: Path, said: str, kind: type[Exception], told: str) -> None:
    player = AplayPlayer("default", program(tmp_path, f"echo 'aplay: {said}' >&2; exit 1"))
    with pytest.raises(kind, match=told):
        wait(player.start(tone(0.1)))


def test_without_aplay_its_package_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing, match="alsa-utils"):
        AplayPlayer("default", str(tmp_path / "aplay")).start(tone(0.1))


def test_one_that_ignores_the_end_is_killed(tmp_path: Path) -> None:
    sound = AplayPlayer("default", program(tmp_path, "trap '' TERM; echo > started; while :; do sleep 1; done")).start(
        tone(0.1)
    )
    sound.stop()
    with pytest.raises(DeviceError):
        sound.ended()
