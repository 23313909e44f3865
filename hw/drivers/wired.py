"""What every gate on GPIO lines has: lines claimed at their safe level, relays that end by themselves, watched inputs.

Nothing here moves a lock by itself: lines are claimed at the level that locks, and what drives a relay is a call alone.
gpiozero's own timing threads are not used; two threads of a gate keep time on its clock, one for the relays only
(`hw.drivers.relay`), one for inputs and lamps. What a lock or an arm is, its driver says.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from gpiozero import DigitalInputDevice, DigitalOutputDevice
from gpiozero.exc import GPIOPinInUse, PinInvalidPin

from hw.drivers.contacts import Contact, Contacts
from hw.drivers.lamps import Indicator
from hw.drivers.readback import Readbacks
from hw.errors import DeviceClosed, DeviceError
from hw.ports import RELAY_FAULTS, Edge, Side, Signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from hw.clock import Clock
    from hw.drivers.debounce import Settled
    from hw.drivers.relay import RelayGuard
    from hw.gate_settings import LaneLines
    from hw.ports import Lamp

_log = logging.getLogger(__name__)


class WiredLines:
    """Lines of one lane.

    Args:
        settings: which line is what, polarity, pulls and debounce.
        pin_factory: a gpiozero factory; the real one comes from `hw.linux.gpio`, mock pins from simulated mechanics.
        clock: whose time debounce and lamps live in.
        energised: keys of outputs that are claimed at their active level.
    """

    def __init__(
        self, settings: LaneLines, pin_factory: Any, clock: Clock, energised: frozenset[str] = frozenset()
    ) -> None:
        self.outputs: dict[str, Any] = {}
        """gpiozero output devices by key, while open."""
        self.blind = False
        """The inputs could not be read at the last attempt."""
        self._section = settings.SECTION
        self._settings = settings
        self._factory = pin_factory
        self._clock = clock
        self._energised = energised
        self._sides = dict(zip(settings.READBACKS, Side, strict=False))
        """Read-backs, and the relay guard's name for the relay that each tells of."""
        self._inputs: dict[str, Contact] = {}
        self._contacts: Contacts | None = None
        self._readbacks: Readbacks | None = None
        self._indicator: Indicator | None = None
        self._on_edge: Callable[[Edge], None] = lambda _edge: None
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._running = False

    def open(self, on_edge: Callable[[Edge], None]) -> None:
        """Claim all lines, outputs first. The levels found are no edges; `read` tells them.

        Raises DeviceError, naming line and chip, when one can't be had; then none is kept.
        """
        if self._running:
            raise DeviceError(f"[{self._section}] is open already")
        try:
            self._claim()
        except BaseException:
            self.release()
            raise
        self._on_edge = on_edge
        self._indicator = Indicator(self.outputs, self._clock)
        self._readbacks = self._make_readbacks(on_edge)
        self._contacts = Contacts(self._inputs, self._clock, self._changed, self._wake.set, section=self._section)
        self._running = True

    def watch(self, on_blind: Callable[[bool], None] = lambda _: None) -> None:
        """Start the thread that reports inputs. `on_blind` is told when they can't be read, and when they can again."""
        self._thread = self._clock.spawn(lambda: self._service(on_blind), f"{self._section}-inputs")

    @property
    def contacts(self) -> Contacts:
        """The inputs. Raises DeviceClosed before `open`."""
        if self._contacts is None:
            raise DeviceClosed(f"[{self._section}] is closed")
        return self._contacts

    def read(self, signal: Signal) -> bool | None:
        """The debounced level; None where it is not wired. Raises DeviceClosed before `open`."""
        contacts, readbacks = self.contacts, self._readbacks
        for side, fault in RELAY_FAULTS.items():
            if signal is fault:
                return None if readbacks is None else readbacks.read(side)
        return contacts.read(signal.value)

    def level(self, signal: Signal) -> bool:
        """The line itself at this moment, not debounced. Raises whatever the line does."""
        return self._inputs[signal.value].level()

    def commanded(self, side: Side, on: bool) -> None:  # noqa: FBT001 - a callback of the relays
        """Take what the relay of `side` was just told, for its read-back."""
        if self._readbacks is not None:
            self._readbacks.commanded(side, on)

    def indicate(self, lamp: Lamp, *, silent: bool = False) -> None:
        """Show `lamp`; its pattern begins anew."""
        self._lamps().show(lamp, silent=silent)
        self._wake.set()

    def mute(self, *, on: bool) -> None:
        """Keep the buzzer silent, alarms excepted, or end that."""
        self._lamps().mute(on=on)
        self._wake.set()

    def stop(self) -> None:
        """End the thread; lines stay as they are."""
        self._running = False
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def release(self) -> None:
        """De-energise every output before any line is let go; one that fails doesn't keep the others."""
        for key, line in self.outputs.items():
            self._attempt(line.off, f"{key} can't be made inactive")
        for key, line in self.outputs.items():
            self._attempt(line.close, f"{key} can't be released")
        for name, contact in self._inputs.items():
            self._attempt(contact.device.close, f"{name} can't be released")
        self.outputs, self._inputs = {}, {}
        self._contacts = self._readbacks = self._indicator = None

    def _lamps(self) -> Indicator:
        if self._indicator is None:
            raise DeviceClosed(f"[{self._section}] is closed")
        return self._indicator

    # Lines

    def _claim(self) -> None:
        settings = self._settings
        for key in settings.OUTPUTS:
            if (number := settings.number(key)) is not None:
                self.outputs[key] = self._claim_line(key, number, self._output)
        for name in settings.INPUTS:
            if (number := settings.number(name)) is not None:
                device = self._claim_line(name, number, self._input)
                closed, debounce = name in settings.normally_closed, settings.debounce_of(name)
                self._inputs[name] = Contact(device, closed, debounce)

    def _claim_line(self, key: str, line: int, claim: Callable[[str, int], Any]) -> Any:
        place = f"[{self._section}] {key}: GPIO line {line} of /dev/gpiochip{self._settings.chip}"
        try:
            return claim(key, line)
        except PinInvalidPin as error:
            raise DeviceError(f"{place} is not on this board's header") from error
        except GPIOPinInUse as error:
            raise DeviceError(f"{place} is in use by this program already: {error}") from error
        except Exception as error:
            raise DeviceError(f"{place} can't be claimed: {error}; `gpioinfo` shows who holds it") from error

    def _output(self, key: str, line: int) -> Any:
        high, energised = not self._settings.active_low(key), key in self._energised
        return DigitalOutputDevice(line, active_high=high, initial_value=energised, pin_factory=self._factory)

    def _input(self, name: str, line: int) -> Any:
        low = self._settings.active_low(name)
        if self._settings.pull_of(name) == "none":
            return DigitalInputDevice(line, pull_up=None, active_state=not low, pin_factory=self._factory)
        return DigitalInputDevice(line, pull_up=low, pin_factory=self._factory)

    def _make_readbacks(self, on_edge: Callable[[Edge], None]) -> Readbacks:
        watched = {side: name for name, side in self._sides.items() if name in self._inputs}
        relays = {side: self._settings.READBACKS[name] for side, name in watched.items()}
        return Readbacks(
            {side: self._inputs[name].level for side, name in watched.items()},
            self._clock,
            on_edge,
            self._wake.set,
            names={side: f"[{self._section}] {relay}" for side, relay in relays.items()},
            energised=frozenset(side for side, relay in relays.items() if relay in self._energised),
        )

    def _changed(self, name: str, settled: Settled) -> None:
        """Take a debounced change on the thread of the inputs."""
        side = self._sides.get(name)
        if side is None:
            self._on_edge(Edge(Signal(name), settled.active, settled.since))
        elif self._readbacks is not None:
            self._readbacks.contact(side, settled.since, closed=settled.active)

    def _attempt(self, action: Callable[[], None], failure: str) -> None:
        try:
            action()
        except Exception:  # noqa: BLE001 - the other lines must be let go all the same
            _log.exception("[%s] %s", self._section, failure)

    # The thread of inputs and lamps

    def _service(self, on_blind: Callable[[bool], None]) -> None:
        due = 0.0
        while self._running:
            self._clock.wait(self._wake, due - self._clock.monotonic())
            self._wake.clear()
            now = self._clock.monotonic()
            contacts, readbacks, indicator = self._contacts, self._readbacks, self._indicator
            if contacts is None or readbacks is None or indicator is None:
                return
            due = now + 1.0
            try:
                if self.blind:
                    self._look_at_all()
                due = min(contacts.service(now), readbacks.service(now))
                self._see(on_blind, blind=False)
            except Exception:  # noqa: BLE001 - this thread must outlive whatever a line does
                if not self.blind:
                    _log.exception("[%s] the inputs can't be read; trying again each second", self._section)
                self._see(on_blind, blind=True)
            try:
                due = min(due, indicator.service(now))
            except Exception:  # noqa: BLE001 - as above
                due = min(due, now + 1.0)
                _log.exception("[%s] a lamp failed; trying again in a second", self._section)

    def _look_at_all(self) -> None:
        """Raise what the first line raises that can't be read; between two audits no line is read."""
        for contact in self._inputs.values():
            contact.level()

    def _see(self, on_blind: Callable[[bool], None], *, blind: bool) -> None:
        if blind != self.blind:
            self.blind = blind
            on_blind(blind)


