"""What needs no device: the kernels beside their oracles, the engines and their models, the journal's disk."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

import _fastcore
from _fastcore import reference
from _fastcore.match import Gallery
from _fastcore.thermal import Mlx90640
from controller.perception.engines import open_engine
from controller.selftest.finding import Finding, attempt
from hw.sim.mlx90640_eeprom import synthetic_eeprom

if TYPE_CHECKING:
    from controller.config import Config

COMMITS: Final = 20
SLOW_COMMIT: Final = 0.1
"""Seconds; the median of a good SD card is a tenth of that. A grant waits for it."""
BETTER_DISK: Final = (
    "use a card of class A1 or A2, or an SSD; look with `iotop` for what else writes, and whether the card is worn out"
)


def software(config: Config, folder: Path | None) -> list[Finding]:
    """Test what needs no device. The journal's disk is tested in `folder`, or in a temporary one."""
    findings = [attempt("thermal kernel", thermal_kernel), attempt("search kernel", search_kernel)]
    findings.append(disk(folder, config.store.append_timeout))
    chosen = config.perception.engine
    for name in ("tflite", "opencv", "demo"):
        severity = "wrong" if chosen == name else "absent"
        findings.append(attempt(f"engine {name}", lambda name=name: engine(config, name), severity=severity))  # type: ignore[misc, arg-type]
    return findings


def thermal_kernel() -> str:
    """The kernel against the NumPy oracle, on a made-up sensor."""
    eeprom = synthetic_eeprom(1)
    frame = np.zeros(834, dtype=np.uint16)
    frame[:768] = np.arange(768) % 200
    frame[768:832] = 0
    frame[768], frame[800], frame[778], frame[810] = 0x4BF2, 0x06AF, 0x1881, 0xCCC5
    frame[832], frame[833] = 0x1901, 0
    got = np.full(768, np.nan, dtype=np.float32)
    Mlx90640(eeprom).object_temperatures(frame, got, emissivity=0.98)
    true = reference.object_temperatures(reference.extract(eeprom), frame, emissivity=0.98)
    if not np.array_equal(np.isnan(got), np.isnan(true)):
        raise ArithmeticError("the kernel and its oracle disagree about which pixels there are")
    worst = float(np.nanmax(np.abs(got - true)))
    if not worst < 2e-3:
        raise ArithmeticError(f"the kernel is {worst:.4f} °C off its oracle")
    return f"within {worst:.1e} °C of its oracle ({_fastcore.backend()})"


def search_kernel() -> str:
    """The search against NumPy."""
    rng = np.random.default_rng(1)
    templates = rng.normal(size=(500, 128)).astype(np.float32)
    templates /= np.linalg.norm(templates, axis=1, keepdims=True)
    gallery = Gallery(128)
    for key, template in enumerate(templates):
        gallery.add(key, template)
    keys, scores = gallery.search(templates[123], k=3)
    order = np.argsort(-(templates @ templates[123]))[:3]
    if keys.tolist() != order.tolist() or abs(float(scores[0]) - 1) > 1e-5:
        raise ArithmeticError("the search does not find what brute force finds")
    return "finds what brute force finds"


def disk(folder: Path | None, bound: float) -> Finding:
    """Commits with fsync, timed, in a file of its own beside the journal; one has to end within `bound` seconds."""
    try:
        times = commit_times(folder)
    except OSError as error:
        return Finding(
            "journal disk",
            ok=False,
            text=f"{folder} cannot be written: {error.strerror}",
            fix="run this as the service's user or with sudo; the disk may be read-only after an error (dmesg)",
        )
    median, worst = times[len(times) // 2], times[-1]
    place = folder or "a temporary folder"
    text = f"a commit takes {1e3 * median:.1f} ms (median of {COMMITS}), {1e3 * worst:.1f} ms at worst, in {place}"
    well = median <= SLOW_COMMIT and worst <= bound
    figures = {"median_ms": round(1e3 * median, 3), "worst_ms": round(1e3 * worst, 3), "n": float(COMMITS)}
    limit = f"; {1e3 * SLOW_COMMIT:.0f} ms and {1e3 * bound:.0f} ms are the limits"
    return Finding("journal disk", well, text + ("" if well else limit), "" if well else BETTER_DISK, figures=figures)


def commit_times(folder: Path | None) -> list[float]:
    """Seconds of each of `COMMITS` commits with fsync, in order of length. Raises OSError."""
    times = []
    with tempfile.TemporaryDirectory(prefix="thermogate-selftest-", dir=folder) as scratch:
        connection = sqlite3.connect(Path(scratch) / "probe.sqlite3", isolation_level=None)
        try:
            connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (x);")
            for number in range(COMMITS):
                started = time.perf_counter()
                connection.execute("INSERT INTO t VALUES (?)", (number,))
                times.append(time.perf_counter() - started)
        except sqlite3.Error as error:
            raise OSError(5, str(error)) from error
        finally:
            connection.close()
    return sorted(times)


def engine(config: Config, name: str) -> str:
    """Whether an engine opens."""
    opened = open_engine(name, config.perception.models)
    return f"{opened.template_model}" + (", for rehearsals only" if opened.rehearsal_only else "")
