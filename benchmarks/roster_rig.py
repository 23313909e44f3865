"""A hub and gates' ends of the distribution in one process, for the benchmark and the tests: the shipped parts, joined.

A gate here is what follows the hub on a board (link, desk, gallery, index and the watch that loads it) without lane,
camera and lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import time
from typing import TYPE_CHECKING

import numpy as np

from campus.api.settings import HttpSettings
from campus.auth.roles import Actor, Role
from campus.config import BrokerSettings, HubConfig
from campus.gates import keys as gate_keys
from campus.gates.distribution import RosterSettings
from campus.people.records import Number, PeopleSettings, Person, Template
from campus.service import Hub
from controller.config import Config, SiteSettings, StoreSettings
from controller.follow.access import PolicyWatch, access_of
from controller.follow.gallery import GalleryWatch
from controller.follow.roster import RosterDesk, gate_key
from controller.gallery.credentials import open_book
from controller.gallery.index import GalleryIndex
from controller.gallery.model import Consent
from controller.gallery.store import GalleryStore
from controller.link import settings as link
from controller.link.documents import key_text
from controller.link.mqtt import Link
from controller.link.signing import create_private, public_text, read_private
from controller.record.journal import Journal
from hw.clock import SystemClock
from hw.executor import ClockExecutor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from campus.people.photographs import PhotographSettings
    from controller.perception.types import FaceEngine

ADMIN = Actor("administrator", Role.ADMIN)
MODEL, DIM = "net:1", 128
CONSENT = Consent("consent", dt.date(2026, 1, 1), "guardian", "face")


def face(seed: int) -> NDArray[np.float32]:
    """A template that is nobody's: float32[DIM] of length 1."""
    numbers = np.random.default_rng(seed).normal(size=DIM)
    return np.asarray(numbers / np.linalg.norm(numbers), dtype=np.float32)


def somebody(number: int, **more: Any) -> Person:
    """A person with a card."""
    cards = (Number("card", f"{number:08X}"),)
    return Person(id=f"p{number}", groups=("student",), consent=CONSENT, credentials=cards, **more)


