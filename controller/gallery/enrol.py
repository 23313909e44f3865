"""Enrolment: photographs to templates, each photograph judged, each person one transaction.

A person is enrolled when there is a right to keep their template and at least one photograph is good, and refused when
their face is already enrolled under another id. Who looks much like somebody else, as siblings and twins do, is marked
together with them: the face alone does not say who it is. Stopping in between loses nothing; running again does what
is left, and leaves alone who is there from the same photographs.

Enrolment only ever adds the mark for a second factor: it may have been set by hand. Of somebody who is known without a
face no photograph is opened, and the rest of what the roll says is taken over.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import cv2
import msgspec

from controller.errors import EngineError, GalleryError, ImageError
from controller.gallery.consent import CONSENT, refusal
from controller.gallery.judge import judge_photo
from controller.gallery.likeness import apart, lookalikes, thresholds
from controller.gallery.model import Enrolment, Origin, Picture, Template
from controller.gallery.settings import EnrolmentSettings
from controller.perception.photo import decode_photo, photo_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from controller.gallery.audit import AuditLog
    from controller.gallery.index import GalleryIndex
    from controller.gallery.model import Consent, Person
    from controller.gallery.roll import Candidate
    from controller.gallery.store import GalleryStore
    from controller.perception.types import FaceEngine


class Change(enum.Enum):
    """What a run did, or would do, with a person."""

    NEW = "new"
    RENEWED = "renewed"
    UNCHANGED = "unchanged"
    """Enrolled from the same photographs, on the same terms."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class PhotoResult:
    """What became of one photograph."""

    photo: Path
    reason: str
    """Why it was rejected; empty when it was taken."""
    quality: float | None


@dataclass(frozen=True, slots=True)
class PersonResult:
    """What became of one person."""

    person: Person
    photos: tuple[PhotoResult, ...]
    reason: str
    """Why they were not enrolled; empty when they were (or, in a dry run, would be)."""
    change: Change
    alike: dict[str, float] = field(default_factory=dict)
    """Scores of others who look so much like this person that both are marked for a second factor."""

    @property
    def enrolled(self) -> bool:
        """Whether they are in the gallery now."""
        return not self.reason


@dataclass(frozen=True, slots=True)
class _Reading:
    """What the photographs of one person gave."""

    photos: tuple[PhotoResult, ...]
    templates: list[NDArray[np.float32]]
    taken: list[bytes]
    """The files of the photographs that were taken."""


