"""The defect pixels of a thermal array, as its EEPROM marks them."""

from __future__ import annotations

from typing import NamedTuple


class Defects(NamedTuple):
    """Pixels whose reading is not to be trusted. The sensor stays usable; `Mlx90640.repair` fills them in."""

    code: int
    """0, or as the vendor's library: -3 more than four broken, -4 outliers, -5 in all; -6 adjacent ones."""
    broken: tuple[int, ...]
    """Pixels that have failed (EEPROM word 0): indices 0-767 by row, ascending. All of them; the vendor lists five."""
    outliers: tuple[int, ...]
    """Pixels outside the calibration's specification (lowest bit set), likewise."""
