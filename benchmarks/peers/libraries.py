"""Which libraries are at hand, what it costs to import them, and why the others are left out.

Every library is first imported in fresh processes of its own: that measures the import, and a wheel built for another
processor takes only that process along.
"""

from __future__ import annotations

import json
import platform
import signal
import subprocess
import sys
from dataclasses import dataclass

import numpy as np

IMPORT = """\
import json, sys, time
from pathlib import Path
{before}
def resident():
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    return 1024 * int(status.partition("VmRSS:")[2].split()[0])
memory, start, failure = resident(), time.perf_counter(), None
try:
    {statement}
except ImportError as error:
    failure = "not installed" if isinstance(error, ModuleNotFoundError) and error.name in {names} else str(error)
except Exception as error:
    failure = f"{{type(error).__name__}}: {{error}}"
seconds = time.perf_counter() - start
grown = None if memory is None else resident() - memory
print(json.dumps({{"failure": failure, "seconds": seconds, "bytes": grown}}))
"""
PATIENCE = 120
"""Seconds that an import may take on a slow board."""


@dataclass(frozen=True, slots=True)
class Library:
    """A package: what PyPI calls it, what loads it, and where it has wheels."""

    name: str
    module: str
    statement: str = ""
    """What loads it, if `import` alone doesn't."""
    wheels: tuple[str, ...] = ("x86_64", "aarch64")
    numpy_first: bool = True
    """Whether the cost is counted beyond NumPy's, which all of them need."""

    def code(self) -> str:
        """A program that loads it and prints what that cost."""
        before = "import numpy" if self.numpy_first else ""
        statement = self.statement or f"import {self.module}"
        return IMPORT.format(before=before, statement=statement, names=(self.module,))


SQLITE = (
    "import sqlite3, sqlite_vec; c = sqlite3.connect(':memory:'); c.enable_load_extension(True); sqlite_vec.load(c)"
)
NO_EXTENSIONS = "this Python's sqlite3 cannot load extensions"

# simsimd and usearch carry symbols of the same names: usearch has to come last, or simsimd crashes.
LIBRARIES = (
    Library("thermogate", "_fastcore.match", "import _fastcore.match, _fastcore.thermal"),
    Library("numpy", "numpy", numpy_first=False),
    Library("adafruit-circuitpython-mlx90640", "adafruit_mlx90640"),
    Library("simsimd", "simsimd"),
    Library("numkong", "numkong"),
    Library("faiss-cpu", "faiss"),
    Library("hnswlib", "hnswlib", wheels=()),
    Library("sqlite-vec", "sqlite_vec", SQLITE),
    Library("usearch", "usearch", "import usearch.index"),
)


@dataclass(frozen=True, slots=True)
class Import:
    """What importing a library costs, beyond NumPy; or why it can't be imported."""

    library: str
    failure: str | None
    seconds: float | None = None
    bytes: int | None = None
    """Growth of the process' resident memory; None where the system doesn't tell."""
    n: int = 0


def measure(library: Library, times: int) -> Import:
    """Import it in so many fresh processes, and take medians."""
    reports = []
    for _ in range(times):
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-c", library.code()], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        if done.returncode:
            return Import(library.name, _died(done.returncode))
        report = json.loads(done.stdout.splitlines()[-1])
        if report["failure"]:
            return Import(library.name, _explained(library, report["failure"]))
        reports.append(report)
    sizes = [report["bytes"] for report in reports if report["bytes"] is not None]
    seconds = float(np.median([report["seconds"] for report in reports]))
    return Import(library.name, None, seconds, int(np.median(sizes)) if sizes else None, times)


def _died(status: int) -> str:
    if status < 0:
        return f"its import ended with {signal.Signals(-status).name}"
    return f"its import ended with status {status}"


def _explained(library: Library, failure: str) -> str:
    if "enable_load_extension" in failure:
        return NO_EXTENSIONS
    if failure != "not installed":
        return f"its import failed: {failure}"
    machine = platform.machine()
    if not library.wheels:
        return "not installed; it has no wheel and needs a C++ compiler: pip install 'thermogate[bench-cpp]'"
    if machine not in library.wheels:
        return f"not installed; no wheel for this platform ({machine})"
    return "not installed: pip install 'thermogate[bench]'"
