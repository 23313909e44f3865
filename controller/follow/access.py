"""The access policy on a board: where its file is, how a new one comes into force, and what a restart remembers.

A new file that is wrong changes nothing: the policy before it stays in force, the log says why, and so does the gate's
state. The last good one is kept beside the journal, so that this holds across a restart as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from typing import TYPE_CHECKING, Final

from controller.errors import PolicyError, StoreError
from controller.lane.access import document as doc
from controller.lane.access.keeper import Access
from controller.lane.access.policy import Policy, simple
from controller.lane.access.times import Moment
from controller.lane.access.whereabouts import FORGOTTEN_AFTER
from controller.lane.model import Direction
from controller.observe.log import get_logger
from controller.record.boot import clock_state
from controller.record.files import sync_folder
from controller.record.passages import recent_passages
from hw.executor import ClockExecutor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from controller.config import Config
    from controller.lane.access.decision import Subject
    from controller.lane.access.whereabouts import Whereabouts
    from controller.link.messages import Peers
    from controller.record.passages import Passage
    from hw.clock import Clock

INSTALLED: Final = "policy.json"
"""What a hub sent, in [store] folder."""
LAST_GOOD: Final = "policy.last-good.json"
"""The policy that was in force last."""
CLOCKS_APART: Final = 5.0
"""Seconds by which two gates' clocks may differ."""
EVERY: Final = 10.0
"""Seconds between two looks at the file."""

log = get_logger("access")


def wall_clock() -> Moment:
    """The wall clock, and whether it is known to be right."""
    return Moment(time.time(), known=clock_state() == "synchronised")


def read_policy(path: Path, point: str) -> Policy:
    """Read and check a file, TOML by its name, else JSON. Raises `PolicyError` naming it, the key's path and why."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise PolicyError(f"{path}: cannot be read: {error.strerror}") from error
    read = doc.from_toml if path.suffix == ".toml" else doc.from_json
    return _checked(read(text, where=str(path)), str(path), point)


def _checked(document: doc.Document, where: str, point: str) -> Policy:
    try:
        policy = Policy(document)
    except PolicyError as error:
        raise PolicyError(f"{where}: {error}") from error
    if point not in document.points:
        raise PolicyError(f"{where}: points: there is none of the name {point!r}, which this lane is")
    return policy


def file_of(config: Config) -> Path | None:
    """The file that holds this lane's policy; None: there is none, and gate.toml says who passes."""
    if config.access.policy is not None:
        return config.access.policy
    installed = config.store.folder / INSTALLED
    return installed if installed.exists() else None


def policy_of(config: Config) -> Policy:
    """The policy of this lane now. Raises `PolicyError`."""
    path = file_of(config)
    if path is not None:
        return read_policy(path, config.point)
    return simple(config.point, groups=config.site.groups, anti_passback=config.lane.anti_passback)


def policy_at_start(config: Config) -> Policy:
    """The same for a gate that starts: where the file is wrong, the last good one, and the log says so."""
    try:
        return policy_of(config)
    except PolicyError as error:
        last = config.store.folder / LAST_GOOD
        if not last.exists():
            raise
        policy = read_policy(last, config.point)
        log.error("policy not loaded, the last good one is in force", error=str(error), revision=policy.revision)
        return policy


def access_of(
    config: Config,
    find: Callable[[str], Subject | None],
    whereabouts: Whereabouts | None = None,
    stale: Callable[[], bool] = lambda: False,
) -> Access:
    """Who may pass this lane.

    `find`: who is enrolled; `whereabouts`: shared by the lanes of a board; `stale`: whether that is too old to count.
    """
    return Access(policy_at_start(config), config.point, find=find, whereabouts=whereabouts, stale=stale)


def install_policy(text: bytes, folder: Path, point: str) -> int:
    """Put what a hub sent in the place where a running gate finds it; its revision.

    `folder`: [store] folder; `point`: the lane's. Raises `PolicyError`, or `StoreError` where it cannot be written;
    then what was there before is still there.
    """
    policy = _checked(doc.from_json(text, where="the hub's policy"), "the hub's policy", point)
    _write(folder / INSTALLED, doc.to_json(policy.document))
    return policy.revision


