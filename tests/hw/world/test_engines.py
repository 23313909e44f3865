"""Real detectors find drawn people and a real embedder tells them apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from controller.perception.engines import open_engine
from hw.sim.figures import Person
from hw.sim.scene import enrolment_photo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hw.sim.placing import Box
    from hw.sim.world import World

PEOPLE = 60
THRESHOLD = 0.75
"""A cosine that separates drawn people (docs/simulated-world.md)."""


def test_the_engine_without_weights_tells_them_apart(world: World) -> None:
    engine = open_engine("demo")
    seen, enrolled = [], []
    for number in range(20):
        world.clear()
        world.place(Person(identity=number, moment=1))
        live, photo = world.picture(number / 3), enrolment_photo(number)
        faces = engine.detect(live), engine.detect(photo)
        assert faces[0]
        assert faces[1]
        seen.append(engine.embed(live, faces[0][0]))
        enrolled.append(engine.embed(photo, faces[1][0]))
    cosines = np.stack(seen) @ np.stack(enrolled).T
    assert np.mean(cosines.argmax(axis=1) == np.arange(20)) >= 0.95


@pytest.mark.models
@pytest.mark.parametrize("name", ["opencv", "tflite"])
def test_found_and_told_apart(name: str, models: Path, world: World, overlap: Callable[[Box, Box], float]) -> None:
    if name == "tflite":
        pytest.importorskip("ai_edge_litert", reason="the tflite extra is not installed")
    engine = open_engine(name, models)
    enrolled, seen, missed, overlaps = [], [], 0, []
    for number in range(PEOPLE):
        rng = np.random.default_rng((number, 5))
        figure = Person(identity=number, moment=1, distance=float(rng.uniform(0.42, 0.66)))
        world.clear()
        world.place(figure)
        at = float(rng.uniform(0, 9))
        live, photo = world.picture(at), enrolment_photo(number)
        faces = engine.detect(live), engine.detect(photo)
        if not (faces[0] and faces[1]):
            missed += 1
            continue
        box = faces[0][0].box
        overlaps.append(overlap((box.x, box.y, box.width, box.height), world.face_box(figure, at)))
        seen.append(engine.embed(live, faces[0][0]))
        enrolled.append(engine.embed(photo, faces[1][0]))
    cosines = np.stack(seen) @ np.stack(enrolled).T
    genuine, impostor = np.diag(cosines), cosines[~np.eye(len(cosines), dtype=bool)]
    assert missed <= 0.01 * PEOPLE
    assert min(overlaps) > 0.5
    assert np.mean(genuine >= THRESHOLD) >= 0.95
    assert np.mean(impostor >= THRESHOLD) <= 1e-3
    assert np.array_equal(cosines.argmax(axis=1), np.arange(len(cosines)))
