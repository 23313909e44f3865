"""Who is it: an exact 1:N search in memory over everybody's templates, with a margin to the second-best person."""

from __future__ import annotations

import dataclasses
import functools
import math
import threading
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from _fastcore.match import Gallery
from controller.errors import GalleryError
from controller.lane.model import Match
from controller.perception.thresholds import (
    FALSE_ACCEPT,
    VERIFY_FALSE_ACCEPT,
    Threshold,
    rule,
    shipped,
    verify_score,
)
from controller.perception.types import Identification

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from controller.gallery.model import Enrolment, Person
    from controller.gallery.store import GalleryStore
    from controller.perception.types import FaceEngine

LEAST_MEAN = 0.5
"""Length of the mean of a person's templates below which they have too little in common for it to be a face."""


class GalleryIndex:
    """Templates of one embedder. Safe to use from several threads."""

    def __init__(
        self,
        dim: int,
        template_model: str,
        *,
        threshold: float | Callable[[int], Threshold],
        margin: float,
        verify_threshold: float | None = None,
    ) -> None:
        """An empty index.

        `threshold` is a score, or what gives one for a number of people and is asked again whenever that changes.
        `verify_threshold`: the score of a 1:1 comparison; None: that of a search, which is stricter than it has to be.
        """
        self.dim = dim
        self.template_model = template_model
        self.margin = margin
        self._rule = threshold if callable(threshold) else functools.partial(_fixed, threshold)
        self._limit = self._rule(0)
        self._verify_threshold = verify_threshold
        self._lock = threading.Lock()
        self._gallery = Gallery(dim)
        self._people: dict[str, Person] = {}
        self._keys: dict[str, list[int]] = {}
        self._rows: dict[str, NDArray[np.float32]] = {}
        """Each person's templates, for 1:1."""
        self._owner: dict[int, str] = {}
        self._next_key = 0
        self.strange = 0
        """People at the last load whose templates are all another embedder's: their faces are not known."""

    @classmethod
    def for_engine(
        cls,
        engine: FaceEngine,
        *,
        threshold: float | None = None,
        margin: float | None = None,
        false_accept: float = FALSE_ACCEPT,
        verify_threshold: float | None = None,
        verify_false_accept: float = VERIFY_FALSE_ACCEPT,
    ) -> GalleryIndex:
        """An empty index for an engine's templates.

        The threshold follows the number enrolled, for `false_accept` (the part of strangers who may be taken for
        somebody), by the shipped measurements of this engine and model; an engine that was not measured has its own.
        `threshold` and `margin`, where given, hold instead, whoever is enrolled. A 1:1 comparison has a threshold of
        its own, measured for `verify_false_accept` (the part of others whom another's card lets in), unless it or
        `threshold` is given. Raises `EvaluationError` for a rate that was not measured.
        """
        measured = rule(shipped(), engine.name, engine.template_model, false_accept) if threshold is None else None
        if threshold is None and verify_threshold is None:
            verify_threshold = verify_score(shipped(), engine.name, engine.template_model, verify_false_accept)
        fixed = engine.threshold if threshold is None else threshold
        return cls(
            engine.dim,
            engine.template_model,
            threshold=fixed if measured is None else measured.at,
            margin=engine.margin if margin is None else margin,
            verify_threshold=verify_threshold,
        )

    @property
    def threshold(self) -> float:
        """Least score of a match, with those who are enrolled now."""
        return self._limit.score

    @property
    def limit(self) -> Threshold:
        """The threshold, and how it is known."""
        return self._limit

    @property
    def verify_threshold(self) -> float:
        """Least score of a 1:1 comparison."""
        return self.threshold if self._verify_threshold is None else self._verify_threshold

    def load(
        self, store: GalleryStore, *, incomplete: bool = False, on_damage: Callable[[str], None] | None = None
    ) -> None:
        """Replace all content by the store's; `incomplete` leaves people without fitting templates out.

        Templates of another embedder are left out where a person also has fitting ones, or is a hub's (`strange`).
        `on_damage` is told of what is damaged, and the rest is used; None refuses it. Raises `GalleryError` that says
        what to do when somebody has no template that fits; the index is as it was then.
        """
        enrolments = store.enrolments() if on_damage is None else _intact(store, on_damage)
        follows = store.follows_hub()
        fresh = GalleryIndex(self.dim, self.template_model, threshold=self._rule, margin=self.margin)
        without: list[Enrolment] = []
        strange = 0
        for enrolment in enrolments:
            fitting = [one.embedding for one in enrolment.templates if one.model == self.template_model]
            # They may still come by card: a hub's, whose engine may be ahead of this gate's, and must not stop it from
            # hearing of everybody else; or where damage took their templates, which was told.
            by_card = follows or (not enrolment.templates and on_damage is not None)
            if not (fitting or enrolment.person.no_face):
                strange += bool(enrolment.templates)
                if not by_card:
                    without.append(enrolment)
                    continue
            try:
                fresh.add(enrolment.person, fitting)
            except ValueError as error:
                raise GalleryError(f"{store.path}: {enrolment.person.person}: {error}") from error
        if without and not incomplete:
            raise GalleryError(f"{store.path}: {self._misfits(without, len(enrolments))}")
        with self._lock:
            self._gallery, self._people, self._keys = fresh._gallery, fresh._people, fresh._keys
            self._owner, self._next_key, self._rows = fresh._owner, fresh._next_key, fresh._rows
            self._limit = fresh._limit
            self.strange = strange

    def _misfits(self, without: list[Enrolment], people: int) -> str:
        """Who cannot be searched, and the way out."""
        strange = Counter(template.model for enrolment in without for template in enrolment.templates)
        others = ", ".join(f"{count} by {model}" for model, count in strange.items()) or "none"
        return (
            f"{len(without)} of {people} people have no template of {self.template_model}, only others ({others}), "
            "which do not compare: enrol their photos again with this engine, or set [perception] engine to the one "
            "that enrolled them"
        )

    def __len__(self) -> int:
        """People in it."""
        return len(self._people)

    def __contains__(self, person: object) -> bool:
        """Whether a person is in it."""
        return person in self._people

    def people(self) -> tuple[str, ...]:
        """The ids of everybody in it."""
        with self._lock:
            return tuple(self._people)

    def add(self, person: Person, embeddings: Iterable[NDArray[np.float32]]) -> None:
        """Add somebody, or replace all their templates; the mean of several is searched beside them.

        `embeddings`: each float32[dim], L2-normalised. Raises TypeError or ValueError for anything else; then nothing
        changes.
        """
        rows = with_mean(list(embeddings))
        with self._lock:
            limit = self._rule(len(self._people) + (person.person not in self._people))
            keys = list(range(self._next_key, self._next_key + len(rows)))
            if rows:
                # Refuses a bad one before anything changes.
                self._gallery.add_many(keys, np.stack(rows))
            self._remove(person.person)
            self._next_key += len(rows)
            for key in keys:
                self._owner[key] = person.person
            self._people[person.person] = person
            self._keys[person.person] = keys
            self._limit = limit
            if rows:
                self._rows[person.person] = np.stack(rows).astype(np.float32)

    def mark(self, person: str) -> None:
        """Note that somebody needs a second factor; nothing happens where there is no such person."""
        with self._lock:
            if person in self._people:
                self._people[person] = dataclasses.replace(self._people[person], second_factor=True)

    def remove(self, person: str) -> None:
        """Forget somebody. Raises `GalleryError` where there is no such person."""
        with self._lock:
            if person not in self._people:
                raise GalleryError(f"{person} is not in the gallery")
            self._remove(person)
            self._limit = self._rule(len(self._people))

    def _remove(self, person: str) -> None:
        for key in self._keys.pop(person, ()):
            self._gallery.remove(key)
            del self._owner[key]
        self._people.pop(person, None)
        self._rows.pop(person, None)

    def rank(self, embedding: NDArray[np.float32], people: int = 2) -> list[tuple[str, float]]:
        """The best people with their best template's score, best first; at most `people` of them.

        A person's templates are those enrolled and, of several, their mean direction.

        `embedding`: float32[dim], L2-normalised. Raises TypeError or ValueError for anything else.
        """
        with self._lock:
            most = max((len(keys) for keys in self._keys.values()), default=0)
            # So many templates hold at least `people` different people, whoever has how many.
            keys, scores = self._gallery.search(embedding, k=max(1, most * (people - 1) + 1))
            best: dict[str, float] = {}
            for key, score in zip(keys.tolist(), scores.tolist(), strict=True):
                best.setdefault(self._owner[key], float(score))
        return list(best.items())[:people]

    def identify(self, embedding: NDArray[np.float32]) -> Identification:
        """Who it is; nobody where so many are enrolled that no threshold is known.

        `embedding`: float32[dim], L2-normalised. Raises TypeError or ValueError for anything else.
        """
        ranked = self.rank(embedding)
        limit = self._limit
        if not ranked or ranked[0][1] < limit.support:
            return Identification(None)
        person, score = ranked[0]
        lead = score - ranked[1][1] if len(ranked) > 1 else math.inf
        best = Match(person, score, lead)
        if score < limit.score or not limit.by_face_alone:
            return Identification(None, nearest=best)
        if lead < self.margin:
            return Identification(None, ambiguous=True, nearest=best)
        if person not in self._people:  # removed since the search
            return Identification(None)
        return Identification(best, nearest=best)

    def verify(self, person: str, embedding: NDArray[np.float32]) -> Identification:
        """Whether it is this person, 1:1, by their own templates only.

        `embedding`: float32[dim], L2-normalised; ValueError for another length. The match's margin is infinite: nobody
        else was looked at.
        """
        with self._lock:
            known, rows = self._people.get(person), self._rows.get(person)
        if known is None or rows is None:
            return Identification(None)
        score = float((rows @ embedding).max())
        # Also false for NaN.
        if not score >= self.verify_threshold:
            return Identification(None)
        return Identification(Match(person, score, math.inf))

    def person(self, person: str) -> Person | None:
        """What is known of a person; None: there is no such person."""
        return self._people.get(person)

    def needs_second_factor(self, person: str) -> bool:
        """Whether this person's face alone is not enough; False for somebody who is not in it."""
        known = self._people.get(person)
        return known is not None and known.second_factor


def _fixed(score: float, people: int) -> Threshold:
    """The same for any number of people; a picture speaks for nobody whom it does not match."""
    del people
    return Threshold(score, score)


def with_mean(rows: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Templates of one person, float32[dim] each, and their mean direction where there are several.

    The mean is nearer to what the pictures have in common. Each one stays, for people who look different in them.
    """
    if len(rows) < 2:
        return rows
    mean = np.mean(rows, axis=0, dtype=np.float64)
    length = float(np.linalg.norm(mean))
    # Of templates that point apart there is no mean face; the kernel refuses what is no vector of its length.
    return [*rows, np.asarray(mean / length, dtype=np.float32)] if length > LEAST_MEAN else rows


def _intact(store: GalleryStore, on_damage: Callable[[str], None]) -> list[Enrolment]:
    found = store.inspect()
    for fault in found.faults:
        on_damage(f"{store.path}: {fault}")
    return list(found.enrolments)
