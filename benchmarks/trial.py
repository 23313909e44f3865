"""A run: who may take part, how right they are, how fast; told to a listener as it goes."""

from __future__ import annotations

import gc
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import galleries, inputs, search, thermal, timing
from benchmarks.galleries import PROBE_KINDS
from benchmarks.peers import ours
from benchmarks.peers.base import Peer
from benchmarks.results import Gallery, Index, LeftOut, Recall, Report, Search, Task

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from benchmarks.galleries import Made, ProbeKind
    from benchmarks.search import Built, Truth
    from benchmarks.timing import Call, Effort

PROBES = 64
"""Different probes of a kind that timed calls go round."""
FRAMES = 16
LARGE = 20_000
"""Templates, from which on fewer probes have to do for answers' checks: a slow peer's take minutes otherwise."""
PATIENCE = 5
"""Times as long for a table of a large gallery: its calls are slow, and a percentile needs many."""


class Disagreement(Exception):  # noqa: N818 - it is a finding, not a fault of the program
    """Our own kernel computes something else than the oracle, so there is nothing to time."""


def thermal_tasks(report: Report, arguments: argparse.Namespace, effort: Effort) -> Iterator[Task]:
    """Temperatures of both patterns, and the calibration."""
    missing = {each.library: each.failure for each in report.imports if each.failure}
    eeprom = inputs.eeprom()
    for pattern in ("chess", "interleaved"):
        frames = [inputs.frame(seed, chess=pattern == "chess") for seed in range(FRAMES)]
        found = thermal.contenders(eeprom, frames, arguments.vendor_lib, missing)
        for name, complaint in thermal.disagreements(found).items():
            if name.startswith(search.OURS):
                raise Disagreement(f"object temperatures, {pattern}: {name} {complaint}")
            report.left_out.append(LeftOut(name, f"object temperatures, {pattern}", complaint, wrong=True))
            del found[name]
        timed = timing.compare({name: each.computes for name, each in found.items()}, effort)
        yield Task(f"object temperatures, one subpage, {pattern}", timed)
        if pattern == "chess":
            extracts = {name: each.extracts for name, each in found.items() if each.extracts}
            yield Task("EEPROM to calibration", timing.compare(extracts, effort))


def searches(report: Report, arguments: argparse.Namespace, effort: Effort) -> Iterator[Search | Sequence[Index]]:
    """All galleries: the searches of each, then what its indexes cost."""
    for dim in arguments.dims:
        for count in arguments.sizes:
            yield from _gallery(report, arguments, effort, Gallery(dim, count))
            gc.collect()


def _gallery(
    report: Report, arguments: argparse.Namespace, effort: Effort, gallery: Gallery
) -> Iterator[Search | Sequence[Index]]:
    count = gallery.count
    made = galleries.make(
        arguments.distribution, count, gallery.dim, 128 if count > LARGE else 4 * PROBES, arguments.seed
    )
    expected = search.truth(made, max(arguments.k))
    built = list(_admitted(report, arguments, gallery, made, expected))
    if count > LARGE:
        effort = replace(effort, seconds=PATIENCE * effort.seconds)
    yield from _timed(arguments, effort, gallery, made, built)
    yield [_index(gallery, each) for each in built]


def _admitted(
    report: Report, arguments: argparse.Namespace, gallery: Gallery, made: Made, expected: Truth
) -> Iterator[Built]:
    """Those that can be built and answer as they promise; the others are left out, with the reason."""
    missing = {each.library: each.failure for each in report.imports if each.failure}
    for each in search.build(made, missing, arguments.build_limit):
        if isinstance(each, tuple):
            report.left_out.append(LeftOut(each[0], str(gallery), each[1]))
            continue
        name = each.peer.name
        try:
            complaint = _complaint(each, made, expected, arguments) if each.peer.exact else None
            recalls = [] if each.peer.exact else _recalls(gallery, each, expected, arguments.k)
        except Exception as error:
            if name.startswith(search.OURS):
                raise
            # Whatever a peer breaks on is its own affair, and is told.
            report.left_out.append(LeftOut(name, str(gallery), f"fails: {type(error).__name__}: {error}"))
            continue
        if complaint and name.startswith(search.OURS):
            raise Disagreement(f"search, {gallery}: {name} {complaint}")
        if complaint:
            report.left_out.append(LeftOut(name, str(gallery), complaint, wrong=True))
            continue
        report.recalls += recalls
        yield each


def _complaint(built: Built, made: Made, expected: Truth, arguments: argparse.Namespace) -> str | None:
    some = expected.first(12 if len(made.rows) > LARGE else PROBES)
    for k in arguments.k:
        for threshold in arguments.thresholds:
            complaint = search.disagreement(built.contender, made.rows, some, k, threshold)
            if complaint:
                return complaint
    return None


def _recalls(gallery: Gallery, built: Built, expected: Truth, ks: Sequence[int]) -> list[Recall]:
    return [
        Recall(gallery, built.peer.name, kind, k, share)
        for k in ks
        for kind, share in search.recall(built.contender, expected, k).items()
    ]


def _timed(
    arguments: argparse.Namespace, effort: Effort, gallery: Gallery, made: Made, built: Sequence[Built]
) -> Iterator[Search]:
    for kind in PROBE_KINDS:
        probes = list(made.probes[kind][:PROBES])
        for k in arguments.k:
            for threshold in arguments.thresholds:
                calls: Mapping[str, Sequence[Call]] = {
                    each.peer.name: [partial(each.contender.search, probe, k, threshold) for probe in probes]
                    for each in built
                }
                timed = timing.compare(calls, effort, arguments.seed)
                yield Search(gallery, kind, k, threshold, timed, _work(built[0], made, kind, k, threshold))


def _work(built: Built, made: Made, kind: ProbeKind, k: int, threshold: float | None) -> dict[str, float] | None:
    contender: Any = built.contender
    counts = [contender.work(probe, k, threshold) for probe in made.probes[kind][:PROBES]]
    if None in counts:
        return None
    return {name: float(np.mean([each[name] for each in counts])) for name in counts[0]}


def _index(gallery: Gallery, built: Built) -> Index:
    contender, name = built.contender, built.peer.name
    memory = contender.memory()
    hot = contender.hot_bytes() if isinstance(contender, ours.Kernel) else None
    # A view's templates are those of the index it looks into.
    deleted = search.deletion_seconds(contender, gallery.count) if isinstance(built.peer, Peer) else None
    return Index(gallery, name, built.peer.exact, memory.bytes, memory.how, built.build_seconds, deleted, hot)
