"""The emulated PC with a whole Debian: systemd is its first process, and the units are installed as the docs say.

Its root is Debian's own packages, configured (mmdebstrap), with dbus, polkitd, mosquitto and PostgreSQL. The program
lies in /opt/thermogate as an integrator's does. All is in memory, and its clock counts instructions, as the other's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any, Final

from image.aarch64 import SUITES, VERSION
from image.proof import contents, machine
from image.proof.contents import ROOT, UNNEEDED
from image.proof.cpio import Archive
from image.proof.kernels import Kernel, ProofError, run
from image.proof.tree import Tree

DEBIAN: Final = (
    *("systemd", "systemd-sysv", "udev", "kmod", "dbus", "polkitd"),
    *("adduser", "mosquitto", "postgresql", "python3"),
)
"""What a board and a hub have of Debian; polkitd is what docs/commands.md asks for."""
OPTIONS: Final = (
    "--variant=essential",
    '--aptopt=APT::Install-Recommends "false"',
    *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale", "info")),
)
EXTRAS: Final = (*contents.EXTRAS, "hub")
PROGRAM: Final = "opt/thermogate"
PROOF: Final = "opt/proof"
"""Where the checks lie, and the pages whose commands they follow."""
PACKAGES: Final = f"{PROGRAM}/lib/python{VERSION}/site-packages"
MACHINE_ID: Final = "2f6d1c1a8f0e4c55a3b1d0c9e8f7a6b5"
"""One machine's: without it systemd takes each start for the first one."""
LEFT_OUT: Final = ("boot/", "dev/", "proc/", "sys/", "var/cache/", "var/lib/apt/")
"""Of Debian's root: what the kernel makes itself, and what nothing here reads."""
LLVM: Final = ("libLLVM", "libz3", "llvmjit")
"""PostgreSQL's compiler of queries, 140 MB that are loaded for long ones only."""
HUB: Final = (
    "usr/lib/postgresql/",
    "usr/share/postgresql/",
    "var/lib/postgresql/",
    "usr/share/perl/",
    "usr/share/i18n/",
)
"""Of Debian's root: what a board without a hub does not read."""
MEMORY: Final = 3072
LINE: Final = (
    "systemd.unit=proof.target systemd.show_status=false systemd.log_color=0 systemd.mask=serial-getty@ttyS0.service"
)
SUDO: Final = """\
#!/bin/sh
# The commands of the docs begin with it; here whoever runs them is root already.
if [ "$1" = -u ]; then user=$2; shift 2; exec runuser -u "$user" -- "$@"; fi
exec "$@"
"""
TARGET: Final = """\
[Unit]
Requires=basic.target proof.service
After=basic.target
"""
SERVICE: Final = f"""\
[Unit]
Wants=dbus.service systemd-logind.service
After=basic.target dbus.service systemd-logind.service

[Service]
WorkingDirectory=/{PROOF}
Environment=PYTHONPATH=/{PROOF} PYTHONDONTWRITEBYTECODE=1
# Not after an order to stop: the shell is then gone, and the machine restarts as it was told.
ExecStart=/bin/sh -c "/{PROGRAM}/bin/python3 -m image.proof.inside.managed {{groups}}; exec systemctl poweroff -ff"
StandardOutput=file:{{evidence}}
StandardError=file:{{console}}
"""
SERIAL: Final = ("/dev/ttyS1", "/dev/ttyS0")
"""Where the evidence goes, and the talk."""
CONTAINER: Final = "systemd-nspawn"
SAID: Final = "var/said"
"""The folder for both, in a container."""


def prove(kernel: Kernel, cache: Path, accel: str, groups: list[str], *, seconds: float) -> machine.Said:
    """Boot it, and try these groups of claims. Raises ProofError where the machine cannot be made."""
    models = os.environ.get("THERMOGATE_MODELS")
    disk = _disk(kernel, cache / "managed", Path(models).resolve() if models else None, groups)
    return machine.boot(kernel, disk, accel, seconds=seconds, memory=MEMORY, more=LINE)


def contain(cache: Path, groups: list[str], *, seconds: float) -> machine.Said:
    """Try these groups of claims in a container of this machine's kernel, as a hub needs no device. Needs root.

    Its root is kept; what a run writes into it goes into memory, and away. It has a network of its own, and of this
    machine's only the loopback address of that.
    """
    folder = cache / "managed"
    root = _container(folder, groups)
    with tempfile.TemporaryDirectory(prefix="thermogate-proof-") as name:
        for text in ("evidence", "console"):
            (Path(name) / text).touch()
        command = [CONTAINER, "--quiet", "--register=no", "--keep-unit", "--private-network", "--volatile=overlay"]
        command += [f"--directory={root}", f"--bind={name}:/{SAID}", "--boot", "systemd.unit=proof.target"]
        began = time.monotonic()
        ended = True
        try:
            with subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            ) as process:
                try:
                    talk, _ = process.communicate(timeout=seconds)
                except subprocess.TimeoutExpired:
                    ended = False
                    # An orderly end: what runs in it would outlive a kill.
                    process.terminate()
                    talk, _ = process.communicate()
        except FileNotFoundError as error:
            raise ProofError(f"{CONTAINER} is missing; try: sh .ci/system-packages board") from error
        evidence, console = (Path(name, text).read_text(errors="replace") for text in ("evidence", "console"))
    if not evidence and not console:
        raise ProofError(f"{CONTAINER} did not start: {talk.decode(errors='replace')[-600:].strip()}")
    return machine.Said(evidence, console, (), time.monotonic() - began, ended)


