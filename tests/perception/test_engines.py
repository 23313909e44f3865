"""The engines: what they refuse, and that they find and tell apart faces, drawn and real."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from controller.errors import EngineError, GateError, ImageError, ModelError
from controller.perception.engines import open_engine
from controller.perception.engines.demo import DemoEngine
from controller.perception.engines.embedding import imagenet_input, unit
from controller.perception.engines.tflite import RUNTIMES, Network, load_runtime
from hw.sim.clock import ManualClock
from hw.sim.figures import Person
from hw.sim.world import World

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from controller.perception.types import FaceEngine

IDENTITIES = 40


def drawn(identity: int, moment: int, world: World | None = None) -> NDArray[np.uint8]:
    """The camera's picture of a drawn person at the gate."""
    world = world or World(ManualClock(), seed=11)
    figure = Person(identity=identity, moment=moment)
    world.place(figure)
    pixels = world.picture(1.0)
    world.remove(figure)
    return pixels


def embedding_of(engine: FaceEngine, pixels: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    faces = engine.detect(pixels)
    return engine.embed(pixels, faces[0]) if faces else None


def test_the_demo_engine_tells_drawn_people_apart() -> None:
    """Two enrolment pictures and a probe of 40 people: TPIR at a FAR of 1e-2, missed faces included."""
    engine, world = DemoEngine(), World(ManualClock(), seed=11)
    templates = [[embedding_of(engine, drawn(i, moment, world)) for moment in (100, 101)] for i in range(IDENTITIES)]
    genuine: list[float] = []
    impostor: list[float] = []
    for identity in range(IDENTITIES):
        probe = embedding_of(engine, drawn(identity, 0, world))
        for other, rows in enumerate(templates):
            known = [row for row in rows if row is not None]
            score = max(float(probe @ row) for row in known) if probe is not None and known else -1.0
            (genuine if other == identity else impostor).append(score)
    limit = float(np.quantile(impostor, 0.99))
    assert np.mean(np.array(genuine) > limit) >= 0.95
    # And at the engine's own threshold hardly any stranger passes.
    assert np.mean(np.array(impostor) >= engine.threshold) <= 1e-3
    assert np.mean(np.array(genuine) >= engine.threshold) >= 0.9


def test_the_demo_engine_says_what_it_is_for() -> None:
    engine = open_engine("demo")
    assert (engine.name, engine.rehearsal_only) == ("demo", True)
    vector = embedding_of(engine, drawn(1, 0))
    assert vector is not None
    assert vector.shape == (engine.dim,)
    assert float(np.linalg.norm(vector)) == pytest.approx(1.0, abs=1e-5)


def test_the_same_picture_gives_the_same_template() -> None:
    first, second = (embedding_of(DemoEngine(), drawn(3, 2)) for _ in range(2))
    assert first is not None
    np.testing.assert_array_equal(first, second)


def test_an_empty_picture_has_no_face() -> None:
    assert DemoEngine().detect(np.full((480, 640, 3), 128, np.uint8)) == []


def test_an_opencv_without_cascades_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2, "CascadeClassifier")
    with pytest.raises(EngineError, match="opencv-python-headless<5"):
        DemoEngine()


def test_a_missing_runtime_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in RUNTIMES:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(EngineError, match=r"thermogate\[tflite\]"):
        load_runtime()


def test_a_runtime_that_dies_at_start_is_an_engine_error(tmp_path: Path) -> None:
    class Dying:
        def __init__(self, **_: Any) -> None:
            raise ValueError("numpy.core.multiarray failed to import")

    with pytest.raises(EngineError, match="cannot start"):
        Network(tmp_path / "x.tflite", Dying, (1, 2))


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(EngineError, match="known: auto, opencv, tflite, demo"):
        open_engine("magic")


@pytest.mark.parametrize("name", ["opencv", "tflite"])
def test_an_empty_folder_says_how_to_fill_it(name: str, tmp_path: Path) -> None:
    if name == "tflite":
        pytest.importorskip("ai_edge_litert")
    with pytest.raises(ModelError, match="thermogate models pull"):
        open_engine(name, tmp_path)


def test_auto_falls_back_and_says_why(tmp_path: Path) -> None:
    skipped: list[tuple[str, GateError]] = []
    engine = open_engine("auto", tmp_path, on_skip=lambda name, error: skipped.append((name, error)))
    assert engine.name == "demo"
    assert [name for name, _ in skipped] == ["tflite", "opencv"]


