"""GPIO lines of a door or a barrier: claimed at their safe level, watched by one thread, let go one by one.

What a lock or an arm is, its driver says; here are only the lines, and the thread that reads inputs and keeps lamps.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from gpiozero import DigitalInputDevice, DigitalOutputDevice
from gpiozero.exc import GPIOPinInUse, PinInvalidPin

from hw.drivers.contacts import Contact, Contacts
from hw.drivers.lamps import Indicator
from hw.errors import DeviceClosed, DeviceError
from hw.ports import Edge, Signal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hw.clock import Clock
    from hw.drivers.debounce import Settled
    from hw.kind_settings import BarrierSettings, DoorSettings
    from hw.ports import Lamp

_log = logging.getLogger(__name__)


class WiredLines:
    """Lines of one lane.

    Args:
        section: of gate.toml, for messages.
        settings: polarity, chip and line numbers.
        pin_factory: a gpiozero factory.
        clock: whose time debounce and lamps live in.
        outputs: keys of its outputs, in the order they are claimed.
        inputs: keys of its inputs.
        energised: keys of outputs that are claimed at their active level.
    """

    def __init__(
        self,
        section: str,
        settings: DoorSettings | BarrierSettings,
        pin_factory: Any,
        clock: Clock,
        *,
        outputs: Sequence[str],
        inputs: Sequence[str],
        energised: frozenset[str] = frozenset(),
    ) -> None:
        self.outputs: dict[str, Any] = {}
        """gpiozero output devices by key, while open."""
        self.blind = False
        """The inputs could not be read at the last attempt."""
        self._section = section
        self._settings = settings
        self._keys = outputs, inputs
        self._factory = pin_factory
        self._clock = clock
        self._energised = energised
        self._inputs: dict[str, Contact] = {}
        self._contacts: Contacts | None = None
        self._indicator: Indicator | None = None
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._running = False

    def open(self, on_edge: Callable[[Edge], None]) -> None:
        """Claim all lines, outputs first. Raises DeviceError, naming line and chip, when one can't be had."""
        if self._running:
            raise DeviceError(f"[{self._section}] is open already")
        try:
            self._claim()
        except BaseException:
            self.release()
            raise
        self._indicator = Indicator(self.outputs, self._clock)

        def on_change(name: str, settled: Settled) -> None:
            on_edge(Edge(Signal(name), settled.active, settled.since))

        self._contacts = Contacts(self._inputs, self._clock, on_change, self._wake.set)
        self._running = True

    def watch(self, on_blind: Callable[[bool], None] = lambda _: None) -> None:
        """Start the thread that reports inputs. `on_blind` is told when they can't be read, and when they can again."""
        self._thread = self._clock.spawn(lambda: self._service(on_blind), f"{self._section}-inputs")

    def read(self, signal: Signal) -> bool | None:
        """The debounced level; None where it is not wired. Raises DeviceClosed before `open`."""
        if self._contacts is None:
            raise DeviceClosed(f"[{self._section}] is closed")
        return self._contacts.read(signal.value)

    def level(self, signal: Signal) -> bool:
        """The line itself at this moment, not debounced. Raises whatever the line does."""
        return self._inputs[signal.value].level()

    def indicate(self, lamp: Lamp) -> None:
        """Show `lamp`; its pattern begins anew."""
        if self._indicator is None:
            raise DeviceClosed(f"[{self._section}] is closed")
        self._indicator.show(lamp)
        self._wake.set()

    def mute(self, *, on: bool) -> None:
        """Keep the buzzer silent, alarms excepted, or end that."""
        if self._indicator is None:
            raise DeviceClosed(f"[{self._section}] is closed")
        self._indicator.mute(on=on)
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
        self._contacts = self._indicator = None

    # Lines

    def _claim(self) -> None:
        outputs, inputs = self._keys
        for key in outputs:
            if (line := getattr(self._settings, key)) is not None:
                self.outputs[key] = self._claim_line(key, line, self._output(key in self._energised))
        for key in inputs:
            if (line := getattr(self._settings, key)) is not None:
                device = self._claim_line(key, line, self._input)
                self._inputs[key] = Contact(device, key in self._settings.normally_closed, self._settings.debounce)

    def _claim_line(self, key: str, line: int, claim: Callable[[int], Any]) -> Any:
        place = f"[{self._section}] {key}: GPIO line {line} of /dev/gpiochip{self._settings.chip}"
        try:
            return claim(line)
        except PinInvalidPin as error:
            raise DeviceError(f"{place} is not on this board's header") from error
        except GPIOPinInUse as error:
            raise DeviceError(f"{place} is in use by this program already: {error}") from error
        except Exception as error:
            raise DeviceError(f"{place} can't be claimed: {error}; `gpioinfo` shows who holds it") from error

    def _output(self, energised: bool) -> Callable[[int], Any]:  # noqa: FBT001 - a level
        high = not self._settings.outputs_active_low
        return lambda line: DigitalOutputDevice(
            line, active_high=high, initial_value=energised, pin_factory=self._factory
        )

    def _input(self, line: int) -> Any:
        return DigitalInputDevice(line, pull_up=self._settings.inputs_active_low, pin_factory=self._factory)

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
            due = now + 1.0
            contacts, indicator = self._contacts, self._indicator
            if contacts is None or indicator is None:
                return
            try:
                if self.blind:
                    self._look_at_all()
                due = contacts.service(now)
                self._see(on_blind, blind=False)
            except Exception:  # noqa: BLE001 - this thread must outlive whatever a line does
                if not self.blind:
                    _log.exception("[%s] the inputs can't be read; trying again each second", self._section)
                self._see(on_blind, blind=True)
            try:
                due = min(due, indicator.service(now))
            except Exception:  # noqa: BLE001 - as above
                _log.exception("[%s] a lamp failed", self._section)

    def _look_at_all(self) -> None:
        """Raise what the first line raises that can't be read; between two audits no line is read."""
        for contact in self._inputs.values():
            contact.level()

    def _see(self, on_blind: Callable[[bool], None], *, blind: bool) -> None:
        if blind != self.blind:
            self.blind = blind
            on_blind(blind)
