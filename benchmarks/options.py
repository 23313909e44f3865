"""The options of `thermogate bench`. Nothing heavy is imported here: the command line shows them in its help."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES, DIMS, KS = (1_000, 10_000, 100_000), (128, 512), (1, 5)
THRESHOLDS: tuple[float | None, ...] = (None, 0.45, 0.35)
QUICK_SIZES, QUICK_DIMS, QUICK_THRESHOLDS = (200, 1_000), (128,), (None, 0.45)
DISTRIBUTIONS = ("isotropic", "anisotropic", "clustered")
BUILD_LIMIT, CASE_SECONDS = 30.0, 2.5
QUICK_BUILD_LIMIT, QUICK_CASE_SECONDS = 2.0, 0.4
CHARTS = (".svg", ".png")


def _numbers(text: str) -> tuple[int, ...]:
    numbers = tuple(int(each.replace("_", "")) for each in text.split(","))
    if any(each < 1 for each in numbers):
        raise ValueError(text)
    return numbers


def _thresholds(text: str) -> tuple[float | None, ...]:
    return tuple(None if each == "none" else float(each) for each in text.split(","))


def _chart(text: str) -> Path:
    if not text.endswith(CHARTS):
        raise argparse.ArgumentTypeError(f"{text}: a chart is {' or '.join(CHARTS)}")
    return Path(text)


def _of(kind: Callable[[str], object], what: str) -> Callable[[str], object]:
    """The kind, whose complaints say what it should have been."""

    def parse(text: str) -> object:
        try:
            return kind(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r} is no list of {what}") from error

    return parse


def add(parser: argparse.ArgumentParser) -> None:
    """Add all of them."""
    add = parser.add_argument
    add("--quick", action="store_true", help="small galleries and few rounds: seconds instead of minutes")
    what = parser.add_argument_group("what to search")
    numbers, thresholds = _of(_numbers, "whole numbers"), _of(_thresholds, "thresholds")
    what.add_argument("--distribution", choices=DISTRIBUTIONS, default="isotropic", help="default: %(default)s")
    what.add_argument("--sizes", type=numbers, metavar="N,...", help="templates (default: 1000,10000,100000)")
    what.add_argument("--dims", type=numbers, metavar="D,...", help="dimensions (default: 128,512)")
    what.add_argument("--thresholds", type=thresholds, metavar="T,...", help="default: none,0.45,0.35")
    what.add_argument("--k", type=numbers, metavar="K,...", help="results wanted (default: 1,5)")
    what.add_argument("--seed", type=int, default=0, help="of galleries, probes and order (default: 0)")
    how = parser.add_argument_group("how")
    how.add_argument("--path", metavar="NAME", help="kernel path, such as c-generic (default: the fastest)")
    how.add_argument("--vendor-lib", type=Path, metavar="PATH", help="the vendor's MLX90640 library, built as .so")
    how.add_argument(
        "--case-seconds",
        type=float,
        metavar="S",
        help=f"time for each table; five times that for large galleries (default: {CASE_SECONDS:g})",
    )
    how.add_argument(
        "--build-limit",
        type=float,
        metavar="S",
        help=f"leave out an index that takes longer (default: {BUILD_LIMIT:g})",
    )
    out = parser.add_argument_group("what to write")
    out.add_argument("--json", type=Path, metavar="OUT", help="everything that was measured")
    out.add_argument("--markdown", type=Path, metavar="OUT", help="tables; into docs/benchmarks.md between its marks")
    out.add_argument(
        "--chart", type=_chart, action="append", metavar="OUT", help="latency by gallery size: .svg or .png, repeatable"
    )


def complete(given: argparse.Namespace) -> argparse.Namespace:
    """With the defaults that `--quick` changes."""
    quick = given.quick
    defaults: dict[str, object] = {
        "sizes": QUICK_SIZES if quick else SIZES,
        "dims": QUICK_DIMS if quick else DIMS,
        "thresholds": QUICK_THRESHOLDS if quick else THRESHOLDS,
        "k": KS,
        "case_seconds": QUICK_CASE_SECONDS if quick else CASE_SECONDS,
        "build_limit": QUICK_BUILD_LIMIT if quick else BUILD_LIMIT,
        "chart": [],
    }
    values = vars(given)
    return argparse.Namespace(**{**values, **{name: each for name, each in defaults.items() if values[name] is None}})


def spelled(given: argparse.Namespace) -> list[str]:
    """The options of completed arguments again, for a process of its own."""
    flags = ["--quick"] if given.quick else []
    for name in ("distribution", "seed", "path", "vendor_lib", "case_seconds", "build_limit", "json", "markdown"):
        value = getattr(given, name)
        flags += [] if value is None else [f"--{name.replace('_', '-')}={value}"]
    for name in ("sizes", "dims", "thresholds", "k"):
        flags.append(f"--{name}={','.join('none' if each is None else str(each) for each in getattr(given, name))}")
    return flags + [f"--chart={each}" for each in given.chart]
