"""Detector and embedder behind one interface, `controller.perception.types.FaceEngine`; `open_engine` chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from controller.errors import EngineError, ModelError
from controller.models import registry as models

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from controller.errors import GateError
    from controller.perception.types import FaceEngine

EngineName = Literal["auto", "opencv", "tflite", "demo"]

PREFERENCE = ("tflite", "opencv", "demo")
"""What `auto` tries, in this order: the fastest on a board first, the one without weights last."""


def open_engine(
    name: str, models_dir: Path | None = None, *, on_skip: Callable[[str, GateError], None] | None = None
) -> FaceEngine:
    """Open an engine; `models_dir` None: as `controller.models.registry.models_dir` finds it.

    `auto` takes the first of `PREFERENCE` that opens and tells `on_skip` the name of each one before it and why not.
    Raises `EngineError` for an unknown name, a missing runtime or OpenCV part, `ModelError` for a missing or wrong
    file.
    """
    folder = models.models_dir(models_dir)
    if name != "auto":
        return _open(name, folder)
    reasons = []
    for candidate in PREFERENCE:
        try:
            return _open(candidate, folder)
        except (EngineError, ModelError) as error:
            reasons.append(f"{candidate}: {error}")
            if on_skip is not None:
                on_skip(candidate, error)
    raise EngineError(f"no engine opens: {'; '.join(reasons)}")


def _open(name: str, folder: Path) -> FaceEngine:
    # Each engine is imported only when it is wanted: their libraries are large.
    if name == "opencv":
        from controller.perception.engines.opencv import OpenCvEngine  # noqa: PLC0415 - see above

        return OpenCvEngine(folder)
    if name == "tflite":
        from controller.perception.engines.tflite import TfliteEngine  # noqa: PLC0415

        return TfliteEngine(folder)
    if name == "demo":
        from controller.perception.engines.demo import DemoEngine  # noqa: PLC0415

        return DemoEngine()
    raise EngineError(f"no engine is called {name!r}; known: {', '.join(get_args(EngineName))}")
