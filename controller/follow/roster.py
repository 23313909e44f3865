"""Follows the hub: installs the people, templates and access policy that it says this gate should have.

The hub's word is one retained message, signed with the key that gate.toml pins. What it names is fetched where it does
not travel along, opened with the content key that was sealed to this gate, checked against what was signed, and
installed whole or not at all. Whatever is wrong, what was installed before stays and the lane goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from typing import TYPE_CHECKING, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from controller.errors import GateError, LinkError, MessageError, StoreError
from controller.follow.fetch import Fetcher
from controller.gallery.install import heard, hub_state, install, take_version, unheard
from controller.gallery.keyfile import create_key, read_key
from controller.gallery.store import GalleryStore
from controller.link import documents as wire
from controller.link import signing
from controller.link.brokers import Backoff
from controller.link.documents import Document, Installed
from controller.observe.log import get_logger
from controller.record.boot import clock_state
from hw.executor import ClockExecutor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from controller.follow.gallery import GalleryWatch
    from controller.link.documents import Desired, File, Wanted
    from controller.link.settings import RosterSettings
    from hw.clock import Clock

KEY: Final = "roster.key"
"""In the store's folder: the gate's own X25519 key, made at its first start."""
FOLDER: Final = "documents"
"""In the store's folder: what is being fetched."""
RETRY_LEAST, RETRY_MOST = 1.0, 60.0
"""Bounds of the random pause after the hub could not be reached, seconds."""
COUNT_EVERY: Final = 600.0
"""Seconds after which it is noted how long nothing was heard: so much a restart may forget."""

log = get_logger("roster")


