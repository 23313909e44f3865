"""Errors of the hub. Each is also the standard library's kind."""

from __future__ import annotations


class HubError(Exception):
    """Base of everything the hub raises on purpose."""


class HubStoreError(HubError, OSError):
    """The hub's database cannot be read or written; the message names it."""


class HubDataError(HubStoreError, ValueError):
    """The database takes what it was given neither now nor later: again would be in vain."""


class HubTakenError(HubDataError):
    """The same, as it contradicts what is there: a place is taken."""


class HubConfigError(HubError, ValueError):
    """An option or a file it names cannot be used."""


class HubOrderError(HubError, RuntimeError):
    """An order came to nothing: the broker is not there, or what the gate says cannot be read."""


class HubGateAwayError(HubOrderError):
    """The gate is not there, or takes no orders: nothing was sent."""


class HubLateOrderError(HubOrderError):
    """The hub itself took too long to come to the order: nothing was sent."""


class HubNoAnswerError(HubOrderError, TimeoutError):
    """The gate did not answer: nobody knows whether it did what it was told."""


class HubAuditError(HubError, ValueError):
    """The audit log is not as it was written; the message names the entry."""


class HubConflictError(HubError, RuntimeError):
    """What was asked for does not fit what is there now; the message says what that is."""


class HubBusyError(HubError, RuntimeError):
    """So much is under way that no more is taken on; it may be tried again in a moment."""


class HubEngineError(HubError, RuntimeError):
    """Photographs cannot be turned into templates here; the message names the key or the file, and what to do."""
