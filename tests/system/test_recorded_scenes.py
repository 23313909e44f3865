"""Two real recordings through the whole program: their golden temperatures come out, and neither is a normal person.

Both sensors looked at no face. A registered person's photograph stands before the camera, in several places, so that
nothing but the heat can keep the gate shut.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from controller.gallery.enrol import Enroller
from controller.gallery.index import GalleryIndex
from controller.gallery.model import Consent, Person
from controller.gallery.roll import Candidate
from controller.gallery.store import GalleryStore
from controller.lane import events as ev
from controller.lane.effects import RecordKind
from controller.lane.model import Verdict
from controller.perception.engines import open_engine
from controller.replay import replay
from controller.watch import Step, Watch

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from hw.ports import ThermalFrame

CASES = ("melexis_xlsx/real/em0.98/tr23.15", "signaloid/real/em0.98/tr17.75")
PLACES = ((0.0, 0.0), (-150.0, 0.0), (90.0, -40.0))
"""Where the face is, pixels from the middle of the camera's picture."""

pytestmark = [pytest.mark.models, pytest.mark.realdata]


class Seen(Watch):
    """Keeps frames, verdicts and records."""

    def __init__(self) -> None:
        self.frames: list[ThermalFrame] = []
        self.verdicts: list[Verdict] = []
        self.records: list[str] = []

    def on_thermal(self, frame: ThermalFrame) -> None:
        self.frames.append(frame)

    def on_step(self, step: Step) -> None:
        if isinstance(step.event, ev.Assessed):
            self.verdicts.append(step.event.assessment.screening.verdict)
        self.records += [stored.entry.kind for stored in step.stored]


@pytest.fixture(scope="module")
def photograph(testdata: Path) -> NDArray[np.uint8]:
    picture = cv2.imread(str(testdata / "face" / "astronaut.png"))
    assert picture is not None
    return np.asarray(picture, dtype=np.uint8)


@pytest.fixture(scope="module")
def gallery(models: Path, testdata: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gallery")
    engine = open_engine("opencv", models)
    with GalleryStore.open(folder, create=True) as store:
        enroller = Enroller(
            engine, GalleryIndex.for_engine(engine), store, basis=Consent("public domain", dt.date(2026, 1, 1))
        )
        candidate = Candidate(Person("astronaut"), (testdata / "face" / "astronaut.png",))
        assert enroller.enrol_one(candidate).enrolled
    return folder


def put(photograph: NDArray[np.uint8], place: tuple[float, float], path: Path) -> None:
    """A camera picture in which the face, about 190 pixels wide, is in that place."""
    scale = 1.7
    matrix = np.array([[scale, 0, 320 - scale * 224 + place[0]], [0, scale, 240 - scale * 114 + place[1]]])
    frame = cv2.warpAffine(photograph, matrix, (640, 480), borderMode=cv2.BORDER_REPLICATE)
    assert cv2.imwrite(str(path), frame)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("place", PLACES)
def test_a_recorded_scene_is_no_normal_person(
    case: str,
    place: tuple[float, float],
    photograph: NDArray[np.uint8],
    gallery: Path,
    models: Path,
    testdata: Path,
    tmp_path: Path,
) -> None:
    picture = tmp_path / "frame.png"
    put(photograph, place, picture)
    seen = Seen()
    golden = testdata / "thermal" / "mlx90640_golden.npz"
    replay(
        golden,
        case=case,
        pictures=picture,
        gallery=gallery,
        engine="opencv",
        models=models,
        seconds=9.0,
        tell=lambda _: None,
        watches=(seen,),
    )
    vectors = np.load(golden)
    index = vectors["name"].tolist().index(case)
    expected = vectors["to_fixed"][index].reshape(24, 32)
    for frame in seen.frames:
        assert np.abs(frame.temperatures - expected).max() <= 5e-4
    assert len(seen.frames) > 50
    assert len(seen.verdicts) >= 2
    assert Verdict.NORMAL not in seen.verdicts
    assert RecordKind.GRANT.value not in seen.records
    assert RecordKind.DENY.value in seen.records