def _container(folder: Path, groups: list[str]) -> Path:
    """The container's root, made again only where Debian's or the packages are others; this checkout each time."""
    archive, site = _debian(folder / "debian"), _site(folder / "site")
    root, stamp = folder / "root", folder / "root-recipe"
    recipe = f"{(folder / 'debian' / 'recipe').read_text()}\n{(site / 'stamp').read_text()}"
    is_new = not stamp.is_file() or stamp.read_text() != recipe
    if is_new:
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        run(["tar", "-xpf", str(archive), "-C", str(root), "--exclude=./dev/*"])
    disk = Tree(root)
    _fill(disk, groups, (f"/{SAID}/evidence", f"/{SAID}/console"), site if is_new else None)
    stamp.write_text(recipe)
    return root


def _debian(folder: Path) -> Path:
    """Debian's root as a tar archive; made again only where another is asked for."""
    if VERSION not in SUITES:
        raise ProofError(f"Debian has no Python {VERSION}; there are {', '.join(SUITES)}")
    archive, stamp = folder / "root.tar", folder / "recipe"
    recipe = "\n".join([SUITES[VERSION], *DEBIAN, *OPTIONS])
    if not stamp.is_file() or stamp.read_text() != recipe:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        # PostgreSQL's first cluster has the encoding of whoever installs it.
        command = ["env", "LC_ALL=C.UTF-8", "mmdebstrap", "--quiet", *OPTIONS, f"--include={','.join(DEBIAN)}"]
        run([*command, SUITES[VERSION], str(archive)])
        stamp.write_text(recipe)
    return archive


def _site(folder: Path) -> Path:
    """The packages that program and hub need; renewed where what is asked for, or the lock, has changed."""
    wanted = _needs()
    stamp, text = folder / "stamp", "\n".join([sys.version, *wanted, (ROOT / "requirements.lock").read_text()])
    if not stamp.is_file() or stamp.read_text() != text:
        shutil.rmtree(folder, ignore_errors=True)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--constraint=requirements.lock"]
        run([*command, f"--target={folder}", *wanted], ROOT)
        stamp.write_text(text)
    return folder


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def _needs() -> list[str]:
    project = _project()["project"]
    return [*project["dependencies"], *(need for extra in EXTRAS for need in project["optional-dependencies"][extra])]


def _disk(kernel: Kernel, cache: Path, models: Path | None, groups: list[str]) -> bytes:
    disk = Archive()
    left_out = (*LEFT_OUT, *(() if "hub-unit" in groups else HUB))
    disk.tar(_debian(cache / "debian"), skip=lambda name: _is_left_out(name, left_out))
    for name in ("dev", "proc", "sys", "var/cache", "etc/systemd/system"):
        disk.folder(name)
    disk.device("dev/console", 5, 1)
    machine.add_modules(disk, kernel)
    load = [f"{line} 2>/dev/null" for line in machine.loads(kernel, *machine.FIRST, "i2c_dev", "spidev")]
    first = "\n".join(["#!/bin/sh", *load, "exec /lib/systemd/systemd"])
    disk.file("init", first.encode(), 0o755)
    _fill(disk, groups, SERIAL, _site(cache / "site"))
    if models is not None:
        disk.folder("var/lib/thermogate")
        disk.tree(models, "var/lib/thermogate/models")
    return disk.packed()


def _fill(disk: Archive | Tree, groups: list[str], places: tuple[str, str], site: Path | None) -> None:
    """Put program, checks and what starts them into a Debian. `site`: the packages; None: they are there already."""
    evidence, console = places
    disk.file("etc/machine-id", f"{MACHINE_ID}\n".encode())
    disk.file("etc/hostname", b"proof\n")
    disk.file("usr/bin/sudo", SUDO.encode(), 0o755)
    disk.file("etc/systemd/system/proof.target", TARGET.encode())
    service = SERVICE.format(groups=" ".join(groups), evidence=evidence, console=console)
    disk.file("etc/systemd/system/proof.service", service.encode())
    _install(disk, site)
    disk.folder(PROOF)
    for name in ("image", "docs"):
        disk.tree(ROOT / name, f"{PROOF}/{name}", skip=lambda path: path.name in UNNEEDED or path.suffix == ".png")


def _is_left_out(name: str, folders: tuple[str, ...]) -> bool:
    return (
        name in {"etc/machine-id", "etc/hostname", "init", "dev", "proc", "sys"}
        or name.startswith(folders)
        or name.rpartition("/")[2].startswith(LLVM)
    )


def _install(disk: Archive | Tree, site: Path | None) -> None:
    """Put the program where an integrator has it: a virtual environment of Debian's Python, without pip in it."""
    project = _project()
    rooms = sorted({name.partition(".")[0] for name in project["tool"]["setuptools"]["packages"]})
    subprocess.run(
        [sys.executable, "-m", "compileall", "-q", *(ROOT / room for room in rooms), *([site] if site else [])],
        check=False,
        stdout=subprocess.DEVNULL,
    )
    for name in ("opt", PROGRAM, f"{PROGRAM}/bin", f"{PROGRAM}/lib", PACKAGES.rpartition("/")[0]):
        disk.folder(name)
    disk.file(f"{PROGRAM}/pyvenv.cfg", b"home = /usr/bin\ninclude-system-site-packages = false\n")
    disk.link(f"{PROGRAM}/bin/python3", "/usr/bin/python3")
    for name, entry in project["project"]["scripts"].items():
        module, function = entry.split(":")
        text = f"#!/{PROGRAM}/bin/python3\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n"
        disk.file(f"{PROGRAM}/bin/{name}", text.encode(), 0o755)
    if site is not None:
        disk.tree(site, PACKAGES, skip=lambda path: path.name in UNNEEDED or path.suffix == ".a")
    for tree in (*(ROOT / room for room in rooms), *ROOT.glob("*.egg-info")):
        disk.tree(tree, f"{PACKAGES}/{tree.name}", skip=lambda path: path.name in UNNEEDED)
