"""One lane as a service: opens the stores, the engine and the link of gate.toml, and runs the app on a board."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import signal
import time
from functools import partial
from typing import TYPE_CHECKING

from controller.app import FAULTS, SELF_TEST_SECONDS, App
from controller.errors import StoreError
from controller.follow.access import PolicyWatch, access_of, passages_of, recall, wall_clock
from controller.follow.alarms import alarms_of_before
from controller.follow.certificates import certificate_watch
from controller.follow.gallery import GalleryWatch
from controller.follow.peers import peers_desk
from controller.follow.roster import RosterDesk
from controller.gallery.credentials import open_book
from controller.gallery.index import GalleryIndex
from controller.gallery.lock import folder_lock
from controller.gallery.store import GalleryStore
from controller.health.notify import Notifier
from controller.health.vitals import Vitals
from controller.health.watchdog import Watchdog
from controller.history import lane_history
from controller.indicators.assembly import indicators_of
from controller.lane.effects import RecordKind
from controller.lane.model import Outcome
from controller.link.home_assistant import discovery, discovery_topic
from controller.link.messages import TEXT_LIMIT, Alarm, Device, State, topic
from controller.link.mqtt import Link
from controller.link.ports import LinkWatch
from controller.observe.lateness import LatenessMonitor
from controller.observe.log import get_logger
from controller.observe.metrics import Metrics, MetricsServer
from controller.orders.setup import ChallengeClock, command_desk
from controller.perception.engines import open_engine
from controller.readers.lamp import lamps_of
from controller.readers.panel import PanelDesk
from controller.record.boot import clock_state, read_boot_id, read_serial
from controller.record.files import lend_if_full
from controller.record.journal import Journal
from controller.retention import PictureRetention
from controller.watch import Watch
from controller.watchers import CountersWatch, MetricsWatch, PassageLog
from hw.executor import ClockExecutor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from controller.app import Service
    from controller.bank import Bank
    from controller.config import Config
    from controller.errors import GateError
    from controller.follow.certificates import CertificateWatch
    from controller.gallery.credentials import CredentialBook
    from controller.health.device import Report
    from controller.health.followed import Followed
    from controller.lane.access.keeper import Access
    from controller.link.settings import LinkSettings
    from controller.orders.desk import CommandDesk
    from controller.perception.types import FaceEngine
    from controller.watch import Step
    from hw.board import Board
    from hw.clock import Clock

JOURNAL = "journal.sqlite3"
"""In [store] folder."""
JOURNAL_SECONDS = 60.0
"""How long opening and checking a journal of 100,000 entries on an SD card may take."""

log = get_logger("service")


class _StateWatch(Watch):
    """Tells the link when the lane's state has changed, or its list of alarms."""

    def __init__(self, changed: Callable[[], None], alarms: Callable[[], Mapping[str, bool]]) -> None:
        self._changed = changed
        self._alarms = alarms
        self._told: dict[str, bool] = {}

    def on_step(self, step: Step) -> None:
        """Only a change is news."""
        alarms = dict(self._alarms())
        if step.before is not step.after or alarms != self._told:
            self._told = alarms
            self._changed()

    def on_health(self, name: str, report: Report) -> None:
        """A device's health is part of the state."""
        del name, report
        self._changed()


class _Tally(Watch):
    """Counts who passed and who was denied, for the state."""

    def __init__(self) -> None:
        self.passages = 0
        self.denials = 0

    def on_step(self, step: Step) -> None:
        """What is on disk counts."""
        for entry in (stored.entry for stored in step.stored):
            completed = entry.detail.get("outcome") == Outcome.COMPLETED.value
            self.passages += completed and entry.kind == RecordKind.PASSAGE.value
            self.denials += entry.kind == RecordKind.DENY.value


class _LinkWatch(LinkWatch):
    """Counts what the link does, and follows its health."""

    def __init__(self, metrics: Metrics, health: Callable[[], Followed | None]) -> None:
        self._metrics = metrics
        self._health = health
        self.certificates: CertificateWatch | None = None
        """Knows better than the broker's alert why it refuses."""

    def on_up(self, *, up: bool, broker: str) -> None:
        """A broker was reached or lost."""
        self._metrics.link_up.set(1 if up else 0)
        self._metrics.link_broker.clear()
        self._metrics.link_broker.labels(broker).set(1 if up else 0)
        if up:
            self._works()

    def on_trouble(self, reason: str) -> None:
        """The broker is away."""
        fault = "" if self.certificates is None else self.certificates.fault
        if (health := self._health()) is not None:
            health.fails(f"{fault} ({reason})" if fault else reason)

    def on_sent(self, count: int) -> None:
        """Events were published."""
        self._metrics.link_sent.inc(count)
        self._works()

    def on_refused(self, reason: str) -> None:
        """A message of the campus was refused."""
        self._metrics.link_refused.labels(reason).inc()

    def _works(self) -> None:
        if (health := self._health()) is not None:
            health.works()


