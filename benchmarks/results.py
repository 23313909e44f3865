"""What a run measured: everything that its tables, its chart and its JSON are made of."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.bandwidth import Bandwidth
    from benchmarks.galleries import ProbeKind
    from benchmarks.peers.libraries import Import
    from benchmarks.timing import Timing
    from controller.drill.figures import Rate


@dataclass(frozen=True, slots=True)
class Task:
    """Contenders of one thermal task."""

    task: str
    timings: list[Timing]


@dataclass(frozen=True, slots=True)
class Gallery:
    """What was searched."""

    dim: int
    count: int

    def __str__(self) -> str:
        return f"{self.count:,} × {self.dim}"


@dataclass(frozen=True, slots=True)
class Search:
    """Contenders of one search."""

    gallery: Gallery
    probe: ProbeKind
    k: int
    threshold: float | None
    timings: list[Timing]
    work: dict[str, float] | None
    """What our kernel did, as mean counts a search; None of a kernel that can't tell."""

    @property
    def task(self) -> str:
        """In words."""
        reach = "no threshold" if self.threshold is None else f"threshold {self.threshold:g}"
        return f"search, {self.gallery}, {self.probe}, k={self.k}, {reach}"


@dataclass(frozen=True, slots=True)
class Index:
    """What holding a gallery costs a peer."""

    gallery: Gallery
    peer: str
    exact: bool
    bytes: int
    how: str
    """How the bytes are known."""
    build_seconds: float | None
    """Of the whole gallery; None where there is nothing to build."""
    delete_seconds: float | None
    """Of one template; None where the library can't."""
    hot_bytes: int | None = None
    """What a search reads at least, of a kernel that tells."""


@dataclass(frozen=True, slots=True)
class Recall:
    """The share of the exact best k that a peer finds without a threshold."""

    gallery: Gallery
    peer: str
    probe: ProbeKind
    k: int
    share: Rate


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Who did not take part, in what, and why."""

    who: str
    where: str
    reason: str
    wrong: bool = False
    """Whether it gave wrong answers."""


@dataclass(slots=True)
class Report:
    """A whole run."""

    machine: dict[str, str]
    settings: dict[str, Any]
    clock_seconds: float = 0.0
    bandwidth: Bandwidth | None = None
    imports: list[Import] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    thermal: list[Task] = field(default_factory=list)
    searches: list[Search] = field(default_factory=list)
    indexes: list[Index] = field(default_factory=list)
    recalls: list[Recall] = field(default_factory=list)

    def recall(self, search: Search, peer: str) -> Rate | None:
        """Of a peer in a search; None of an exact one."""
        for each in self.recalls:
            if (each.gallery, each.peer, each.probe, each.k) == (search.gallery, peer, search.probe, search.k):
                return each.share
        return None

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)
