"""The benchmark: its statistics, its check that contenders agree, its report."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import harness, inputs, search, thermal, timing

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "_fastcore" / "src").glob("mlx90640_*.c"))

# The vendor's entry points over our own C: a library that is no vendor's, but has its interface.
WRAPPER = """
#include "mlx90640.h"
int MLX90640_ExtractParameters(uint16_t *eeprom, void *parameters)
{
    return mlx_extract(eeprom, (mlx_params *)(((uintptr_t)parameters + 63) & ~(uintptr_t)63)).what != 0;
}
void MLX90640_CalculateTo(uint16_t *frame, const void *parameters, float emissivity, float tr, float *result)
{
    const mlx_params *params = (const mlx_params *)(((uintptr_t)parameters + 63) & ~(uintptr_t)63);
    mlx_terms terms;
    mlx_frame_terms(params, frame, emissivity, tr + SHIFT, &terms);
    mlx_object_temperatures(params, &terms, frame, mlx_to_generic, result);
}
"""


def test_the_median_of_many_samples_has_its_binomial_interval() -> None:
    # n = 20: ranks 6 and 15 cover the median with 95.9 %, ranks 7 and 14 with 88.5 %.
    interval = timing.median_interval(np.random.default_rng(0).permutation(np.arange(1.0, 21.0)))
    assert interval == timing.Interval(10.5, 6.0, 15.0)


def test_few_samples_give_their_range() -> None:
    assert timing.median_interval(np.array([3.0, 1.0, 2.0])) == timing.Interval(2.0, 1.0, 3.0)
    assert timing.median_interval(np.array([4.0])) == timing.Interval(4.0, 4.0, 4.0)


def test_the_interval_covers_the_median_as_often_as_it_says() -> None:
    rng, covered = np.random.default_rng(1), 0
    for _ in range(2000):
        interval = timing.median_interval(rng.exponential(size=25))
        covered += interval.low <= np.log(2) <= interval.high
    assert 0.95 <= covered / 2000 < 0.99


def test_contenders_take_turns() -> None:
    order: list[str] = []
    timings = timing.compare({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 8, 1e-7)
    assert [(each.name, each.n) for each in timings] == [("a", 8), ("b", 8)]
    assert timings[0].ratio == timing.Interval(1.0, 1.0, 1.0)
    assert all(0 < each.fastest <= each.seconds.median for each in timings)
    changes = sum(one != other for one, other in itertools.pairwise(order))
    assert changes > 4


def test_the_made_up_sensor_is_plausible() -> None:
    for chess in (True, False):
        found = thermal.contenders(inputs.eeprom(), inputs.frame(chess=chess), None)
        assert thermal.disagreement(found) is None
        out = found["thermogate"].out
        seen = out[~np.isnan(out)]
        assert seen.size == 384
        assert np.all((seen > -40) & (seen < 120))


def test_a_search_that_differs_is_found_out() -> None:
    rows, probe = inputs.directions(50, 16), inputs.directions(1, 16, seed=1)[0]
    found = search.contenders(rows)
    assert search.disagreement(found, rows, probe, 5) is None
    found["thermogate"] = search.contenders(-rows)["NumPy"]
    assert search.disagreement(found, rows, probe, 5) == "thermogate differs from the oracle's scores"


def _library(folder: Path, shift: float) -> Path:
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    source, library = folder / "wrapper.c", folder / "libvendor.so"
    source.write_text(WRAPPER)
    subprocess.run(
        [compiler, "-O1", "-std=c11", "-shared", "-fPIC", f"-DSHIFT={shift}", f"-I{ROOT}/_fastcore/src"]
        + [str(each) for each in (source, *SOURCES, ROOT / "_fastcore" / "src" / "isa.c")]
        + ["-o", str(library), "-lm"],
        check=True,
    )
    return library


def test_a_vendors_library_takes_part(tmp_path: Path) -> None:
    found = thermal.contenders(inputs.eeprom(), inputs.frame(), _library(tmp_path, 0.0))
    assert thermal.disagreement(found) is None
    assert np.array_equal(found["vendor library"].out, found["thermogate"].out, equal_nan=True)


def test_a_library_that_computes_something_else_is_not_timed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert harness.main(["--quick", "--vendor-lib", str(_library(tmp_path, 3.0))]) == 1
    assert "vendor library differs from the oracle by" in capfd.readouterr().out


def test_the_whole_quick_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "bench.json"
    assert harness.main(["--quick", "--path", "c-generic", "--json", str(report)]) == 0
    shown, written = capfd.readouterr().out, json.loads(report.read_text())
    assert written["machine"]["kernel path"].startswith("c-generic")
    tasks = [result["task"] for result in written["results"]]
    assert len(tasks) == 3 + 2 * len(harness.QUICK.galleries)
    for result in written["results"]:
        assert result["task"] in shown
        assert result["timings"][0]["name"] == "thermogate"
        for each in result["timings"]:
            assert each["seconds"]["low"] <= each["seconds"]["median"] <= each["seconds"]["high"]


def test_wrong_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        harness.main(["--vendor-lib", "/nowhere/libmlx.so"])
    assert caught.value.code == 2
    assert "/nowhere/libmlx.so is not a file" in capsys.readouterr().err


def test_it_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "--vendor-lib" in done.stdout) == (0, True)