class WiredGate:
    """What the three kinds of `hw.ports.Gate` share. Each says what its relays are, and what it does besides.

    Args:
        settings: which line is what.
        pin_factory: see `WiredLines`.
        clock: whose time relays, debounce and lamps live in.
        energised: keys of outputs that are claimed at their active level.
    """

    def __init__(
        self, settings: LaneLines, pin_factory: Any, clock: Clock, energised: frozenset[str] = frozenset()
    ) -> None:
        self._lines = WiredLines(settings, pin_factory, clock, energised)
        self._clock = clock
        self._section = settings.SECTION
        self._relays: RelayGuard | None = None
        self._on_edge: Callable[[Edge], None] = lambda _edge: None
        self._opening = threading.Lock()

    def open(self, on_edge: Callable[[Edge], None]) -> None:
        """Claim all lines, outputs first and at the level that locks, and report changes of inputs from now on.

        The levels found are no edges; `read` tells them. Raises DeviceError, naming line and chip, when one can't be
        had; then none is kept.
        """
        with self._opening:
            self._on_edge = on_edge
            self._lines.open(self._take_edge)
            relays = self._make_relays()
            relays.start()
            self._relays = relays
            self._lines.watch(self._take_blindness)

    def read(self, signal: Signal) -> bool | None:
        """The debounced level of an input; None where it is not wired. Raises DeviceClosed before `open`."""
        return self._lines.read(signal)

    def unlock(self, side: Side, seconds: float) -> None:
        """Release `side` for `seconds`.

        Raises ValueError beyond the kind's cap, DeviceMissing for a side that is not wired, DeviceError when the line
        fails. A second unlock during the first prolongs it, but never past the cap counted from its beginning.
        """
        self._opened().unlock(side, seconds)

    def hold(self, side: Side, *, on: bool) -> None:
        """Hold `side` free, or end that; a side that is not wired is left to the mechanics."""
        self._opened().hold(side, on=on)

    def relock(self, side: Side) -> None:
        """End a release or hold of `side` at once."""
        self._opened().relock(side)

    def stop(self, *, on: bool) -> None:
        """Bar the entry where the kind has something to do that with; who is not let in finds it locked anyway."""
        del on
        self._opened()

    def indicate(self, lamp: Lamp, *, silent: bool = False) -> None:
        """Show `lamp`; its pattern begins anew. `silent`: without the buzzer, alarms included."""
        self._lines.indicate(lamp, silent=silent)

    def mute(self, *, on: bool) -> None:
        """Keep the buzzer silent, alarms excepted, or end that."""
        self._lines.mute(on=on)

    def close(self) -> None:
        """De-energise the relays, then all outputs; release the lines. May be called from `on_edge`."""
        with self._opening:
            relays, self._relays = self._relays, None
        if relays is None:
            return
        relays.close()
        self._lines.stop()
        self._lines.release()

    # For the kinds

    def _make_relays(self) -> RelayGuard:
        """The relays, on lines that are claimed by now."""
        raise NotImplementedError

    def _opened(self) -> RelayGuard:
        relays = self._relays
        if relays is None:
            raise DeviceClosed(f"the {self._section} is closed")
        return relays

    def _take_edge(self, edge: Edge) -> None:
        """Take a change of an input, on the inputs' thread."""
        self._on_edge(edge)

    def _take_blindness(self, blind: bool) -> None:  # noqa: FBT001 - a callback's one argument
        """Hear that the lines can't be read, or can again, on the inputs' thread."""
