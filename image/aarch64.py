"""Build the fast core for aarch64 on another machine and run its tests there, on emulated Raspberry Pi processors.

Run as `python -m image.aarch64 test [pytest arguments]` or `python -m image.aarch64 build`. Needs Debian's cross
compiler, mmdebstrap and qemu-user (`.ci/system-packages aarch64`), but neither root nor binfmt: a Debian root of arm64
is unpacked and nothing in it is configured, Python's packages come from their wheels, Cython and the compiler run here,
and only the tests run under emulation. All is kept in build/aarch64, or in the folder that THERMOGATE_AARCH64 names.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = Path(os.environ.get("THERMOGATE_AARCH64", ROOT / "build" / "aarch64")).resolve()
COMPILER = "aarch64-linux-gnu-gcc"
EMULATOR = "qemu-aarch64-static"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
SUITES = {"3.11": "bookworm", "3.13": "trixie"}
"""Debian's release by its Python: the target's is the one that runs the build, so that a wheel's tag fits both."""
DEBIAN = "python3,libpython3-dev,libc6,libstdc++6,libgcc-s1"


@dataclass(frozen=True)
class Board:
    """A processor to run on, by qemu's name, and the kernel paths it must have."""

    cpu: str
    name: str
    paths: tuple[str, ...]


BOARDS = (
    Board("cortex-a72", "Raspberry Pi 4", ("c-generic",)),
    Board("cortex-a76", "Raspberry Pi 5", ("c-generic", "c-dotprod")),
)


def _root() -> Path:
    return CACHE / "root"


def site() -> Path:
    """Where the target's Python packages are."""
    return CACHE / "site"


