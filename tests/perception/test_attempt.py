"""An attempt takes the frames of one tracked face only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from controller.lane.model import Match
from controller.perception.attempt import Attempt
from controller.perception.settings import PerceptionSettings
from controller.perception.types import Identification, Probe, Quality

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SETTINGS = PerceptionSettings()
GOOD = Quality(0.8, 0.8, 0.8, 0.8)


def identify(embedding: NDArray[np.float32]) -> Identification:
    person = f"p{int(np.argmax(embedding))}"
    return Identification(Match(person, float(embedding.max()), 0.5))


def probe(make_face: Callable[..., Any], x: float, person: int, at: float, quality: Quality = GOOD) -> Probe:
    return Probe(np.eye(8, dtype=np.float32)[person], quality, make_face(x), at)


def ended(attempt: Attempt) -> str | None:
    found = attempt.assessment(SETTINGS.attempt.budget + 1.0)
    assert found is not None
    return None if found.match is None else found.match.person


def test_a_face_elsewhere_than_the_tracked_one_is_not_taken(make_face: Callable[..., Any]) -> None:
    attempt = Attempt(identify, SETTINGS, started=0.0)
    for turn in range(4):
        attempt.see(1, make_face(320).box)
        attempt.add_probe(probe(make_face, 320 if turn < 2 else 600, 1 if turn < 2 else 2, turn / 10))
    assert ended(attempt) == "p1"


def test_a_face_that_jumps_begins_anew(make_face: Callable[..., Any]) -> None:
    attempt = Attempt(identify, SETTINGS, started=0.0)
    for x, person in ((200, 1), (200, 1), (460, 2), (460, 2)):
        attempt.see(1, make_face(x).box)
        attempt.add_probe(probe(make_face, x, person, 0.1))
    assert ended(attempt) == "p2"


def test_one_picture_is_not_enough(make_face: Callable[..., Any]) -> None:
    attempt = Attempt(identify, SETTINGS, started=0.0)
    attempt.see(1, make_face(320).box)
    attempt.add_probe(probe(make_face, 320, 1, 0.1))
    attempt.add_probe(probe(make_face, 320, 1, 0.2, Quality(0.8, 0.1, 0.8, 0.8)))
    assert ended(attempt) is None


def test_one_picture_of_another_among_many_is_overruled(make_face: Callable[..., Any]) -> None:
    attempt = Attempt(identify, SETTINGS, started=0.0)
    for turn, person in enumerate((1, 1, 2, 1, 1)):
        attempt.see(1, make_face(320).box)
        attempt.add_probe(probe(make_face, 320, person, turn / 10))
    assert ended(attempt) == "p1"
