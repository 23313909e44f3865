"""Tells the school's own programs of each change by HTTPS, signed as Standard Webhooks 1.0 has it.

A subscription is a place in the change feed, so the feed is the outbox: each receiver is told in order and at least
once, apart from the others. What is not answered by 2xx is sent again with growing pauses; who has not answered for
days is disabled, and the feed says so.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime as dt
import random
import secrets
import ssl
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import httpcore
import msgspec
import sqlalchemy as sa
import standardwebhooks
import structlog

from campus.alerts.watch import own_alert
from campus.auth import audit
from campus.duties import ANSWER_WITHIN
from campus.errors import HubConfigError, HubStoreError
from campus.outward import changes
from campus.outward.egress import Egress, EgressError
from campus.outward.tables import webhook
from controller.gallery.sealing import Sealed, SealError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.ext.asyncio import AsyncConnection

    from campus.auth.roles import Actor
    from campus.database import Database
    from campus.outward.changes import Positioned
    from campus.outward.feed import Feed
    from campus.people.records import People

BATCH = 100
RECEIVER_PATIENCE = 15.0
"""Seconds; the specification recommends 15 to 30."""
NOTE_AFTER = 1.0
"""Seconds after which progress is written down, so that whoever goes on repeats no more than that."""
PAUSES = 1.0, 600.0
"""Seconds before the second attempt, doubling up to the most."""
LONGEST_PAUSE = 3600.0
"""Seconds that a receiver may ask to be left alone for (`Retry-After`)."""
LONGEST_ANSWER = 65_536
"""Bytes."""
GONE = 410
LOOK = 5.0
"""Seconds between looks for subscriptions that are new, or were enabled again."""

log = structlog.stdlib.get_logger("hub")


class WebhookSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[webhooks]` of hub.toml."""

    allow: tuple[str, ...] = ()
    """Private networks that may be told, such as `10.1.0.0/16`; these may do without TLS."""
    ca: Path | None = None
    """PEM file of an authority to trust beside the system's."""
    give_up_days: Annotated[float, msgspec.Meta(gt=0, le=30)] = 5
    """Who has answered nothing for as long is disabled."""

    def egress(self) -> Egress:
        """What may be reached by these settings. Raises `HubConfigError`."""
        trusted = ssl.create_default_context()
        if self.ca is not None:
            try:
                trusted.load_verify_locations(self.ca)
            except OSError as error:  # ssl.SSLError is one
                raise HubConfigError(f"webhooks.ca: {self.ca}: cannot be used: {error}") from error
        return Egress(self.allow, trusted)


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """Who is told of what, and how far they are; but for the secret."""

    id: str
    url: str
    kinds: tuple[str, ...]
    created: float
    position: int
    failing: float | None
    """Unix seconds since when nothing was delivered; None: the last attempt succeeded."""
    failure: str | None
    disabled: float | None


async def subscribe(
    query: AsyncConnection, people: People, by: Actor, url: str, kinds: Iterable[str], *, now: float
) -> tuple[Subscription, str]:
    """Tell `url` of what happens from now on; the subscription and its secret, which is not shown again."""
    secret = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
    identifier = secrets.token_hex(4)
    row = {
        "id": identifier,
        "url": url,
        "kinds": " ".join(sorted(set(kinds))),
        "created": now,
        "position": await changes.head(query),
        **people.sealer.seal(secret.encode(), ("webhook", identifier))._asdict(),
    }
    await query.execute(webhook.insert().values(**row))
    await audit.append(query, by, "webhook_added", identifier, {"url": url, "kinds": row["kinds"]}, now=now)
    return (await everyone(query, identifier))[0], secret


async def everyone(query: AsyncConnection, identifier: str | None = None) -> list[Subscription]:
    """All subscriptions, or the one of an id, oldest first."""
    names = [webhook.c[name] for name in Subscription.__struct_fields__]
    wanted = sa.select(*names).order_by(webhook.c.created, webhook.c.id)
    if identifier is not None:
        wanted = wanted.where(webhook.c.id == identifier)
    rows = [dict(row._mapping) for row in await query.execute(wanted)]  # noqa: SLF001 - SQLAlchemy's public name for it
    return [Subscription(**row | {"kinds": tuple(row["kinds"].split())}) for row in rows]


