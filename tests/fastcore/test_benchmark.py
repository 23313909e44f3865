"""The benchmark: its statistics, its made-up inputs, its check that contenders are right."""

from __future__ import annotations

import argparse
import itertools
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks import bandwidth, galleries, harness, inputs, options, report, search, thermal, timing
from benchmarks.peers import base, ours
from controller.cli.main import main as command_line

if TYPE_CHECKING:
    from benchmarks.peers.base import Found, Rows

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


def test_percentiles_are_observed_values_and_have_tails_only_of_many() -> None:
    shuffled = np.random.default_rng(2).permutation(np.arange(101.0))
    assert timing.percentiles(shuffled) == timing.Percentiles(101, 2.0, 50.0, 98.0)
    assert timing.percentiles(np.array([2.0, 9.0, 4.0])) == timing.Percentiles(3, None, 4.0, None)


def test_contenders_take_turns_and_go_round_their_inputs() -> None:
    order: list[str] = []
    calls = {name: [lambda each=f"{name}{at}": order.append(each) for at in range(3)] for name in "ab"}
    timings = timing.compare(calls, timing.Effort(8, 1e-7))
    assert [(each.name, each.n) for each in timings] == [("a", 8), ("b", 8)]
    assert timings[0].ratio == timing.Interval(1.0, 1.0, 1.0)
    assert all(0 < each.fastest <= each.seconds.median for each in timings)
    assert all(each.calls.n >= 8 for each in timings)
    changes = sum(one[0] != other[0] for one, other in itertools.pairwise(order))
    assert changes > 4
    for name in "ab":
        own = [int(each[1]) for each in order if each[0] == name]
        assert all(after == (before + 1) % 3 for before, after in itertools.pairwise(own))


def test_a_tight_budget_means_fewer_rounds_but_never_too_few() -> None:
    calls = {"a": [lambda: sum(range(2000))]}
    assert timing.compare(calls, timing.Effort(60, 1e-4, seconds=1e-9))[0].n == timing.Effort(60, 1e-4).fewest
    assert timing.compare(calls, timing.Effort(5, 1e-6, seconds=10))[0].n == 5


def test_the_clocks_own_cost_is_told() -> None:
    assert 0 < timing.clock_cost(200) < 1e-3


def test_reading_memory_has_a_rate() -> None:
    found = bandwidth.measure(passes=3, size=1 << 20)
    assert 0 < found.median <= found.fastest
    assert found.n == 3


def test_the_made_up_sensor_is_plausible() -> None:
    for chess in (True, False):
        frames = [inputs.frame(seed, chess=chess) for seed in range(3)]
        found = thermal.contenders(inputs.eeprom(), frames, None, {thermal.ADAFRUIT: "not wanted"})
        assert thermal.disagreements(found) == {}
        out = found["thermogate"].out
        seen = out[~np.isnan(out)]
        assert seen.size == 384
        assert np.all((seen > -40) & (seen < 120))


def test_adafruits_driver_agrees() -> None:
    pytest.importorskip("adafruit_mlx90640")
    found = thermal.contenders(inputs.eeprom(), [inputs.frame()], None, {})
    assert thermal.ADAFRUIT in found
    assert thermal.disagreements(found) == {}


@pytest.mark.parametrize("distribution", galleries.DISTRIBUTIONS)
@pytest.mark.parametrize("dim", [1, 7, 128])
def test_templates_and_probes_are_what_they_are_called(distribution: galleries.Distribution, dim: int) -> None:
    made = galleries.make(distribution, 500, dim, 40, seed=3)
    again = galleries.make(distribution, 500, dim, 40, seed=3)
    assert np.array_equal(made.rows, again.rows)
    for rows in (made.rows, *made.probes.values()):
        assert rows.dtype == np.float32
        assert rows.flags.c_contiguous
        assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-5)
    assert made.rows.shape == (500, dim)
    if dim == 128:
        cosines = made.rows @ made.probes["genuine"].T
        assert np.all(np.sum((cosines > 0.59) & (cosines < 0.71), axis=0) >= 1)
        assert np.median(np.max(made.rows @ made.probes["stranger"].T, axis=0)) < 0.55


def test_distributions_differ_as_they_say() -> None:
    rows = {name: galleries.make(name, 2000, 128, 1).rows for name in galleries.DISTRIBUTIONS}
    spectrum = {name: np.linalg.svd(each, compute_uv=False) ** 2 for name, each in rows.items()}
    assert spectrum["anisotropic"][0] > 5 * spectrum["isotropic"][0]
    cosines = rows["clustered"] @ rows["clustered"].T
    neighbours = np.sum(cosines > 0.5, axis=1)
    assert np.mean(neighbours == galleries.CLUSTER) > 0.9


class Shifted(base.Contender):
    """Right but for its scores, which are all a little too high."""

    def __init__(self, rows: Rows, shift: float) -> None:
        self._kernel, self._shift = ours.Kernel(rows, 1.0), np.float32(shift)

    def search(self, probe: Rows, k: int, threshold: float | None) -> Found:
        keys, scores = self._kernel.search(probe, k, threshold)
        return keys, scores + self._shift

    def memory(self) -> base.Memory:
        return self._kernel.memory()


