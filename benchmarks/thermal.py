"""Who computes object temperatures: the kernel, its oracle, Adafruit's driver, and the vendor's library."""

from __future__ import annotations

import ctypes
import importlib
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from _fastcore import reference
from _fastcore.thermal import Mlx90640

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmarks.timing import Call

    Words = NDArray[np.uint16]

EMISSIVITY, REFLECTED = 0.98, 22.0
AGREEMENT = 5e-3
"""°C. All but the oracle work in float32 or round their parameters, in ways of their own."""
ORACLE = "NumPy float64 (oracle)"
ADAFRUIT = "adafruit-circuitpython-mlx90640"
PIXELS = 768


class Contender(Protocol):
    """An implementation, holding one sensor's EEPROM and several frames."""

    extracts: Sequence[Call]
    """Extract the parameters anew; empty where that is another contender's work."""
    computes: Sequence[Call]
    """Fill `out` from each of the frames."""

    @property
    def out(self) -> NDArray[Any]:
        """To in °C, [768], of the last compute."""
        ...


class _Kernel:
    """Our C, every argument given anew."""

    def __init__(self, eeprom: Words, frames: Sequence[Words]) -> None:
        calibration = Mlx90640(eeprom)
        self.out = np.full(PIXELS, np.nan, dtype=np.float32)
        self.extracts: Sequence[Call] = [partial(Mlx90640, eeprom)]
        self.computes: Sequence[Call] = [
            partial(calibration.object_temperatures, frame, self.out, EMISSIVITY, REFLECTED) for frame in frames
        ]


class _Bound:
    """Our C, with frame, output and conditions bound beforehand, as the driver does that reads into one buffer."""

    def __init__(self, eeprom: Words, frames: Sequence[Words]) -> None:
        calibration: Any = Mlx90640(eeprom)
        self.out = np.full(PIXELS, np.nan, dtype=np.float32)
        bound = [calibration.bind(frame, self.out, emissivity=EMISSIVITY, reflected=REFLECTED) for frame in frames]
        self.extracts: Sequence[Call] = []
        self.computes: Sequence[Call] = [each.convert for each in bound]


class _Oracle:
    """Our NumPy, float64."""

    def __init__(self, eeprom: Words, frames: Sequence[Words]) -> None:
        self._eeprom = eeprom
        self._calibration = reference.stored(reference.extract(eeprom))
        self.out = np.full(PIXELS, np.nan)
        self.extracts: Sequence[Call] = [self._extract]
        self.computes: Sequence[Call] = [partial(self._compute, frame) for frame in frames]

    def _extract(self) -> object:
        return reference.stored(reference.extract(self._eeprom))

    def _compute(self, frame: Words) -> None:
        self.out = reference.object_temperatures(self._calibration, frame, EMISSIVITY, REFLECTED)


class _Adafruit:
    """Adafruit's driver in Python, without a bus. Raises ImportError where it isn't installed."""

    def __init__(self, eeprom: Words, frames: Sequence[Words]) -> None:
        driver: Any = importlib.import_module("adafruit_mlx90640")
        # The driver reads its EEPROM into a list of its module, in its constructor, over the bus.
        driver.eeData[:] = eeprom.tolist()
        sensor = driver.MLX90640.__new__(driver.MLX90640)
        sensor._ExtractParameters()  # noqa: SLF001 - there is no public way round the bus
        self._result = [float("nan")] * PIXELS
        self.extracts: Sequence[Call] = [sensor._ExtractParameters]  # noqa: SLF001 - as above
        self.computes: Sequence[Call] = [
            partial(sensor._CalculateTo, frame.tolist(), EMISSIVITY, REFLECTED, self._result)  # noqa: SLF001 - as above
            for frame in frames
        ]

    @property
    def out(self) -> NDArray[np.float64]:
        return np.array(self._result)


class _Vendor:
    """Melexis' C library, built by the user as a shared library. Raises OSError or AttributeError for another."""

    PARAMETERS_ROOM = 1 << 16
    """Bytes; more than paramsMLX90640 of any release."""

    def __init__(self, eeprom: Words, frames: Sequence[Words], library: Path) -> None:
        loaded = ctypes.CDLL(str(library.resolve()))
        extract, compute = loaded.MLX90640_ExtractParameters, loaded.MLX90640_CalculateTo
        compute.restype = None
        compute.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_float, ctypes.c_float, ctypes.c_void_p]
        extract.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        self._kept = [eeprom.copy(), *(frame.copy() for frame in frames)]
        self._parameters = ctypes.create_string_buffer(self.PARAMETERS_ROOM)
        self.out = np.full(PIXELS, np.nan, dtype=np.float32)
        words, out = (each.ctypes.data for each in self._kept), self.out.ctypes.data
        self.extracts: Sequence[Call] = [partial(extract, next(words), self._parameters)]
        self.computes: Sequence[Call] = [
            partial(compute, frame, self._parameters, EMISSIVITY, REFLECTED, out) for frame in words
        ]
        self.extracts[0]()


def contenders(
    eeprom: Words, frames: Sequence[Words], vendor: Path | None, left_out: Mapping[str, str]
) -> dict[str, Contender]:
    """Every implementation at hand by name, the kernel first; `left_out` names libraries that can't be imported."""
    found: dict[str, Contender] = {"thermogate": _Kernel(eeprom, frames)}
    found["thermogate, bound call"] = _Bound(eeprom, frames)
    found[ORACLE] = _Oracle(eeprom, frames)
    if ADAFRUIT not in left_out:
        found[ADAFRUIT] = _Adafruit(eeprom, frames)
    if vendor is not None:
        found["vendor library"] = _Vendor(eeprom, frames, vendor)
    return found


def disagreements(implementations: Mapping[str, Contender]) -> dict[str, str]:
    """Who differs from the oracle in any frame's subpage, and by how much at worst."""
    complaints: dict[str, str] = {}
    oracle = implementations[ORACLE]
    for name, each in implementations.items():
        worst = 0.0
        for compute, computed in zip(each.computes, oracle.computes, strict=True):
            compute()
            computed()
            pixels = ~np.isnan(oracle.out)
            # `not <=`, so that NaN is a disagreement too.
            difference = np.abs(each.out[pixels] - oracle.out[pixels]).max()
            worst = worst if difference <= worst else float(difference)
        if not worst <= AGREEMENT:
            complaints[name] = f"differs from the oracle by {worst:.3g} °C"
    return complaints
