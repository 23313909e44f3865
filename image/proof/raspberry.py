"""The emulated Raspberry Pi 3: the real pin driver of its kernel, and its pins seen from outside the machine.

QEMU's raspi3b has the BCM2837's GPIO block. Debian's stock arm64 kernel drives it with pinctrl-bcm2835, as on a board;
through QEMU's test socket each output line is heard, and the block's registers are read. Inputs cannot be fed.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from image import aarch64
from image.proof.claims import Evidence, duration
from image.proof.cpio import Archive
from image.proof.kernels import ProofError, depends, foreign_apt, run, unpack
from image.proof.raspberry_inside import GRANTS, MARK, SPARE

if TYPE_CHECKING:
    from collections.abc import Callable

EMULATOR: Final = "qemu-system-aarch64"
SUITE: Final = "trixie"
TREE: Final = "bcm2837-rpi-3-b.dtb"
UNLOCK: Final = 17
GPIO: Final = 0x3F200000
"""The BCM2837's GPIO block (BCM2835 ARM Peripherals, 6.1, at this chip's base)."""
GPFSEL1: Final = GPIO + 0x04
GPLEV0: Final = GPIO + 0x34
PULSE: Final = 0.3
"""Seconds of an unlock pulse: the lane's default."""
TIME: Final = 240.0
BOARD_PACKAGES: Final = ("numpy", "msgspec", "structlog", "gpiozero", "lgpio")
"""What lane, runner, journal and gate driver import."""

CLAIMS: Final = (
    (
        "A grant moves GPIO 17 of a Raspberry Pi",
        "lane, runner, journal, gate driver on pinctrl-bcm2835; QEMU's own pins",
    ),
    ("Boot, start and stop move no unlock line of a Raspberry Pi 3", "every change of GPIO 17 and 27, from power-on"),
    ("kill -9 in an unlock on a Raspberry Pi 3", "the GPIO block's registers, read from outside"),
    (
        "The self-test tells what a Raspberry Pi's kernel does with a released output",
        "`hw.linux.gpio_lines` on a spare line; its register, read from outside",
    ),
)


@dataclass(slots=True)
class Heard:
    """What came out of the machine, with this machine's monotonic seconds."""

    pins: list[tuple[float, int, bool]] = field(default_factory=list)
    said: list[tuple[float, str]] = field(default_factory=list)
    registers: dict[str, tuple[int, int]] = field(default_factory=dict)
    """GPFSEL1 and GPLEV0 when that was said."""


class TestSocket:
    """QEMU's qtest protocol: lines of text, answered in order, with pin changes in between."""

    def __init__(self, path: Path, on_pin: Callable[[int, bool], None], process: subprocess.Popen[str]) -> None:
        self._line = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self._line.connect(str(path))
                break
            except OSError as error:
                if process.poll() is not None:
                    raise ProofError(f"{EMULATOR} did not start: {process.communicate()[1]}") from error
                time.sleep(0.05)
        self._on_pin = on_pin
        self._answers: list[str] = []
        self._came = threading.Condition()
        self._closed = False
        threading.Thread(target=self._listen, daemon=True).start()

    def ask(self, request: str) -> str:
        """Send a request and return its answer, without the OK. Raises ProofError where there is none."""
        with self._came:
            self._line.sendall(f"{request}\n".encode())
            if not self._came.wait_for(lambda: self._answers or self._closed, 10) or not self._answers:
                raise ProofError(f"QEMU did not answer {request!r}")
            return self._answers.pop(0).removeprefix("OK").strip()

    def _listen(self) -> None:
        with self._line.makefile() as lines:
            for line in lines:
                match = re.fullmatch(r"IRQ (raise|lower) (\d+)", line.strip())
                if match is not None:
                    self._on_pin(int(match[2]), match[1] == "raise")
                    continue
                with self._came:
                    self._answers.append(line.strip())
                    self._came.notify_all()
        with self._came:
            self._closed = True
            self._came.notify_all()


