"""`thermogate calibrate registration`: where the array looks, as the camera sees it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from controller.calibrate import canvas
from controller.calibrate.dialogue import Answer
from controller.calibrate.mapping import COARSE, Place, View
from controller.calibrate.mark import Mark, find_mark, mean_picture
from controller.calibrate.refusal import CalibrationError, Refusal
from controller.calibrate.registering import BOUND, register
from controller.calibrate.rewrite import Change
from controller.calibrate.session import Outcome, drawn_anyway, seen, today
from controller.calibrate.spot import Spot, find_spot
from controller.calibrate.stillness import StillMap, still
from controller.prompts import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from controller.calibrate.registering import Registration
    from controller.calibrate.session import Session
    from controller.perception.registration import RegistrationSettings

PICTURES: Final = 4
"""Before and after the thermal frames each."""
STILL: Final = 0.3
"""Thermal pixels that the target may move while it is looked at."""
REACH: Final = 0.6
"""How far out the places are, as a share of half of what both see."""
INWARDS: Final = 0.85
"""Each further attempt is nearer to the middle by this factor."""
PANEL: Final = 360
"""Height of a drawn picture, pixels: three fit beside each other."""
WHERE: Final = (
    (Text("upper left", "左上"), Text("upper middle", "中上"), Text("upper right", "右上")),
    (Text("left", "左侧"), Text("centre", "正中"), Text("right", "右侧")),
    (Text("lower left", "左下"), Text("lower middle", "中下"), Text("lower right", "右下")),
)
"""Names of the places, as the camera sees them."""


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """The target once, as both saw it."""

    place: Place
    mark: Mark
    spot: Spot
    picture: NDArray[np.float32]
    heat: StillMap


def measure(session: Session, distances: Sequence[float], *, bound: float = BOUND) -> Outcome:
    """Lead through the places at each distance (m), then fit. Raises `CalibrationError` and `DeviceError` kinds."""
    settings = session.config.perception.registration
    sightings: list[Sighting] = []
    for distance in distances:
        for number, (name, x, y) in enumerate(places(session, settings), 1):
            text = Text(
                f"{number}/9: hold the target still, {distance:g} m from the camera, {name.english} in its picture",
                f"请将目标举在距摄像头 {distance:g} 米处，画面{name.chinese}，保持不动",
            )

            def look(attempt: int, x: float = x, y: float = y, distance: float = distance) -> Sighting:
                session.helper.target(x * INWARDS**attempt, y * INWARDS**attempt, distance)
                return sight(session, distance)

            found = seen(session, text, look)
            if found is Answer.FINISH:
                break
            if isinstance(found, Sighting):
                sightings.append(found)
                session.guide.say(_seen_text(found))
    if not sightings:
        raise CalibrationError(Refusal.TOO_FEW, "the target was seen nowhere")
    view = view_of(session, settings, sightings[0].heat)
    with drawn_anyway(session, lambda: draw(sightings, None)):
        found_registration = register([sighting.place for sighting in sightings], view, settings, bound=bound)
    return Outcome((_change(found_registration),), _lines(found_registration), draw(sightings, found_registration))


def places(session: Session, settings: RegistrationSettings) -> list[tuple[Text, float, float]]:
    """Nine places that both see: name, and tangents right of and below the axis."""
    across, down = (REACH * half for half in shared(session, settings))
    return [(WHERE[j][i], x, y) for j, y in enumerate((-down, 0.0, down)) for i, x in enumerate((-across, 0.0, across))]


def shared(session: Session, settings: RegistrationSettings) -> tuple[float, float]:
    """Tangents of half the field that camera and array both see, across and down."""
    camera = math.tan(math.radians(settings.camera_fov) / 2)
    ratio = session.config.camera.height / session.config.camera.width
    if session.config.camera.rotate in (90, 270):
        ratio = 1 / ratio
    array = [math.tan(math.radians(angle) / 2) for angle in settings.thermal_fov]
    return min(camera, array[0]), min(camera * ratio, array[1])


def view_of(session: Session, settings: RegistrationSettings, heat: StillMap) -> View:
    """The array that was looked with."""
    rows, columns = heat.mean.shape
    across, down = shared(session, settings)
    whole = [math.tan(math.radians(angle) / 2) for angle in settings.thermal_fov]
    return View(columns, rows, settings.thermal_fov, across * down / (whole[0] * whole[1]))


def sight(session: Session, distance: float) -> Sighting:
    """Look at the target once. Raises `CalibrationError` for what is not seen, or moved."""
    settings = session.config.perception.registration
    look = session.eyes.look(session.seconds, PICTURES)
    before, after = find_mark(mean_picture(look.before)), find_mark(mean_picture(look.after))
    picture = mean_picture([*look.before, *look.after])
    mark = find_mark(picture)
    height, width = picture.shape[:2]
    heat = still(look.frames)
    scale = heat.mean.shape[1] / math.tan(math.radians(settings.thermal_fov[0]) / 2)
    scale *= math.tan(math.radians(settings.camera_fov) / 2) / width
    moved = scale * math.hypot(after.x - before.x, after.y - before.y)
    still_enough = STILL * max(1.0, heat.mean.shape[1] / COARSE)
    if moved > still_enough:
        raise CalibrationError(
            Refusal.UNSTEADY,
            f"the target moved by {moved:.1f} thermal pixels while it was looked at, {still_enough:g} are allowed: "
            "hold it against something, a stand is better than a hand",
        )
    spot = find_spot(heat, mark.radius * scale)
    place = Place((mark.x / width, mark.y / height), (spot.column, spot.row), distance, mark.radius / width)
    return Sighting(place, mark, spot, picture, heat)


def draw(sightings: Sequence[Sighting], found: Registration | None) -> NDArray[np.uint8]:
    """All sightings: a picture for each distance with its targets pasted together, and their places on the array.

    White arrows are what is left of each place, longer than life; red is left out.
    """
    thermal = canvas.Thermal(np.max([sighting.heat.mean for sighting in sightings], axis=0), PANEL)
    panels = []
    for distance in dict.fromkeys(sighting.place.distance for sighting in sightings):
        numbers = [number for number, sighting in enumerate(sightings) if sighting.place.distance == distance]
        shown, scale = canvas.camera(_together([sightings[number] for number in numbers]), PANEL)
        for number in numbers:
            result = found.places[number] if found else None
            colour = canvas.GREEN if result is None or result.used else canvas.RED
            mark, spot = sightings[number].mark, sightings[number].spot
            canvas.circle(shown, mark.x * scale, mark.y * scale, mark.radius * scale, colour)
            canvas.cross(shown, mark.x * scale, mark.y * scale, colour, str(number + 1))
            thermal.cross(spot.column, spot.row, colour, str(number + 1))
            if result is not None:
                thermal.arrow(spot.column, spot.row, *result.residual)
        panels.append((f"camera, target at {distance:g} m", shown))
    panels.append((f"thermal, warmest of all looks, {thermal.low:.0f}..{thermal.high:.0f} C", thermal.image))
    lines = [f"{len(sightings)} places; red: left out; arrows: what is left, {canvas.ARROW:g} times as long"]
    if found is not None:
        lines.append(
            f"left: {found.rms:.2f} thermal pixels RMS, worst {found.worst:.2f}; predicted from the others: "
            f"{found.cross_rms:.2f} RMS, worst {found.cross_worst:.2f}"
        )
    return canvas.sheet(panels, lines)


def _together(sightings: Sequence[Sighting]) -> NDArray[np.float32]:
    """The first picture with the targets of the others pasted in."""
    picture = sightings[0].picture.copy()
    for sighting in sightings[1:]:
        mark, reach = sighting.mark, 1.5 * sighting.mark.radius
        left, top = int(max(0, mark.x - reach)), int(max(0, mark.y - reach))
        part = np.s_[top : int(mark.y + reach) + 1, left : int(mark.x + reach) + 1]
        picture[part] = sighting.picture[part]
    return picture


def _seen_text(found: Sighting) -> str:
    return (
        f"  seen 已测: camera x {found.mark.x:.1f}, y {found.mark.y:.1f}; array column {found.spot.column:.2f}, row "
        f"{found.spot.row:.2f} ({found.spot.peak:.1f} °C, noise {found.spot.error:.2f} px)"
    )


def _change(found: Registration) -> Change:
    settings = found.settings
    assert settings.homography is not None  # noqa: S101 - `register` always gives one
    return Change(
        "perception.registration",
        {
            "homography": settings.homography,
            "homography_distance": settings.homography_distance,
            "offset_x": settings.offset_x,
            "offset_y": settings.offset_y,
        },
        f"{today()}: {found.cross_rms:.2f} px RMS, worst {found.cross_worst:.2f} px, n = {len(found.used)}",
    )


def _lines(found: Registration) -> tuple[str, ...]:
    rows = ["place  distance  column    row  left: column    row  from the others"]
    for number, result in enumerate(found.places, 1):
        place = result.place
        rows.append(
            f"{number:5d}  {place.distance:6.2f} m  {place.array[0]:6.2f} {place.array[1]:6.2f}        "
            f"{result.residual[0]:+6.2f} {result.residual[1]:+6.2f}  "
            f"{result.left_out:6.2f}{'' if result.used else '  left out'}"
        )
    settings = found.settings
    return (
        *rows,
        (
            f"residual: {found.rms:.2f} thermal pixels RMS, worst {found.worst:.2f} (n = {len(found.used)} of "
            f"{len(found.places)})"
        ),
        f"predicted from the others: {found.cross_rms:.2f} RMS, worst {found.cross_worst:.2f}",
        (
            f"the array is {100 * settings.offset_x:+.1f} ± {100 * found.offset_error[0]:.1f} cm right of and "
            f"{100 * settings.offset_y:+.1f} ± {100 * found.offset_error[1]:.1f} cm below the camera"
        ),
    )
