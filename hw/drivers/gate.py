"""A turnstile on GPIO lines, through gpiozero: unlock relays, STOP, lamps and buzzer out; contacts in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hw.drivers.relay import RelayGuard
from hw.drivers.wired import WiredGate
from hw.errors import DeviceError
from hw.gate_settings import POTENTIAL_CAP
from hw.ports import CONTACTS, Side, Signal

if TYPE_CHECKING:
    from hw.clock import Clock
    from hw.gate_settings import GateSettings


@dataclass(frozen=True, slots=True)
class GateCounters:
    """What the inputs went through since `open`."""

    glitches: dict[Signal, int]
    """Changes shorter than the debounce interval."""
    lost_edges: int
    failed_callbacks: int


class GpioGate(WiredGate):
    """`hw.ports.Gate` of a turnstile. An unlock is at most `pulse_cap`, in potential mode `POTENTIAL_CAP`.

    Args:
        settings: which line is what, polarity, mode and times.
        pin_factory: a gpiozero factory; the real one comes from `hw.linux.gpio`, mock pins from a simulated turnstile.
        clock: whose time pulses, debounce and lamps live in.
    """

    def __init__(self, settings: GateSettings, pin_factory: Any, clock: Clock) -> None:
        super().__init__(settings, pin_factory, clock)
        self._cap = settings.pulse_cap if settings.mode == "pulse" else POTENTIAL_CAP

    def stop(self, *, on: bool) -> None:
        """Assert STOP, where it is wired."""
        self._opened()
        line = self._lines.outputs.get("stop")
        if line is not None:
            try:
                line.on() if on else line.off()
            except Exception as error:
                raise DeviceError(f"[gate] stop: the line can't be driven: {error}") from error

    @property
    def counters(self) -> GateCounters:
        """What the inputs went through since `open`. Raises DeviceClosed before."""
        contacts = self._lines.contacts
        glitches = contacts.glitches()
        seen = {signal: glitches[signal.value] for signal in CONTACTS if signal.value in glitches}
        return GateCounters(seen, contacts.lost, contacts.failed_callbacks)

    def _make_relays(self) -> RelayGuard:
        keys = {side: f"unlock_{side.value}" for side in Side}
        wired = {side: self._lines.outputs[key] for side, key in keys.items() if key in self._lines.outputs}
        names = {side: f"[gate] {key}" for side, key in keys.items()}
        return RelayGuard(wired, self._cap, self._clock, self._lines.commanded, names=names)
