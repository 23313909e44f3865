"""The emulated PC: Debian's kernel, a RAM disk with all that it holds, evidence on a serial line.

Its programs are this checkout with the Python that runs it, at the same paths. Nothing listens, and the machine has no
network.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from image.proof import contents
from image.proof.cpio import Archive
from image.proof.kernels import ProofError, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from image.proof.kernels import Kernel

EMULATOR: Final = "qemu-system-x86_64"
FIRST: Final = ("configfs", "gpio_sim", "cuse", "evdev", "uinput")
"""Modules that the RAM disk loads; a check loads what it needs besides."""
PACE: Final = {
    "kvm": ("-cpu", "max", "-smp", "2"),
    # With what NumPy's wheels ask for (SSE 4.2) and no AVX: inference would take it, and it is emulated far slower.
    "tcg": ("-cpu", "Nehalem", "-icount", "shift=1,sleep=off", "-rtc", "clock=vm"),
}
KVM_PATIENCE: Final = 6.0
"""Seconds in which a kernel under KVM has said its first word, or never will."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a machine left behind."""

    evidence: str
    console: str
    events: tuple[str, ...]
    """The emulator's own events (QMP), in order: `WATCHDOG` where that reset it, `SHUTDOWN` with its reason."""
    seconds: float
    ended: bool
    """Whether it ended by itself, and was not stopped when its time was up."""


def accelerator(kernel: Kernel, cache: Path) -> str:
    """`kvm` where it boots this kernel, else `tcg`; tried once for each boot of this machine."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    stamp = cache / "accelerator"
    with contextlib.suppress(FileNotFoundError, ValueError):
        known, name = stamp.read_text().split()
        if known == boot:
            return name
    name = "kvm" if os.access("/dev/kvm", os.R_OK | os.W_OK) and _boots_under_kvm(kernel) else "tcg"
    stamp.write_text(f"{boot} {name}")
    return name


def _boots_under_kvm(kernel: Kernel) -> bool:
    """Whether the kernel's first line comes. Where /dev/kvm is there it may still refuse, or hang."""
    command = [EMULATOR, "-accel", "kvm", "-cpu", "max", "-m", "512", "-display", "none", "-monitor", "none"]
    command += ["-serial", "stdio", "-no-reboot", "-kernel", str(kernel.image)]
    command += ["-append", "console=ttyS0 earlyprintk=serial panic=-1"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=KVM_PATIENCE, check=False)
    except subprocess.TimeoutExpired as expired:
        return b"Linux version" in (expired.stdout or b"")
    return b"Linux version" in done.stdout


def ram_disk(kernel: Kernel, cache: Path, folders: list[Path], command: str) -> bytes:
    """A RAM disk that runs `command` with its output on the second serial line, and powers off."""
    busybox = cache / "busybox"
    if not (busybox / "bin" / "busybox").is_file():
        unpack(["busybox-static"], busybox)
    disk = Archive()
    for name in ("bin", "dev", "etc", "proc", "run", "sys", "tmp", "usr", "usr/lib", "var", "var/lib"):
        disk.folder(name)
    disk.device("dev/console", 5, 1)
    disk.file("bin/busybox", (busybox / "bin" / "busybox").read_bytes(), 0o755)
    add_modules(disk, kernel)
    disk.file("etc/passwd", b"root:x:0:0:root:/:/bin/sh\n")
    disk.file("etc/group", b"root:x:0:\n")
    for name in ("lib", "lib64", "sbin"):
        if (path := Path("/", name)).is_symlink():
            disk.link(name, str(path.readlink()))
    contents.add(disk, contents.site(cache), folders)
    disk.file("init", _script(kernel, command).encode(), 0o755)
    return disk.packed()


def add_modules(disk: Archive, kernel: Kernel) -> None:
    """Put the kernel's modules on the disk, and what each needs into /modules/needs."""
    disk.folder("modules")
    for path in sorted({path for paths in kernel.modules.values() for path in paths}):
        disk.file(f"modules/{path.name}", path.read_bytes())
    needs = "".join(f"{name} {' '.join(p.name for p in paths)}\n" for name, paths in kernel.modules.items())
    disk.file("modules/needs", needs.encode())


