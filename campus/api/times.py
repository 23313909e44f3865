"""Moments: Unix seconds inside, RFC 3339 in UTC outside."""

from __future__ import annotations

import datetime as dt


def moment(seconds: float) -> dt.datetime:
    """`seconds` since 1970 as a date and time in UTC."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def moment_or_none(seconds: float | None) -> dt.datetime | None:
    """The same, where there may be none, or a board without a clock may have made one that is no date."""
    try:
        return None if seconds is None else moment(seconds)
    except (ValueError, OverflowError, OSError):
        return None
