"""The command end of a simulated Lepton: its registers on the I2C bus, and the attributes behind them.

Software Interface Description Document 110-0144-04: 2.1 (registers), 2.2 (busy, result code), 3 (attributes).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

STATUS: Final = 0x0002
COMMAND: Final = 0x0004
LENGTH: Final = 0x0006
DATA: Final = 0x0008
DATA_WORDS: Final = 16
BUSY_FOR: Final = 0.003
"""Seconds that a command takes (our choice)."""
WRONG_LENGTH, UNDEFINED, UNSUPPORTED, OUT_OF_RANGE = -6, -7, -8, -9

DEFAULTS: Final[dict[int, tuple[int, ...]]] = {
    0x0100: (0, 0),  # AGC off
    0x0218: (0, 0),  # telemetry off
    0x021C: (1, 0),  # telemetry after the picture
    0x0248: (0, 0),  # high gain
    0x4828: (7, 0),  # raw14
    0x4E10: (1, 0),  # radiometry on
    0x4EBC: (8192, 29515, 8192, 29515, 8192, 29515, 0, 29515),
    0x4EC0: (1, 0),  # TLinear on
    0x4EC4: (1, 0),  # steps of 0.01 K
    0x4EC8: (0, 0),  # steps chosen by the user
}
"""Attributes that can be set, as they are after a reset (of a radiometric module)."""
ENUMERATED: Final = {0x0100: 1, 0x0218: 1, 0x021C: 1, 0x0248: 2, 0x4E10: 1, 0x4EC0: 1, 0x4EC4: 1, 0x4EC8: 1}
"""Highest value of those that are one of a few."""
RAD: Final = 0x4E00
RUN_PING, RUN_FFC, RUN_REBOOT = 0x0202, 0x0242, 0x4842


class Module(Protocol):
    """What the registers are of. Times are monotonic seconds."""

    radiometric: bool

    def booted(self, at: float) -> bool: ...  # noqa: D102 - names say it

    def answers(self, at: float) -> bool: ...  # noqa: D102

    def told(self, at: float) -> dict[int, tuple[int, ...]]:
        """Attributes that can only be read."""
        ...

    def correct(self, at: float) -> None:
        """Run a flat-field correction."""
        ...

    def reset(self, at: float) -> None:
        """Start anew."""
        ...


class CciSlave:
    """An `hw.sim.i2c.I2cSlave`.

    Args:
        module: whose commands these are.
        now: the clock's monotonic seconds.
    """

    def __init__(self, module: Module, now: Callable[[], float]) -> None:
        self.attributes = dict(DEFAULTS)
        self.refuse: dict[int, int] = {}
        """Result code by command word, instead of carrying it out."""
        self.commands: list[int] = []
        self._module = module
        self._now = now
        self._lock = threading.RLock()
        self.clear()

    def clear(self) -> None:
        """As after a reset."""
        self.attributes = dict(DEFAULTS)
        self._registers: dict[int, int] = {}
        self._pointer = 0
        self._code = 0
        self._busy_until = 0.0

    @property
    def powered(self) -> bool:
        """Whether it acknowledges."""
        return self._module.answers(self._now())

    def write(self, data: bytes, at: float) -> None:
        """Set the register pointer, and store the words that follow."""
        with self._lock:
            self._pointer = int.from_bytes(data[:2], "big")
            for start in range(2, len(data) - 1, 2):
                word = int.from_bytes(data[start : start + 2], "big")
                self._registers[self._pointer] = word
                if self._pointer == COMMAND:
                    self._carry_out(word, at)
                self._pointer += 2

    def read(self, count: int, start: float, seconds_per_byte: float) -> bytes:  # noqa: ARG002 - registers stand still
        """Send words from the pointer on."""
        with self._lock:
            words = []
            for _ in range(-(-count // 2)):
                words.append(self._status(start) if self._pointer == STATUS else self._registers.get(self._pointer, 0))
                self._pointer += 2
            return b"".join(word.to_bytes(2, "big") for word in words)[:count]

    def _status(self, at: float) -> int:
        busy = at < self._busy_until
        return (self._code & 0xFF) << 8 | self._module.booted(at) << 2 | 1 << 1 | busy

    def _carry_out(self, command: int, at: float) -> None:
        self.commands.append(command)
        self._busy_until = at + BUSY_FOR
        self._code = self.refuse[command] if command in self.refuse else self._result(command, at)

    def _result(self, command: int, at: float) -> int:
        attribute, kind = command & ~3, command & 3
        if attribute & 0x7F00 == RAD and not self._module.radiometric:
            return UNSUPPORTED
        if kind == 0:
            return self._get(attribute, at)
        if kind == 1:
            return self._set(attribute)
        return self._run(command, at)

    def _get(self, attribute: int, at: float) -> int:
        words = {**self._module.told(at), **self.attributes}.get(attribute)
        if words is None:
            return UNDEFINED
        if self._registers.get(LENGTH) != len(words):
            return WRONG_LENGTH
        for index, word in enumerate(words):
            self._registers[DATA + 2 * index] = word
        return 0

    def _set(self, attribute: int) -> int:
        if attribute not in self.attributes:
            return UNDEFINED
        count = len(self.attributes[attribute])
        if self._registers.get(LENGTH) != count:
            return WRONG_LENGTH
        words = tuple(self._registers.get(DATA + 2 * index, 0) for index in range(count))
        if attribute in ENUMERATED and (words[0] > ENUMERATED[attribute] or words[1]):
            return OUT_OF_RANGE
        self.attributes[attribute] = words
        return 0

    def _run(self, command: int, at: float) -> int:
        if command == RUN_FFC:
            self._module.correct(at)
        elif command == RUN_REBOOT:
            self._module.reset(at)
        elif command != RUN_PING:
            return UNDEFINED
        return 0
