"""Where a benchmark ran: processor, kernel paths, versions."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
from pathlib import Path
from typing import Any

import _fastcore
from benchmarks.peers.libraries import LIBRARIES

LOAD = "load at start"


def _processor() -> str:
    """The processor's name as Linux gives it (x86: model name; a Pi: Model), else Python's word for it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    fields = [line.partition(":") for line in lines]
    names = {key.strip(): value.strip() for key, _, value in fields}
    return names.get("model name") or names.get("Model") or platform.processor() or "unknown"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _load() -> str:
    """What else kept the machine busy: times from a loaded one are not to be compared with another run's."""
    try:
        return ", ".join(f"{load:.2f}" for load in os.getloadavg())
    except OSError:
        return "unknown"


def is_busy() -> bool:
    """Whether more runs here than this benchmark's one thread leaves room for."""
    try:
        return os.getloadavg()[0] > 0.5 * (os.cpu_count() or 1)
    except OSError:
        return False


def _blas() -> str:
    """Which library multiplies NumPy's matrices, and for which processor it takes this one."""
    if importlib.util.find_spec("threadpoolctl") is None:
        return "unknown without threadpoolctl"
    threadpoolctl: Any = importlib.import_module("threadpoolctl")
    found = [each for each in threadpoolctl.threadpool_info() if each["user_api"] == "blas"]
    parts = ("internal_api", "version", "architecture")
    return ", ".join(" ".join(str(each.get(part, "")) for part in parts).strip() for each in found) or "unknown"


def _huge_pages() -> str:
    try:
        modes = Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text(encoding="utf-8")
    except OSError:
        return "unknown"
    return modes.partition("[")[2].partition("]")[0]


def describe() -> dict[str, str]:
    """Facts of this machine and build, by name."""
    return {
        "processor": _processor(),
        "architecture": platform.machine(),
        "processors": str(os.cpu_count()),
        LOAD: _load(),
        "system": platform.platform(),
        "huge pages": _huge_pages(),
        "python": platform.python_version(),
        "kernel path": f"{_fastcore.backend()} (of {', '.join(_fastcore.available_backends())})",
        "BLAS": _blas(),
        **{each.name: _version(each.name) for each in LIBRARIES},
    }
