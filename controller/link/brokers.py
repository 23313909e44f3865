"""Several brokers of one campus: their addresses, whose turn it is, and how long to wait before the next attempt.

A gate or hub stays with the broker that works. When it fails, the next of the list is tried, and nobody goes back when
one returns: what has just started is not run down by everybody at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence


class Address(NamedTuple):
    """Where a broker is."""

    host: str
    port: int

    def __str__(self) -> str:
        """As it is written in a configuration."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read_addresses(key: str, told: str | Sequence[str], port: int) -> tuple[Address, ...]:
    """The addresses under `key`: one or several of `HOST`, `HOST:PORT` or `[IPV6]:PORT`; `port` where none is told.

    Raises `ValueError` naming the key, and which of several it is.
    """
    if isinstance(told, str):
        return (_read(f"`{key}`", told.strip(), port),)
    found: list[Address] = []
    for number, text in enumerate(told, 1):
        name = f"`{key}`, entry {number}"
        address = _read(name, text.strip(), port)
        if address in found:
            raise ValueError(f"{name}: {text!r} is there twice")
        found.append(address)
    if not found:
        raise ValueError(f"`{key}`: no broker is named")
    return tuple(found)


def _read(name: str, text: str, port: int) -> Address:
    host, digits = text, ""
    before, colon, behind = text.rpartition(":")
    # A bare IPv6 address has no port behind its last colon; `[::1]:1883` has.
    if colon and (":" not in before or before.endswith("]")) and not text.endswith("]"):
        host, digits = before, behind
        if not (digits.isascii() and digits.isdecimal() and 1 <= int(digits) <= 65_535):
            raise ValueError(f"{name}: {text!r}: a port is a number from 1 to 65535")
    host = host.removeprefix("[").removesuffix("]")
    if not host or any(letter.isspace() or letter in "/@[]" for letter in host):
        raise ValueError(f"{name}: {text!r} is not HOST or HOST:PORT")
    return Address(host, int(digits) if digits else port)


class Turn:
    """Which broker is in use, or tried next. Several connections of a program may share one.

    Args:
        addresses: in the order in which they are tried; at least one.
    """

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = tuple(addresses)
        self._index = 0
        self._failures = 0

    @property
    def current(self) -> Address:
        """The one in use, or to be tried next."""
        return self._addresses[self._index]

    @property
    def in_turn(self) -> tuple[Address, ...]:
        """All of them, beginning with the current one."""
        return self._addresses[self._index :] + self._addresses[: self._index]

    @property
    def is_several(self) -> bool:
        """Whether there is another one to go to."""
        return len(self._addresses) > 1

    @property
    def has_untried(self) -> bool:
        """Whether there is one that has not failed since the last that held, or in this round."""
        return self._failures % len(self._addresses) != 0

    def failed(self, address: Address) -> None:
        """`address` was not reached, or lost: the next one's turn. Not if another connection has said so already."""
        if address == self.current:
            self._index = (self._index + 1) % len(self._addresses)
            self._failures += 1

    def held(self) -> None:
        """A connection lasted: failures before it count no more."""
        self._failures = 0


class Backoff:
    """Random pauses that grow: decorrelated jitter, so that a school's gates do not come back all at once.

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    def __init__(self, least: float, most: float, rng: random.Random) -> None:
        self._least = least
        self._most = most
        self._rng = rng
        self._pause = least

    def next(self, *, another: bool = False) -> float:
        """Seconds to wait before the next attempt; `another`: at a broker that has not failed yet.

        There is no reason to spare that one, only one not to come to it together with everybody else.
        """
        if another:
            return self._rng.uniform(0, self._least)
        self._pause = min(self._most, self._rng.uniform(self._least, self._pause * 3))
        return self._pause

    def reset(self) -> None:
        """It worked: begin with short pauses again."""
        self._pause = self._least
