"""Why a calibration is refused. A refusal changes nothing: the gate.toml that was good is still there."""

from __future__ import annotations

import enum

from controller.errors import GateError


class Refusal(enum.Enum):
    """What was wrong with a measurement, by its name on the command line and in the documentation."""

    NO_TARGET = "no-target"
    """Nothing that looks like the target is in the picture."""
    TWO_CANDIDATES = "two-candidates"
    """More than one thing could be meant."""
    UNSTEADY = "unsteady"
    """It moved or changed while it was looked at."""
    TOO_SMALL = "too-small"
    """It fills too few thermal pixels to be read."""
    CUT_OFF = "cut-off"
    """It reaches beyond the picture's edge."""
    TOO_FEW = "too-few"
    """Fewer places, distances or people than a result needs."""
    NOT_SPREAD = "not-spread"
    """The places cover too little of the picture."""
    ON_A_LINE = "on-a-line"
    """The places lie on one line, which fixes no plane."""
    ONE_DISTANCE = "one-distance"
    """All at one distance, or too nearly so: nothing tells the parallax."""
    MIRRORED = "mirrored"
    """The pictures are mirrored against each other."""
    TURNED = "turned"
    """The pictures are turned against each other by more than a mount may be."""
    CONTRADICTION = "contradiction"
    """Too many observations disagree with all others."""
    RESIDUAL = "residual"
    """The fit leaves more than may be left."""
    BADLY_CONDITIONED = "badly-conditioned"
    """The measurement can't tell what is asked, however little noise it has."""
    IMPOSSIBLE = "impossible"
    """The result is one that nature or the configuration does not allow."""
    OFF_SET_POINT = "off-set-point"
    """What was found is too far from the temperature it should have."""
    SENSOR = "sensor"
    """The sensor gave too little to work with."""
    WRONG_INPUT = "wrong-input"
    """What was entered is not what was asked for."""


class CalibrationError(GateError, ValueError):
    """A measurement or its result is refused; the message says why and what to do.

    `refusal` is the reason's kind.
    """

    def __init__(self, refusal: Refusal, text: str) -> None:
        super().__init__(f"{refusal.value}: {text}")
        self.refusal = refusal
