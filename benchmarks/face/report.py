"""The report: sections of sentences and tables, written as Markdown and printed as plain text by the fever report."""

from __future__ import annotations

import math
import os
import platform
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.face.claims import VERIFY_FALSE_ACCEPTS
from benchmarks.face.faces import STAGES
from benchmarks.face.latency import ENROLLED, HEIGHT, WALK_STAGES, WALK_WANTED, WANTED, WIDTH
from benchmarks.face.latency import STAGES as ATTEMPT_STAGES
from benchmarks.face.openset import PROBES, threshold_for
from benchmarks.face.statistics import percentiles, resolvable, share, wilson
from benchmarks.fever.section import Section
from controller.perception.thresholds import FALSE_ACCEPT, VERIFY_FALSE_ACCEPT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.face.evaluation import EngineResult, Plan
    from benchmarks.face.faces import Spent
    from benchmarks.face.openset import Attempts, SizeResult
    from benchmarks.face.statistics import Share
    from benchmarks.face.verification import Point, Verification

RATES = (0.01, 0.002, 0.001)
"""False-positive identification rates at which the open set is told."""
NAMED = 20
"""Pictures without a face that are named; more are counted."""
METHOD = f"""\
Every picture goes through the gate's own engine, gallery search and fusion (`controller.perception.fusion`,
`controller.gallery.index`). A face that is not found is never recognised; of several in a picture, the middle one is
meant. No picture is left out for its quality, though a gate would wait for a better one.
Open set: people are drawn at random into a gallery; who is enrolled and has pictures left should be found by them
(TPIR), everybody else is a stranger who should not be found at all (FPIR, ISO/IEC 19795-1). An attempt is {PROBES}
pictures, fused as at the gate: two must name the same person. Who has fewer shows them again in turn; most strangers
have one picture only, so their three frames agree perfectly, which is the harder case. Pictures of different days
differ more than a visit's frames do, so a gate gains less by fusing than is seen here.
Intervals are 95 %: Wilson's with one trial a person, and a bootstrap that draws people."""


def sections(results: Sequence[EngineResult], plan: Plan, source: str) -> list[Section]:
    """The whole report."""
    text = (
        f"{METHOD}\nPictures: {source}. {plan.enrol} pictures enrolled a person, {plan.splits} random galleries of "
        f"each size, bootstrap of {plan.times}, seed {plan.seed}.\n"
        "By group: these pictures carry no labels of age, sex or origin, so nothing is said by group. Measure on your "
        "own people before you rely on it."
    )
    found = [Section("Identification, evaluated", text, [], level=1), _faces(results)]
    for result in results:
        found.append(Section(f"Engine {result.sight.engine}", result.sight.template_model, [], level=2))
        found += [_verification(each, result) for each in result.verifications]
        found += [_claims(result, plan), _sizes(result, plan), _visits(result, plan), _thresholds(result, plan)]
    found.append(_stages(results))
    found += [_attempt(result) for result in results if result.timing is not None]
    found += [_walk(result) for result in results if result.walk is not None]
    return found


def _faces(results: Sequence[EngineResult]) -> Section:
    table = [
        ["engine", "pictures", "people", "no face found", "not usable", "several faces", "quality below the gate's"]
    ]
    lines = []
    for result in results:
        sight = result.sight
        several = sum(one.faces > 1 for one in sight.seen.values())
        counts = (sight.pictures, result.people, len(sight.missed), len(sight.failed), several, result.unusable)
        table.append([sight.engine, *map(str, counts)])
        if sight.missed:
            more = f" and {len(sight.missed) - NAMED} more" if len(sight.missed) > NAMED else ""
            lines.append(f"{sight.engine} found no face in: {', '.join(sight.missed[:NAMED])}{more}.")
        lines += [f"{sight.engine}: {key}: {why}." for key, why in list(sight.failed.items())[:NAMED]]
    return Section("Faces found", "\n".join(lines), table, level=2)


def _verification(found: Verification, result: EngineResult) -> Section:
    mean, deviation, impostor, spread = found.spread
    text = (
        f"{found.genuine} pairs of one person, {found.impostor} of two. Cosine of one person {mean:.3f} ± "
        f"{deviation:.3f}, of two {impostor:.3f} ± {spread:.3f}. AUC {_spread(found.auc, 5)}, "
        f"EER {_spread(found.eer, 4)}."
    )
    if found.name.startswith("listed") and result.left_out:
        text += f" {result.left_out} listed pairs are left out: a picture is missing."
    table = [["FAR", "threshold", "TAR", "Wilson", "bootstrap by person"]]
    table += [[f"{point.rate:g}", *_point(point)] for point in found.points]
    unresolved = [f"{point.rate:g}" for point in found.points if not point.resolved]
    if unresolved:
        text += (
            f" {found.impostor} pairs of two people cannot show a FAR of {' or '.join(unresolved)}: there the "
            "threshold is the one that none reached, and the true FAR may be higher."
        )
        for other in result.verifications:
            text += _elsewhere(found, other)
    return Section(f"{result.sight.engine}: verification, {found.name}", text, table)


