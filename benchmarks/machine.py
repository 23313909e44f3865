"""Where a benchmark ran: processor, kernel paths, versions."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

import _fastcore

PACKAGES = ("thermogate", "numpy", "adafruit-circuitpython-mlx90640", "faiss-cpu")


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


def describe() -> dict[str, str]:
    """Facts of this machine and build, by name."""
    return {
        "processor": _processor(),
        "architecture": platform.machine(),
        "processors": str(os.cpu_count()),
        "load at start": _load(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "kernel path": f"{_fastcore.backend()} (of {', '.join(_fastcore.available_backends())})",
        **{package: _version(package) for package in PACKAGES},
    }