def _need(*programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise SystemExit(f"aarch64: {', '.join(missing)} missing; try: sh .ci/system-packages aarch64")


def _unpack_debian() -> None:
    """Debian's Python of arm64. chrootless: unpacking needs no root, and no program of arm64 is run."""
    if VERSION not in SUITES:
        raise SystemExit(f"aarch64: Debian has no Python {VERSION} to test on; there are {', '.join(SUITES)}")
    _need("mmdebstrap")
    options = ["--quiet", "--mode=chrootless", "--variant=extract", "--arch=arm64", f"--include={DEBIAN}"]
    print(f"aarch64: unpacking Debian {SUITES[VERSION]} for arm64 into {_root()}", flush=True)
    subprocess.run(["mmdebstrap", *options, SUITES[VERSION], str(_root())], check=True)
    # From Debian 13 on this link comes with base-files, and without it the program loader is not found.
    if not (_root() / "lib").exists():
        (_root() / "lib").symlink_to("usr/lib")


def _packages() -> list[str]:
    """What the kernels' tests import."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        wanted = tomllib.load(file)["project"]["optional-dependencies"]["test"]
    # spidev has no wheel, and the kernels' tests speak to no bus.
    return ["numpy", *(package for package in wanted if not package.startswith("spidev"))]


def _unpack_packages() -> None:
    """Wheels for aarch64, as locked."""
    # These Debians have glibc 2.36 or later: every manylinux up to it fits, and pip takes only those it is told.
    platforms = [f"--platform=manylinux_2_{minor}_aarch64" for minor in range(36, 16, -1)]
    foreign = ["--only-binary=:all:", f"--python-version={VERSION}", *platforms, "--platform=manylinux2014_aarch64"]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--constraint=requirements.lock", *foreign]
    subprocess.run([*command, f"--target={site()}", *_packages()], cwd=ROOT, check=True)


def prepare() -> None:
    """Root and packages, once: again only where the recipe, the lock or Python's version is another."""
    recipe = "\n".join([VERSION, DEBIAN, *_packages(), (ROOT / "requirements.lock").read_text()])
    stamp = CACHE / "recipe"
    if stamp.is_file() and stamp.read_text() == recipe:
        return
    for stale in (_root(), site()):
        shutil.rmtree(stale, ignore_errors=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    _unpack_debian()
    _unpack_packages()
    stamp.write_text(recipe)


def environment() -> dict[str, str]:
    """What makes setup.py build for aarch64: the target Python's own configuration, and its headers before ours."""
    _need(COMPILER)
    configuration = "_sysconfigdata__aarch64-linux-gnu"
    python = f"python{VERSION}"
    # That one module alone is put on the path: the rest of the target's library is for its own interpreter.
    alone = CACHE / "sysconfig"
    alone.mkdir(exist_ok=True)
    shutil.copy(_root() / "usr" / "lib" / python / f"{configuration}.py", alone)
    headers = _root() / "usr" / "include"
    return {
        **os.environ,
        "_PYTHON_HOST_PLATFORM": "linux-aarch64",
        "_PYTHON_SYSCONFIGDATA_NAME": configuration,
        "PYTHONPATH": str(alone),
        "CC": COMPILER,
        "LDSHARED": f"{COMPILER} -shared",
        "CPPFLAGS": f"-I{headers / python} -idirafter {headers}",
    }


def build() -> Path:
    """The package with extensions for aarch64, in a folder to put on PYTHONPATH there."""
    library = CACHE / "lib"
    shutil.rmtree(library, ignore_errors=True)
    arguments = ["--build-lib", str(library), "--build-temp", str(CACHE / "objects")]
    variables = {**environment(), "THERMOGATE_BUILD": str(CACHE / "cython")}
    command = [sys.executable, "setup.py", "-q", "build_ext", *arguments]
    # Cython lists what it does even so.
    subprocess.run(command, cwd=ROOT, env=variables, stdout=subprocess.DEVNULL, check=True)
    for module in (ROOT / "_fastcore").glob("*.py"):
        shutil.copy(module, library / "_fastcore")
    return library


def interpreter(board: Board) -> Path:
    """A Python of the target on the board's processor.

    It stands beside the target's own and passes its own name on, so that sys.executable is this script: a test that
    starts another Python gets an emulated one as well.
    """
    _need(EMULATOR)
    script = _root() / "usr" / "bin" / f"python-{board.cpu}"
    target = f"{_root()}/usr/bin/python{VERSION}"
    script.write_text(
        f'#!/bin/sh\nexec {EMULATOR} -cpu {board.cpu} -L {_root()} -0 "$0" {target} "$@"\n', encoding="utf-8"
    )
    script.chmod(0o755)
    return script


def _check_paths(board: Board, variables: dict[str, str]) -> None:
    """The processor's kernel paths must be found, all of them: else the tests would pass by not running."""
    code = "import platform, _fastcore; print(platform.machine(), *_fastcore.available_backends())"
    command = [str(interpreter(board)), "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, text=True, check=True)
    found = done.stdout.split()
    print(f"aarch64: {board.name} ({board.cpu}): {', '.join(found)}", flush=True)
    if tuple(found) != ("aarch64", *board.paths):
        raise SystemExit(f"aarch64: {board.cpu} should have the paths {', '.join(board.paths)}")


def _test_on(board: Board, variables: dict[str, str], arguments: list[str]) -> int:
    """The kernels' tests on one board, put out in one piece."""
    started = time.monotonic()
    # Times under emulation say nothing, so the benchmark's tests stay out.
    options = ["-q", "-p", "no:cacheprovider", "--ignore-glob=tests/fastcore/test_benchmark*.py", *arguments]
    command = [str(interpreter(board)), "-m", "pytest", *options, "tests/fastcore"]
    done = subprocess.run(
        command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    took = time.monotonic() - started
    print(f"{done.stdout}aarch64: {board.name} ({board.cpu}): status {done.returncode} in {took:.0f} s", flush=True)
    return done.returncode


def test(arguments: list[str]) -> int:
    """The kernels' tests on all boards at once; 1 where one fails."""
    prepare()
    library = build()
    variables = {
        **os.environ,
        # The checkout last: it has benchmarks, whose adversaries the tests use, and extensions for another processor.
        "PYTHONPATH": os.pathsep.join(map(str, (library, site(), ROOT))),
        "PYTHONSAFEPATH": "1",
        "THERMOGATE_EXPECT_BUILD": str(library),
        "THERMOGATE_EXPECT_KIND": "aarch64",
    }
    for board in BOARDS:
        _check_paths(board, variables)
    with ThreadPoolExecutor(len(BOARDS)) as pool:
        statuses = list(pool.map(lambda board: _test_on(board, variables, arguments), BOARDS))
    return 1 if any(statuses) else 0


def main() -> int:
    """Build, or build and test."""
    try:
        match sys.argv[1:]:
            case ["build"]:
                prepare()
                print(build())
                return 0
            case ["test", *arguments]:
                return test(arguments)
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"aarch64: {' '.join(error.cmd[:4])} ... ended with status {error.returncode}") from None
    raise SystemExit(__doc__)


if __name__ == "__main__":
    sys.exit(main())