def prepare(cache: Path) -> tuple[Path, Path, Path]:
    """Kernel, device tree and RAM disk, from the cache where nothing has changed."""
    aarch64.prepare()
    library = aarch64.build()
    folder = cache / "raspberry"
    options = foreign_apt(cache / "apt-arm64", SUITE, "arm64")
    (package,) = [name for name in depends("linux-image-arm64", options) if name.startswith("linux-image-")]
    stamp = folder / "stamp"
    if not stamp.is_file() or stamp.read_text() != package:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with tempfile.TemporaryDirectory(prefix="unpacked-", dir=cache) as name:
            unpack([package], Path(name), options)
            (kernel,) = Path(name).glob("boot/vmlinuz-*")
            (tree,) = Path(name).glob(f"usr/lib/linux-image-*/broadcom/{TREE}")
            shutil.copy(kernel, folder / "vmlinuz")
            shutil.copy(tree, folder / TREE)
        stamp.write_text(package)
    _site(folder / "site")
    disk = folder / "disk"
    disk.write_bytes(_disk(library, folder / "site"))
    return folder / "vmlinuz", folder / TREE, disk


def _site(site: Path) -> None:
    """What the board's program imports, as wheels for aarch64."""
    lock = (aarch64.ROOT / "requirements.lock").read_text()
    stamp = site / "stamp"
    if stamp.is_file() and stamp.read_text() == lock:
        return
    shutil.rmtree(site, ignore_errors=True)
    platforms = [f"--platform=manylinux_2_{minor}_aarch64" for minor in range(36, 16, -1)]
    options = ["--only-binary=:all:", f"--python-version={aarch64.VERSION}", "--platform=manylinux2014_aarch64"]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--constraint=requirements.lock"]
    run([*command, *options, *platforms, f"--target={site}", *BOARD_PACKAGES], aarch64.ROOT)
    stamp.write_text(lock)


def _disk(library: Path, site: Path) -> bytes:
    """Debian's Python, the packages, this checkout's rooms; the program of `raspberry_inside` is the first process."""
    disk = Archive()
    for name in ("dev", "proc", "run", "sys", "tmp", "lib-board", "etc"):
        disk.folder(name)
    for name, major, minor in (("console", 5, 1), ("null", 1, 3), ("urandom", 1, 9)):
        disk.device(f"dev/{name}", major, minor)
    root = aarch64.CACHE / "root"
    for name in ("lib", "lib64", "bin", "sbin"):
        if (root / name).is_symlink():
            disk.link(name, str((root / name).readlink()))
        elif name.startswith("lib") and (root / name).is_dir():
            disk.tree(root / name, name, skip=_unneeded)
    disk.folder("usr")
    disk.folder("usr/bin")
    disk.file("usr/bin/python3", (root / "usr" / "bin" / f"python{aarch64.VERSION}").read_bytes(), 0o755)
    disk.tree(root / "usr" / "lib", "usr/lib", skip=_unneeded)
    disk.tree(site, "site", skip=_unneeded)
    for room in ("controller", "hw", "image"):
        disk.tree(aarch64.ROOT / room, f"lib-board/{room}", skip=_unneeded)
    disk.tree(library / "_fastcore", "lib-board/_fastcore", skip=_unneeded)
    inside = (aarch64.ROOT / "image" / "proof" / "raspberry_inside.py").read_text()
    disk.file("init", f"#!/usr/bin/python3\n{inside}".encode(), 0o755)
    return disk.packed()


def _unneeded(path: Path) -> bool:
    """What makes the disk large and is never loaded."""
    return path.name in {"__pycache__", "test", "tests", "idlelib", "tkinter", "ensurepip", "lib2to3"} or (
        path.suffix in {".a", ".o", ".h"}
    )