class _Housekeeping:
    """The journal's idle work, as a service of the app."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def run(self) -> None:
        """Checkpoint and prune for ever."""
        await self._journal.maintain()


def engine_of(config: Config) -> FaceEngine:
    """The engine that [perception] asks for; `auto` says in the log what it passed over."""

    def skipped(name: str, error: GateError) -> None:
        log.info("engine passed over", engine=name, reason=str(error))

    return open_engine(config.perception.engine, config.perception.models, on_skip=skipped)


def gallery_of(config: Config, engine: FaceEngine) -> GalleryIndex:
    """The gallery on this board, ready to search. Raises `GalleryError` where there is none, or it is damaged."""
    wanted = config.perception
    index = GalleryIndex.for_engine(
        engine,
        threshold=wanted.threshold,
        margin=wanted.margin,
        false_accept=wanted.false_accept,
        verify_threshold=wanted.verify_threshold,
        verify_false_accept=wanted.verify_false_accept,
    )
    with _gallery(config) as store:
        index.load(store, on_damage=_on_damage(config))
    limit = index.limit
    log.info("gallery", people=len(index), threshold=round(limit.score, 4), verify=round(index.verify_threshold, 4))
    if not limit.by_face_alone:
        told = "set [perception] threshold, or measure with thermogate eval face"
        log.error("so many are enrolled that faces alone let nobody in; cards do", people=len(index), remedy=told)
    elif limit.extrapolated:
        log.warning("more people are enrolled than thresholds were measured for", people=len(index))
    return index


def _on_damage(config: Config) -> Callable[[str], None] | None:
    """What is told of damaged records; None: they are refused."""
    if config.store.on_damaged_record != "skip":
        return None
    return lambda text: log.error("gallery", text=text)


def book_of(config: Config) -> CredentialBook:
    """Who is known by which card, code or PIN on this board. Raises `GalleryError` where there is no gallery."""
    with _gallery(config) as store:
        return open_book(store)


def _gallery(config: Config) -> GalleryStore:
    """The gallery on this board; made where a hub is to fill it. A full disk must not keep a gate from starting."""
    lend_if_full(config.store.folder / JOURNAL)
    return GalleryStore.open(config.store.folder, config.store.key, create=config.roster is not None)


async def serve(
    config: Config,
    board: Board,
    engine: FaceEngine,
    gallery: GalleryIndex,
    *,
    watches: tuple[Watch, ...] = (),
    beside: Callable[[App], Awaitable[None]] | None = None,
    metrics: Metrics | None = None,
    notifier: Notifier | None = None,
    bank: Bank | None = None,
) -> None:
    """Run the lane until cancelled, until SIGTERM, or until `beside` returns; one of a `bank` listens for no signal.

    `notifier`: the service manager that watches it.

    Raises `GateError` and `DeviceError` kinds for what cannot be opened, an exception group for a task that crashed.
    """
    boot_id = read_boot_id()
    metrics, notifier = metrics or Metrics(), notifier or Notifier()
    notifier.starting("journal", JOURNAL_SECONDS)
    config.store.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(folder_lock(config.store.folder, alone=False))
        writer = ClockExecutor(board.clock, 1, "journal")
        journal = await _open_journal(config, writer, boot_id, metrics, stack)
        if config.observe.metrics_port is not None:
            stack.enter_context(MetricsServer(metrics, config.observe.metrics_port))
        lateness = LatenessMonitor(metrics.loop_late_seconds.observe, warn_after=config.observe.lateness_warning)
        counters = CountersWatch(metrics, lambda: app, journal.outbox)
        seen: list[Watch] = [MetricsWatch(metrics), PassageLog(get_logger("lane")), *watches]
        history = await stack.enter_async_context(lane_history(config, board, gallery))
        signs = indicators_of(config, board, lambda: (app.runner.prompt, app.runner.reason))
        stack.push_async_callback(signs.close)
        book = None if board.reader is None and board.sender is None else book_of(config)
        panel = _panel(board, book, metrics, stack)
        seen += [*signs.watches, *panel, *lamps_of(board.reader, lambda: app.runner.prompt)]
        reload = _reload(config, board, gallery, book, history.forget)
        stack.callback(reload.close)
        whereabouts = None if bank is None else bank.whereabouts
        access = access_of(config, gallery.person, whereabouts, lambda: roster is not None and roster.stale)
        await _recall(access, config, board, boot_id, writer)
        alarms = await alarms_of_before(config.store.folder / JOURNAL, writer)
        rules = PolicyWatch(config, access, board.clock)
        stack.callback(rules.close)
        roster = _roster(config, board, boot_id, reload, stack, rules=rules)
        campus, reporters = _campus(
            config,
            board,
            journal,
            boot_id,
            metrics=metrics,
            app=lambda: app,
            reload=reload,
            rules=rules,
            roster=roster,
            stack=stack,
        )
        seen += reporters
        vitals = Vitals(lambda: app, lateness, writer if config.lane.on_journal_failure_deny else None)
        watchdog = Watchdog(notifier, vitals, lambda: app, lambda: journal.outbox.depth, board.watchdog)
        beside_it: list[Service] = [*panel, *campus, *signs.services, watchdog]
        app = App(
            config,
            board,
            engine=engine,
            gallery=gallery,
            journal=journal,
            services=(lateness, counters, reload, rules, *_keepers(config, board, journal), *beside_it),
            watches=tuple(seen),
            credentials=book,
            history=history,
            bank=bank,
            access=access,
            alarms=alarms,
        )
        notifier.starting("self-test", 2 * SELF_TEST_SECONDS)
        stack.callback(notifier.stopping)
        with terminable() if bank is None else contextlib.nullcontext():
            await app.run(None if beside is None else lambda: beside(app))


async def _open_journal(
    config: Config, executor: ClockExecutor, boot_id: str, metrics: Metrics, stack: contextlib.AsyncExitStack
) -> Journal:
    """The journal, open until `stack` ends."""
    journal = Journal(
        config.store.folder / JOURNAL,
        executor,
        boot_id=boot_id,
        serial=read_serial(),
        settings=config.journal,
        on_commit=metrics.committed,
    )
    stack.callback(executor.shutdown, wait=False)
    await journal.open()
    stack.push_async_callback(journal.close)
    return journal


async def _recall(access: Access, config: Config, board: Board, boot_id: str, reader: ClockExecutor) -> None:
    """Tell `access` what the journal knows of the last day."""
    path, now = config.store.folder / JOURNAL, board.clock.monotonic()
    read = partial(passages_of, path, boot_id=boot_id, monotonic=now, moment=wall_clock())
    try:
        known = await asyncio.get_running_loop().run_in_executor(reader, read)
    except StoreError as error:
        # Anti-passback is the softer for it, and who opens up has to come again.
        log.warning("who is where is not known", error=str(error))
    else:
        recall(access, known)
        log.info("access", point=access.point, policy=access.policy.revision, passages=len(known))


def _reload(
    config: Config, board: Board, gallery: GalleryIndex, book: CredentialBook | None, forget: Callable[[str], object]
) -> GalleryWatch:
    """What follows the gallery's file; `forget` is told who is gone."""
    store = config.store
    return GalleryWatch(
        store.folder, store.key, gallery, board.clock, book=book, forget=forget, on_damage=_on_damage(config)
    )


