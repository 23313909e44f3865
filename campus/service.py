"""The hub, put together: configuration, database, and its parts in one task group."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from typing import TYPE_CHECKING, Final, NoReturn

import structlog
import uvicorn

from campus.alerts.mail import Mailer
from campus.alerts.watch import AlertWatch
from campus.api.app import make_app
from campus.certificates import Certificates, files_of
from campus.database import Database
from campus.duties import Duties
from campus.errors import HubConfigError, HubError
from campus.gates.distribution import Distribution, roster_key
from campus.gates.documents import Documents
from campus.gates.orders import OrderDesk
from campus.gates.peers import PeerNews
from campus.heartbeat import Heartbeat
from campus.intake.gaps import GapDetector
from campus.intake.ingest import Ingest
from campus.intake.share import EVERYTHING, Share
from campus.intake.store import HubStore
from campus.metrics import HubMetrics
from campus.outward.feed import Feed
from campus.outward.webhooks import Webhooks
from campus.people.enrolment import PhotographDesk
from campus.people.records import People
from campus.policy.versions import Policies
from campus.retention import Retention
from controller.health.notify import Notifier
from controller.link.peers import PeersSigner

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from fastapi import FastAPI

    from campus.api.health import BrokerState
    from campus.api.settings import HttpSettings
    from campus.broker import Broker
    from campus.config import HubConfig
    from campus.intake.gaps import GapSettings
    from campus.intake.store import Mark

OPENING: Final = 600.0
"""Seconds that making or migrating a database of years may take."""

log = structlog.stdlib.get_logger("hub")


class Hub:
    """One campus' hub; `notifier` is the service manager that watches it.

    Raises `HubConfigError` for an address of a database that cannot be one.
    """

    def __init__(self, config: HubConfig, share: Share = EVERYTHING, notifier: Notifier | None = None) -> None:
        self._config = config
        self._share = share
        self._metrics = HubMetrics()
        self.database = Database(config.database, config.campus)
        self.duties = Duties(self.database, self._metrics.duty)
        self.people = People(config.people)
        self.policies = Policies()
        self._broker = None if config.broker is None else config.broker.broker()
        self._intake = None if self._broker is None else self._make_intake(self._broker)
        roster = config.roster
        self._documents = None
        if roster is not None:
            self._documents = Documents(config.campus, roster.folder, self.database, self.people, self.policies)
        self.feed = Feed(self.database)
        egress = config.webhooks.egress()
        self.webhooks = Webhooks(self.database, self.people, self.feed, config.webhooks, egress)
        photographs = config.people.photographs
        self.photographs = None if photographs is None else PhotographDesk(self.database, self.people, photographs)
        app = make_app(
            self.database,
            self.people,
            order_desk=self._make_desk(),
            metrics=self._metrics,
            handed_out=self._documents,
            feed=self.feed,
            egress=egress,
            photograph_desk=self.photographs,
            settings=config.http,
            broker=self._state_of_intake,
            provisioning=config.people.scim,
        )
        self.web = WebServer(config.http, app)
        self._notifier = notifier or Notifier()
        self._certificates = Certificates(
            files_of(config),
            warn_days=config.alerts.certificate_days,
            days_left=self._metrics.certificate_days,
            renew=self._renewed,
        )

    def _renewed(self, name: str) -> None:
        if name == "https":
            self.web.renew()

    def _state_of_intake(self) -> BrokerState:
        if self._intake is None:
            return "none"
        if not self.duties.holds(self._intake.duty):
            return "standby"
        return "connected" if self._intake.connected else "away"

    def _make_intake(self, broker: Broker) -> Intake:
        config = self._config
        return Intake(
            config.campus,
            broker,
            self.database,
            gaps=config.gaps,
            metrics=self._metrics,
            policies=self.policies,
            signer=PeersSigner(config.campus, roster_key(None if config.roster is None else config.roster.sign_with)),
            share=self._share,
        )

    def _make_desk(self) -> OrderDesk | None:
        if self._config.orders is None:
            return None
        if self._broker is None:
            raise HubConfigError("orders: need a [broker]")
        return OrderDesk(self._broker, self._config.campus, self._config.orders)

    async def run(self) -> NoReturn:
        """Serve until cancelled. Raises `HubError` where trying again cannot help."""
        _check_share(self.database, self._share)
        self._notifier.starting("database", OPENING)
        await self.database.open()
        try:
            with self.database.of_one_hub(), self._metrics.served(self._config.metrics.port):
                async with asyncio.TaskGroup() as tasks:
                    self._start(tasks)
        except* HubError as group:
            raise _first(group) from group
        finally:
            self._notifier.stopping()
            if self.photographs is not None:
                self.photographs.close()
            await self.database.close()
        raise AssertionError("its parts run for ever")

    def _start(self, tasks: asyncio.TaskGroup) -> None:
        """Start every part: what each hub does, and the duties of which each is one hub's at a time."""
        tasks.create_task(self.web.run(), name="web")
        tasks.create_task(Heartbeat(self._notifier, self.web.port, self._state_of_intake).run(), name="heartbeat")
        tasks.create_task(self._metrics.run(self.database), name="metrics")
        tasks.create_task(self.feed.run(), name="feed")
        tasks.create_task(self._certificates.run(), name="certificates")
        if self.photographs is not None:
            tasks.create_task(self.photographs.warm_up(), name="photographs")
        tasks.create_task(self.duties.run(self._works()), name="duties")

    def _works(self) -> dict[str, Callable[[], Awaitable[NoReturn]]]:
        """The duties, by name."""
        config = self._config
        works: dict[str, Callable[[], Awaitable[NoReturn]]] = {
            "webhooks": self.webhooks.run,
            # Made anew: gates were not heard here until now.
            "alerts": lambda: AlertWatch(self.database, config.alerts, time.time(), self._certificates.wrong).run(),
            "retention": Retention(self.database, config.retention).run,
        }
        if config.alerts.mail is not None:
            works["mail"] = Mailer(self.database, self.feed, config.campus, config.alerts.mail).run
        if self._broker is None or self._intake is None:
            return works
        works[self._intake.duty] = self._intake.run
        if config.roster is not None and self._documents is not None:
            works["roster"] = Distribution(
                config.campus,
                config.roster,
                self.database,
                self.people,
                documents=self._documents,
                broker=self._broker,
            ).run
        return works


