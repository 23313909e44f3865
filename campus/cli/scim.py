"""`thermogate-hub scim`: how the guard against a push that shuts everybody out stands, and to take it off."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import TYPE_CHECKING

from campus.cli.admin import here, work
from campus.config import load
from campus.errors import HubConfigError
from campus.scim import guard

if TYPE_CHECKING:
    import argparse

    from campus.cli.orders import Subparsers


def add_parsers(parsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add it."""
    scim = parsers.add_parser("scim", help="people pushed by an identity provider: the guard of removals")
    what = scim.add_subparsers(required=True, metavar="ACTION")
    status = what.add_parser("status", help="say how many were shut out, and whether more are refused")
    status.set_defaults(run=_status)
    allow = what.add_parser("allow-removals", help="let so many more be shut out within a day")
    allow.add_argument("number", type=int, metavar="N")
    allow.set_defaults(run=_allow)
    for parser in (status, allow):
        parser.add_argument("--config", required=True, type=Path, metavar="FILE", help="hub.toml")


def _status(options: argparse.Namespace) -> int:
    settings = load(options.config).people.scim
    if settings is None:
        raise HubConfigError(f"{options.config}: people.scim: is missing")
    how = work(options, lambda query: guard.standing(query, settings, time.time()))
    print(f"{how.recent} of at most {how.most} people shut out within {settings.removal_window:.0f} s")
    if how.allowed:
        print(f"{how.allowed} more are allowed")
    if how.tripped is not None:
        since = dt.datetime.fromtimestamp(how.tripped, dt.UTC).astimezone()
        print(f"REFUSED since {since:%Y-%m-%d %H:%M}: nobody is shut out by a push until you allow it")
    return 0


def _allow(options: argparse.Namespace) -> int:
    if options.number < 0:
        raise HubConfigError("scim allow-removals: N is 0 or more")
    work(options, lambda query: guard.allow(query, here(), options.number, now=time.time()))
    print(f"{options.number} more people may be shut out within a day; the provider tries again by itself")
    return 0