def _roster(
    config: Config,
    board: Board,
    boot_id: str,
    watch: GalleryWatch,
    stack: contextlib.AsyncExitStack,
    *,
    rules: PolicyWatch,
) -> RosterDesk | None:
    """What follows the hub, where there is one."""
    if config.roster is None or config.link is None:
        return None
    desk = RosterDesk(
        config.roster,
        campus=config.link.campus,
        gate=config.site.name,
        boot_id=boot_id,
        folder=config.store.folder,
        key=config.store.key,
        clock=board.clock,
        watch=watch,
        install_policy=rules.install,
    )
    stack.callback(desk.close)
    return desk


def _panel(
    board: Board, book: CredentialBook | None, metrics: Metrics, stack: contextlib.AsyncExitStack
) -> list[PanelDesk]:
    """Who tells another controller of grants, where there is one."""
    if board.sender is None or book is None:
        return []
    executor = ClockExecutor(board.clock, 1, "panel")
    up = metrics.device_up.labels("panel")
    desk = PanelDesk(
        board.sender,
        book.number_for,
        clock=board.clock,
        executor=executor,
        tell=lambda works, _text: up.set(1 if works else 0),
    )
    stack.callback(desk.close)
    return [desk]


def _keepers(config: Config, board: Board, journal: Journal) -> tuple[_Housekeeping, PictureRetention]:
    """Who throws away what has been kept long enough."""
    return _Housekeeping(journal), PictureRetention(config, board)


