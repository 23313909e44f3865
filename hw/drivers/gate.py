"""A turnstile on GPIO lines, through gpiozero: unlock relays, STOP, lamps and buzzer out; contacts in.

Nothing here moves a lock by itself: lines are claimed at their inactive level, and what energises a relay is `unlock`
or `hold` alone. gpiozero's own timing threads are not used; two threads of the gate keep time on its clock, one for
the relays only (`hw.drivers.relay`), one for inputs and lamps.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpiozero import DigitalInputDevice, DigitalOutputDevice
from gpiozero.exc import GPIOPinInUse, PinInvalidPin

from hw.drivers.contacts import Contact, Contacts
from hw.drivers.lamps import Indicator
from hw.drivers.readback import Readbacks
from hw.drivers.relay import RelayGuard
from hw.errors import DeviceClosed, DeviceError
from hw.gate_settings import GATE_INPUTS, GATE_OUTPUTS, POTENTIAL_CAP, READBACKS
from hw.ports import CONTACTS, RELAY_FAULTS, Edge, Side, Signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from hw.clock import Clock
    from hw.drivers.debounce import Settled
    from hw.gate_settings import GateSettings
    from hw.ports import Lamp

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GateCounters:
    """What the inputs went through since `open`."""

    glitches: dict[Signal, int]
    """Changes shorter than the debounce interval."""
    lost_edges: int
    failed_callbacks: int


class GpioGate:
    """`hw.ports.Gate` on the lines of `settings`.

    Args:
        settings: which line is what, polarity, mode and times.
        pin_factory: a gpiozero factory; the real one comes from `hw.linux.gpio`, mock pins from a simulated turnstile.
        clock: whose time pulses, debounce and lamps live in.
    """

    def __init__(self, settings: GateSettings, pin_factory: Any, clock: Clock) -> None:
        self._settings = settings
        self._factory = pin_factory
        self._clock = clock
        self._outputs: dict[str, Any] = {}
        self._inputs: dict[str, Any] = {}
        self._relays: RelayGuard | None = None
        self._contacts: Contacts | None = None
        self._readbacks: Readbacks | None = None
        self._on_edge: Callable[[Edge], None] = lambda _edge: None
        self._indicator: Indicator | None = None
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._open = False

    def open(self, on_edge: Callable[[Edge], None]) -> None:
        """Claim all lines, outputs first and inactive, and report changes of inputs to `on_edge` from now on.

        The levels found are no edges; `read` tells them. Raises DeviceError, naming line and chip, when one can't be
        had; then none is kept.
        """
        with self._lock:
            if self._open:
                raise DeviceError("the gate is open already")
            try:
                self._claim()
            except BaseException:
                self._release_lines()
                raise
            self._on_edge = on_edge
            wired = {name: self._contact(name) for name in self._inputs}
            aux = {side: wired[name].level for side in Side if (name := f"readback_{side.value}") in wired}
            self._readbacks = Readbacks(aux, self._clock, on_edge, self._wake.set)
            self._relays = RelayGuard(self._unlock_lines(), self._cap(), self._clock, self._readbacks.commanded)
            self._indicator = Indicator(self._outputs, self._clock)
            self._contacts = Contacts(wired, self._clock, self._changed, self._wake.set)
            self._open = True
            self._relays.start()
            self._thread = self._clock.spawn(self._service, "gate-inputs")

    def read(self, signal: Signal) -> bool | None:
        """The debounced level of an input; None where it is not wired. Raises DeviceClosed before `open`."""
        contacts, readbacks = self._watched()
        for side, fault in RELAY_FAULTS.items():
            if signal is fault:
                return readbacks.read(side)
        return contacts.read(signal.value)

    def unlock(self, side: Side, seconds: float) -> None:
        """Energise the relay of `side` for `seconds`: at most `pulse_cap`, in potential mode `POTENTIAL_CAP`.

        Raises ValueError beyond that, DeviceMissing for a side that is not wired, DeviceError when the line fails.
        A second unlock during the first prolongs it, but never past the cap counted from its beginning.
        """
        self._opened().unlock(side, seconds)

    def hold(self, side: Side, *, on: bool) -> None:
        """Hold `side` free, or end that; a side that is not wired is left to the turnstile's own mechanics."""
        self._opened().hold(side, on=on)

    def relock(self, side: Side) -> None:
        """End a pulse or hold of `side` at once."""
        self._opened().relock(side)

    def stop(self, *, on: bool) -> None:
        """Assert STOP, where it is wired."""
        self._opened()
        line = self._outputs.get("stop")
        if line is not None:
            try:
                line.on() if on else line.off()
            except Exception as error:
                raise DeviceError(f"[gate] stop: the line can't be driven: {error}") from error

    def indicate(self, lamp: Lamp) -> None:
        """Show `lamp`; its pattern begins anew."""
        indicator = self._indicator
        if indicator is None:
            raise DeviceClosed("the gate is closed")
        indicator.show(lamp)
        self._wake.set()

    def mute(self, *, on: bool) -> None:
        """Keep the buzzer silent, alarms excepted, or end that."""
        indicator = self._indicator
        if indicator is None:
            raise DeviceClosed("the gate is closed")
        indicator.mute(on=on)
        self._wake.set()

    @property
    def counters(self) -> GateCounters:
        """What the inputs went through since `open`. Raises DeviceClosed before."""
        contacts, _ = self._watched()
        glitches = contacts.glitches()
        seen = {signal: glitches[signal.value] for signal in CONTACTS if signal.value in glitches}
        return GateCounters(seen, contacts.lost, contacts.failed_callbacks)

    def close(self) -> None:
        """De-energise the relays, then all outputs; release the lines. May be called from `on_edge`."""
        with self._lock:
            if not self._open:
                return
            self._open = False
            if self._relays is not None:
                self._relays.close()
            self._wake.set()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        with self._lock:
            self._release_lines()
            self._relays = self._contacts = self._readbacks = self._indicator = None

    # Lines

    def _cap(self) -> float:
        return self._settings.pulse_cap if self._settings.mode == "pulse" else POTENTIAL_CAP

    def _unlock_lines(self) -> dict[Side, Any]:
        return {side: self._outputs[key] for side in Side if (key := f"unlock_{side.value}") in self._outputs}

    def _contact(self, name: str) -> Contact:
        settings = self._settings
        return Contact(self._inputs[name], name in settings.normally_closed, settings.debounce_of(name))

    def _opened(self) -> RelayGuard:
        relays = self._relays
        if relays is None:
            raise DeviceClosed("the gate is closed")
        return relays

    def _watched(self) -> tuple[Contacts, Readbacks]:
        contacts, readbacks = self._contacts, self._readbacks
        if contacts is None or readbacks is None:
            raise DeviceClosed("the gate is closed")
        return contacts, readbacks

    def _changed(self, name: str, settled: Settled) -> None:
        """Take a debounced change on the thread of the inputs."""
        if name not in READBACKS:
            self._on_edge(Edge(Signal(name), settled.active, settled.since))
        elif self._readbacks is not None:
            self._readbacks.contact(Side(name.removeprefix("readback_")), settled.since, closed=settled.active)

    def _claim(self) -> None:
        for key in GATE_OUTPUTS:
            if (line := getattr(self._settings, key)) is not None:
                self._outputs[key] = self._claim_line(key, line, self._output)
        for name in GATE_INPUTS:
            if (line := getattr(self._settings, name)) is not None:
                self._inputs[name] = self._claim_line(name, line, self._input)

    def _claim_line(self, key: str, line: int, claim: Callable[[str, int], Any]) -> Any:
        place = f"[gate] {key}: GPIO line {line} of /dev/gpiochip{self._settings.chip}"
        try:
            return claim(key, line)
        except PinInvalidPin as error:
            raise DeviceError(f"{place} is not on this board's header") from error
        except GPIOPinInUse as error:
            raise DeviceError(f"{place} is in use by this program already: {error}") from error
        except Exception as error:
            raise DeviceError(f"{place} can't be claimed: {error}; `gpioinfo` shows who holds it") from error

    def _output(self, name: str, line: int) -> Any:
        active_high = not self._settings.active_low(name)
        return DigitalOutputDevice(line, active_high=active_high, initial_value=False, pin_factory=self._factory)

    def _input(self, name: str, line: int) -> Any:
        low = self._settings.active_low(name)
        if self._settings.pull_of(name) == "none":
            return DigitalInputDevice(line, pull_up=None, active_state=not low, pin_factory=self._factory)
        return DigitalInputDevice(line, pull_up=low, pin_factory=self._factory)

    def _release_lines(self) -> None:
        """Every output inactive before any line is let go; one that fails doesn't keep the others."""
        for key, line in self._outputs.items():
            _attempt(line.off, f"[gate] {key} can't be made inactive")
        for name, line in (*self._outputs.items(), *self._inputs.items()):
            _attempt(line.close, f"[gate] {name} can't be released")
        self._outputs, self._inputs = {}, {}

    # The thread of inputs and lamps

    def _service(self) -> None:
        contacts, readbacks, indicator = self._contacts, self._readbacks, self._indicator
        if contacts is None or readbacks is None or indicator is None:
            return
        due = 0.0
        while self._open:
            self._clock.wait(self._wake, due - self._clock.monotonic())
            self._wake.clear()
            now = self._clock.monotonic()
            due = now + 1.0
            try:
                due = min(contacts.service(now), readbacks.service(now), indicator.service(now))
            except Exception:  # noqa: BLE001 - this thread must outlive whatever a line does
                _log.exception("[gate] inputs or lamps failed; trying again in a second")


def _attempt(action: Callable[[], None], failure: str) -> None:
    try:
        action()
    except Exception:  # noqa: BLE001 - the other lines must be let go all the same
        _log.exception(failure)
