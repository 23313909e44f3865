"""What the emulated PC holds, all in memory: this Python, the board's packages, this checkout, and the models.

In memory, because its clock counts instructions: while it waits for a file of another machine it has none to count.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from image.proof.kernels import run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from image.proof.cpio import Archive

ROOT: Final = Path(__file__).resolve().parents[2]
ROOMS: Final = ("_fastcore", "benchmarks", "controller", "hw", "image")
EXTRAS: Final = ("board", "lepton", "tflite", "wiegand-out")
"""Of thermogate's own: what a board installs for the claims that are made."""
UNNEEDED: Final = frozenset({"ensurepip", "idlelib", "lib2to3", "site-packages", "test", "tests", "tkinter"})
PYTHON: Final = Path(sys.executable).resolve()


def site(cache: Path) -> Path:
    """A folder with the packages that a board installs; renewed where what is asked for, or the lock, has changed."""
    folder = cache / "site"
    wanted = _wanted(tomllib.loads((ROOT / "pyproject.toml").read_text()))
    stamp, text = folder / "stamp", "\n".join([sys.version, *wanted, (ROOT / "requirements.lock").read_text()])
    if not stamp.is_file() or stamp.read_text() != text:
        shutil.rmtree(folder, ignore_errors=True)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--constraint=requirements.lock"]
        run([*command, f"--target={folder}", *wanted], ROOT)
        stamp.write_text(text)
    return folder


def _wanted(project: dict[str, dict[str, list[str]]]) -> list[str]:
    extras: dict[str, list[str]] = project["project"]["optional-dependencies"]  # type: ignore[assignment]
    return [*project["project"]["dependencies"], *(need for extra in EXTRAS for need in extras[extra])]


def add(disk: Archive, packages: Path, more: Iterable[Path]) -> None:
    """Put everything on the disk, each at its own path: `packages` of a board, and `more` folders."""
    rooms = [ROOT / name for name in ROOMS]
    # Where a module has been compiled here, it need not be compiled at each start there.
    subprocess.run([PYTHON, "-m", "compileall", "-q", *rooms, packages], check=False, stdout=subprocess.DEVNULL)
    libraries = Path(sysconfig.get_path("stdlib"))
    trees = [libraries, packages, *rooms, *ROOT.glob("*.egg-info"), *more]
    for tree in trees:
        _above(disk, tree)
        disk.tree(tree, _name(tree), skip=lambda path: path.name in UNNEEDED or path.suffix == ".a")
    binaries = [PYTHON, *(path for tree in trees for path in tree.rglob("*.so*"))]
    for path in [PYTHON, *_linked(binaries, trees)]:
        _above(disk, path)
        disk.file(_name(path), path.read_bytes(), 0o755, path.stat().st_mtime)


def _linked(binaries: list[Path], trees: list[Path]) -> list[Path]:
    """The shared libraries that these need and that are not in `trees`, each below the folder that it really is in."""
    told = subprocess.run(["ldd", *binaries], capture_output=True, text=True, check=False).stdout
    found = {Path(path) for path in re.findall(r"^\s+(?:\S+ => )?(/\S+) \(0x", told, re.MULTILINE)}
    return sorted({path.parent.resolve() / path.name for path in found if not any(map(path.is_relative_to, trees))})


def _above(disk: Archive, path: Path) -> None:
    for parent in [*path.parents][-2::-1]:
        disk.folder(_name(parent))


def _name(path: Path) -> str:
    return str(path).lstrip("/")
