"""ALSA through its own player, `aplay`: a process a sound, so that no driver of a sound card can hang this program.

A Python binding would save 10 ms and bring a compiled module, or PortAudio and its threads, onto every board.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from typing import Final

from hw.errors import DeviceDenied, DeviceError, DeviceMissing

PROGRAM: Final = "aplay"
STOP_WAIT: Final = 0.3
"""Seconds in which a terminated aplay has always ended, unless its driver hangs."""


class AplayPlayer:
    """`hw.bus.SoundPlayer` on one ALSA device.

    Args:
        device: as `aplay -L` lists them, e.g. `default` or `plughw:CARD=Headphones`.
        program: name or path of aplay.
    """

    def __init__(self, device: str, program: str = PROGRAM) -> None:
        self.name = device
        self._program = program

    def start(self, sound: bytes) -> AplaySound:
        """Begin a WAV file; it is handed over in memory. Raises `DeviceMissing` where there is no aplay."""
        program = shutil.which(self._program)
        if program is None:
            raise DeviceMissing(f"{self._program} is not installed (apt install alsa-utils)")
        memory = os.memfd_create("thermogate-sound")
        try:
            os.write(memory, sound)
            # Found by the name: `-` as a file would need somebody to feed a pipe meanwhile.
            process = subprocess.Popen(  # noqa: S603 - the program is found above, the device is checked by its settings
                [program, "-q", "-D", self.name, f"/proc/self/fd/{memory}"],
                pass_fds=(memory,),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={**os.environ, "LC_ALL": "C"},
            )
        except OSError as error:
            raise DeviceError(f"{program} cannot be started: {error.strerror}") from error
        finally:
            os.close(memory)
        return AplaySound(process)


class AplaySound:
    """A sound that an aplay process plays."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def ended(self) -> bool:
        """Whether the process is over. Raises `DeviceError` kinds with what it complained of."""
        status = self._process.poll()
        if status is None:
            return False
        complaint = self._complaint()
        if status != 0:
            raise _explained(complaint, status)
        return True

    def stop(self) -> None:
        """End the process; one that hangs in its driver is killed and left to the kernel."""
        process = self._process
        process.terminate()
        try:
            process.wait(STOP_WAIT)
        except subprocess.TimeoutExpired:
            process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_WAIT)
        if process.stderr is not None:
            process.stderr.close()

    def _complaint(self) -> str:
        """The last line of what it said, which is its own; those before are of libasound's parser."""
        stream = self._process.stderr
        if stream is None or stream.closed:
            return ""
        with stream:
            lines = stream.read().decode("utf-8", "replace").splitlines()
        return re.sub(r"^aplay: (\w+:\d+: )?", "", lines[-1]) if lines else ""


def _explained(complaint: str, status: int) -> DeviceError:
    if "No such file" in complaint or "No such device" in complaint:
        return DeviceMissing(f"no such sound device ({complaint}); `aplay -L` lists those of this machine")
    if "Permission denied" in complaint:
        return DeviceDenied(f"permission denied ({complaint}): the service's user must be in group audio")
    if "Device or resource busy" in complaint:
        return DeviceError(f"the sound device is in use by another program ({complaint})")
    return DeviceError(f"aplay failed with status {status}: {complaint or 'no word of why'}")
