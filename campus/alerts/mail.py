"""Mails alerts, in English and Chinese: at most one a minute, with everything that came together since the last.

It reads the change feed from where it stopped; what a mail server does not take is mailed later. A mail lies open on
other people's machines, so it names neither person nor temperature; of a fever it says the ticket's number.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
import time
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import aiosmtplib
import msgspec
import sqlalchemy as sa
import structlog

from campus.alerts.watch import WatchSettings
from campus.doctor import tickets
from campus.errors import HubConfigError, HubStoreError
from campus.outward import changes
from campus.outward.tables import consumer
from controller.link.connection import end_if_cancelled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from campus.database import Database
    from campus.outward.changes import Positioned
    from campus.outward.feed import Feed

NAME = "mail"
MOST = 200
"""Alerts that one mail lists; of more it says how many."""
PAUSES = 30.0, 900.0
"""Seconds before a mail is tried again, doubling up to the most."""
TIMEOUT = 30.0
UNASKED = 1.0
"""Seconds between looks while passages alone come."""
WORDS = {
    "fever": ("fever: see the ticket", "发热,见工单"),
    "intrusion": ("passage without a grant", "未经许可通行"),
    "tailgate": ("somebody followed", "尾随"),
    "reverse": ("wrong way", "逆行"),
    "tamper": ("housing opened", "机壳被打开"),
    "emergency": ("fire alarm, the way is free", "消防报警,通道已放开"),
    "fault": ("fault", "故障"),
    "fault_cleared": ("fault is over", "故障已排除"),
    "warning": ("warning", "警告"),
    "self_test": ("self-test", "自检"),
    "gate_offline": ("gate offline", "闸机离线"),
    "device_lost": ("device lost", "设备丢失"),
    "gap": ("events are missing", "事件缺失"),
    "roster_lagging": ("roster is out of date", "名单未更新"),
    "certificate": ("a certificate is about to end, or is unusable", "证书即将过期或不可用"),
    "webhook_disabled": ("webhook disabled", "推送已停用"),
    "removals_refused": ("removals of people refused", "人员批量停用已拒绝"),
    "test": ("a test", "测试"),
}
OVER = " (over 已恢复)"
DEFAULT = (
    "fever", "intrusion", "tamper", "emergency", "fault", "gate_offline", "device_lost", "gap", "roster_lagging",
    "webhook_disabled", "certificate", "removals_refused",
)  # fmt: skip

log = structlog.stdlib.get_logger("hub")
Address = Annotated[str, msgspec.Meta(pattern=r"^[^@\s,<>]+@[^@\s,<>]+$", max_length=254)]


class MailSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[alerts.mail]`."""

    host: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 587
    encryption: Literal["starttls", "tls", "none"] = "starttls"
    """`none` only to a server on this machine."""
    ca: Path | None = None
    """PEM file of an authority to trust beside the system's."""
    username: str | None = None
    password_file: Path | None = None
    """A file whose first line is the password."""
    sender: Address
    to: Annotated[tuple[Address, ...], msgspec.Meta(min_length=1)]
    types: tuple[str, ...] = DEFAULT
    """Which alerts."""
    every: Annotated[float, msgspec.Meta(ge=1, le=86_400)] = 60.0
    """Seconds between two mails at least."""
    person: bool = False
    """Say in a fever's mail whose it is and what the gate read. Everybody who handles mail then handles health data."""


