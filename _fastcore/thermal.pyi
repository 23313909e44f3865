from typing import Self, TypeAlias, final

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer, disjoint_base

from _fastcore.defects import Defects as Defects

__all__ = [
    "Bound",
    "CalibrationError",
    "Defects",
    "Merger",
    "Mlx90640",
    "available_backends",
    "backend",
    "select_backend",
]

# NumPy declares its buffers to type checkers from Python 3.12 on.
_Words: TypeAlias = Buffer | NDArray[np.uint16]
_Pixels: TypeAlias = Buffer | NDArray[np.float32]
_AnyWords: TypeAlias = Buffer | NDArray[np.uint16] | NDArray[np.uint8]
_Region: TypeAlias = tuple[slice, slice]

class CalibrationError(ValueError): ...

def available_backends() -> tuple[str, ...]: ...
def backend() -> str: ...
def select_backend(name: str) -> None: ...

@final
class Mlx90640:
    @property
    def defects(self) -> Defects: ...
    def __new__(cls, eeprom: _Words) -> Self: ...
    def supply_voltage(self, frame: _Words) -> float: ...
    def ambient_temperature(self, frame: _Words) -> float: ...
    def object_temperatures(
        self, frame: _Words, out: _Pixels, emissivity: float = 0.98, reflected: float | None = None
    ) -> int: ...
    def repair(self, out: _Pixels, frame: _Words) -> None: ...
    def bind(
        self,
        frame: _AnyWords,
        out: _Pixels,
        emissivity: float = 0.98,
        reflected: float | None = None,
        *,
        check: bool = False,
        repair: bool = False,
        region: _Region | None = None,
    ) -> Bound: ...
    def merge(
        self, frames: int = 8, emissivity: float = 0.98, reflected: float | None = None, *, check: bool = False
    ) -> Merger: ...

@disjoint_base
class _Pass:
    @property
    def saturated(self) -> int: ...

@final
class Bound(_Pass):
    @property
    def hottest(self) -> float: ...
    def __new__(
        cls,
        sensor: Mlx90640,
        frame: _AnyWords,
        out: _Pixels,
        emissivity: float = 0.98,
        reflected: float | None = None,
        *,
        check: bool = False,
        repair: bool = False,
        region: _Region | None = None,
    ) -> Self: ...
    def convert(self) -> int: ...
    def release(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...

@final
class Merger(_Pass):
    @property
    def latest(self) -> NDArray[np.float32]: ...
    @property
    def mean(self) -> NDArray[np.float32]: ...
    @property
    def noise(self) -> NDArray[np.float32]: ...
    def __new__(
        cls,
        sensor: Mlx90640,
        frames: int = 8,
        emissivity: float = 0.98,
        reflected: float | None = None,
        *,
        check: bool = False,
    ) -> Self: ...
    def add(self, frame: _AnyWords) -> int: ...
