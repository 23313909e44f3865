"""Errors of the hub. Each is also the standard library's kind."""

from __future__ import annotations


class HubError(Exception):
    """Base of everything the hub raises on purpose."""


class HubStoreError(HubError, OSError):
    """The hub's database cannot be read or written; the message names it."""


class HubConfigError(HubError, ValueError):
    """An option or a file it names cannot be used."""


class HubOrderError(HubError, RuntimeError):
    """A gate cannot be given orders, or did not answer."""


class HubAuditError(HubError, ValueError):
    """The audit log is not as it was written; the message names the entry."""