def loads(kernel: Kernel, *names: str) -> list[str]:
    """Commands that load these modules, each behind what it needs."""
    return list(dict.fromkeys(f"insmod /modules/{path.name}" for name in names for path in kernel.modules[name]))


def _script(kernel: Kernel, command: str) -> str:
    lines = [
        "#!/bin/busybox sh",
        "/bin/busybox --install -s /bin",
        "mount -t proc proc /proc",
        "mount -t sysfs sys /sys",
        "mount -t devtmpfs dev /dev",
        "mount -t tracefs trace /sys/kernel/tracing",
        "mount -t debugfs debug /sys/kernel/debug",
        *(f"{load} 2>/dev/null" for load in loads(kernel, *FIRST)),
        "mount -t configfs config /sys/kernel/config",
        "export PATH=/bin:/usr/bin:/usr/sbin HOME=/tmp",
        "export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1",
        "stty -F /dev/ttyS1 raw",
        f"{command} >/dev/ttyS1",
        "echo proof: status $?",
        "poweroff -f",
    ]
    return "\n".join(lines) + "\n"


def boot(kernel: Kernel, disk: bytes, accel: str, *, seconds: float, memory: int = 2560, more: str = "") -> Said:
    """Run the machine until it powers off, resets, or its time is up.

    `memory` is in MB; `more` goes to the kernel's command line.
    """
    with tempfile.TemporaryDirectory(prefix="thermogate-proof-") as name:
        scratch = Path(name)
        (scratch / "disk").write_bytes(disk)
        command = [EMULATOR, "-accel", accel, *PACE[accel]]
        command += ["-m", str(memory), "-display", "none", "-monitor", "none", "-nic", "none", "-no-reboot"]
        command += ["-serial", f"file:{scratch / 'console'}", "-serial", f"file:{scratch / 'evidence'}"]
        command += ["-qmp", f"unix:{scratch / 'qmp'},server=on,wait=off"]
        command += ["-device", "i6300esb", "-action", "watchdog=reset"]
        # Measured times are the emulator's; its mitigations against attacks from within are of no use here.
        line = "console=ttyS0 quiet panic=-1 mitigations=off audit=0 no_timer_check clocksource=tsc tsc=reliable"
        command += ["-kernel", str(kernel.image), "-initrd", str(scratch / "disk"), "-append", f"{line} {more}"]
        return _watch(command, scratch, seconds)


def _watch(command: list[str], scratch: Path, seconds: float) -> Said:
    began = time.monotonic()
    events: list[str] = []
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    except FileNotFoundError as error:
        raise ProofError(f"{command[0]} is missing; try: sh .ci/system-packages board") from error
    listener = threading.Thread(target=lambda: events.extend(_events(scratch / "qmp", process)))
    listener.start()
    ended = True
    try:
        _, complaint = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        ended = False
        process.kill()
        _, complaint = process.communicate()
    finally:
        process.kill()
    listener.join()
    texts = {name: _text(scratch / name) for name in ("evidence", "console")}
    if ended and not texts["console"] and not texts["evidence"]:
        raise ProofError(f"{command[0]} did not start: {complaint.strip()}")
    took = time.monotonic() - began
    return Said(texts["evidence"], texts["console"], tuple(events), took, ended)


def _text(path: Path) -> str:
    return path.read_text(errors="replace").replace("\r\n", "\n") if path.exists() else ""


def _events(path: Path, process: subprocess.Popen[str]) -> Iterator[str]:
    """The emulator's events, until it ends."""
    with socket.socket(socket.AF_UNIX) as line:
        while True:
            try:
                line.connect(str(path))
                break
            except OSError:
                if process.poll() is not None:
                    return
                time.sleep(0.05)
        line.sendall(b'{"execute": "qmp_capabilities"}\n')
        with line.makefile() as answers:
            for answer in answers:
                told = json.loads(answer)
                if "event" in told:
                    yield " ".join([told["event"], *filter(None, [told.get("data", {}).get("reason")])])
