"""Debian's kernels for the emulated machines, unpacked, with the modules that a proof needs.

Debian builds no gpio-sim. It is built here from Debian's own kernel source against Debian's own headers; irq_sim, which
Debian's kernel does not have either, becomes a module by two changes. None of it is kept outside build/.
"""

from __future__ import annotations

import lzma
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MODULES: Final = (
    # A card that the emulator knows.
    "i6300esb",
    # What stands for a board's pins, its I2C and SPI chips, its camera, its keyboard and its screen.
    *("configfs", "cuse", "vivid", "uinput", "evdev", "softdog", "vfb"),
    # Nodes without a device behind them: who may open one is told from who may not by the error.
    *("i2c_dev", "spidev", "snd_dummy"),
)
SOURCES: Final = ("drivers/gpio/gpio-sim.c", "drivers/gpio/gpiolib.h", "kernel/irq/irq_sim.c")
HANDLE: Final = "handle_simple_irq(irq_to_desc(irqnum));"
"""What irq_sim.c calls and a module may not; `generic_handle_irq` does the same and is exported."""
KBUILD: Final = "obj-m := gpio-sim.o irq_sim.o\n"
UNSANDBOXED: Final = ("-o", "APT::Sandbox::User=root")
"""Files go into folders of whoever runs this; apt's own user may not write there."""
KEYRING: Final = "/usr/share/keyrings/debian-archive-keyring.gpg"
MIRROR: Final = "http://deb.debian.org/debian"


class ProofError(Exception):
    """Something that the proof itself needs is not there; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel to boot."""

    release: str
    image: Path
    modules: dict[str, tuple[Path, ...]]
    """What to load for each module that is wanted, itself last; nothing for one that is built in."""
    source: str
    """Where it is from, for the report."""


def run(command: list[str], folder: Path | None = None) -> str:
    """Run a tool and return what it printed; ProofError with what it said where it fails."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise ProofError(f"{command[0]} is missing; try: sh .ci/system-packages board") from error
    if done.returncode:
        raise ProofError(f"{' '.join(command[:4])} ...: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def depends(package: str, options: tuple[str, ...] = ()) -> list[str]:
    """Names of the packages that `package` needs, as apt with these options knows them."""
    text = run(["apt-cache", *options, "depends", package])
    names: list[str] = re.findall(r"^\s*Depends: (\S+)$", text, re.MULTILINE)
    return names


def unpack(packages: list[str], folder: Path, options: tuple[str, ...] = ()) -> None:
    """Fetch Debian packages and unpack them into `folder`; nothing is installed or configured."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="thermogate-debs-") as name:
        run(["apt-get", *options, *UNSANDBOXED, "download", "-qq", *packages], Path(name))
        for archive in sorted(Path(name).glob("*.deb")):
            run(["dpkg-deb", "-x", str(archive), str(folder)])


def foreign_apt(folder: Path, suite: str, architecture: str) -> tuple[str, ...]:
    """Options with which apt knows the packages of another Debian, and this machine's own apt is left alone."""
    for name in ("lists/partial", "cache/archives/partial", "etc/preferences.d"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    (folder / "sources.list").write_text(f"deb [arch={architecture} signed-by={KEYRING}] {MIRROR} {suite} main\n")
    places = {
        "Dir::State": folder,
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::Etc::preferencesparts": folder / "etc" / "preferences.d",
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "Acquire::Languages": "none",
    }
    options = tuple(part for key, value in places.items() for part in ("-o", f"{key}={value}"))
    run(["apt-get", *options, *UNSANDBOXED, "update", "-qq"])
    return options


def native(cache: Path) -> Kernel:
    """This machine's Debian kernel with gpio-sim, from the cache where it is the newest that apt knows."""
    (image,) = [name for name in depends("linux-image-amd64") if name.startswith("linux-image-")]
    version = run(["apt-cache", "show", "--no-all-versions", image])
    release = image.removeprefix("linux-image-")
    stamp = "\n".join([version, *MODULES, HANDLE, KBUILD])
    folder = cache / "kernel"
    if not (folder / "stamp").is_file() or (folder / "stamp").read_text() != stamp:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with tempfile.TemporaryDirectory(prefix="unpacked-", dir=cache) as name:
            _gather(image, release, Path(name).resolve(), folder)
        (folder / "stamp").write_text(stamp)
    wanted = [line.split() for line in (folder / "needs").read_text().splitlines()]
    modules = {name: tuple(folder / f"{needed}.ko" for needed in needs) for name, *needs in wanted}
    number = re.search(r"^Version: (\S+)$", version, re.MULTILINE)
    source = f"Debian's {image} {number[1] if number else ''}".strip()
    return Kernel(release, folder / "vmlinuz", modules, source)


def _gather(image: str, release: str, scratch: Path, folder: Path) -> None:
    """Take the kernel and its modules out of their packages, and build what Debian left out."""
    minor = ".".join(release.split(".")[:2])
    headers = f"linux-headers-{release}"
    build = [name for name in depends(headers) if name.startswith(("linux-headers", "linux-kbuild"))]
    unpack([image, headers, *build, f"linux-source-{minor}"], scratch)
    shutil.copy(scratch / "boot" / f"vmlinuz-{release}", folder / "vmlinuz")
    modules = {path.name.split(".")[0].replace("-", "_"): path for path in scratch.glob("**/*.ko*")}
    modules |= {path.stem.replace("-", "_"): path for path in _simulated_pins(scratch, headers)}
    lines: list[str] = []
    for name in (*MODULES, "gpio_sim"):
        order: list[str] = []
        _load_after(name, modules, order)
        lines.append(" ".join([name, *order]))
        for needed in order:
            (folder / f"{needed}.ko").write_bytes(_read(modules[needed]))
    (folder / "needs").write_text("\n".join(lines))


def _simulated_pins(scratch: Path, headers: str) -> list[Path]:
    """Build gpio-sim and irq_sim out of tree."""
    (archive,) = scratch.glob("usr/src/linux-source-*.tar.xz")
    top = archive.name.removesuffix(".tar.xz")
    folder = scratch / "gpio-sim"
    folder.mkdir()
    names = [f"{top}/{name}" for name in SOURCES]
    run(["tar", "-xJf", str(archive), "-C", str(folder), "--transform=s|.*/||", *names])
    source = (folder / "irq_sim.c").read_text()
    if HANDLE not in source:
        raise ProofError(f"{top}/{SOURCES[2]} is another than the one that can be made a module")
    changed = source.replace(HANDLE, "generic_handle_irq(irqnum);")
    (folder / "irq_sim.c").write_text(f'{changed}\n#include <linux/module.h>\nMODULE_LICENSE("GPL");\n')
    (folder / "Makefile").write_text(KBUILD)
    makefile = scratch / "usr" / "src" / headers / "Makefile"
    makefile.write_text(makefile.read_text().replace("/usr/src/", f"{scratch}/usr/src/"))
    compiler = os.environ.get("CC", "gcc")
    run(["make", "-s", "-C", str(makefile.parent), f"M={folder}", f"CC={compiler}", "modules"])
    return list(folder.glob("*.ko"))


def _load_after(name: str, modules: dict[str, Path], order: list[str]) -> None:
    """Add a module to `order` behind all that it needs; what is built into the kernel has no file."""
    if name in order or name not in modules:
        return
    match = re.search(rb"\0depends=([^\0]*)\0", b"\0" + _read(modules[name]))
    for other in filter(None, (match[1] if match else b"").decode().split(",")):
        _load_after(other.replace("-", "_"), modules, order)
    order.append(name)


def _read(path: Path) -> bytes:
    return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