def _elsewhere(found: Verification, other: Verification) -> str:
    """What a set of pairs accepts at the thresholds that another one resolves."""
    words = []
    for mine, point in zip(found.points, other.points, strict=True):
        if point.resolved and not mine.resolved:
            hits = int((found.scores >= point.threshold).sum())
            low, high = wilson(hits, found.genuine)
            rate = hits / found.genuine
            words.append(f"{rate:.4f} ({hits}/{found.genuine}, {low:.4f}-{high:.4f}) at {point.rate:g}")
    if not words:
        return ""
    return f" At the thresholds of {other.name}, which show these rates, the TAR of these pairs is {', '.join(words)}."


def _point(point: Point) -> list[str]:
    mark = "" if point.resolved else " (not resolved)"
    return [
        f"{point.threshold:.3f}",
        f"{point.value:.4f} ({point.hits}/{point.n}){mark}",
        f"{point.wilson[0]:.4f}-{point.wilson[1]:.4f}",
        f"{point.bootstrap[0]:.4f}-{point.bootstrap[1]:.4f}",
    ]


def _spread(found: object, digits: int) -> str:
    value, low, high = (getattr(found, name) for name in ("value", "low", "high"))
    text = f"{value:.{digits}f}"
    return text if math.isnan(low) else f"{text} ({low:.{digits}f}-{high:.{digits}f})"


def _claims(result: EngineResult, plan: Plan) -> Section:
    claims = result.claims
    table = [["FMR at most", "threshold", "own card: let in", "let in / tried", "another's card: let in / tried"]]
    for rate in VERIFY_FALSE_ACCEPTS:
        threshold = claims.threshold(rate)
        own = share(claims.owner >= threshold, claims.person, times=plan.times, seed=plan.seed)
        wrong = int((claims.other >= threshold).sum())
        mark = "" if resolvable(rate, claims.other.size) else " (not resolved)"
        counts = f"{own.hits} / {own.trials} ({own.people} people)"
        table.append([f"{rate:g}{mark}", f"{threshold:.3f}", str(own), counts, f"{wrong} / {claims.other.size}"])
    text = (
        f"A card and a face, compared 1:1 over {PROBES} pictures as at the gate, each of {claims.people} people with "
        "everybody else's card. These attempts share people, so they count for fewer than there are."
    )
    shipped = result.verify_score
    if shipped is not None:
        own = share(claims.owner >= shipped, claims.person, times=plan.times, seed=plan.seed)
        false = float((claims.other >= shipped).mean())
        text += (
            f" At the shipped threshold for {VERIFY_FALSE_ACCEPT:g}, {shipped:.3f}: {own} of the owners, "
            f"{100 * false:.3f} % of the others."
        )
    return Section(f"{result.sight.engine}: a card and a face", text, table)


def _share(attempts: Attempts, threshold: float, plan: Plan) -> Share:
    return share(attempts.score >= threshold, attempts.person, times=plan.times, seed=plan.seed)


def _sizes(result: EngineResult, plan: Plan) -> Section:
    """TPIR at wanted FPIRs, by gallery size; thresholds from these very strangers."""
    table = [
        [
            "enrolled",
            "FPIR at most",
            "pictures",
            "threshold",
            "TPIR (FNIR = 1 − TPIR)",
            "found / tried (people)",
            "FPIR",
        ]
    ]
    for size in result.sizes:
        for rate in RATES:
            for name, mine, strangers in _kinds(size):
                threshold = threshold_for(strangers, rate)
                found, false = _share(mine, threshold, plan), _share(strangers, threshold, plan)
                mark = "" if resolvable(rate, false.people) else f" (not resolved by {false.people} people)"
                counts = f"{found.hits} / {found.trials} ({found.people})"
                table.append(
                    [str(size.people), f"{rate:g}{mark}", name, f"{threshold:.3f}", str(found), counts, _false(false)]
                )
    text = (
        "The threshold is the least that keeps the FPIR of the strangers of this very run; on other people it will "
        "give another FPIR, as the table of the shipped thresholds below shows."
    )
    return Section(f"{result.sight.engine}: open set, by gallery size", text, table)


def _kinds(size: SizeResult) -> list[tuple[str, Attempts, Attempts]]:
    return [("one", size.single, size.single_strangers), ("fused", size.fused, size.fused_strangers)]


def _false(found: Share) -> str:
    return f"{found} ({found.hits} / {found.trials}, {found.people} people)"


def _visits(result: EngineResult, plan: Plan) -> Section:
    """The largest usual gallery, by how many different pictures an attempt had."""
    table = [["enrolled", "different pictures", "threshold", "TPIR", "found / tried (people)", "named as another"]]
    for size in result.sizes:
        if size.people not in (120, 500):
            continue
        threshold = threshold_for(size.fused_strangers, FALSE_ACCEPT)
        for pictures in range(1, PROBES + 1):
            kept = size.fused.pictures == pictures
            found = share(
                size.fused.score[kept] >= threshold, size.fused.person[kept], times=plan.times, seed=plan.seed
            )
            wrong = int((size.fused.wrong[kept] >= threshold).sum())
            counts = f"{found.hits} / {found.trials} ({found.people})"
            table.append([str(size.people), str(pictures), f"{threshold:.3f}", str(found), counts, str(wrong)])
    text = f"Fused attempts at an FPIR of at most {FALSE_ACCEPT:g}, by the different pictures that a person had left."
    return Section(f"{result.sight.engine}: fused attempts, by pictures", text, table)