def test_a_search_that_differs_is_found_out() -> None:
    made = galleries.make("isotropic", 50, 16, 8)
    expected = search.truth(made, 5)
    for contender in (ours.Kernel(made.rows, 1.0), ours.NumPy(made.rows, 1.0), Shifted(made.rows, 0.0)):
        for k, threshold in itertools.product((1, 5), (None, 0.3, 2.0)):
            assert search.disagreement(contender, made.rows, expected, k, threshold) is None
    wrong = search.disagreement(Shifted(made.rows, 1e-4), made.rows, expected, 1, None)
    assert wrong == "differs from the oracle's scores for a stranger"
    other = search.disagreement(ours.NumPy(made.rows[::-1].copy(), 1.0), made.rows, expected, 5, None)
    assert other == "finds other templates than the oracle for a stranger"
    loose = search.disagreement(ours.NumPy(-made.rows, 1.0), made.rows, expected, 5, -0.9)
    assert loose is not None


def test_the_oracle_orders_ties_by_key() -> None:
    rows = np.repeat(galleries.make("isotropic", 8, 16, 1).rows, 3, axis=0)
    made = galleries.Made(rows, {"stranger": rows[:1], "genuine": rows[4:5]})
    expected = search.truth(made, 4)
    assert expected.keys["stranger"][0].tolist()[:3] == [0, 1, 2]
    assert expected.keys["genuine"][0].tolist()[:3] == [3, 4, 5]


def test_recall_counts_what_is_found() -> None:
    made = galleries.make("isotropic", 60, 16, 10)
    expected = search.truth(made, 5)
    everything = search.recall(ours.NumPy(made.rows, 1.0), expected, 5)["genuine"]
    assert (everything.hits, everything.n, everything.high) == (50, 50, 1.0)
    assert everything.low < 1
    half = made.rows.copy()
    half[::2] = -half[::2]
    assert 0 < (search.recall(ours.NumPy(half, 1.0), expected, 5)["genuine"].value or 0) < 1


def test_deleting_costs_something_where_it_is_possible() -> None:
    rows = galleries.make("isotropic", 60, 16, 1).rows
    assert (search.deletion_seconds(ours.Kernel(rows, 1.0), 60) or 0) > 0
    assert (search.deletion_seconds(ours.NumPy(rows, 1.0), 60) or 0) > 0
    assert search.deletion_seconds(Shifted(rows, 0.0), 60) is None


def test_an_index_that_takes_too_long_is_given_up() -> None:
    now = itertools.count()
    added: list[int] = []
    rows = np.zeros((5000, 4), dtype=np.float32)
    with pytest.raises(base.Unsuitable, match="--build-limit is 3 s"):
        base.timed_chunks(rows, 3.0, lambda first, some: added.append(first + len(some)), lambda: float(next(now)))
    assert added == [1000]


def test_durations_and_sizes_are_readable() -> None:
    seconds = (1.234, 0.9999, 12.34e-6, 999.7e-6, 51e-9, None)
    assert [report.duration(each) for each in seconds] == ["1.23 s", "1 s", "12.3 µs", "1 ms", "51 ns", "-"]
    assert [report.size(each) for each in (12, 2048, 3 << 20, 1 << 31, None)] == [
        "12 B",
        "2 KiB",
        "3 MiB",
        "2 GiB",
        "-",
    ]


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
    found = thermal.contenders(inputs.eeprom(), [inputs.frame()], _library(tmp_path, 0.0), {thermal.ADAFRUIT: "no"})
    assert thermal.disagreements(found) == {}
    assert np.array_equal(found["vendor library"].out, found["thermogate"].out, equal_nan=True)


def test_a_vendors_library_that_computes_something_else_is_found_out(tmp_path: Path) -> None:
    found = thermal.contenders(inputs.eeprom(), [inputs.frame()], _library(tmp_path, 3.0), {thermal.ADAFRUIT: "no"})
    assert list(thermal.disagreements(found)) == ["vendor library"]


def test_options_survive_the_way_into_their_own_process() -> None:
    parser = argparse.ArgumentParser()
    options.add(parser)
    for given in ([], ["--quick"], ["--sizes=10,2_000", "--dims=7", "--thresholds=none,-1,0.5", "--k=3", "--seed=4"]):
        arguments = options.complete(
            parser.parse_args([*given, "--chart=a.svg", "--chart", "b.png", "--path=c-generic"])
        )
        again = options.complete(parser.parse_args(options.spelled(arguments)))
        assert again == arguments
    sizes = parser.parse_args(["--sizes=10,2_000", "--thresholds=none,-1,0.5"])
    assert (sizes.sizes, sizes.thresholds) == ((10, 2000), (None, -1.0, 0.5))


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (["--sizes", "ten"], "no list of whole numbers"),
        (["--k", "0"], "no list of whole numbers"),
        (["--thresholds", "low"], "no list of thresholds"),
        (["--chart", "chart.pdf"], "a chart is .svg or .png"),
        (["--distribution", "flat"], "invalid choice"),
    ],
)
def test_an_option_that_makes_no_sense(given: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        harness.main(given)
    assert caught.value.code == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (["--vendor-lib", "/nowhere/libmlx.so"], "/nowhere/libmlx.so is not a file"),
        (["--path", "c-abacus"], "c-abacus is not one of c-generic"),
        (["--sizes", "4,1000", "--k", "1,5"], "5 results are more than 4 templates"),
        (["--json", "/nowhere/bench.json"], "/nowhere/bench.json: there is no such folder"),
    ],
)
def test_what_cannot_be_done_is_said_before_minutes_go_by(
    given: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line(["bench", *given]) == 2
    assert complaint in capsys.readouterr().err


def test_it_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "--vendor-lib" in done.stdout) == (0, True)
