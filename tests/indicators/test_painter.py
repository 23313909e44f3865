"""What is drawn, measured in its pixels: letters that are read from two metres, contrast, privacy, places."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from controller.errors import ConfigError
from controller.indicators.icons import ICONS, Icon, drawn
from controller.indicators.letters import needed, pixels_per_millimetre
from controller.indicators.painter import Painter
from controller.indicators.typeface import Typeface, find
from controller.indicators.words import FAMILIES, UNSAID, detail, headline
from controller.lane.effects import Prompt
from controller.lane.model import DenyReason, LivenessReason
from controller.prompts import PROMPTS, SHORT, reason_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

PANELS = {"5 inches": ((800, 480), 5.0), "7 inches": ((1024, 600), 7.0), "7 inches, upright": ((600, 1024), 7.0)}
DISTANCE = 2.0


@pytest.fixture(scope="module")
def typeface() -> Typeface:
    try:
        return find(None)
    except ConfigError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module", params=PANELS)
def painter(request: pytest.FixtureRequest, typeface: Typeface) -> Painter:
    size, diagonal = PANELS[request.param]
    return Painter(size, diagonal, DISTANCE, typeface)


def test_the_figures_of_the_standard() -> None:
    """10 mm at 2 m are 73.5 pixels of a 5-inch panel of 800 x 480, and 66.8 of a 7-inch one of 1024 x 600."""
    assert pixels_per_millimetre(800, 480, 5) == pytest.approx(933 / 127, rel=1e-3)
    assert needed(800, 480, 5, 2).latin == pytest.approx(73.5, abs=0.1)
    assert needed(1024, 600, 7, 2).latin == pytest.approx(66.8, abs=0.1)
    assert needed(800, 480, 5, 2).chinese == pytest.approx(14.3 * 933 / 127, rel=1e-2)
    arc = np.degrees(np.arctan(0.010 / 2)) * 60
    assert arc > 16  # ISO 9241-303


def inked(painter: Painter, prompt: Prompt, place: Any) -> NDArray[np.bool_]:
    """Where there is more ink than ground in a part of the picture that was painted."""
    painted = painter.paint(prompt, None, None).astype(int)
    part = painted[max(0, place.top - 6) : place.bottom + 6, max(0, place.left - 6) : place.right + 6]
    family = FAMILIES[prompt]
    to_ink = np.abs(part - family.ink).sum(axis=2)
    to_ground = np.abs(part - family.ground).sum(axis=2)
    return np.asarray(to_ink < to_ground)


@pytest.mark.parametrize("prompt", list(Prompt))
def test_large_letters_are_large_enough_in_pixels_that_were_drawn(painter: Painter, prompt: Prompt) -> None:
    """English is capitals, all of one height; of a Chinese line its highest letters fill their square nearly."""
    sheet = painter.sheet(prompt, None, False)
    assert sheet.english
    assert sheet.chinese
    for place in sheet.english:
        rows = inked(painter, prompt, place).any(axis=1)
        assert rows.sum() >= painter.needed.latin, (prompt, place)
    for place in sheet.chinese:
        rows = inked(painter, prompt, place).any(axis=1)
        assert rows.sum() >= 0.97 * painter.needed.chinese, (prompt, place)
    assert sheet.heights.latin >= painter.needed.latin
    assert sheet.heights.chinese >= painter.needed.chinese


def test_strokes_are_neither_thin_nor_thick(painter: Painter) -> None:
    """ADA 703.5.7: the stroke of a capital I is 10 to 30 % of its height. The stem of the P in PASS is as thick."""
    (place,) = painter.sheet(Prompt.PASS, None, False).english
    ink = inked(painter, Prompt.PASS, place)
    stem = ink[round(0.8 * ink.shape[0])]
    first = int(np.argmax(stem))
    width = int(np.argmin(stem[first:]))
    assert 0.1 <= width / ink.any(axis=1).sum() <= 0.3


@pytest.mark.parametrize("prompt", list(Prompt))
def test_everything_is_on_the_screen_and_nothing_covers_the_words(painter: Painter, prompt: Prompt) -> None:
    width, height = painter.size
    sheet = painter.sheet(prompt, None, True)
    places = [*sheet.chinese, *sheet.english, sheet.picture]
    for place in places:
        assert 0 <= place.left < place.right <= width
        assert 0 <= place.top < place.bottom <= height
    for one, other in itertools.combinations(places, 2):
        apart = one.bottom <= other.top or other.bottom <= one.top or one.right <= other.left or other.right <= one.left
        assert apart, (prompt, one, other)


def test_the_small_words_stay_clear_of_the_large_ones(painter: Painter) -> None:
    """Between the upper part and the large words is a row of bare ground, whatever reason is told."""
    reasons = [None, *(reason.value for reason in DenyReason)]
    reasons += [f"liveness_unknown/{reason.value}" for reason in LivenessReason]
    for prompt, reason in itertools.product((Prompt.ASK_GUARD, Prompt.DENIED, Prompt.WARM_UP), reasons):
        sheet = painter.sheet(prompt, reason, True)
        top = min(place.top for place in (*sheet.chinese, *sheet.english))
        ground = FAMILIES[prompt].ground
        assert (sheet.background[top - 4] == ground).all(), (prompt, reason)
        assert (sheet.background[0] == ground).all(), (prompt, reason)
        assert (sheet.background[:, -1] == ground).all(), (prompt, reason)


def test_the_picture_stays_where_it_is_from_prompt_to_prompt(painter: Painter) -> None:
    assert len({painter.sheet(prompt, None, True).picture for prompt in Prompt}) == 1


def test_the_picture_is_in_its_place(painter: Painter) -> None:
    width, height = painter.picture_size(Prompt.LOOK_HERE, None)
    assert height >= 0.2 * painter.size[1]
    seen = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    place = painter.sheet(Prompt.LOOK_HERE, None, True).picture
    painted = painter.paint(Prompt.LOOK_HERE, None, seen)
    np.testing.assert_array_equal(painted[place.top : place.bottom, place.left : place.right], seen)
    without = painter.sheet(Prompt.LOOK_HERE, None, True).background
    assert not np.array_equal(painted, without)
    assert painted.shape == (painter.size[1], painter.size[0], 3)


def luminance(colour: tuple[int, int, int]) -> float:
    """Relative luminance (WCAG 2.2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (part / 255 for part in colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("prompt", list(Prompt))
def test_contrast_is_enough_for_weak_eyes(prompt: Prompt) -> None:
    family = FAMILIES[prompt]
    low, high = sorted((luminance(family.ground), luminance(family.ink)))
    assert (high + 0.05) / (low + 0.05) >= 7


def test_who_is_sent_to_the_doctor_looks_like_everybody_who_is_sent_aside() -> None:
    doctor = Prompt.SEE_DOCTOR
    aside = [Prompt.ASK_GUARD, Prompt.SEE_GUARD]
    assert all(FAMILIES[other] == FAMILIES[doctor] for other in (*aside, Prompt.WAIT, Prompt.WARM_UP))
    assert all(ICONS[other] is ICONS[doctor] for other in aside)
    # The reason is not told, and no word is a number.
    assert detail(doctor, "elevated_temperature") == detail(doctor, None)
    assert not any(letter.isdigit() for texts in (PROMPTS, SHORT) for text in texts.values() for letter in str(text))


def test_reasons_that_help_are_told_and_those_about_a_person_are_not() -> None:
    told = {reason for reason in DenyReason if detail(Prompt.DENIED, reason.value) != detail(Prompt.DENIED, None)}
    assert DenyReason.UNKNOWN_PERSON in told
    assert DenyReason.POOR_PICTURE in told
    assert not {reason.value for reason in told} & UNSAID
    closer = reason_text("liveness_unknown/few_pixels")
    assert closer is not None
    assert detail(Prompt.COME_CLOSER, "liveness_unknown/few_pixels") == (closer.chinese, closer.english)
    assert detail(Prompt.PASS, "nonsense") == detail(Prompt.PASS, None)


def test_every_prompt_has_few_words_a_sign_and_colours() -> None:
    assert set(SHORT) == set(ICONS) == set(FAMILIES) == set(Prompt)
    for prompt in Prompt:
        assert len(headline(prompt).english) <= 13
        assert len(headline(prompt).chinese) <= 6


def test_what_a_colour_says_a_shape_says_too() -> None:
    """Passing, waiting and being refused never share a sign."""
    grounds: dict[Icon, set[tuple[int, int, int]]] = {}
    for prompt, icon in ICONS.items():
        grounds.setdefault(icon, set()).add(FAMILIES[prompt].ground)
    assert all(len(found) == 1 for found in grounds.values())
    shapes = {icon: drawn(icon, 64) for icon in Icon}
    for one, other in itertools.combinations(Icon, 2):
        assert np.abs(shapes[one] - shapes[other]).mean() > 0.08, (one, other)
    for icon, shape in shapes.items():
        assert shape.shape == (64, 64)
        assert 0.05 < shape.mean() < 0.8, icon


def test_a_panel_that_is_too_small_is_told(typeface: Typeface) -> None:
    small = Painter((320, 240), 2.4, DISTANCE, typeface)
    told = small.shortfall(tuple(Prompt))
    assert told is not None
    assert "320 x 240" in told
    assert "% of what" in told
    for size, diagonal in PANELS.values():
        assert Painter(size, diagonal, DISTANCE, typeface).shortfall(tuple(Prompt)) is None


def test_a_sheet_is_laid_out_once(painter: Painter) -> None:
    first = painter.paint(Prompt.PASS, None, None)
    assert painter.paint(Prompt.PASS, None, None) is first


def test_fonts_that_will_not_do_are_named(tmp_path: Path) -> None:
    broken = tmp_path / "font.ttf"
    broken.write_bytes(b"no font")
    with pytest.raises(ConfigError, match=r"font\.ttf cannot be used.*fonts-wqy-microhei"):
        find(broken)
    with pytest.raises(ConfigError, match="no font was found"):
        find(None, lambda: "")
    with pytest.raises(ConfigError, match=r"gone\.ttf cannot be used"):
        find(None, lambda: "/gone.ttf:0")
    latin = next(iter(sorted(Path("/usr/share/fonts").glob("**/DejaVuSans.ttf"))), None)
    if latin is not None:
        with pytest.raises(ConfigError, match=r"has no [一-鿿]"):
            find(latin)