async def remove(query: AsyncConnection, by: Actor, identifier: str, *, now: float) -> bool:
    """End a subscription; whether there was one."""
    if not (await query.execute(sa.delete(webhook).where(webhook.c.id == identifier))).rowcount:
        return False
    await audit.append(query, by, "webhook_removed", identifier, {}, now=now)
    return True


async def enable(query: AsyncConnection, by: Actor, identifier: str, *, now: float) -> bool:
    """Go on where a disabled subscription stopped, as far back as the feed is kept; whether there is one."""
    values = {"disabled": None, "failing": None, "failure": None}
    if not (await query.execute(sa.update(webhook).where(webhook.c.id == identifier).values(values))).rowcount:
        return False
    await audit.append(query, by, "webhook_enabled", identifier, {}, now=now)
    return True


async def note(query: AsyncConnection, to: Subscription, values: dict[str, object]) -> bool:
    """Write down what became of it, unless it has gone on since `to` was read; whether it was."""
    unchanged = webhook.c.id == to.id, webhook.c.position == to.position, webhook.c.disabled.is_(None)
    return bool((await query.execute(sa.update(webhook).where(*unchanged).values(**values))).rowcount)


class Webhooks:
    """The sender.

    Args:
        database: where subscriptions and changes are.
        people: whose key opens the secrets.
        feed: says when there is something to tell.
        settings: `[webhooks]`.
        egress: what may be reached.
    """

    def __init__(
        self, database: Database, people: People, feed: Feed, settings: WebhookSettings, egress: Egress
    ) -> None:
        self._database = database
        self._people = people
        self._feed = feed
        self._give_up = settings.give_up_days * 86_400
        self._egress = egress

    async def run(self) -> NoReturn:
        """Send until cancelled, each receiver in a task of its own."""
        async with asyncio.TaskGroup() as tasks:
            working: dict[str, asyncio.Task[None]] = {}
            while True:
                with contextlib.suppress(HubStoreError):  # the feed says so already
                    async with self._database.transaction() as query:
                        wanted = {one.id for one in await everyone(query) if one.disabled is None}
                    for identifier in working.keys() - wanted:  # removed, maybe in the middle of a hundred changes
                        working.pop(identifier).cancel()
                    for identifier in wanted - {name for name, task in working.items() if not task.done()}:
                        working[identifier] = tasks.create_task(self._serve(identifier), name=f"webhook {identifier}")
                await asyncio.sleep(LOOK)

    async def _serve(self, identifier: str) -> None:
        """Tell one receiver, until it is removed or disabled."""
        pause, reached = PAUSES[0], -1
        async with self._egress.pool() as secure, self._egress.pool(plain=True) as plain:
            while True:
                read = time.monotonic()
                try:
                    found = await self._next(identifier)
                    if found is None:
                        return
                    subscription, secret, told = found
                    if subscription.position > reached:
                        pause, reached = PAUSES[0], subscription.position
                    if not told:
                        await self._feed.beyond(subscription.position, LOOK)
                        continue
                    pool = plain if subscription.url.startswith("http:") else secure
                    asked = await self._deliver(pool, subscription, secret, told, read)
                except HubStoreError as error:
                    log.warning("webhook waits for the database", webhook=identifier, error=str(error))
                    asked = 0.0
                if asked is not None:
                    await asyncio.sleep(max(asked, pause * random.uniform(0.75, 1.25)))  # noqa: S311 - no secret
                    pause = min(pause * 2, PAUSES[1])

    async def _next(self, identifier: str) -> tuple[Subscription, str, list[Positioned]] | None:
        async with self._database.transaction() as query:
            found = await everyone(query, identifier)
            if not found or found[0].disabled is not None:
                return None
            # Before the changes are read: what comes after that read is behind it.
            head = await changes.head(query)
            told = await changes.after(query, found[0].position, found[0].kinds, BATCH)
            if not told and head > found[0].position:  # nothing of its kinds
                await note(query, found[0], {"position": head})
                found = await everyone(query, identifier)
            row = (await query.execute(sa.select(webhook).where(webhook.c.id == identifier))).one()
        try:
            secret = self._people.sealer.unseal(Sealed(row.key, row.nonce, row.sealed), ("webhook", identifier))
        except SealError as error:
            raise HubStoreError(f"webhook {identifier}: its secret does not open: {error}") from error
        return found[0], secret.decode(), told

    async def _deliver(
        self, pool: httpcore.AsyncConnectionPool, to: Subscription, secret: str, told: list[Positioned], read: float
    ) -> float | None:
        """Send some changes, one after the other, and note how far that went; None: what was sent arrived.

        Else seconds that the receiver asked to be left alone for. Nothing is noted where it has gone on meanwhile, by
        another hub that took the duty over. What was asked for at `read` (monotonic seconds), longer ago than a hub may
        go without PostgreSQL's answer, is not sent: this one was stopped, or slept, and may not have the duty any more.
        """
        noted = time.monotonic()
        signer = standardwebhooks.Webhook(secret)
        reached = to.position
        failure: _Failure | None = None
        for position, one in told:
            if time.monotonic() - read > ANSWER_WITHIN:
                break
            failure = await self._post(pool, to.url, signer, position, one)
            if failure is not None:
                break
            reached = position
            if time.monotonic() - noted > NOTE_AFTER:
                break
        now = time.time()
        async with self._database.transaction() as query:
            progress = {"position": reached} if reached > to.position else {}
            if failure is None:
                await note(query, to, progress | {"failing": None, "failure": None})
                return None
            failing = now if progress or to.failing is None else to.failing
            values: dict[str, object] = progress | {"failing": failing, "failure": failure.reason}
            given_up = failure.gone or now - failing > self._give_up
            if await note(query, to, values | ({"disabled": now} if given_up else {})) and given_up:
                await self._disable(query, to, failure.reason, now)
        if failing == now:
            log.warning("webhook fails", webhook=to.id, reason=failure.reason)
        return failure.asked

    async def _post(
        self,
        pool: httpcore.AsyncConnectionPool,
        url: str,
        signer: standardwebhooks.Webhook,
        position: int,
        one: changes.Change,
    ) -> _Failure | None:
        now = dt.datetime.now(dt.UTC)
        data = {"position": position} | changes.document(one)
        kind = one.type if one.kind == one.type else f"{one.kind}.{one.type}"
        body = msgspec.json.encode({"type": kind, "timestamp": data["time"], "data": data}).decode()
        headers = {
            "content-type": "application/json",
            "user-agent": "thermogate-hub",
            "webhook-id": one.message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signer.sign(one.message_id, now, body),
        }
        try:
            async with asyncio.timeout(RECEIVER_PATIENCE):
                async with pool.stream("POST", url, headers=list(headers.items()), content=body.encode()) as answer:
                    await _skim(answer)
        except (
            httpcore.NetworkError,
            httpcore.ProtocolError,
            httpcore.TimeoutException,
            httpcore.UnsupportedProtocol,
            EgressError,
            OSError,
        ) as error:
            return _Failure(f"{type(error).__name__}: {error}"[:200])
        if 200 <= answer.status < 300:
            return None
        return _Failure(f"answered {answer.status}", gone=answer.status == GONE, asked=asked_pause(answer))

    async def _disable(self, query: AsyncConnection, to: Subscription, reason: str, now: float) -> None:
        log.error("webhook disabled", webhook=to.id, reason=reason)
        await changes.append(query, [own_alert("webhook_disabled", now, {"webhook": to.id, "reason": reason})])


class _Failure(msgspec.Struct, frozen=True):
    """Why something did not arrive."""

    reason: str
    gone: bool = False
    """The receiver wants no more."""
    asked: float = 0.0
    """Seconds that it asked to be left alone for."""


async def _skim(answer: httpcore.Response) -> None:
    """Read a short answer to its end, so that the connection can be used again; of a long one nobody needs the rest."""
    size = 0
    async for part in answer.aiter_stream():
        size += len(part)
        if size > LONGEST_ANSWER:
            return


def asked_pause(answer: httpcore.Response) -> float:
    """Seconds for which a receiver asks to be left alone; 0: it does not."""
    named = {name.lower(): value for name, value in answer.headers}
    told = named.get(b"retry-after", b"").decode("ascii", "replace")
    return min(float(told), LONGEST_PAUSE) if told.isdecimal() else 0.0