class RigHub:
    """A hub on SQLite, in `folder`; `port`: the broker's on loopback. `photographs`: None: it takes none."""

    def __init__(self, folder: Path, port: int, photographs: PhotographSettings | None = None) -> None:
        key = folder / "hub.key"
        private = read_private(key) if key.exists() else create_private(key)
        self.public = public_text(private.public_key())
        self.config = HubConfig(
            campus="school",
            database=str(folder / "hub.sqlite3"),
            broker=BrokerSettings(port=port),
            http=HttpSettings(port=0),
            people=PeopleSettings(key=folder / "people.key", photographs=photographs),
            roster=RosterSettings(sign_with=key, folder=folder / "documents"),
        )
        self.hub = Hub(self.config)
        self.people, self.database = self.hub.people, self.hub.database
        self._task = asyncio.ensure_future(self.hub.run())

    async def url(self) -> str:
        """Where it answers."""
        waiting: set[asyncio.Future[Any]] = {self.hub.web.port, self._task}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            self._task.result()
        return f"http://127.0.0.1:{self.hub.web.port.result()}"

    async def add(self, *numbers: int, faces: int = 1, **more: Any) -> None:
        """Enrol these people, in one transaction."""
        async with self.database.transaction() as query:
            for number in numbers:
                await self.people.upsert(query, ADMIN, somebody(number, **more), now=time.time())
                made = [Template(MODEL, face(number * 10 + place), None) for place in range(faces)]
                if made:
                    await self.people.set_templates(query, ADMIN, f"p{number}", made, now=time.time())

    async def remove(self, *numbers: int) -> None:
        """Remove these people."""
        async with self.database.transaction() as query:
            for number in numbers:
                await self.people.remove(query, ADMIN, f"p{number}", now=time.time())

    async def pin(self, gate: RigGate) -> None:
        """Give a gate people."""
        async with self.database.transaction() as query:
            await gate_keys.pin(query, ADMIN, gate.name, gate.key, now=time.time())

    async def revoke(self, name: str) -> None:
        """A gate was stolen."""
        async with self.database.transaction() as query:
            await gate_keys.revoke(query, ADMIN, self.people, name, now=time.time())

    async def stop(self) -> None:
        """End it."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task


class RigGate:
    """What follows the hub on a board, in `folder`. `engine`: whose templates it searches; None: those of `face`."""

    def __init__(
        self, folder: Path, name: str, port: int, hub: RigHub, url: str, *, engine: FaceEngine | None = None
    ) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self.name, self.folder = name, folder
        self.key = key_text(gate_key(folder).public_key())
        self.forgotten: list[str] = []
        clock = SystemClock()
        plain = GalleryIndex(DIM, MODEL, threshold=0.5, margin=0.0)
        self.index = plain if engine is None else GalleryIndex.for_engine(engine)
        with GalleryStore.open(folder, create=True) as store:
            self.index.load(store)
            self.book = open_book(store)
        self.watch = GalleryWatch(folder, None, self.index, clock, book=self.book, forget=self.forgotten.append)
        config = Config(site=SiteSettings(name=name), store=StoreSettings(folder=folder))
        self.access = access_of(config, self.index.person)
        self.rules = PolicyWatch(config, self.access, clock)
        settings = link.RosterSettings(hub_key=hub.public, url=url)
        campus = hub.config.campus
        self.desk = RosterDesk(
            settings,
            campus=campus,
            gate=name,
            boot_id="boot",
            folder=folder,
            key=None,
            clock=clock,
            watch=self.watch,
            install_policy=self.rules.install,
        )
        self._disk = ClockExecutor(clock, 1, "journal")
        self.journal = Journal(folder / "journal.sqlite3", self._disk, boot_id="boot")
        broker = link.LinkSettings(campus=campus, host="127.0.0.1", port=port, reconnect_min=0.05, reconnect_max=0.2)
        self.link = Link(broker, name, self.journal.outbox, boot_id="boot", documents=self.desk)
        self._tasks: list[asyncio.Task[Any]] = []

    async def start(self) -> None:
        """Begin to follow."""
        await self.journal.open()
        self._tasks = [asyncio.ensure_future(part.run()) for part in (self.link, self.desk, self.watch, self.rules)]

    async def stop(self) -> None:
        """End it as a power cut would, but for the threads."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.desk.close()
        self.watch.close()
        self.rules.close()
        await self.journal.close()
        self._disk.shutdown()

    def knows(self, number: int, *, card: bool = True, seen: bool = True) -> bool:
        """Whether this person would be recognised by card (as the credential desk looks it up) and by face."""
        owner = self.book.find("card", f"{number:08X}")
        by_card = owner is not None and self.index.person(owner) is not None
        match = self.index.identify(face(number * 10)).match
        by_face = match is not None and match.person == f"p{number}"
        return by_card is card and by_face is seen


async def until(holds: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Return when `holds`. Raises TimeoutError naming `what`."""
    try:
        async with asyncio.timeout(seconds):
            while not holds():  # noqa: ASYNC110 - for what tells nobody: files and threads
                await asyncio.sleep(0.01)
    except TimeoutError as error:
        raise TimeoutError(f"never happened: {what}") from error


@contextlib.asynccontextmanager
async def campus(
    folder: Path,
    port: int,
    gates: int,
    photographs: PhotographSettings | None = None,
    engine: FaceEngine | None = None,
) -> AsyncIterator[tuple[RigHub, list[RigGate]]]:
    """A hub with so many gates that are pinned and follow it."""
    hub = RigHub(folder, port, photographs)
    url = await hub.url()
    made = [
        RigGate(folder / f"gate-{number}", f"gate-{number}", port, hub, url, engine=engine) for number in range(gates)
    ]
    try:
        for gate in made:
            await hub.pin(gate)
            await gate.start()
        yield hub, made
    finally:
        for gate in made:
            await gate.stop()
        await hub.stop()