def test_the_normalisation_is_imagenets() -> None:
    pixels = np.zeros((112, 112, 3), np.uint8)
    pixels[:, :, 2] = 255  # red, BGR
    tensor = imagenet_input(pixels)
    assert tensor.shape == (1, 112, 112, 3)
    expected = ((1 - 0.485) / 0.229, -0.456 / 0.224, -0.406 / 0.225)
    np.testing.assert_allclose(tensor[0, 0, 0], expected, rtol=1e-5)


@pytest.mark.parametrize("vector", [np.zeros(8), np.full(8, np.nan), np.full(8, np.inf)])
def test_an_output_without_direction_is_refused(vector: NDArray[np.float64]) -> None:
    with pytest.raises(EngineError, match="direction"):
        unit(vector)


@pytest.fixture(params=["opencv", "tflite"])
def real(request: pytest.FixtureRequest, models: Path) -> FaceEngine:
    if request.param == "tflite":
        pytest.importorskip("ai_edge_litert")
    return open_engine(request.param, models)


@pytest.mark.models
def test_real_engines_take_only_pictures(real: FaceEngine) -> None:
    with pytest.raises(ImageError):
        real.detect(np.zeros((480, 640), np.uint8))
    assert real.rehearsal_only is False


@pytest.mark.models
@pytest.mark.parametrize("size", [(480, 640), (1080, 1920), (640, 480)])
def test_a_drawn_face_is_found_where_it_is_at_any_resolution(real: FaceEngine, size: tuple[int, int]) -> None:
    world = World(ManualClock(), seed=11, width=size[1], height=size[0])
    figure = Person(identity=4)
    world.place(figure)
    truth = world.face_box(figure, 1.0)
    face = real.detect(world.picture(1.0))[0]
    x, y = face.box.centre
    assert abs(x - truth[0] - truth[2] / 2) < 0.15 * truth[2]
    assert abs(y - truth[1] - truth[3] / 2) < 0.2 * truth[3]
    assert face.box.width == pytest.approx(truth[2], rel=0.25)


def lfw(testdata: Path, person: str, number: int) -> NDArray[np.uint8]:
    pixels = cv2.imread(str(testdata / "face" / "lfw" / person / f"{person}_{number:04d}.jpg"))
    assert pixels is not None
    return np.asarray(pixels, dtype=np.uint8)


def central(engine: FaceEngine, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    middle = pixels.shape[1] / 2
    face = min(engine.detect(pixels), key=lambda face: abs(face.box.centre[0] - middle))
    return engine.embed(pixels, face)


@pytest.mark.models
@pytest.mark.realdata
def test_real_engines_tell_real_people_apart(real: FaceEngine, testdata: Path) -> None:
    people = (testdata / "face" / "gallery_dev.txt").read_text(encoding="utf-8").split()[:25]
    templates = {person: central(real, lfw(testdata, person, 1)) for person in people}
    first = {
        person: central(real, lfw(testdata, person, number)) for person, number in second_pictures(testdata, people)
    }
    right = sum(float(first[person] @ templates[person]) >= real.threshold for person in people)
    wrong = sum(
        float(first[person] @ templates[other]) >= real.threshold
        for person in people
        for other in people
        if other != person
    )
    assert right >= 0.8 * len(people)
    assert wrong <= 1


def second_pictures(testdata: Path, people: list[str]) -> list[tuple[str, int]]:
    """(person, number of another picture than the first)."""
    found = []
    for person in people:
        names = sorted((testdata / "face" / "lfw" / person).glob("*.jpg"))
        found.append((person, int(names[1].stem[-4:])))
    return found


@pytest.mark.models
@pytest.mark.realdata
def test_templates_of_both_real_engines_compare(models: Path, testdata: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    engines = [open_engine(name, models) for name in ("opencv", "tflite")]
    assert engines[0].template_model == engines[1].template_model
    people = (testdata / "face" / "gallery_dev.txt").read_text(encoding="utf-8").split()[:15]
    scores = [float(np.dot(*(central(engine, lfw(testdata, person, 1)) for engine in engines))) for person in people]
    assert np.median(scores) > 0.85