def _write(path: Path, text: bytes) -> None:
    """Replace a file whole, on disk when this returns. Raises `StoreError`."""
    beside = path.with_suffix(".new")
    try:
        with beside.open("wb") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
        # Its version is on disk in a moment: a power cut must not leave that with the file of before.
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}") from error


def passages_of(path: Path, *, boot_id: str, monotonic: float, moment: Moment) -> list[Passage]:
    """The passages that a journal has of the last day. Raises `StoreError`."""
    wall = moment.unix if moment.known else None
    return recent_passages(path, boot_id=boot_id, monotonic=monotonic, wall=wall, seconds=FORGOTTEN_AFTER)


def recall(access: Access, passages: Iterable[Passage]) -> None:
    """Tell `access` of passages of before."""
    for passage in passages:
        access.passed(passage.person, Direction(passage.direction), passage.at)


def hear_peers(access: Access, peers: Peers, *, monotonic: float, moment: Moment) -> None:
    """Tell `access` what other gates have seen. Without a clock that is right, their times say nothing here."""
    if not moment.known:
        return
    for one in peers.passed:
        ago = moment.unix - one.time
        if -CLOCKS_APART <= ago < FORGOTTEN_AFTER:
            # Rather too old than too new: what this gate saw itself since then counts for more.
            access.heard(one.point, one.person, Direction(one.direction), monotonic - max(0.0, ago) - CLOCKS_APART)


class PolicyWatch:
    """Puts a new policy in force when its file has changed, as a service of the app.

    Args:
        config: the lane's.
        access: whose policy is replaced.
        clock: the board's.
    """

    def __init__(self, config: Config, access: Access, clock: Clock) -> None:
        self.fault = ""
        """Why the newest file is not in force; empty: it is."""
        self.changed: Callable[[], None] = lambda: None
        """Told, on the loop's thread, when another one is in force or one was refused."""
        self._config, self._access = config, access
        self._executor = ClockExecutor(clock, 1, "policy")
        self._seen: tuple[str, int, int] | None = None
        self._hurried = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def in_force(self) -> str:
        """Revision and digest of the policy in force."""
        return f"{self._access.policy.revision} {self._access.policy.digest}"

    async def run(self) -> None:
        """Look again and again, for ever."""
        loop = self._loop = asyncio.get_running_loop()
        while True:
            self._hurried.clear()
            if await loop.run_in_executor(self._executor, self.look):
                self.changed()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY):
                    await self._hurried.wait()

    def hurry(self) -> None:
        """Look now. On the loop's thread."""
        self._hurried.set()

    def install(self, text: bytes) -> None:
        """Put in force what a hub sent, on whatever thread. Raises `PolicyError` or `StoreError`."""
        if self._config.access.policy is not None:
            raise PolicyError(f"[access] policy: {self._config.access.policy} is in force here, and not the hub's")
        install_policy(text, self._config.store.folder, self._config.point)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.hurry)

    def close(self) -> None:
        """Take no more work."""
        self._executor.shutdown(wait=False)

    def look(self) -> bool:
        """Load the policy if its file has changed since the last look; whether anything came of it. Blocks."""
        now = self._signature()
        if now == self._seen:
            return False
        self._seen = now
        try:
            policy = policy_of(self._config)
        except PolicyError as error:
            self.fault = str(error)
            log.error("policy not loaded, the one before stays in force", error=self.fault)
            return True
        self.fault = ""
        before, self._access.policy = self._access.policy, policy
        if now is not None:
            self._keep(policy)
        if before.digest != policy.digest:
            log.info("policy in force", revision=policy.revision, rules=len(policy.document.rules))
        return True

    def _keep(self, policy: Policy) -> None:
        try:
            _write(self._config.store.folder / LAST_GOOD, doc.to_json(policy.document))
        except StoreError as error:
            log.warning("the last good policy is not kept", error=str(error))

    def _signature(self) -> tuple[str, int, int] | None:
        """Name, time and size of the file; None where there is none."""
        path = file_of(self._config)
        if path is None:
            return None
        try:
            stat = path.stat()
        except OSError:
            return (str(path), 0, 0)
        return (str(path), stat.st_mtime_ns, stat.st_size)
