"""The built extensions: their stubs, their paths, their memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import _fastcore
from _fastcore import match, thermal

ROOT = Path(__file__).parents[2]
KIND = os.environ.get("THERMOGATE_EXPECT_KIND", "")
"""How the extensions were built, where it was not in place: built.py's kinds, or "aarch64"."""


def _python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_both_kernels_report_one_path(path: str) -> None:
    assert _fastcore.backend() == thermal.backend() == match.backend() == path


def test_the_baseline_is_always_there() -> None:
    assert _fastcore.available_backends()[0] == "c-generic"
    assert thermal.available_backends() == match.available_backends() == _fastcore.available_backends()


@pytest.mark.skipif(KIND != "portable", reason="other builds have the processor's paths too")
def test_a_portable_build_has_the_baseline_alone() -> None:
    assert _fastcore.available_backends() == ("c-generic",)


def test_an_unknown_path_is_refused() -> None:
    for module in (_fastcore, thermal, match):
        with pytest.raises(ValueError, match="no kernel path 'c-abacus' here; there are c-generic"):
            module.select_backend("c-abacus")


@pytest.mark.parametrize("wanted", ["", "baseline", *_fastcore.available_backends()])
def test_the_environment_chooses_the_path(wanted: str) -> None:
    done = _python("import _fastcore; print(_fastcore.backend())", THERMOGATE_ISA=wanted)
    expected = {"": _fastcore.available_backends()[-1], "baseline": "c-generic"}.get(wanted, wanted)
    assert (done.stdout.strip(), done.stderr) == (expected, "")


def test_a_wrong_environment_is_named() -> None:
    done = _python("import _fastcore.thermal", THERMOGATE_ISA="abacus")
    assert done.returncode != 0
    assert "THERMOGATE_ISA=abacus: there are baseline, c-generic" in done.stderr


@pytest.mark.skipif(KIND != "", reason="mypy reads the build that is in place")
def test_the_stubs_say_what_the_extensions_are() -> None:
    pytest.importorskip("mypy")
    done = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "_fastcore.thermal", "_fastcore.match", "_fastcore.pulses"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


LEAK_HUNT = """
import sys
import numpy as np
from _fastcore.match import Gallery
from _fastcore.thermal import CalibrationError, Mlx90640

with np.load(sys.argv[1]) as own:
    eeprom, frame = own["eeprom"][0].copy(), own["frames"][0, 0].copy()
bad, out = eeprom.copy(), np.zeros(768, dtype=np.float32)
bad[0x30] = 0
axis = np.zeros(512, dtype=np.float32)
axis[3] = 1

def refused(call, *arguments):
    try:
        call(*arguments)
    except (ValueError, TypeError, KeyError):
        return
    raise AssertionError("not refused")

def thermal():
    kernel = Mlx90640(eeprom)
    kernel.object_temperatures(frame, out)
    kernel.repair(out, frame)
    with kernel.bind(frame, out, check=True, region=(slice(3, 9), slice(4, 8))) as bound:
        bound.convert()
    kernel.bind(frame, out).convert()
    merger = kernel.merge()
    merger.add(frame)
    kept = merger.mean
    refused(kernel.bind, frame, eeprom)
    refused(kernel.bind, frame, out, 0.9, 20.0, 7)
    refused(kernel.merge, 1)
    refused(merger.add, frame[:-1])
    refused(Mlx90640, bad)
    refused(Mlx90640, out)
    refused(kernel.object_temperatures, frame, eeprom)
    refused(kernel.object_temperatures, frame[:-1], out)

def match():
    gallery = Gallery(512)
    for key in range(3):
        gallery.add(key, axis)
    gallery.add(1, axis)
    gallery.remove(0)
    gallery.search(axis, 2)
    refused(gallery.add, 5, axis * 2)
    refused(gallery.search, axis[:5])
    refused(gallery.remove, 99)

def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096

def growth(step, rounds):
    for _ in range(rounds // 4):
        step()
    before = resident()
    for _ in range(rounds):
        step()
    return resident() - before

counts = [sys.getrefcount(each) for each in (eeprom, frame, out, axis)]
print(growth(thermal, 2000), growth(match, 12000))
assert counts == [sys.getrefcount(each) for each in (eeprom, frame, out, axis)]
"""


@pytest.mark.skipif(KIND == "sanitize", reason="the address sanitizer keeps freed memory on purpose")
@pytest.mark.skipif(KIND == "aarch64", reason="the emulator keeps what a program unmaps")
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux' /proc")
def test_no_memory_is_lost() -> None:
    """The smallest thing that could be lost in a round is a snapshot, 200 bytes: over 2 MiB in the end."""
    done = subprocess.run(
        [sys.executable, "-c", LEAK_HUNT, str(ROOT / "tests" / "data" / "own_golden.npz")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert all(int(grown) < 2 << 20 for grown in done.stdout.split()), done.stdout
