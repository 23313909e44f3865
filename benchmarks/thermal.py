"""Who computes object temperatures: the kernel, its oracle, Adafruit's driver, and the vendor's library."""

from __future__ import annotations

import contextlib
import ctypes
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from _fastcore import reference
from _fastcore.thermal import Mlx90640

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmarks.timing import Call

    Words = NDArray[np.uint16]

EMISSIVITY, REFLECTED = 0.98, 22.0
AGREEMENT = 5e-3
"""°C. All but the oracle work in float32 or round their parameters, in ways of their own."""


class Contender(Protocol):
    """An implementation, holding one sensor's EEPROM and one frame."""

    @property
    def out(self) -> NDArray[Any]:
        """To in °C, [768], of the last `compute`."""
        ...

    def extract(self) -> object:
        """Extract the parameters anew."""
        ...

    def compute(self) -> object:
        """Fill `out`."""
        ...


class _Kernel:
    """Our C."""

    def __init__(self, eeprom: Words, frame: Words) -> None:
        self._eeprom, self._frame = eeprom, frame
        self._calibration = Mlx90640(eeprom)
        self.out = np.full(768, np.nan, dtype=np.float32)

    def extract(self) -> object:
        return Mlx90640(self._eeprom)

    def compute(self) -> object:
        return self._calibration.object_temperatures(self._frame, self.out, EMISSIVITY, REFLECTED)


class _Oracle:
    """Our NumPy, float64."""

    def __init__(self, eeprom: Words, frame: Words) -> None:
        self._eeprom, self._frame = eeprom, frame
        self._calibration = reference.stored(reference.extract(eeprom))
        self.out = np.full(768, np.nan)

    def extract(self) -> object:
        return reference.stored(reference.extract(self._eeprom))

    def compute(self) -> object:
        self.out = reference.object_temperatures(self._calibration, self._frame, EMISSIVITY, REFLECTED)
        return self.out


class _Adafruit:
    """Adafruit's driver in Python, without a bus. Raises ImportError where it isn't installed."""

    def __init__(self, eeprom: Words, frame: Words) -> None:
        import adafruit_mlx90640

        # The driver reads its EEPROM into a list of its module, in its constructor, over the bus.
        adafruit_mlx90640.eeData[:] = eeprom.tolist()
        self._sensor: Any = adafruit_mlx90640.MLX90640.__new__(adafruit_mlx90640.MLX90640)
        self._sensor._ExtractParameters()  # noqa: SLF001 - there is no public way round the bus
        self._frame = frame.tolist()
        self._result = [float("nan")] * 768

    @property
    def out(self) -> NDArray[np.float64]:
        return np.array(self._result)

    def extract(self) -> object:
        return self._sensor._ExtractParameters()  # noqa: SLF001 - as above

    def compute(self) -> object:
        return self._sensor._CalculateTo(self._frame, EMISSIVITY, REFLECTED, self._result)  # noqa: SLF001 - as above


class _Vendor:
    """Melexis' C library, built by the user as a shared library. Raises OSError or AttributeError for another."""

    PARAMETERS_ROOM = 1 << 16
    """Bytes; more than paramsMLX90640 of any release."""

    def __init__(self, eeprom: Words, frame: Words, library: Path) -> None:
        loaded = ctypes.CDLL(str(library.resolve()))
        self._extract, self._compute = loaded.MLX90640_ExtractParameters, loaded.MLX90640_CalculateTo
        self._compute.restype = None
        self._compute.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_float, ctypes.c_float, ctypes.c_void_p]
        self._extract.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        self._eeprom, self._frame = eeprom.copy(), frame.copy()
        self._parameters = ctypes.create_string_buffer(self.PARAMETERS_ROOM)
        self.out = np.full(768, np.nan, dtype=np.float32)
        self.extract()

    def extract(self) -> object:
        return self._extract(self._eeprom.ctypes.data, self._parameters)

    def compute(self) -> object:
        return self._compute(self._frame.ctypes.data, self._parameters, EMISSIVITY, REFLECTED, self.out.ctypes.data)


def contenders(eeprom: Words, frame: Words, vendor: Path | None) -> dict[str, Contender]:
    """Every implementation at hand by name, the kernel first, ready to compute the frame."""
    found: dict[str, Contender] = {
        "thermogate": _Kernel(eeprom, frame),
        "NumPy float64 (oracle)": _Oracle(eeprom, frame),
    }
    with contextlib.suppress(ImportError):
        found["adafruit-circuitpython-mlx90640"] = _Adafruit(eeprom, frame)
    if vendor is not None:
        found["vendor library"] = _Vendor(eeprom, frame, vendor)
    return found


def disagreement(implementations: dict[str, Contender]) -> str | None:
    """Who differs from the oracle in the frame's subpage, and by how much; None when nobody does."""
    for each in implementations.values():
        each.compute()
    expected = implementations["NumPy float64 (oracle)"].out
    pixels = ~np.isnan(expected)
    for name, each in implementations.items():
        worst = float(np.max(np.abs(each.out[pixels] - expected[pixels])))
        if not worst <= AGREEMENT:
            return f"{name} differs from the oracle by {worst:.3g} °C"
    return None


def calls(implementations: dict[str, Contender], method: Literal["extract", "compute"]) -> dict[str, Call]:
    """The bound method of each implementation."""
    return {name: getattr(each, method) for name, each in implementations.items()}
