"""Whom perception compares a face with, as the lane asks: everybody (1:N), one person (1:1), or nobody.

Where a face is not wanted it is not even turned into numbers: the embedder is not run, so whoever refuses biometrics is
screened for temperature and no more.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from controller.perception.types import Identification

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from controller.perception.types import Face, FaceEngine, Identify


class Verify(Protocol):
    """A 1:1 comparison, such as `controller.gallery.index.GalleryIndex.verify`; called from an executor's thread."""

    def __call__(self, person: str, embedding: NDArray[np.float32]) -> Identification:
        """`embedding`: float32[dim], L2-normalised."""
        ...


def nobody(person: str, embedding: NDArray[np.float32]) -> Identification:
    """Verify nobody: for a lane without a gallery."""
    del person, embedding
    return Identification(None)


class Recognition:
    """Belongs to the thread that perceives; `expect` is carried out there as well.

    Args:
        engine: finds and embeds faces.
        identify: 1:N.
        verify: 1:1.
    """

    def __init__(self, engine: FaceEngine, identify: Identify, verify: Verify = nobody) -> None:
        self._engine = engine
        self._identify = identify
        self._verify = verify
        self._person: str | None = None
        self._face = True
        unwanted = np.zeros(engine.dim, np.float32)
        unwanted[0] = 1.0
        self._unwanted = unwanted
        self._laps: list[tuple[str, float]] = []

    def __getattr__(self, name: str) -> Any:
        """The engine's own, where nothing here takes its place."""
        return getattr(self._engine, name)

    def expect(self, person: str | None, *, face: bool) -> None:
        """Compare with this person alone, or with everybody; without `face` with nobody."""
        self._person, self._face = person, face

    def take_laps(self) -> list[tuple[str, float]]:
        """What was timed since the last call: stage and seconds. Between two looks only, from any thread."""
        laps, self._laps = self._laps, []
        return laps

    def detect(self, pixels: NDArray[np.uint8]) -> list[Face]:
        """The engine's faces."""
        started = time.perf_counter()
        faces = self._engine.detect(pixels)
        self._laps.append(("detect", time.perf_counter() - started))
        return faces

    def embed(self, pixels: NDArray[np.uint8], face: Face) -> NDArray[np.float32]:
        """The face's embedding; where it is not wanted, always the same unit vector."""
        if not self._face:
            return self._unwanted
        started = time.perf_counter()
        embedding = self._engine.embed(pixels, face)
        self._laps.append(("embed", time.perf_counter() - started))
        return embedding

    def identify(self, embedding: NDArray[np.float32]) -> Identification:
        """The gallery's answer to what was asked."""
        if not self._face:
            return Identification(None)
        started = time.perf_counter()
        found = self._identify(embedding) if self._person is None else self._verify(self._person, embedding)
        self._laps.append(("search", time.perf_counter() - started))
        return found
