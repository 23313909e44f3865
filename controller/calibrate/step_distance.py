"""`thermogate calibrate distance`: a person at marked distances, so that a face's breadth tells how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from controller.calibrate import canvas
from controller.calibrate.breadth import OWN, Fitted, Ranging, Standing, fit_distance
from controller.calibrate.dialogue import Answer
from controller.calibrate.refusal import CalibrationError, Refusal
from controller.calibrate.rewrite import Change
from controller.calibrate.session import Outcome, drawn_anyway, seen, today
from controller.errors import EngineError
from controller.perception.engines import open_engine
from controller.perception.types import Box
from controller.prompts import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from controller.calibrate.session import Session
    from controller.perception.types import FaceEngine
    from hw.ports import ImageFrame

PICTURES: Final = 8
SECOND: Final = 0.6
"""A second face of this share of the first one's breadth could be the one that was meant."""
STEADY: Final = 0.06
"""Largest relative standard deviation of a face's breadth from picture to picture."""

Seen = tuple[Standing, "NDArray[np.uint8]"]


def measure(session: Session, distances: Sequence[float], *, key: Fitted = "camera_fov", practice: bool) -> Outcome:
    """Lead through the distances (m) and fit `key`. Raises `CalibrationError`, `EngineError`, `DeviceError` kinds."""
    perception = session.config.perception
    engine = open_engine(perception.engine, perception.models)
    if engine.rehearsal_only and not practice:
        raise EngineError(
            f"the {engine.name} engine is for rehearsals only, and its boxes are not those of the gate's; get the "
            "models with `thermogate models pull`"
        )
    standings: list[Seen] = []
    for far in distances:
        text = Text(
            f"Stand upright with your face {far:g} m from the camera's lens (tape measure), and look into it",
            f"请站直，面部距镜头 {far:g} 米（用卷尺测量），看着镜头",
        )

        def look(attempt: int, far: float = far) -> Seen:
            del attempt
            session.helper.person(far)
            return _stand(engine, session.eyes.pictures(PICTURES), far)

        found = seen(session, text, look)
        if found is Answer.FINISH:
            break
        if not isinstance(found, Answer):
            standings.append(found)
            session.guide.say(f"  seen 已测: {found[0].box.width:.1f} pixels wide at {far:g} m")
    if not standings:
        raise CalibrationError(Refusal.TOO_FEW, "no face was seen at any distance")
    width = standings[0][1].shape[1]
    with drawn_anyway(session, lambda: draw(standings, None)):
        found_ranging = fit_distance([standing for standing, _ in standings], width, perception.registration, key)
    remark = f"{today()}: {100 * found_ranging.rms:.1f} cm RMS, n = {len(standings)}"
    change = Change("perception.registration", {key: found_ranging.value}, remark)
    return Outcome((change,), _lines(standings, found_ranging), draw(standings, found_ranging))


def _stand(engine: FaceEngine, pictures: Sequence[ImageFrame], far: float) -> Seen:
    """The one face in most of the pictures. Raises NO_TARGET, TWO_CANDIDATES, UNSTEADY."""
    boxes = []
    for picture in pictures:
        faces = engine.detect(picture.pixels)
        if len(faces) > 1 and faces[1].box.width > SECOND * faces[0].box.width:
            raise CalibrationError(
                Refusal.TWO_CANDIDATES, f"{len(faces)} faces are in the picture; one person alone should stand there"
            )
        if faces:
            box = faces[0].box
            boxes.append((box.x, box.y, box.width, box.height))
    if 2 * len(boxes) <= len(pictures):
        raise CalibrationError(
            Refusal.NO_TARGET, f"a face was found in {len(boxes)} of {len(pictures)} pictures only, at {far:g} m"
        )
    widths = np.array([box[2] for box in boxes])
    if float(widths.std() / widths.mean()) > STEADY:
        raise CalibrationError(
            Refusal.UNSTEADY, f"the face's breadth swings by {100 * widths.std() / widths.mean():.0f} %; stand still"
        )
    middle = [float(value) for value in np.median(boxes, axis=0)]
    return Standing(far, Box(*middle)), pictures[-1].pixels


def draw(standings: Sequence[Seen], found: Ranging | None) -> NDArray[np.uint8]:
    """Every distance's picture with the face's box."""
    panels = []
    for number, (standing, pixels) in enumerate(standings):
        shown, scale = canvas.camera(pixels, 240)
        canvas.box(shown, standing.box, scale)
        title = f"{standing.distance:g} m"
        if found is not None:
            title += f", says {standing.distance + found.residuals[number]:.2f} m"
        panels.append((title, shown))
    lines = [] if found is None else [f"{found.key} = {found.value:g}: {100 * found.rms:.1f} cm RMS"]
    return canvas.sheet(panels, lines)


def _lines(standings: Sequence[Seen], found: Ranging) -> tuple[str, ...]:
    unit = "degrees" if found.key == "camera_fov" else "m"
    return (
        *(
            f"{standing.distance:.2f} m: the gate says {standing.distance + left:.2f} m ({100 * left:+.1f} cm)"
            for (standing, _), left in zip(standings, found.residuals, strict=True)
        ),
        f"{found.key} = {found.value:g} ± {found.error:.2g} {unit}; residual {100 * found.rms:.1f} cm RMS",
        f"this is one person's face; others' differ by {100 * OWN:.0f} % (1 sigma), and so do their distances",
    )
