"""A check: one claim, how it is tried, and the function that tries it. Its evidence goes out in a line."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from image.proof.claims import Evidence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class NotShown(Exception):  # noqa: N818 - a finding, and no error of the proof's
    """The claim does not hold; the message says what was seen in its place."""


class CannotTry(Exception):  # noqa: N818
    """The claim cannot be tried here; the message says why."""


@dataclass(frozen=True, slots=True)
class Check:
    """One claim."""

    claim: str
    how: str
    measure: Callable[[], str]
    """Tries it and returns the figure. Raises NotShown or CannotTry."""
    seconds: int = 60
    """Time after which it has failed."""


def need(condition: object, said: str) -> None:
    """Raise NotShown with `said` where the condition does not hold."""
    if not condition:
        raise NotShown(said)


def tell(text: str) -> None:
    """Say on the console how far a check is."""
    print(f"{time.monotonic():.1f} s: {text}", file=sys.stderr, flush=True)


def try_all(checks: tuple[Check, ...]) -> None:
    """Try each check and print its evidence; one that fails keeps no other from being tried."""
    for check in checks:
        print(_try(check).line(), flush=True)


def _try(check: Check) -> Evidence:
    try:
        with _time_limit(check.seconds):
            return Evidence(check.claim, "shown", check.how, check.measure())
    except CannotTry as reason:
        return Evidence(check.claim, "skipped", check.how, str(reason))
    except NotShown as finding:
        traceback.print_exc(file=sys.stderr)
        return Evidence(check.claim, "FAILED", check.how, str(finding))
    except Exception as error:  # noqa: BLE001 - whatever a check runs into is a claim that was not shown
        traceback.print_exc(file=sys.stderr)
        return Evidence(check.claim, "FAILED", check.how, f"{type(error).__name__}: {error}")


@contextlib.contextmanager
def _time_limit(seconds: int) -> Iterator[None]:
    def late(*_: object) -> None:
        raise NotShown(f"not within {seconds} s")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
