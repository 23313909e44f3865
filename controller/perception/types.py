"""What perception works on and finds. Frames are taken by shape (protocols), so that this room knows no hardware."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from controller.lane.model import Match


class HeatFrame(Protocol):
    """A thermal picture; `hw.ports.ThermalFrame` is one."""

    @property
    def temperatures(self) -> NDArray[np.float32]:
        """float32[rows, columns], °C, NaN where there is no usable pixel."""
        ...

    @property
    def ambient(self) -> float:
        """Die temperature Ta, °C."""
        ...

    @property
    def timestamp(self) -> float:
        """Monotonic seconds."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Corrected:
    """A frame with a correction added that may change from frame to frame. Shaped like a `HeatFrame`."""

    temperatures: NDArray[np.float32]
    ambient: float
    timestamp: float
    measured: NDArray[np.float32]
    """As the sensor gave it: only there a pixel that was not measured anew is still the same to the last bit."""


class Picture(Protocol):
    """A camera picture; `hw.ports.ImageFrame` is one."""

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """uint8[height, width, 3], BGR."""
        ...

    @property
    def timestamp(self) -> float:
        """Monotonic seconds."""
        ...


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of its picture; x and y are the upper left corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """Square pixels."""
        return self.width * self.height

    @property
    def centre(self) -> tuple[float, float]:
        """(x, y) of the middle."""
        return self.x + self.width / 2, self.y + self.height / 2


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A face that a detector found."""

    box: Box
    landmarks: NDArray[np.float32]
    """float32[5, 2] in pixels: right eye, left eye, nose tip, right and left mouth corner (the person's own right)."""
    score: float
    """The detector's confidence, 0..1."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How usable a face picture is; each term 0..1, `overall` their minimum."""

    size: float
    sharpness: float
    exposure: float
    pose: float

    @property
    def overall(self) -> float:
        """The weakest term."""
        return min(self.size, self.sharpness, self.exposure, self.pose)


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """A face ready to be looked up."""

    embedding: NDArray[np.float32]
    """float32[dim], L2-normalised."""
    quality: Quality
    face: Face
    timestamp: float
    """Monotonic seconds of its picture."""


@dataclass(frozen=True, slots=True)
class Identification:
    """The gallery's whole answer for one embedding."""

    match: Match | None
    """The best person, when near enough and clear of the second best."""
    ambiguous: bool = False
    """Somebody is near enough, but the second-best person is too close to tell."""
    nearest: Match | None = None
    """The best person where near enough for a picture to speak for them, though perhaps not for a match by itself."""

    @property
    def vote(self) -> str | None:
        """Whom one picture speaks for, among several of the same face."""
        best = self.match or self.nearest
        return None if best is None else best.person


class Identify(Protocol):
    """A 1:N search, such as `controller.gallery.index.GalleryIndex.identify`; called from an executor's thread."""

    def __call__(self, embedding: NDArray[np.float32]) -> Identification:
        """`embedding`: float32[dim], L2-normalised."""
        ...


class Suspicion(Protocol):
    """A picture-based model of presentation attacks. None is shipped; whatever it says only ever adds doubt."""

    def __call__(self, pixels: NDArray[np.uint8], face: Face) -> float:
        """How much a face in a BGR uint8[height, width, 3] picture looks like a copy, 0..1; may take milliseconds."""
        ...


class FaceEngine(Protocol):
    """Detector and embedder. Calls block and may be made from one thread at a time."""

    name: str
    """`opencv`, `tflite` or `demo`."""
    template_model: str
    """Name and hash of the embedder; templates of another one do not compare."""
    dim: int
    rehearsal_only: bool
    """True: may never stand before a real lock."""
    threshold: float
    """Score from which two pictures are the same person, for a gallery of some hundred people."""
    margin: float
    """Least margin to the second-best person."""

    def detect(self, pixels: NDArray[np.uint8]) -> list[Face]:
        """Faces in a BGR uint8[height, width, 3] picture, largest first."""
        ...

    def embed(self, pixels: NDArray[np.uint8], face: Face) -> NDArray[np.float32]:
        """float32[dim], L2-normalised, of a face in that picture."""
        ...
