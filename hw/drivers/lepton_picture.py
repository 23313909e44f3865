"""Segments of a FLIR Lepton to pictures in °C: whole frames, each once, and none that the shutter was in.

Telemetry (engineering data sheet, "Telemetry data content"): row A holds the uptime, the status bits with the state of
the flat-field correction (FFC), the frame counter and the temperatures of sensor and housing; row C whether the pixels
are temperatures (TLinear) and in which steps. Values of 32 bits go low word first.
"""

from __future__ import annotations

import enum
import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hw.errors import BusError, FrameError
from hw.ports import ThermalFrame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw.drivers.lepton_vospi import Layout, LeptonCounters, Segment
    from hw.thermal_settings import LeptonSettings

ZERO_CELSIUS: Final = 273.15
UNIQUE_RATE: Final = 8.8
"""Frames a second that differ: a third of those that are sent."""
UPTIME, STATUS, COUNTER, HOUSING = 1, 3, 20, 26
"""Words of row A."""
TLINEAR, TLINEAR_STEP = 48, 49
"""Words of row C."""
STEPS: Final = {0: 0.1, 1: 0.01}
"""Kelvin that one step of a pixel is worth."""
AGC_ON: Final = 1 << 12
HOUSING_RANGE: Final = (-40.0, 110.0)
"""°C; it works from -10 to 80 and is destroyed outside -40 to 105."""


class Ffc(enum.IntEnum):
    """State of the flat-field correction."""

    NEVER = 0
    IMMINENT = 1
    """The shutter will close within seconds; pictures are still good."""
    RUNNING = 2
    """The shutter is closed, the picture stands still."""
    DONE = 3


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What a frame says about itself."""

    uptime: float
    """Seconds since the module booted."""
    counter: int
    housing: float
    """°C."""
    ffc: Ffc
    agc: bool
    """Pixels are brightness, not temperature."""
    step: float | None
    """Kelvin of one step; None: pixels are no temperatures (raw14)."""


def telemetry(rows: NDArray[np.uint16]) -> Telemetry:
    """Read uint16[n >= 3, 80], the telemetry packets A, B, C of a frame. Raises `FrameError` for an unknown step."""
    first, third = rows[0], rows[2]

    def double(word: int) -> int:
        return int(first[word]) | int(first[word + 1]) << 16

    status = double(STATUS)
    step = int(third[TLINEAR_STEP])
    enabled = bool(third[TLINEAR])
    if enabled and step not in STEPS:
        raise FrameError(f"telemetry names TLinear step {step}, which there is not")
    return Telemetry(
        uptime=double(UPTIME) / 1000.0,
        counter=double(COUNTER),
        housing=int(first[HOUSING]) / 100.0 - ZERO_CELSIUS,
        ffc=Ffc((status >> 4) & 3),
        agc=bool(status & AGC_ON),
        step=STEPS[step] if enabled else None,
    )


class FrameAssembler:
    """Segments in order to the packets of a frame. Pure."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._segments: list[Segment] = []

    def add(self, segment: Segment) -> tuple[NDArray[np.uint16], float] | None:
        """Take a segment; (uint16[packets, 80], seconds of its first packet) when it ends a frame."""
        if segment.number != len(self._segments) + 1:
            self._segments = []
        if segment.number != len(self._segments) + 1:
            return None
        self._segments.append(segment)
        if len(self._segments) < self._layout.segments:
            return None
        segments, self._segments = self._segments, []
        return np.concatenate([each.words for each in segments]), segments[0].at


class LeptonPictures:
    """Turns the packets of whole frames into `ThermalFrame`s.

    Args:
        layout: of the module.
        settings: how long to leave frames out after a correction, and mirroring.
        counters: repeated and shuttered frames are counted here.
        name: what errors call the module.
    """

    def __init__(self, layout: Layout, settings: LeptonSettings, counters: LeptonCounters, name: str) -> None:
        self._layout = layout
        self._settings = settings
        self._counters = counters
        self._name = name
        self._last: tuple[int, NDArray[np.uint16]] | None = None
        self._first: float | None = None
        self._uptime: float | None = None
        self._closed_at: float | None = None
        self.shuttered = False
        """Whether the newest frame was left out because of a correction."""
        self.repeating = False
        """Whether it was one that came before."""

    def add(self, packets: NDArray[np.uint16], at: float) -> ThermalFrame | None:
        """Take a frame's uint16[packets, 80]; None for one that came before, or that a correction spoils.

        Raises:
            FrameError: telemetry or pixels cannot be what the module saw.
            BusError: it lost its settings, or was restarted: open it again.
        """
        words = packets[: -self._layout.telemetry].reshape(self._layout.rows, self._layout.columns)
        about = telemetry(packets[-self._layout.telemetry :])
        self._check(about)
        again = self._repeats(about.counter, words)
        self.repeating = again
        self._last = about.counter, words
        self.shuttered = self._spoiled(about)
        if again or self.shuttered:
            # Behind the shutter the picture stands still: there a frame is the same and yet no repetition.
            self._counters.repeated += not self.shuttered
            self._counters.shuttered += self.shuttered
            return None
        if about.step is None or about.agc:
            self._counters.resets += 1
            raise BusError(
                errno.EIO, f"{self._name}: its pixels are no temperatures: it lost its settings; open it again"
            )
        if not words.any() or not (words != 0xFFFF).any():
            raise FrameError(f"{self._name}: every pixel is 0x{int(words[0, 0]):04X}")
        return self._frame(words, about, about.step, at)

    def _check(self, about: Telemetry) -> None:
        low, high = HOUSING_RANGE
        if not low <= about.housing <= high:
            raise FrameError(f"{self._name}: a housing temperature of {about.housing:.1f} °C cannot be")
        if self._uptime is not None and about.uptime < self._uptime:
            self._counters.resets += 1
            raise BusError(errno.EIO, f"{self._name}: its uptime fell: it was restarted (supply dip?); open it again")
        self._uptime = about.uptime

    def _repeats(self, counter: int, words: NDArray[np.uint16]) -> bool:
        """Whether this is a frame again: by its counter, and by its pixels should that count what is sent."""
        return self._last is not None and (self._last[0] == counter or np.array_equal(self._last[1], words))

    def _spoiled(self, about: Telemetry) -> bool:
        """Whether a correction is under way, or was so a moment ago, when pixels leap and settle."""
        if about.ffc is Ffc.RUNNING:
            self._closed_at = about.uptime
            return True
        return self._closed_at is not None and about.uptime - self._closed_at < self._settings.settle

    def _frame(self, words: NDArray[np.uint16], about: Telemetry, step: float, at: float) -> ThermalFrame:
        picture = words.astype(np.float32) * np.float32(step) - np.float32(ZERO_CELSIUS)
        # The ends of the scale: colder or warmer than it can tell.
        picture[(words == 0) | (words == 0xFFFF)] = np.nan
        self._first = about.uptime if self._first is None else self._first
        return ThermalFrame(
            temperatures=np.ascontiguousarray(picture[:, ::-1]) if self._settings.flip else picture,
            ambient=about.housing,
            supply=float("nan"),
            timestamp=at,
            sequence=round((about.uptime - self._first) * UNIQUE_RATE),
            subpage=0,
        )
