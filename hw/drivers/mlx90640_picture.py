"""Merges subpages of an MLX90640 into whole pictures in °C, leaving out what was read wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hw.drivers.mlx90640_checks import (
    MOST_ALTERED,
    MOST_REPAIRED,
    Vitals,
    VitalsCheck,
    fill_from_neighbours,
    gain_ratio,
    spikes,
)
from hw.drivers.mlx90640_link import COLUMNS, PIXELS, ROWS, subpage_of_pixels
from hw.errors import FrameError
from hw.ports import ThermalFrame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from _fastcore.thermal import Mlx90640
    from hw.drivers.mlx90640_stream import Mlx90640Counters, Subpage
    from hw.thermal_settings import Mlx90640Settings


class PictureBuilder:
    """Turns `Subpage`s into `ThermalFrame`s.

    Args:
        calibration: the kernel's.
        eeprom: uint16[832].
        settings: emissivity, reflected temperature and mirroring.
        counters: glitches and missed subpages are counted here.
        period: seconds of a subpage.
        noise: sigma of one pixel in K.
        name: what errors call the sensor.
    """

    def __init__(
        self,
        calibration: Mlx90640,
        eeprom: NDArray[np.uint16],
        settings: Mlx90640Settings,
        counters: Mlx90640Counters,
        *,
        period: float,
        noise: float,
        name: str,
    ) -> None:
        self._calibration = calibration
        self._eeprom = eeprom
        self._settings = settings
        self._counters = counters
        self._period = period
        self._noise = noise
        self._name = name
        self._vitals = VitalsCheck(name)
        self._picture = np.full(PIXELS, np.nan, dtype=np.float32)
        self._words: NDArray[np.uint16] | None = None
        self._seen = [False, False]
        self._last: tuple[float, int] | None = None
        self._index = 0
        self._first: int | None = None
        self._doubtful = np.zeros(PIXELS, dtype=np.bool_)
        defects = calibration.defects
        self._defect = np.zeros(PIXELS, dtype=np.bool_)
        self._defect[list(defects.broken) + list(defects.outliers)] = True

    def add(self, subpage: Subpage) -> ThermalFrame | None:
        """Take a subpage in; None until both have been seen.

        Raises:
            FrameError: the reading cannot be what the sensor measured. The picture so far is kept.
        """
        self._count(subpage)
        try:
            return self._merge(subpage)
        except FrameError:
            self._counters.glitches += 1
            self._words = None
            raise
        except ValueError as error:
            # The kernel refuses words that no sensor sends.
            self._counters.glitches += 1
            self._words = None
            raise FrameError(f"{self._name}: {error}") from error

    def _merge(self, subpage: Subpage) -> ThermalFrame | None:
        frame = subpage.frame
        vitals = Vitals(
            supply=self._calibration.supply_voltage(frame),
            die=self._calibration.ambient_temperature(frame),
            gain=gain_ratio(self._eeprom, frame),
        )
        self._vitals.accept(vitals, subpage.ready_at)
        fresh = subpage_of_pixels(int(frame[832])) == subpage.number
        picture = self._picture.copy()
        self._calibration.object_temperatures(
            frame, picture, emissivity=self._settings.emissivity, reflected=self._settings.reflected
        )
        wrong = ~fresh & self._doubtful_old(frame, ~fresh)
        # Kept as a word it was not, a pixel would vouch for its next glitch and its neighbours'.
        fill_from_neighbours(picture, wrong)
        bad = spikes(picture, self._picture, fresh & ~self._defect, self._noise)
        if np.count_nonzero(bad) > MOST_REPAIRED:
            raise FrameError(f"{self._name}: {np.count_nonzero(bad)} pixels leap at once: bytes were read wrong")
        self._counters.glitches += int(np.count_nonzero(bad))
        self._doubtful = wrong | bad
        self._picture = picture
        self._words = frame[:PIXELS]
        self._seen[subpage.number] = True
        return self._compose(subpage, vitals) if all(self._seen) else None

    def _doubtful_old(self, frame: NDArray[np.uint16], old: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """bool[768]: pixels of the other subpage that RAM no longer shows as they were read when new.

        A pixel doubted before is believed when it reads the same again.
        """
        if self._words is None or not self._seen[1 - int(frame[833])]:
            return self._doubtful
        altered = old & (frame[:PIXELS] != self._words)
        count = int(np.count_nonzero(altered))
        if count > MOST_ALTERED:
            return np.asarray(self._doubtful & altered)
        self._counters.glitches += count
        return np.asarray(altered)

    def _compose(self, subpage: Subpage, vitals: Vitals) -> ThermalFrame:
        shown = self._picture.copy()
        self._calibration.repair(shown, subpage.frame)
        if self._doubtful.any():
            fill_from_neighbours(shown, self._doubtful)
        grid = shown.reshape(ROWS, COLUMNS)
        self._first = self._index if self._first is None else self._first
        return ThermalFrame(
            temperatures=np.ascontiguousarray(grid[:, ::-1]) if self._settings.flip else grid,
            ambient=vitals.die,
            supply=vitals.supply,
            timestamp=subpage.ready_at,
            sequence=self._index - self._first,
            subpage=subpage.number,
        )

    def _count(self, subpage: Subpage) -> None:
        """Count subpages, also those not read: they alternate, so time says how many passed and parity settles it."""
        steps = 1
        if self._last is not None:
            at, number = self._last
            passed = (subpage.ready_at - at) / self._period
            odd = number != subpage.number
            steps = max(1, 2 * round((passed - odd) / 2) + odd)
            self._counters.missed += steps - 1
        self._index += steps
        self._last = subpage.ready_at, subpage.number
