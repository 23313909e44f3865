"""GPIO lines of a simulated turnstile: gpiozero's own mock pins, with something wired to them.

An output tells the turnstile each level it drives; an input has the level that the turnstile's contact gives it,
whatever the pull. gpiozero has no types, hence the ignores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpiozero.pins.mock import MockFactory, MockPin

if TYPE_CHECKING:
    from collections.abc import Callable


class WiredPin(MockPin):  # type: ignore[misc]
    """A mock pin on a wire. Its `states` remain gpiozero's log of levels."""

    def __init__(self, factory: WiredFactory, info: Any) -> None:
        self._contact: bool | None = None
        self._told: bool | None = None
        self._orphan = False
        super().__init__(factory, info)

    @property
    def level(self) -> bool | None:
        """What the program drives the line to; None while the line is an input."""
        return bool(self._state) if self._function == "output" else None

    def output_with_state(self, state: Any) -> None:
        """Become an output at this level in one step, as the kernel's line request does."""
        self._change_state(bool(state))
        self.function = "output"

    def set_contact(self, level: bool) -> None:  # noqa: FBT001 - an electrical level
        """Let the contact wired to the line give it this level."""
        self._contact = level
        if self._function == "input":
            self._follow_contact()

    def _set_function(self, value: str) -> None:
        super()._set_function(value)
        self._tell()

    def _set_state(self, value: Any) -> None:
        super()._set_state(value)
        self._tell()

    def _set_pull(self, value: str) -> None:
        if self._contact is None or self.info.pull not in ("", value):
            super()._set_pull(value)  # which refuses a pull that the board's own resistor contradicts
        else:
            self._pull = value
            self._follow_contact()

    def _follow_contact(self) -> None:
        if self._contact:
            self.drive_high()
        else:
            self.drive_low()

    def orphan(self) -> bool | None:
        """Belong to a process that is gone: nothing it still does reaches the wire. Returns the level it drove."""
        self._orphan = True
        return self.level

    def inherit(self, contact: bool | None, told: bool | None) -> None:  # noqa: FBT001 - electrical levels
        """Take the wire over as a process before left it."""
        self._contact, self._told = contact, told
        self._set_pull(self._get_pull())

    @property
    def contact(self) -> bool | None:
        """The level that the contact wired to the line gives it; None: none is."""
        return self._contact

    def _tell(self) -> None:
        if self._orphan:
            return
        if self.level != self._told:
            self._told = self.level
            self.factory.on_output(self._number, self.level)


class WiredFactory(MockFactory):  # type: ignore[misc]
    """A mock factory whose pins report to `on_output(line, level)`; a level of None means the line was let go."""

    def __init__(self, on_output: Callable[[int, bool | None], None]) -> None:
        super().__init__(revision="c03115", pin_class=WiredPin)  # a Pi 4B, whatever the environment says
        self.on_output = on_output

    def lose_process(self, *, kept: bool) -> None:
        """The process that had the lines was killed; the next one claims them anew.

        Args:
            kept: the kernel leaves outputs driven, as Raspberry Pi OS' does; False: it makes them inputs.
        """
        with self._res_lock:
            self._reservations.clear()
        for pin in list(self.pins.values()):
            number, level, contact = pin._number, pin.orphan(), pin.contact  # noqa: SLF001 - gpiozero has no accessor
            del self.pins[pin.info]
            if level is not None and not kept:
                self.on_output(number, None)
            self.pin(number).inherit(contact, level if kept else None)
