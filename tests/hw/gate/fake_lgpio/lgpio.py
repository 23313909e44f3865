"""A stand-in for the lgpio module: one GPIO chip in memory with a log of every request, and lgpio's habits.

Like the real one it leaves a pipe's file in the current folder when it is imported.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SET_PULL_NONE, SET_PULL_UP, SET_PULL_DOWN = 128, 32, 64
RISING_EDGE, FALLING_EDGE, BOTH_EDGES = 1, 2, 3
IS_OUT = 2

Path(".lgd-nfy0").touch()


class error(Exception):  # noqa: N801, N818 - lgpio's name
    pass


log: list[tuple[str, int, int]] = []
"""(request, line, level) in order."""
busy: set[int] = set()
chips: set[int] = {0}
_outputs: dict[int, int] = {}
_inputs: dict[int, int] = {}
_flags: dict[int, int] = {}
_callbacks: dict[int, Callable[[int, int, int, int], None]] = {}


def gpiochip_open(chip: int) -> int:
    if chip not in chips:
        raise error("can not open gpiochip")
    return chip


def gpiochip_close(handle: int) -> None:
    log.append(("close", handle, 0))


def gpio_claim_input(handle: int, line: int, flags: int = 0) -> None:
    if line in busy:
        raise error("GPIO busy")
    _outputs.pop(line, None)
    _flags[line] = flags
    log.append(("input", line, flags))


def gpio_claim_output(handle: int, line: int, level: int = 0, flags: int = 0) -> None:
    if line in busy:
        raise error("GPIO busy")
    _outputs[line] = level
    log.append(("output", line, level))


def gpio_claim_alert(handle: int, line: int, edges: int, flags: int = 0) -> None:
    log.append(("alert", line, edges))


def gpio_free(handle: int, line: int) -> None:
    _flags.pop(line, None)
    log.append(("free", line, 0))


def gpio_get_mode(handle: int, line: int) -> int:
    return IS_OUT if line in _outputs else _flags.get(line, 0)


def gpio_read(handle: int, line: int) -> int:
    return _outputs.get(line, _inputs.get(line, int(_flags.get(line) == SET_PULL_UP)))


def gpio_write(handle: int, line: int, level: int) -> None:
    _outputs[line] = int(level)
    log.append(("write", line, int(level)))


def gpio_set_debounce_micros(handle: int, line: int, micros: int) -> None:
    log.append(("debounce", line, micros))


class callback:  # noqa: N801 - lgpio's name
    def __init__(self, handle: int, line: int, edges: int, function: Callable[[int, int, int, int], None]) -> None:  # noqa: ARG002
        self._line = line
        _callbacks[line] = function

    def cancel(self) -> None:
        _callbacks.pop(self._line, None)


def edge(line: int, level: int) -> None:
    """For tests: the world moves an input."""
    _inputs[line] = level
    if line in _callbacks:
        _callbacks[line](0, line, level, 0)