class Enroller:
    """Enrols with one engine into one gallery.

    Args:
        engine: makes the templates.
        index: the gallery in memory; kept up to date, so that duplicates within one run are found as well.
        store: the gallery on disk; None where there is none yet, in a dry run.
        settings: [enrolment].
        basis: the right to keep templates of those who bring no consent of their own; None: they are refused.
        audit: told of each person before the gallery is.
        keep_pictures: keep the photographs that were taken, sealed beside the templates.
        dry_run: write nothing.
        renew: make the templates anew of those as well whose photographs are the same.
        today: the date.
    """

    def __init__(
        self,
        engine: FaceEngine,
        index: GalleryIndex,
        store: GalleryStore | None,
        *,
        settings: EnrolmentSettings | None = None,
        basis: Consent | None = None,
        audit: AuditLog | None = None,
        keep_pictures: bool = False,
        dry_run: bool = False,
        renew: bool = False,
        today: Callable[[], dt.date] = dt.date.today,
    ) -> None:
        self._engine = engine
        self._index = index
        self._store = None if dry_run else store
        self._settings = settings or EnrolmentSettings()
        self._basis = basis
        self._audit = audit
        self._keep_pictures = keep_pictures
        self._renew = renew
        self._today = today
        self._known = {} if store is None else {one.person.person: one for one in store.enrolments()}
        self.duplicate, self.resemblance = thresholds(engine, index, self._settings)

    def enrol(
        self, roll: Iterable[Candidate], progress: Callable[[PersonResult], None] = lambda _: None
    ) -> list[PersonResult]:
        """Enrol everybody on a roll, telling `progress` of each. Raises `StoreError` when the disk refuses."""
        results = []
        for candidate in roll:
            results.append(self.enrol_one(candidate))
            progress(results[-1])
        return results

    def enrol_one(self, candidate: Candidate) -> PersonResult:
        """Enrol one person."""
        known = self._known.get(candidate.person.person)
        if known is not None and known.person.no_face:
            return self._without_face(candidate, known)
        consent = self._consent(candidate)
        reason = refusal(consent, self._today(), self._settings.consent_scope)
        if reason:
            return PersonResult(candidate.person, (), reason, Change.REFUSED)
        files = [_file(photo) for photo in candidate.photos]
        source = self._source(candidate.person, consent, files)
        present = known is not None and candidate.person.person in self._index
        if known is not None and present and not self._renew and known.origin.source == source:
            return PersonResult(known.person, (), "", Change.UNCHANGED)
        reading = self._read(candidate.photos, files)
        try:
            person = _limited(candidate.person, consent)
            alike = self._alike(candidate.person, reading.templates)
        except GalleryError as error:
            return PersonResult(candidate.person, reading.photos, str(error), Change.REFUSED)
        marked = bool(alike) or (known is not None and known.person.second_factor)
        person = dataclasses.replace(person, second_factor=marked)
        change = Change.RENEWED if present else Change.NEW
        self._write(person, reading, Origin(self._enrolled(known, source), consent, source), change, alike)
        return PersonResult(person, reading.photos, "", change, alike)

    def _without_face(self, candidate: Candidate, known: Enrolment) -> PersonResult:
        """Before a photograph is even opened: they refused to have their face turned into numbers."""
        reason = "not opened: known without a face (`thermogate credential policy --face` would change that)"
        photos = tuple(PhotoResult(photo, reason, None) for photo in candidate.photos)
        person = dataclasses.replace(candidate.person, second_factor=known.person.second_factor, no_face=True)
        if person == known.person:
            return PersonResult(person, photos, "", Change.UNCHANGED)
        self._put(dataclasses.replace(known, person=person), Change.RENEWED)
        self._index.add(person, ())
        return PersonResult(person, photos, "", Change.RENEWED)

    def _consent(self, candidate: Candidate) -> Consent | None:
        """The person's own record, else their stored one while it holds, else the stated basis."""
        known = self._known.get(candidate.person.person)
        stored = None if known is None else known.origin.consent
        if candidate.consent is not None or stored is None:
            return candidate.consent or self._basis
        theirs = stored.basis == CONSENT and not refusal(stored, self._today(), self._settings.consent_scope)
        # The same basis stated on another day is the same basis.
        same = self._basis is None or stored.basis == self._basis.basis
        return stored if theirs or same else self._basis

    def _source(self, person: Person, consent: Consent | None, files: Sequence[bytes | ImageError]) -> str:
        """Digests of the photographs, and of the terms, apart by a point."""
        photos = hashlib.sha256(self._engine.template_model.encode())
        for data in files:
            photos.update(hashlib.sha256(data if isinstance(data, bytes) else str(data).encode()).digest())
        said = (person.person, person.valid_from, person.valid_until, person.groups, consent)
        terms = hashlib.sha256(msgspec.json.encode(said))
        return f"{photos.hexdigest()}.{terms.hexdigest()}"

    def _enrolled(self, known: Enrolment | None, source: str) -> dt.date:
        """The same photographs are as old as they were."""
        before = Origin() if known is None else known.origin
        same = before.source.partition(".")[0] == source.partition(".")[0]
        return before.enrolled if same and before.enrolled is not None else self._today()

    def _read(self, photos: Sequence[Path], files: Sequence[bytes | ImageError]) -> _Reading:
        results: list[PhotoResult] = []
        templates: list[NDArray[np.float32]] = []
        taken: list[bytes] = []
        for photo, data in zip(photos, files, strict=True):
            try:
                if isinstance(data, ImageError):
                    raise data
                judged = judge_photo(self._engine, data)
            except (ImageError, EngineError) as error:
                results.append(PhotoResult(photo, str(error), None))
            else:
                results.append(PhotoResult(photo, "", judged.quality.overall))
                templates.append(judged.embedding)
                taken.append(data)
        return _Reading(tuple(results), templates, taken)

    def _alike(self, person: Person, embeddings: Sequence[NDArray[np.float32]]) -> dict[str, float]:
        """Scores of others who look much like this person. Raises `GalleryError` with the reason against enrolment."""
        if not embeddings:
            raise GalleryError("no usable photograph")
        alike = lookalikes(self._index, person.person, embeddings, self.resemblance)
        worst = next(iter(alike), "")
        if worst and alike[worst] >= self.duplicate and self._settings.on_duplicate == "refuse":
            raise GalleryError(f"this face is already enrolled as {worst} (score {alike[worst]:.2f})")
        similar = apart(self._engine, embeddings)
        if similar is not None:
            raise GalleryError(f"the photographs show different people (score {similar:.2f})")
        return alike

    def _write(
        self,
        person: Person,
        reading: _Reading,
        origin: Origin,
        change: Change,
        alike: Iterable[str],
    ) -> None:
        """The person, and the marks of those who look like them: all of it or nothing."""
        known = self._known.get(person.person)
        others = [one for one in (known.templates if known else ()) if one.model != self._engine.template_model]
        mine = [Template(self._engine.template_model, embedding) for embedding in reading.templates]
        pictures = self._pictures(reading.taken) if self._keep_pictures and self._store is not None else ()
        marked = [
            self._known[other]
            for other in alike
            if other in self._known and not self._known[other].person.second_factor
        ]
        self._put(Enrolment(person, (*others, *mine), origin, pictures), change, marked)
        self._index.add(person, reading.templates)
        for other in alike:
            self._index.mark(other)

    def _put(self, one: Enrolment, change: Change, marked: Iterable[Enrolment] = ()) -> None:
        """Tell the audit log, then the gallery; of others the mark alone is written."""
        marked = tuple(marked)
        if self._store is not None:
            if self._audit is not None:
                for action, written in ((change.value, one), *(("marked", other) for other in marked)):
                    self._audit.append(action, who=written.person.person, counts={"templates": len(written.templates)})
            self._store.write([one], mark=[other.person.person for other in marked])
        self._known[one.person.person] = dataclasses.replace(one, pictures=())
        for other in marked:
            person = dataclasses.replace(other.person, second_factor=True)
            self._known[person.person] = dataclasses.replace(other, person=person)

    def _pictures(self, files: Iterable[bytes]) -> tuple[Picture, ...]:
        """The photographs as they were looked at: reduced, and without what a camera writes beside."""
        today = self._today().toordinal()
        pixels = map(decode_photo, files)
        return tuple(Picture(cv2.imencode(".jpg", picture)[1].tobytes(), today) for picture in pixels)


def _file(photo: Path) -> bytes | ImageError:
    """A photograph's bytes, or the reason why there are none."""
    try:
        return photo_bytes(photo)
    except ImageError as error:
        return error


def _limited(person: Person, consent: Consent | None) -> Person:
    """The person, valid no longer than the consent. Raises `GalleryError` where nothing is left."""
    expires = None if consent is None else consent.expires
    if expires is None or (person.valid_until is not None and person.valid_until <= expires):
        return person
    return dataclasses.replace(person, valid_until=expires)
