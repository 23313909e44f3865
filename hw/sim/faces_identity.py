"""Who a drawn person is: traits drawn from one number, taken only where they make a plausible face."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hw.sim import faces_traits as traits
from hw.sim.faces_bend import moved


@dataclass(frozen=True, slots=True)
class Identity:
    """One drawn person; equal numbers give equal people."""

    number: int
    build: traits.Build
    skull: traits.Skull
    eyes: traits.Eyes
    nose: traits.Nose
    mouth: traits.Mouth
    surface: traits.Surface
    style: traits.Style
    bend: int
    """Seed of the person's own displacement (`faces_bend`)."""

    @classmethod
    @lru_cache(maxsize=4096)
    def of(cls, number: int) -> Identity:
        """The person with this number. Raises ValueError when negative."""
        if number < 0:
            raise ValueError(f"an identity's number is not negative: {number}")
        for attempt in range(_ATTEMPTS):
            who = _draw(number, attempt, np.random.default_rng((0xFACE, number, attempt)))
            if plausible(who):
                return who
        raise RuntimeError(f"no plausible face for identity {number} in {_ATTEMPTS} draws")


_ATTEMPTS = 400


def plausible(who: Identity) -> bool:
    """Whether eyes, nose and mouth stand where they do in people, unfolded, after the person's own displacement."""
    left, right = (moved(who.bend, side * who.eyes.spacing, 0.0) for side in (-1, 1))
    tip = moved(who.bend, 0.0, who.nose.length)
    line = who.nose.length + who.mouth.drop
    mouth_left, mouth_right = (moved(who.bend, side * who.mouth.width, line) for side in (-1, 1))
    eye_y, mouth_y = (left[1] + right[1]) / 2, (mouth_left[1] + mouth_right[1]) / 2
    level = abs(left[1] - right[1]) < 0.06 and abs(mouth_left[1] - mouth_right[1]) < 0.07
    middle = max(abs(left[0] + right[0]), abs(mouth_left[0] + mouth_right[0]), abs(2 * tip[0])) < 0.12
    spacing, width = (right[0] - left[0]) / 2, (mouth_right[0] - mouth_left[0]) / 2
    apart = 0.34 < spacing < 0.55 and 0.20 < width < 0.56 and abs(eye_y) < 0.12
    apart = apart and spacing - who.eyes.width > 0.13 and spacing + who.eyes.width < 0.86
    down = 0.34 < tip[1] - eye_y < 0.76 and 0.17 < mouth_y - tip[1] < 0.46 and who.skull.chin - mouth_y > 0.24
    return level and middle and apart and down and _unfolded(who, mouth_y)


def _unfolded(who: Identity, mouth_y: float) -> bool:
    """Whether eyes, nose and mouth keep their shape: neither squeezed nor bent into an arch."""
    for side in (-1, 1):
        x, half = who.eyes.spacing, who.eyes.width
        inner, outer = moved(who.bend, side * (x - half), 0.0), moved(who.bend, side * (x + half), 0.0)
        above, below = moved(who.bend, side * x, -0.1), moved(who.bend, side * x, 0.1)
        across, rise = side * (outer[0] - inner[0]), inner[1] - outer[1]
        arch = (above[1] + below[1] - inner[1] - outer[1]) / 2
        upright = abs(above[0] - below[0]) < 0.10 and 0.65 < (below[1] - above[1]) / 0.2 < 1.5
        if not (0.7 < across / (2 * half) < 1.4 and -0.22 < rise / across < 0.28 and abs(arch) < 0.05 and upright):
            return False
    tip, reach = who.nose.length, who.nose.width
    wings = moved(who.bend, reach, tip)[0] - moved(who.bend, -reach, tip)[0]
    root = moved(who.bend, 0.0, tip - 0.15)[1] - moved(who.bend, 0.0, tip)[1]
    lips = moved(who.bend, 0.0, tip + who.mouth.drop)[1]
    return 0.6 < wings / (2 * reach) < 1.5 and -0.25 < root < -0.08 and abs(lips - mouth_y) < 0.07


def _draw(number: int, attempt: int, rng: np.random.Generator) -> Identity:
    build = traits.BUILDS[int(rng.choice(4, p=(0.34, 0.33, 0.18, 0.15)))]
    tone_at, tone = traits.pick(rng, traits.SKINS, 0.03)
    dark = tone_at**1.5
    iris = traits.pick(rng, traits.IRISES, 0.05, top=1 - dark)[1]
    lips = traits.measures(rng, build, traits.LIPS)
    return Identity(
        number=number,
        build=build,
        skull=traits.Skull(**traits.measures(rng, build, traits.SKULL), skew=0.03 * float(rng.standard_normal())),
        eyes=traits.Eyes(**traits.measures(rng, build, traits.EYES), iris=iris),
        nose=traits.Nose(**traits.measures(rng, build, traits.NOSE, "nose"), bend=0.025 * float(rng.standard_normal())),
        mouth=traits.Mouth(
            **traits.measures(rng, build, traits.MOUTH, "mouth"), colour=(lips["red"], lips["green"], lips["blue"])
        ),
        surface=traits.draw_surface(rng, build, tone),
        style=traits.draw_style(rng, build, dark),
        bend=number * 1000 + attempt,
    )