def _thresholds(result: EngineResult, plan: Plan) -> Section:
    """What the shipped thresholds give on these people."""
    title = f"{result.sight.engine}: at the shipped thresholds"
    if result.rule is None:
        return Section(title, "This engine with this model has no shipped thresholds.", [])
    table = [["enrolled", "threshold", "TPIR, fused", "TPIR, one picture", "FPIR, fused", "FPIR, one picture"]]
    for size in result.sizes:
        limits = result.rule.at(size.people)
        mark = " (beyond what was measured)" if limits.extrapolated else ""
        cells = [
            str(_share(size.fused, limits.score, plan)),
            str(_share(size.single, limits.score, plan)),
            _false(_share(size.fused_strangers, limits.score, plan)),
            _false(_share(size.single_strangers, limits.score, plan)),
        ]
        table.append([f"{size.people}{mark}", f"{limits.score:.3f}", *cells])
    text = (
        f"For a wanted FPIR of {FALSE_ACCEPT:g}, by `controller/face_evaluation.json`. On the people it was made from "
        "this is a check of the smoothing, on others of the thresholds themselves."
    )
    return Section(title, text, table)


TIMES = ["n", "p50, ms", "p95, ms", "p99, ms", "processor p50, ms", "processor p99, ms"]


def _times(spent: Spent) -> list[str]:
    processor = percentiles(spent.processor)
    values = (*percentiles(spent.wall), processor[0], processor[2])
    return [str(len(spent.wall)), *(f"{1e3 * value:.2f}" for value in values)]


def _stages(results: Sequence[EngineResult]) -> Section:
    first = results[0]
    extra = [f"processor p50 over {first.sight.engine}'s"] if len(results) > 1 else []
    table = [["engine", "stage", *TIMES, *extra]]
    for result in results:
        for stage in STAGES:
            spent = result.sight.spent[stage]
            row = [result.sight.engine, stage, *_times(spent)]
            if extra:
                others = first.sight.spent[stage].processor
                row.append(f"{percentiles(spent.processor)[0] / percentiles(others)[0]:.2f}")
            table.append(row)
    text = (
        f"On these pictures, one thread, {platform.machine()}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f} at the end. The processor's time leaves out waiting for other programs."
    )
    return Section("Latency by stage", text, table, level=2)


def _attempt(result: EngineResult) -> Section:
    timing = result.timing
    if timing is None:
        raise ValueError("no attempt was timed")
    table = [["stage", *TIMES], *([stage, *_times(timing.spent[stage])] for stage in ATTEMPT_STAGES)]
    total = percentiles(timing.spent[ATTEMPT_STAGES[-1]].wall)[2]
    kept = "kept" if total <= WANTED else "not kept"
    text = (
        f"A frame of {WIDTH} × {HEIGHT}, {ENROLLED} people enrolled, one thread on one core. Wanted: p99 of at most "
        f"{1e3 * WANTED:.0f} ms: {kept} (load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores)."
    )
    return Section(f"{result.sight.engine}: one fused attempt from its last frame", text, table)


def _walk(result: EngineResult) -> Section:
    walk = result.walk
    if walk is None:
        raise ValueError("nobody walked")
    table = [["stage", "n", "p50, s", "p95, s", "p99, s"]]
    for stage in WALK_STAGES:
        seconds = walk.seconds[stage]
        table.append([stage, str(len(seconds)), *(f"{value:.3f}" for value in percentiles(seconds))])
    half = percentiles(walk.seconds[WALK_STAGES[-1]])[0]
    kept = "kept" if half <= WALK_WANTED else "not kept"
    text = (
        f"The whole program in a rehearsal in real time, {walk.people} drawn people; those let in at the first look. "
        f"The thermal frames that an assessment needs set the pace. Wanted: p50 of at most {WALK_WANTED:g} s: {kept}."
    )
    return Section(f"{result.sight.engine}: foot on the mark to relay", text, table)


def headline(result: EngineResult, plan: Plan) -> str:
    """One line: fused against single at the usual rate, in the largest gallery up to 500."""
    usual = [size for size in result.sizes if size.people <= 500]
    if not usual:
        return f"{result.sight.engine}: too few people for an open set"
    size = usual[-1]
    words = []
    for name, mine, strangers in _kinds(size):
        threshold = threshold_for(strangers, FALSE_ACCEPT)
        words.append(f"{name} {_share(mine, threshold, plan)} at {threshold:.3f}")
    tried = np.unique(size.fused_strangers.person).size
    return (
        f"{result.sight.engine}, {size.people} enrolled, FPIR ≤ {FALSE_ACCEPT:g} of {tried} strangers: TPIR "
        + "; ".join(words)
    )
