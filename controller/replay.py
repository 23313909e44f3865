"""Plays a recording through the whole program and tells what was decided."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from controller.config import Config, load
from controller.gallery.index import GalleryIndex
from controller.gallery.store import GalleryStore
from controller.lane.effects import RecordKind
from controller.prompts import reason_text
from controller.service import engine_of, serve
from controller.watch import Watch
from hw.board import recorded_board
from hw.errors import RecordingError
from hw.sim.clock import VirtualClock
from hw.sim.recorded import load_recording
from hw.thermal_settings import Mlx90640Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.app import App
    from controller.perception.types import Face
    from controller.watch import Step
    from hw.ports import ImageFrame, ThermalFrame
    from hw.sim.recorded import Recording

CONTROL_WORD, CHESS_BIT = 832, 0x1000
"""Control register 1 in a recorded frame, and its bit for the readout pattern (data sheet, table 9)."""

SETTLED = 300.0
"""Seconds that the board has been on when the recording begins: its sensor is warm."""
TOLD = frozenset(kind.value for kind in RecordKind) - {RecordKind.STATE.value}


class Teller(Watch):
    """Prints what the lane decides, with the gate's seconds before it, and counts what it saw."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self.heat = 0
        self.pictures = 0
        self.with_face = 0
        self.decisions: list[dict[str, object]] = []
        self.last_frame: ThermalFrame | None = None

    def on_thermal(self, frame: ThermalFrame) -> None:
        """Count, and keep the newest."""
        self.heat += 1
        self.last_frame = frame

    def on_picture(self, frame: ImageFrame, faces: tuple[Face, ...]) -> None:
        """Count."""
        del frame
        self.pictures += 1
        self.with_face += bool(faces)

    def on_device(self, name: str, *, up: bool, text: str) -> None:
        """Say what was found, and what went."""
        self._tell(f"         {name}: {text if up else f'lost: {text}'}")

    def on_step(self, step: Step) -> None:
        """Print every record but changes of state."""
        for stored in step.stored:
            entry = stored.entry
            if entry.kind not in TOLD:
                continue
            self.decisions.append({"kind": entry.kind, "person": entry.person, **entry.detail})
            self._tell(f"{entry.monotonic:7.2f} s {_line(entry.kind, entry.person, dict(entry.detail))}")


def _line(kind: str, person: str | None, detail: dict[str, object]) -> str:
    reason = detail.pop("reason", None)
    text = reason_text(str(reason)) if reason is not None else None
    head = kind.upper() + (f" {reason}" if reason is not None else "") + (f" ({text})" if text else "")
    facts = ", ".join(f"{key} {_value(value)}" for key, value in detail.items() if value is not None)
    return f"{head}: {person or 'nobody known'}" + (f"; {facts}" if facts else "")


def _value(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def replay(
    recording: Path,
    *,
    pictures: Path,
    case: str | None = None,
    gallery: Path | None = None,
    config: Path | None = None,
    engine: str | None = None,
    models: Path | None = None,
    seconds: float = 12.0,
    tell: Callable[[str], None] = print,
    watches: tuple[Watch, ...] = (),
) -> int:
    """Play `seconds` of the gate's time; returns 0. Raises `GateError` and `DeviceError` kinds."""
    played = load_recording(recording, case)
    with tempfile.TemporaryDirectory(prefix="thermogate-replay-") as scratch:
        settings, thermal = _settings(played, config, engine, models, Path(scratch))
        teller = Teller(tell)
        clock = VirtualClock(SETTLED)
        board, turnstile = recorded_board(
            thermal, settings.camera, settings.gate, clock=clock, recording=played, pictures=pictures
        )
        opened = engine_of(settings)
        index = GalleryIndex.for_engine(
            opened,
            threshold=settings.perception.threshold,
            margin=settings.perception.margin,
            false_accept=settings.perception.false_accept,
        )
        if gallery is not None:
            with GalleryStore.open(gallery) as store:
                index.load(store)
        tell(f"         engine {opened.name} ({opened.template_model}), {len(index)} people registered")

        async def wait(app: App) -> None:
            del app
            await asyncio.sleep(seconds)

        try:
            board.run(serve(settings, board, opened, index, watches=(teller, *watches), beside=wait))
        finally:
            turnstile.close()
    _summary(teller, tell)
    return 0


def _settings(
    played: Recording, config: Path | None, engine: str | None, models: Path | None, folder: Path
) -> tuple[Config, Mlx90640Settings]:
    """The configuration, with what the recording itself says about the sensor."""
    settings = Config() if config is None else load(config)
    chess = bool(int(played.frames[0, CONTROL_WORD]) & CHESS_BIT)
    # Recordings are of an MLX90640, whatever sensor the gate has.
    own = settings.thermal if isinstance(settings.thermal, Mlx90640Settings) else Mlx90640Settings()
    thermal = msgspec.structs.replace(own, pattern="chess" if chess else "interleaved")
    if played.emissivity is not None:
        thermal = msgspec.structs.replace(thermal, emissivity=played.emissivity)
    if played.reflected is not None:
        thermal = msgspec.structs.replace(thermal, reflected=played.reflected)
    perception = settings.perception
    if engine is not None:
        perception = msgspec.structs.replace(perception, engine=engine)
    if models is not None:
        perception = msgspec.structs.replace(perception, models=models)
    store = msgspec.structs.replace(settings.store, folder=folder)
    changed = msgspec.structs.replace(settings, thermal=thermal, perception=perception, store=store, link=None)
    return changed, thermal


def _summary(teller: Teller, tell: Callable[[str], None]) -> None:
    if teller.last_frame is None:
        raise RecordingError("the recording gave no thermal picture")
    heat = teller.last_frame.temperatures
    tell(
        f"         {teller.heat} thermal frames, the last {np.nanmin(heat):.1f} to {np.nanmax(heat):.1f} °C; "
        f"{teller.pictures} pictures looked at, {teller.with_face} with a face in the lane; "
        f"{len(teller.decisions)} records"
    )