class RosterDesk:
    """One gate's end of the distribution, as a service of the app.

    Args:
        settings: [roster].
        campus, gate, boot_id: who this is.
        folder: the store's; its gallery is made where there is none.
        key: file with the gallery's key; None: as `GalleryStore.open` finds it.
        clock: the board's.
        watch: loads what was installed into the lane.
        install_policy: takes the access policy as a hub sends it; None: this gate takes none.
        wall, right: Unix seconds, and whether they are to be trusted.

    Raises `ConfigError`, `LinkError` or `GalleryError` for keys and addresses that cannot be used.
    """

    def __init__(
        self,
        settings: RosterSettings,
        *,
        campus: str,
        gate: str,
        boot_id: str,
        folder: Path,
        key: Path | None,
        clock: Clock,
        watch: GalleryWatch,
        install_policy: Callable[[bytes], object] | None = None,
        wall: Callable[[], float] = time.time,
        right: Callable[[], bool] = lambda: clock_state() == "synchronised",
    ) -> None:
        self.changed = asyncio.Event()
        self._hub = signing.read_public("[roster] hub_key", settings.hub_key)
        self._private = gate_key(folder)
        self._fetcher = Fetcher(settings.url, settings.ca, folder / FOLDER)
        self._campus, self._gate, self._boot_id = campus, gate, boot_id
        self._folder, self._key = folder, key
        self._clock, self._watch = clock, watch
        self._install_policy = install_policy
        self._wall, self._right = wall, right
        self._executor = ClockExecutor(clock, 1, "roster")
        self._backoff = Backoff(RETRY_LEAST, RETRY_MOST, random.Random())  # noqa: S311 - pauses, not secrets
        self._offered = asyncio.Event()
        self._payload = b""
        self._errors: dict[str, str] = {}
        self._written = self._erased = False
        """The last message had people to load; something was erased, and the file is still to be rebuilt."""
        with self._open() as store:
            self._state = hub_state(store)
        self._counted = clock.monotonic()
        log.info("takes the hub's people", key=wire.key_text(self._private.public_key()), installed=self.versions)

    @property
    def versions(self) -> dict[str, int]:
        """Versions of what is installed, by kind."""
        return dict(self._state.versions)

    @property
    def stale(self) -> bool:
        """Nothing was heard of the hub for longer than it allows: its people count no more.

        By the wall clock where that is right, and by the time that this gate has run in any case.
        """
        state = self._state
        late = self._right() and self._wall() > state.fresh_until
        silent = state.unheard + self._clock.monotonic() - self._counted > state.fresh_for
        return state.fresh_until > 0 and (late or silent)

    def offer(self, payload: bytes) -> None:
        """Take the hub's newest word, in place of the one before. On the loop's thread.

        It does not wait for what is being fetched for the one before: it may say who has to stay out. What is not the
        hub's is told of, and takes no good one's place.
        """
        try:
            self._read(payload)
        except MessageError as error:
            self._errors = self._errors | {"": str(error)}
            self.changed.set()
            log.warning("not the hub's word", error=str(error))
            return
        fresh, self._payload = payload != self._payload, payload
        self._offered.set()
        if fresh:
            self._fetcher.interrupt()

    def reported(self) -> bytes:
        """The message that says what is installed."""
        known = {kind: Installed(version=version) for kind, version in self._state.versions.items()}
        wrong = {
            kind: Installed(version=self._state.versions.get(kind, 0), error=text[:256])
            for kind, text in self._errors.items()
            if kind
        }
        return wire.encode_reported(
            wire.Reported(
                boot_id=self._boot_id,
                key=wire.key_text(self._private.public_key()),
                documents=known | wrong,
                error=self._errors.get("", "")[:256],
                fresh_until=self._state.fresh_until,
                stale=self.stale,
            )
        )

    async def run(self) -> None:
        """Follow for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_all())
            tasks.create_task(self._count())

    def close(self) -> None:
        """Take no more work."""
        self._executor.shutdown(wait=False)

    async def _follow_all(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._offered.wait()
            self._offered.clear()
            done = await loop.run_in_executor(self._executor, self.follow, self._payload)
            if self._written:
                self._watch.hurry()
            self.changed.set()
            if self._erased:
                await loop.run_in_executor(self._executor, self._tidy)
            if done:
                self._backoff.reset()
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._backoff.next()):
                    await self._offered.wait()
            self._offered.set()

    async def _count(self) -> None:
        loop = asyncio.get_running_loop()
        stale = self.stale
        while True:
            await asyncio.sleep(COUNT_EVERY)
            await loop.run_in_executor(self._executor, self._note_silence)
            if self.stale != stale:
                stale = self.stale
                self.changed.set()

    def _note_silence(self) -> None:
        now, file = self._clock.monotonic(), self._watch.signature()
        try:
            with self._open() as store:
                unheard(store, now - self._counted)
                self._state, self._counted = hub_state(store), now
        except GateError as error:
            log.warning("how long the hub was silent is not noted", error=str(error))
        self._watch.settle(file)

    def follow(self, payload: bytes) -> bool:
        """Bring this gate to where a message of the hub says; False where the hub or the disk fails. Blocks."""
        before, file = self.versions, self._watch.signature()
        self._errors, self._written = {}, False
        try:
            desired = self._read(payload)
            content_key = wire.open_key(desired.sealed_key, self._private, self._campus, self._gate)
            done = self._try_install(desired, content_key)
        except GateError as error:
            self._errors[""] = str(error)
            done = True
        if not self._written:
            # Whoever was removed is out already: on a large campus, loading everybody takes a board seconds.
            self._watch.settle(file)
        if self._errors:
            log.warning("not installed, what was there stays", errors=self._errors)
        elif self.versions != before:
            log.info("installed", versions=self.versions)
        return done

    def _read(self, payload: bytes) -> Desired:
        signed = signing.read_signed("cfg/desired", payload)
        body = signing.verify("cfg/desired", signed, self._hub, wire.SIGNED)
        desired = wire.read_desired("cfg/desired", body)
        if (desired.campus, desired.gate) != (self._campus, self._gate):
            raise MessageError(f"cfg/desired: is for {desired.campus}/{desired.gate}")
        return desired

    def _try_install(self, desired: Desired, content_key: bytes) -> bool:
        """Install what there is to install; False where the hub or the disk fails: it is tried again."""
        fresh = self._state.fresh_until
        try:
            with self._open() as store:
                done = self._install_all(store, desired, content_key)
                self._state = hub_state(store)
        except StoreError as error:
            self._errors[""] = str(error)
            self._shut_out(desired, content_key)
            return False
        if self._state.fresh_until > fresh:
            self._counted = self._clock.monotonic()
        return done

    def _install_all(self, store: GalleryStore, desired: Desired, content_key: bytes) -> bool:
        """One kind after the other, as far as it goes; False where the hub or the disk fails."""
        for kind in wire.KINDS:
            wanted = desired.documents.get(kind)
            if wanted is None or (kind == wire.POLICY and self._install_policy is None):
                continue
            try:
                self._bring(store, kind, wanted, content_key)
            except GateError as error:
                # What comes after may need this.
                self._errors[kind] = str(error)
                if isinstance(error, StoreError):
                    self._shut_out(desired, content_key)
                return not isinstance(error, LinkError | StoreError)
        self._fetcher.clear()
        heard(store, desired.fresh_until, desired.fresh_until - desired.issued)
        return True

    def _shut_out(self, desired: Desired, content_key: bytes) -> None:
        """Refuse whoever was removed though the disk, full or read-only, cannot note it. Until it can, or a restart.

        As far as the message says so itself: to what is fetched, the disk is needed.
        """
        wanted = desired.documents.get(wire.ROSTER)
        have = self._state.versions.get(wire.ROSTER, 0)
        if wanted is None or wanted.delta is None or not wanted.delta.inline or wanted.version <= have:
            return
        with contextlib.suppress(MessageError):
            sealed = wire.inline_bytes(wire.ROSTER, wanted.delta)
            gone = self._opened((wire.ROSTER, wanted.version, wanted.base), sealed, content_key).removed
            self._watch.drop(gone)
            log.error("refused from now on, though it is not on disk", people=len(gone))

    def _bring(self, store: GalleryStore, kind: str, wanted: Wanted, content_key: bytes) -> None:
        """Bring one kind to the version wanted, from a snapshot where there is a gap."""
        have = hub_state(store).versions.get(kind, 0)
        if wanted.version < have:
            raise MessageError(f"{kind} {wanted.version}: is older than {have}, which is installed")
        steps: list[tuple[File, int, int]] = []
        if have < wanted.base:
            steps.append((wanted.snapshot, wanted.base, 0))
        if wanted.version > max(have, wanted.base):
            if wanted.delta is None:
                raise MessageError(f"{kind} {wanted.version}: has neither snapshot nor changes")
            steps.append((wanted.delta, wanted.version, wanted.base))
        for file, version, since in steps:
            sealed = self._bytes(kind, file, content_key)
            self._install(store, self._opened((kind, version, since), sealed, content_key))

    def _opened(self, named: tuple[str, int, int], sealed: bytes, content_key: bytes) -> Document:
        """A document, if it is what was named: kind, version, and since which."""
        kind, version, since = named
        document = wire.open_document(f"{kind} {version}", sealed, content_key)
        if (document.campus, document.kind, document.version, document.since) != (self._campus, kind, version, since):
            raise MessageError(f"{kind} {version}: is {document.kind} {document.version} of {document.campus}")
        return document

    def _bytes(self, kind: str, file: File, content_key: bytes) -> bytes:
        if file.inline:
            return wire.inline_bytes(kind, file)
        password = wire.download_password(content_key, self._gate)
        return self._fetcher.fetch(file, self._gate, password, given_up=self._offered.is_set)

    def _install(self, store: GalleryStore, document: Document) -> None:
        if document.kind == wire.POLICY:
            if self._install_policy is not None:
                self._install_policy(_policy(document))
                with store.file.writing() as root:
                    take_version(root, document)
            return
        change = install(store, document)
        # Refused from here on; what else changed is loaded in a moment.
        self._watch.drop(change.removed)
        self._written |= change.written > 0
        self._erased |= change.erased

    def _tidy(self) -> None:
        """Rebuild the file without the pages of what was erased."""
        self._erased, file = False, self._watch.signature()
        try:
            with self._open() as store:
                if not store.file.rebuild():
                    log.warning("what was erased stays in the log for now: another program is reading the gallery")
        except GateError as error:
            log.warning("what was erased stays in free pages for now", error=str(error))
        self._watch.settle(file)

    def _open(self) -> GalleryStore:
        return GalleryStore.open(self._folder, self._key, create=True)


def _policy(document: Document) -> bytes:
    try:
        return msgspec.msgpack.decode(document.entries[wire.POLICY], type=bytes)
    except (KeyError, msgspec.DecodeError) as error:
        raise MessageError(f"{document.kind} {document.version}: holds no policy: {error}") from error


def gate_key(folder: Path) -> X25519PrivateKey:
    """The gate's own key, made where there is none. Raises `GalleryError` for one that is damaged or exposed."""
    path = folder / KEY
    return X25519PrivateKey.from_private_bytes(read_key(path) if path.exists() else create_key(path))
