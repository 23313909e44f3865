"""A vehicle barrier on GPIO lines: its arm up or down, its loops, photocell and arm contacts in.

The arm never comes down on anything, whatever the program above believes: `lower` looks at the lines themselves and
refuses; and while the arm comes down, an input that says otherwise sends it up on the thread that saw it, before the
program is told. Opening this driver, closing it and losing the program move no arm.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Final

from hw.drivers.relay import RelayGuard
from hw.drivers.wired import WiredGate
from hw.ports import Edge, Side, Signal

if TYPE_CHECKING:
    from hw.clock import Clock
    from hw.kind_settings import BarrierSettings

SAFETY: Final = (Signal.LOOP_ARM, Signal.PHOTOCELL)
FAULTS: Final = (Signal.LOOP_FAULT, Signal.PHOTOCELL_FAULT)
UP, DOWN = Side.A, Side.B
"""The relay guard's names for the lines `open` and `close`."""

_log = logging.getLogger(__name__)


class GpioBarrier(WiredGate):
    """`hw.ports.Gate` and `hw.ports.BarrierArm` of a barrier. Any `unlock` or `hold` sends the arm up.

    Args:
        settings: which line is what, and how the arm is commanded.
        pin_factory: a gpiozero factory; the real one comes from `hw.linux.gpio`, mock pins from a simulated barrier.
        clock: whose time impulses, debounce and lamps live in.
    """

    def __init__(self, settings: BarrierSettings, pin_factory: Any, clock: Clock) -> None:
        super().__init__(settings, pin_factory, clock)
        self._settings = settings
        self._coming_down = False
        self._held: set[Side] = set()
        self._state = threading.Lock()
        """Guards the arm: one command is finished before the next one looks."""
        self.reversals = 0
        """How often the arm was sent up by its inputs alone."""

    def unlock(self, side: Side, seconds: float) -> None:
        """Send the arm up. How long that takes is the barrier's; `seconds` is a turnstile's."""
        del side, seconds
        self.lift()

    def hold(self, side: Side, *, on: bool) -> None:
        """Send the arm up and let nothing lower it, or end that, which moves nothing."""
        with self._state:
            if not on:
                self._held.discard(side)
                return
            self._held.add(side)
            self._raise()

    def relock(self, side: Side) -> None:
        """End a hold. The arm comes down by `lower` alone."""
        with self._state:
            self._held.discard(side)

    def lift(self) -> None:
        """Send the arm up at once, whatever it does."""
        with self._state:
            self._raise()

    def lower(self) -> bool:
        """Send the arm down, if every line says that nothing is under it; False where one does not, or says nothing."""
        with self._state:
            relays = self._opened()
            if self._held or not self._clear():
                return False
            self._coming_down = True
            relays.relock(UP)
            relays.unlock(DOWN, self._settings.pulse if self._impulse else self._settings.travel_cap)
            return True

    def close(self) -> None:
        """De-energise everything and let the lines go; the arm stays where it is. Harmless when closed."""
        with self._state:
            self._coming_down = False
        super().close()

    def _make_relays(self) -> RelayGuard:
        outputs = {UP: self._lines.outputs["open"], DOWN: self._lines.outputs["close"]}
        cap = max(self._settings.pulse, self._settings.travel_cap)
        names = {UP: "[barrier] open", DOWN: "[barrier] close"}
        return RelayGuard(outputs, cap, self._clock, self._lines.commanded, names=names)

    # The arm; the caller holds `_state`

    @property
    def _impulse(self) -> bool:
        return self._settings.mode == "impulse"

    def _raise(self) -> None:
        relays = self._opened()
        self._coming_down = False
        try:
            relays.relock(DOWN)
        finally:
            # Also where the other line refuses to be let go.
            if self._impulse:
                relays.unlock(UP, self._settings.pulse)
            else:
                relays.hold(UP, on=True)

    def _clear(self) -> bool:
        """By the debounced levels and by the lines at this moment; what can't be read is not clear."""
        if self._lines.blind:
            return False
        try:
            said = [self._lines.read(signal) for signal in (*SAFETY, *FAULTS)]
            now = [self._lines.level(signal) for signal in SAFETY]
        except Exception:  # noqa: BLE001 - an arm that can't see stays up
            _log.exception("[barrier] the lines under the arm can't be read; it is not let down")
            return False
        return not any(said) and not any(now)

    # The inputs' thread

    def _take_edge(self, edge: Edge) -> None:
        if edge.active and edge.signal in (*SAFETY, *FAULTS):
            self._reverse(edge.signal.value)
        elif edge.active and edge.signal is Signal.ARM_DOWN:
            self._arrive()
        self._on_edge(edge)

    def _reverse(self, cause: str) -> None:
        with self._state:
            if self._coming_down and self._relays is not None:
                self.reversals += 1
                _log.warning("[barrier] %s: the arm is sent up again", cause)
                self._raise()

    def _arrive(self) -> None:
        with self._state:
            self._coming_down = False
            if self._relays is not None and not self._impulse:
                self._relays.relock(DOWN)

    def _take_blindness(self, blind: bool) -> None:  # noqa: FBT001 - a callback's one argument
        """The lines can't be read, or can again: for the program, a fault of both detectors."""
        if blind:
            self._reverse("the inputs can't be read")
        for signal in FAULTS:
            active = blind or bool(self._lines.read(signal))
            self._on_edge(Edge(signal, active, self._clock.monotonic()))
