"""Who finds the most similar templates: builds every peer's index, and holds it against the float64 oracle."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.galleries import PROBE_KINDS
from benchmarks.peers import faiss_indexes, graphs, ours, products
from benchmarks.peers.base import Peer, Unsuitable, View
from controller.drill.figures import Rate, rate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from benchmarks.galleries import Made, ProbeKind
    from benchmarks.peers.base import Contender, Rows

AGREEMENT = 2e-6
"""Of scores: float32 sums of the same products in different orders."""
OURS = "thermogate"
DELETED, DELETING_SECONDS = 32, 0.5

PEERS: tuple[Peer | View, ...] = (
    Peer(OURS, "thermogate", exact=True, build=ours.Kernel),
    View("thermogate exhaustive", OURS, exact=True, look=ours.Exhaustive),
    Peer("NumPy", "numpy", exact=True, build=ours.NumPy),
    Peer("faiss IndexFlatIP", "faiss-cpu", exact=True, build=faiss_indexes.Flat),
    Peer("faiss SQ8", "faiss-cpu", exact=False, build=faiss_indexes.ScalarQuantizer),
    Peer("faiss PQ fast-scan + refine", "faiss-cpu", exact=False, build=faiss_indexes.ProductQuantizer),
    Peer("simsimd cdist", "simsimd", exact=True, build=products.Simsimd),
    Peer("numkong cdist", "numkong", exact=True, build=products.Numkong),
    Peer("numkong packed", "numkong", exact=True, build=products.NumkongPacked),
    Peer("sqlite-vec vec0", "sqlite-vec", exact=True, build=products.SqliteVec),
    Peer("usearch exact f32", "usearch", exact=True, build=graphs.UsearchExact),
    Peer("usearch exact f16", "usearch", exact=False, build=graphs.UsearchHalf),
    Peer("usearch exact i8", "usearch", exact=False, build=graphs.UsearchBytes),
    Peer("usearch HNSW", "usearch", exact=False, build=graphs.UsearchGraph),
    View("usearch Index exact f32", "usearch HNSW", exact=True, look=graphs.UsearchIndexExact),
    Peer("hnswlib HNSW", "hnswlib", exact=False, build=graphs.Hnswlib),
)


@dataclass(frozen=True, slots=True)
class Built:
    """A contender that is ready, and what its index cost."""

    peer: Peer | View
    contender: Contender
    build_seconds: float | None
    """None where there is nothing to build."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What brute force in float64 finds: keys and scores of the best k of every probe, by kind; -1 past the end."""

    probes: dict[ProbeKind, Rows]
    keys: dict[ProbeKind, NDArray[np.int64]]
    scores: dict[ProbeKind, NDArray[np.float64]]

    def first(self, count: int) -> Truth:
        """Of the first probes of each kind only."""
        some: list[dict[ProbeKind, Any]] = [
            {kind: each[:count] for kind, each in whole.items()} for whole in (self.probes, self.keys, self.scores)
        ]
        return Truth(*some)


def truth(made: Made, k: int, block: int = 32) -> Truth:
    """The oracle's answers, some probes at a time: score descending, then key ascending."""
    rows = made.rows.astype(np.float64)
    k = min(k, len(rows))
    keys = {kind: np.empty((len(made.probes[kind]), k), dtype=np.int64) for kind in PROBE_KINDS}
    scores = {kind: np.empty((len(made.probes[kind]), k)) for kind in PROBE_KINDS}
    for kind, probes in made.probes.items():
        for start in range(0, len(probes), block):
            similar = probes[start : start + block].astype(np.float64) @ rows.T
            for at, each in enumerate(similar, start):
                least = np.partition(each, -k)[-k]
                near = np.flatnonzero(each >= least)
                keys[kind][at] = near[np.lexsort((near, -each[near]))[:k]]
                scores[kind][at] = each[keys[kind][at]]
    return Truth(made.probes, keys, scores)


def build(made: Made, left_out: Mapping[str, str], limit: float) -> Iterator[Built | tuple[str, str]]:
    """Every peer that is at hand, ours first; for each of the others its name and the reason.

    `left_out` names libraries that can't be imported. A peer that fails to build is left out likewise.
    """
    ready: dict[str, Contender] = {}
    for peer in PEERS:
        if isinstance(peer, View):
            if peer.of in ready:
                yield Built(peer, peer.look(ready[peer.of]), None)
            continue
        if peer.library in left_out:
            continue
        gc.collect()
        start = time.perf_counter()
        try:
            contender = peer.build(made.rows, limit)
        except (Unsuitable, ImportError, OSError, RuntimeError, ValueError, TypeError, AttributeError) as error:
            if peer.name == OURS:
                raise
            yield peer.name, str(error) if isinstance(error, Unsuitable) else f"{type(error).__name__}: {error}"
            continue
        spent = time.perf_counter() - start
        ready[peer.name] = contender
        yield Built(peer, contender, spent if _builds(contender, made.rows) else None)


def _builds(contender: Contender, rows: Rows) -> bool:
    """Whether it keeps something of its own, and not just the array it was given."""
    return getattr(contender, "_rows", None) is not rows


def disagreement(contender: Contender, rows: Rows, expected: Truth, k: int, threshold: float | None) -> str | None:
    """How an exact contender differs from the oracle; None when it doesn't."""
    for kind in PROBE_KINDS:
        for probe, scores in zip(expected.probes[kind], expected.scores[kind], strict=True):
            keys, similar = contender.search(probe, k, threshold)
            wanted = scores[:k]
            if threshold is not None:
                # At the threshold itself rounding may decide.
                if not (wanted >= threshold + AGREEMENT).sum() <= len(keys) <= (wanted >= threshold - AGREEMENT).sum():
                    return f"finds {len(keys)} templates over {threshold} for a {kind}"
                wanted = wanted[: len(keys)]
            if len(keys) != len(wanted) or not np.allclose(similar, wanted, rtol=0, atol=AGREEMENT):
                return f"differs from the oracle's scores for a {kind}"
            # Keys may change places only where the scores are equal to within the tolerance.
            if not np.allclose(rows[keys] @ probe, wanted, rtol=0, atol=2 * AGREEMENT):
                return f"finds other templates than the oracle for a {kind}"
    return None


def recall(contender: Contender, expected: Truth, k: int) -> dict[ProbeKind, Rate]:
    """The share of the oracle's best k that the contender finds, without a threshold, by kind of probe."""
    shares: dict[ProbeKind, Rate] = {}
    for kind in PROBE_KINDS:
        wanted = expected.keys[kind][:, :k]
        hits = 0
        for probe, keys in zip(expected.probes[kind], wanted, strict=True):
            hits += len(np.intersect1d(contender.search(probe, k, None)[0], keys))
        shares[kind] = rate(hits, wanted.size)
    return shares


def deletion_seconds(contender: Contender, count: int, seed: int = 0) -> float | None:
    """Median time to delete one of the templates; None where the library can't. It takes templates away for good."""
    spent: list[float] = []
    rng = np.random.default_rng(seed)
    for key in _distinct(rng.permutation(count), min(DELETED, count // 2)):
        start = time.perf_counter()
        try:
            contender.delete(key)
        except NotImplementedError:
            return None
        spent.append(time.perf_counter() - start)
        if sum(spent) > DELETING_SECONDS:
            break
    return float(np.median(spent)) if spent else None


def _distinct(order: NDArray[np.int64], count: int) -> Sequence[int]:
    # In falling order, since a matrix closes the gap that a deleted row leaves.
    chosen: list[int] = sorted(order[:count].tolist(), reverse=True)
    return chosen