class Intake:
    """Takes in what the gates report, and asks for what stays away; one hub at a time for each share of the gates."""

    def __init__(
        self,
        campus: str,
        broker: Broker,
        database: Database,
        *,
        gaps: GapSettings,
        metrics: HubMetrics,
        policies: Policies,
        signer: PeersSigner | None = None,
        share: Share = EVERYTHING,
    ) -> None:
        self.duty = f"intake {share.number}/{share.workers}"
        """Its name among the duties."""
        self._detector = GapDetector(database, gaps, self._ask)
        told = [self._detector.committed, metrics.committed]
        peers = PeerNews(database, policies, signer or PeersSigner(campus, None))
        self._ingest = Ingest(campus, broker, HubStore(database), on_commit=told, peers=peers, share=share)
        metrics.watch(self._ingest)

    async def run(self) -> NoReturn:
        """Do so until cancelled. Raises `HubError` where trying again cannot help."""
        self._detector.forget()  # what was known before another hub had this duty
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._ingest.run(), name="ingest")
                tasks.create_task(self._detector.run(), name="gaps")
        except* HubError as group:
            raise _first(group) from group
        raise AssertionError("both run for ever")

    @property
    def connected(self) -> bool:
        """Whether gates are heard."""
        return self._ingest.connected.is_set()

    async def _ask(self, marks: Sequence[Mark]) -> bool:
        return await self._ingest.ask(marks)


async def take_in(intake: Intake, database: Database, share: Share, metrics: HubMetrics) -> NoReturn:
    """An intake alone, until cancelled. Raises `HubError` where trying again cannot help."""
    _check_share(database, share)
    with database.of_one_hub():
        try:
            await Duties(database, metrics.duty).run({intake.duty: intake.run})
        except* HubError as group:
            raise _first(group) from group
    raise AssertionError("it runs for ever")


def _check_share(database: Database, share: Share) -> None:
    if not (share.is_everything or database.is_postgresql):
        raise HubConfigError(f"--worker: several need PostgreSQL, and {database.address} is a file (docs/hub.md)")


class WebServer:
    """Answers HTTP, as a part among others: signals are the program's."""

    def __init__(self, settings: HttpSettings, app: FastAPI) -> None:
        self._settings = settings
        self._app = app
        self.port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """Where it answers, once it does."""
        self._tls: ssl.SSLContext | None = None

    def renew(self) -> None:
        """Answer with the certificate that lies there now; whoever is connected stays so."""
        if self._tls is None or self._settings.cert is None:
            return
        try:
            # Tried on another one first: one that took the certificate and not the key would answer nobody.
            for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self._tls):
                context.load_cert_chain(self._settings.cert, self._settings.key)
        except OSError as error:  # ssl.SSLError is one
            log.error("certificate not taken up", file=str(self._settings.cert), error=str(error))

    async def run(self) -> NoReturn:
        """Answer until cancelled; requests under way are finished. Raises `HubConfigError`."""
        settings = self._settings
        where = f"[http] {settings.host}:{settings.port}"
        try:
            config = uvicorn.Config(
                self._app,
                host=settings.host,
                port=settings.port,
                ssl_certfile=settings.cert,
                ssl_keyfile=settings.key or settings.cert,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=settings.grace,
            )
            config.load()
            self._tls = config.ssl
            family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
            listening = socket.create_server((settings.host, settings.port), family=family, backlog=config.backlog)
        except OSError as error:  # ssl.SSLError is one
            raise HubConfigError(f"{where}: {error}") from error
        server = _Server(config)
        serving = asyncio.ensure_future(server.serve([listening]))
        self.port.set_result(listening.getsockname()[1])
        log.info("answering", host=settings.host, port=self.port.result(), encrypted=config.is_ssl)
        try:
            await asyncio.shield(serving)
        finally:
            server.should_exit = True
            await serving
            listening.close()
        raise AssertionError("it serves until it is told to stop")


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None: who started it ends it."""
        yield


def _first(group: BaseExceptionGroup[HubError]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
