"""`thermogate-hub alert test`: whether an alert arrives."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

from campus.alerts import mail
from campus.alerts.watch import own_alert
from campus.cli.admin import here
from campus.config import load
from campus.database import Database
from campus.outward import changes

if TYPE_CHECKING:
    import argparse

    from campus.cli.orders import Subparsers
    from campus.config import HubConfig


def add_parsers(parsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add it."""
    alert = parsers.add_parser("alert", help="see whether alerts arrive")
    what = alert.add_subparsers(required=True, metavar="ACTION")
    test = what.add_parser("test", help="send a test by mail, and put one into the feed, for webhooks")
    test.add_argument("--config", required=True, type=Path, metavar="FILE", help="hub.toml")
    test.set_defaults(run=_test)


def _test(options: argparse.Namespace) -> int:
    config = load(options.config)
    asyncio.run(_send(config))
    settings = config.alerts.mail
    print("In the feed; webhooks are told while the hub serves.")
    print("No [alerts.mail]: no mail." if settings is None else f"Mailed to {', '.join(settings.to)}.")
    return 0


async def _send(config: HubConfig) -> None:
    async with Database(config.database, config.campus) as database, database.transaction() as query:
        await changes.append(query, [own_alert("test", time.time(), {"reason": f"by {here().name}"})])
    if config.alerts.mail is not None:
        words = " ".join(mail.WORDS["test"])
        await mail.send(config.alerts.mail, mail.message(config.alerts.mail, f"{config.campus}: {words}", [words]))