def prove(cache: Path) -> list[Evidence]:
    """Run the machine, and say what was seen of it."""
    kernel, tree, disk = prepare(cache)
    with tempfile.TemporaryDirectory(prefix="thermogate-proof-") as name:
        path = Path(name) / "qtest"
        command = [EMULATOR, "-accel", "tcg", "-M", "raspi3b", "-display", "none", "-monitor", "none", "-no-reboot"]
        command += ["-serial", "stdio", "-qtest", f"unix:{path},server=on,wait=off", "-qtest-log", "none"]
        command += ["-kernel", str(kernel), "-dtb", str(tree), "-initrd", str(disk)]
        line = "console=ttyAMA0,115200 quiet panic=-1 module_blacklist=bcm2835_wdt,vchiq"
        process = subprocess.Popen(
            [*command, "-append", line],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        timer = threading.Timer(TIME, process.kill)
        timer.start()
        try:
            heard, console = _listen(process, path)
        finally:
            timer.cancel()
            process.kill()
            process.wait()
    return judge(heard, console)


def _listen(process: subprocess.Popen[str], path: Path) -> tuple[Heard, str]:
    heard = Heard()
    asked = TestSocket(path, lambda pin, level: heard.pins.append((time.monotonic(), pin, level)), process)
    asked.ask("irq_intercept_out /machine/soc/peripherals/gpio")
    console: list[str] = []
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    for line in process.stdout:
        console.append(line)
        if "Kernel panic" in line:
            break
        if MARK not in line:
            continue
        said = line.split(MARK, 1)[1].strip()
        heard.said.append((time.monotonic(), said))
        if said in ("held", "killed", "spare driven", "spare released", "done"):
            select, level = (int(asked.ask(f"readl 0x{place:x}"), 16) for place in (GPFSEL1, GPLEV0))
            heard.registers[said] = (select, level)
        if said == "done":
            break
    return heard, "".join(console)


def judge(heard: Heard, console: str) -> list[Evidence]:
    """The evidence in what was heard."""
    (moved, still, killed, spare) = CLAIMS
    said = [text for _, text in heard.said]
    if "done" not in said:
        why = f"it ended early, after {said[-1] if said else 'nothing'}: {console[-400:].strip()}"
        return [Evidence(claim, "FAILED", how, why) for claim, how in CLAIMS]
    return [_moved(heard, *moved), _still(heard, *still), _released(heard, *killed), _told(heard, *spare)]


def _orders(heard: Heard) -> list[float]:
    return [at for at, text in heard.said if text == "order"]


def _at(heard: Heard, text: str) -> float:
    return next(at for at, said in heard.said if said.startswith(text))


def _moved(heard: Heard, claim: str, how: str) -> Evidence:
    began, ended = _orders(heard)[0], _at(heard, "lane ")
    changes = [(at, level) for at, pin, level in heard.pins if pin == UNLOCK and began <= at <= ended]
    rises = [at for at, level in changes if level]
    falls = [at for at, level in changes if not level]
    (state,) = [text for _, text in heard.said if text.startswith("lane ")]
    if len(rises) != GRANTS or len(falls) != GRANTS:
        return Evidence(claim, "FAILED", how, f"{GRANTS} grants, {len(rises)} rising and {len(falls)} falling edges")
    lengths = ", ".join(duration(fall - rise) for rise, fall in zip(rises, falls, strict=True))
    figure = f"{GRANTS} grants, {GRANTS} pulses of {lengths} ({PULSE} s asked for), seen outside; {state}"
    return Evidence(claim, "shown", how, figure)


def _still(heard: Heard, claim: str, how: str) -> Evidence:
    first = _orders(heard)[0]
    early = [pin for at, pin, level in heard.pins if level and pin in (UNLOCK, 27) and at < first]
    late = [pin for at, pin, level in heard.pins if level and pin == 27]
    if early or late:
        return Evidence(claim, "FAILED", how, f"{len(early) + len(late)} rising edges without a grant")
    return Evidence(claim, "shown", how, "from power-on over three openings and closings to the first order: none")


def _released(heard: Heard, claim: str, how: str) -> Evidence:
    told = []
    for when in ("held", "killed"):
        select, level = heard.registers[when]
        told.append((select >> 3 * (UNLOCK - 10) & 0b111, level >> UNLOCK & 1))
    (held, high), (left, _) = told
    if held != 1 or not high:
        return Evidence(claim, "FAILED", how, f"in the unlock the line had function {held}, level {high}")
    kind = {0: "an input", 1: "an output still"}.get(left, f"function {left}")
    figure = f"in the unlock an output at {high}, after the kill {kind} (GPFSEL1), which its resistor locks"
    return Evidence(claim, "shown" if left == 0 else "FAILED", how, figure)


def _told(heard: Heard, claim: str, how: str) -> Evidence:
    driven, released = (
        heard.registers[when][0] >> 3 * (SPARE - 10) & 0b111 for when in ("spare driven", "spare released")
    )
    (told,) = [text for _, text in heard.said if text.startswith("spare ") and ", told " in text]
    true = {0: "becomes an input", 1: "stays an output"}.get(released, f"function {released}")
    figure = f"driven it had function {driven}, released {released} (GPFSEL1); the self-test says: {told}"
    right = driven == 1 and told.startswith(f"spare {true},")
    return Evidence(claim, "shown" if right else "FAILED", how, figure)
