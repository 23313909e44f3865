"""What a thermal pixel of a given size shows of the warmest spot of a face: less, and by how much.

The warmest part of a face, the inner corner of the eye, is a few millimetres wide. A pixel that covers more averages it
with its cooler surroundings. Three points are known of the face data of Wang et al. (Sensors 2022, 22, 215; doi
10.13026/3bhc-9065), on the 365 afebrile people of the chronological training part, rounds 1 to 3, at 24 °C:

- A pixel of no size loses nothing.
- The warmest of two circles of about 12 mm at the inner corners (`aveAllR13`, `aveAllL13`) is 0.81 ± 0.39 K below the
  face's maximum. Of this scatter 0.30 K is between people and 0.25 K between one person's rounds.
- The middle of the forehead (`T_FHCC`), which stands for a large part of the face, is 1.40 ± 0.56 K below it.

An exponential goes through the three; beyond 12 mm it is an interpolation towards the forehead. How it fares on later
days: `thermogate eval fever`, "as a coarse array sees a face".
"""

from __future__ import annotations

import math

FACE_LOSS, FACE_SCATTER = 1.403, 0.561
"""Face maximum less the mean of a large part of the face, K: mean and standard deviation between people."""
LOSS_SIZE, SCATTER_SIZE = 0.01398, 0.01014
"""Sizes, m, at which both have risen to 63 %, so that 12 mm give 0.81 and 0.39 K."""
ROOM_SLOPE, ROOM = -0.0655, 24.0
"""The loss falls by this in a room that is 1 K warmer than `ROOM`, in K/K at full loss (same data: −0.038 at 12 mm)."""


def loss(size: float, room: float) -> float:
    """How far a pixel of `size` m on the face reads below the face's maximum in a room of `room` °C, K."""
    return FACE_LOSS * _contrast(room) * -math.expm1(-max(size, 0.0) / LOSS_SIZE)


def scatter(size: float, room: float) -> float:
    """How much people differ in that loss, K (1 sigma). In a warmer room there is less to differ in."""
    return FACE_SCATTER * _contrast(room) * -math.expm1(-max(size, 0.0) / SCATTER_SIZE)


def _contrast(room: float) -> float:
    """A face's differences in this room, relative to those at `ROOM`."""
    return max(0.0, 1.0 + ROOM_SLOPE / FACE_LOSS * (room - ROOM))
