"""Nobody is on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmarks.fever.data import read_file
from benchmarks.fever.splits import by_subject, chronological, test_part

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Any]

test_part.__test__ = False  # type: ignore[attr-defined]


def test_the_training_part_is_the_first_whole_days(make: Make, tmp_path: Path) -> None:
    people = read_file(make(117).write(tmp_path / "FLIR.csv"))
    training = chronological(people)
    assert abs(training.sum() - 0.6 * len(people)) <= 5
    assert people.day[training].max() < people.day[~training].min()


def test_one_day_alone_trains_nothing(make: Make, tmp_path: Path) -> None:
    assert not chronological(read_file(make(8, febrile=2).write(tmp_path / "FLIR.csv"))).any()


def test_somebody_who_comes_again_is_not_judged(make: Make, tmp_path: Path) -> None:
    file = make(120)
    file.rows[110][0] = file.rows[3][0]
    people = read_file(file.write(tmp_path / "FLIR.csv"))
    training = chronological(people)
    test = test_part(people, training)
    assert not (training & test).any()
    again = people.subjects[3]
    assert [at for at, subject in enumerate(people.subjects) if subject == again and test[at]] == []
    assert not {people.subjects[at] for at in np.flatnonzero(training)} & {
        people.subjects[at] for at in np.flatnonzero(test)
    }


@pytest.mark.parametrize("seed", range(4))
def test_all_visits_of_a_subject_are_in_one_fold(make: Make, tmp_path: Path, seed: int) -> None:
    file = make(120)
    for row in range(0, 120, 7):
        file.rows[row][0] = "170109-1"
    people = read_file(file.write(tmp_path / "FLIR.csv"))
    judged = np.zeros(len(people), int)
    for training, test in by_subject(people, seed):
        assert not (training & test).any()
        assert (training | test).all()
        sides = [{people.subjects[at] for at in np.flatnonzero(side)} for side in (training, test)]
        assert not sides[0] & sides[1]
        judged += test
    assert (judged == 1).all()