class AlertSettings(WatchSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[alerts]` of hub.toml."""

    mail: MailSettings | None = None


class Mailer:
    """Mails what the feed brings.

    Args:
        database: where the feed is.
        feed: says when there is something.
        campus: stands in the subject.
        settings: `[alerts.mail]`.
    """

    def __init__(self, database: Database, feed: Feed, campus: str, settings: MailSettings) -> None:
        self._database = database
        self._feed = feed
        self._campus = campus
        self._settings = settings

    async def run(self) -> NoReturn:
        """Mail until cancelled; the first time only what happens from now on."""
        pause = PAUSES[0]
        while True:
            end_if_cancelled()  # aiosmtplib waits by wait_for
            try:
                position = await self._position()
                await self._feed.beyond(position, self._settings.every)
                mailed = await self.tell(position)
                pause = PAUSES[0]
                await asyncio.sleep(self._settings.every if mailed else UNASKED)
            except (HubStoreError, HubConfigError) as error:
                log.warning("no mail of alerts", error=str(error), again=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, PAUSES[1])

    async def tell(self, position: int) -> bool:
        """Mail what came behind `position`; whether there was anything. Raises `HubConfigError`: it was not taken."""
        async with self._database.transaction() as query:
            head = await changes.head(query)
            found = await changes.after(query, position, ("alert", "health"), head - position)
        wanted = [one for one in found if one.change.type in self._settings.types]
        if wanted:
            await send(self._settings, await self._message(wanted))
        async with self._database.transaction() as query:
            mine = consumer.c.name == NAME, consumer.c.position == position
            await query.execute(sa.update(consumer).where(*mine).values(position=head))
        return bool(wanted)

    async def _position(self) -> int:
        async with self._database.transaction() as query:
            known = (await query.execute(sa.select(consumer.c.position).where(consumer.c.name == NAME))).scalar()
            if known is None:
                known = await changes.head(query)
                await query.execute(consumer.insert().values(name=NAME, position=known))
        return int(known)

    async def _message(self, found: Sequence[Positioned]) -> EmailMessage:
        lines = [await self._line(one.change) for one in found[:MOST]]
        if len(found) > MOST:
            lines.append(f"… and {len(found) - MOST} more 另有 {len(found) - MOST} 条")
        return message(self._settings, f"{self._campus}: {len(found)} alerts 告警", lines)

    async def _line(self, one: changes.Change) -> str:
        when = dt.datetime.fromtimestamp(one.happened, dt.UTC).astimezone()
        english, chinese = WORDS.get(one.type, (one.type, one.type))
        detail = one.detail
        more = " ".join(str(detail[key]) for key in ("fault", "subject", "reason", "ticket") if detail.get(key))
        over = OVER if detail.get("active") is False else ""
        line = f"{when:%Y-%m-%d %H:%M:%S}  {one.gate or 'hub'}: {english} {chinese}{over}"
        if one.type == "fever" and self._settings.person:
            more += await self._whose(int(detail["ticket"]))
        return f"{line}  {more}".rstrip()

    async def _whose(self, number: int) -> str:
        async with self._database.transaction() as query:
            found = await tickets.get(query, number)
            history = await tickets.entries(query, [number])
        if found is None:
            return ""
        read = [one.detail for one in history if one.action == tickets.Action.READING]
        values = [value for one in read if (value := one.get("temperature", one.get("manual_temperature"))) is not None]
        return f"  {found.person} " + " ".join(f"{value:.1f} °C" for value in values)


def message(settings: MailSettings, subject: str, lines: Sequence[str]) -> EmailMessage:
    """A mail to everybody who is to have it."""
    made = EmailMessage()
    made["From"] = settings.sender
    made["To"] = ", ".join(settings.to)
    made["Subject"] = f"[Thermogate] {subject}"
    made["Date"] = dt.datetime.fromtimestamp(time.time(), dt.UTC)
    made["Auto-Submitted"] = "auto-generated"
    made.set_content("\n".join(lines) + "\n")
    return made


async def send(settings: MailSettings, made: EmailMessage) -> None:
    """Hand a mail to the server. Raises `HubConfigError` saying why it did not take it, without the password."""
    where = f"alerts.mail: {settings.host}:{settings.port}"
    if settings.encryption == "none" and settings.host not in ("localhost", "127.0.0.1", "::1"):
        raise HubConfigError(f"{where}: without encryption only to this machine")
    try:
        password = None
        if settings.password_file is not None:
            lines = await asyncio.to_thread(settings.password_file.read_text, encoding="utf-8")
            password = lines.splitlines()[0]
        trusted = ssl.create_default_context()
        if settings.ca is not None:
            trusted.load_verify_locations(settings.ca)
        await aiosmtplib.send(
            made,
            hostname=settings.host,
            port=settings.port,
            username=settings.username,
            password=password,
            use_tls=settings.encryption == "tls",
            start_tls=settings.encryption == "starttls",
            tls_context=None if settings.encryption == "none" else trusted,
            timeout=TIMEOUT,
        )
    except (aiosmtplib.SMTPException, OSError, IndexError) as error:
        raise HubConfigError(f"{where}: {error}") from error
