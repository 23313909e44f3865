"""Moments: Unix seconds inside, RFC 3339 in UTC outside."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator, WithJsonSchema

RFC3339 = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
LOCAL = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?$"


def _text(value: object) -> object:
    if value is not None and not isinstance(value, str | dt.date):
        raise ValueError("should be a date as text: YYYY-MM-DD")
    return value


def _local(value: object) -> object:
    made_here = value is None or isinstance(value, dt.datetime)
    if not made_here and not (isinstance(value, str) and re.fullmatch(LOCAL, value)):
        raise ValueError("should be a date and time without zone: YYYY-MM-DDTHH:MM:SS")
    return value


LocalTime = Annotated[dt.datetime, BeforeValidator(_local), WithJsonSchema({"type": "string", "pattern": LOCAL})]
"""A moment by a clock of the campus. RFC 3339's format, which JSON Schema calls `date-time`, has a zone."""


def _rfc3339(value: object) -> object:
    made_here = isinstance(value, dt.datetime)
    if not made_here and not (isinstance(value, str) and re.fullmatch(RFC3339, value)):
        raise ValueError("should be a date and time with its zone, by RFC 3339")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_rfc3339)]
"""A moment, as text and nothing else."""

Day = Annotated[dt.date, BeforeValidator(_text)]
"""A day, as text: pydantic would take seconds since 1970 too, of which the OpenAPI document says nothing."""


def moment(seconds: float) -> dt.datetime:
    """`seconds` since 1970 as a date and time in UTC."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def moment_or_none(seconds: float | None) -> dt.datetime | None:
    """The same, where there may be none, or a board without a clock may have made one that is no date."""
    try:
        return None if seconds is None else moment(seconds)
    except (ValueError, OverflowError, OSError):
        return None