def _campus(
    config: Config,
    board: Board,
    journal: Journal,
    boot_id: str,
    *,
    metrics: Metrics,
    app: Callable[[], App],
    reload: GalleryWatch,
    rules: PolicyWatch,
    roster: RosterDesk | None,
    stack: contextlib.AsyncExitStack,
) -> tuple[tuple[Service, ...], tuple[Watch, ...]]:
    """The link, where there is one, and the desk that takes its orders; and what they want to see of the lane."""
    told = _LinkWatch(metrics, lambda: app().link_health)
    desk = command_desk(config, journal, board, boot_id, app, reread=reload.hurry, on_refused=told.on_refused)
    tally = _Tally()
    link = _link(
        config, board.clock, journal, boot_id, watch=told, app=app, desk=desk, rules=rules, roster=roster, tally=tally
    )
    if link is None:
        return (), ()
    journal.add_listener(link.notify)
    rules.changed = link.state_changed
    changes = _StateWatch(link.state_changed, lambda: app().lane.alarms)
    services: list[Service] = [link] if roster is None else [link, roster]
    told.certificates = certificate_watch(config, board.clock, journal, metrics, app=app, renew=link.renew)
    if told.certificates is not None:
        services.append(told.certificates)
        stack.callback(told.certificates.close)
    if desk is None:
        return tuple(services), (tally, changes)
    return (*services, ChallengeClock(desk.challenges, link.state_changed)), (tally, changes, desk)


def _link(
    config: Config,
    clock: Clock,
    journal: Journal,
    boot_id: str,
    *,
    watch: LinkWatch,
    app: Callable[[], App],
    desk: CommandDesk | None,
    rules: PolicyWatch,
    roster: RosterDesk | None,
    tally: _Tally,
) -> Link | None:
    if config.link is None:
        return None
    version = importlib.metadata.version("thermogate")

    def state() -> State:
        lane = app().lane
        return State(
            boot_id=boot_id,
            time=time.time(),
            monotonic=app().board.clock.monotonic(),
            clock=clock_state(),
            lane=lane.state.value,
            fault=next((fault.value for fault in sorted(lane.faults, key=lambda fault: fault.value)), None),
            outbox=journal.outbox.depth,
            passages=tally.passages,
            denials=tally.denials,
            version=version,
            alarms=[Alarm(reason=reason, acknowledged=known) for reason, known in sorted(lane.alarms.items())],
            devices=[
                Device(name=name, health=report.health.value, reason=report.reason, tries=report.tries)
                for name, report in app().health.items()
            ],
            point=config.point,
            policy=rules.in_force,
            policy_fault=rules.fault[:TEXT_LIMIT],
            challenge="" if desk is None else desk.challenges.newest,
            reply_key="" if desk is None else desk.reply_key,
        )

    return Link(
        config.link,
        config.site.name,
        journal.outbox,
        boot_id=boot_id,
        state=state,
        watch=watch,
        commands=desk,
        peers=peers_desk(config.link, config.roster, config.site.name, clock.monotonic, lambda: app().access),
        documents=roster,
        introduction=_introduction(config.link, config.site.name, version),
    )


def _introduction(link: LinkSettings, gate: str, version: str) -> tuple[str, bytes] | None:
    """What Home Assistant is told of this gate, where it is to be told."""
    if link.home_assistant is None:
        return None
    state, online = (topic(link.campus, gate, kind) for kind in ("state", "online"))
    told = discovery(link.campus, gate, state=state, online=online, version=version, devices=tuple(FAULTS))
    return discovery_topic(link.home_assistant, link.campus, gate), told


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM, as service managers send it, ends the current task as Ctrl-C does."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    if task is None:
        raise RuntimeError("a lane runs inside a task")
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
