"""`thermogate-hub`: take in what the gates report, and look at it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import structlog

from campus.broker import Broker
from campus.cli import admin as cli_admin
from campus.cli import alert as cli_alert
from campus.cli import orders as cli_orders
from campus.cli import people as cli_people
from campus.cli import policy as cli_policy
from campus.cli import roster as cli_roster
from campus.cli import scim as cli_scim
from campus.config import load
from campus.database import Database
from campus.errors import HubConfigError, HubError
from campus.gates.distribution import roster_key
from campus.intake.gaps import GapSettings
from campus.intake.share import read_share
from campus.intake.store import HubStore
from campus.metrics import HubMetrics
from campus.policy.versions import Policies
from campus.service import Hub, Intake, take_in
from controller.errors import GateError
from controller.health.notify import MISCONFIGURED, Notifier
from controller.link.brokers import read_addresses
from controller.link.peers import PeersSigner

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from campus.intake.store import StoredEvent

T = TypeVar("T")

_UNSURE = {"clock": "", "estimated": "~", "unknown": "?"}
"""Behind a time: what is known of it."""
DATABASE = "a file (SQLite), or postgresql://[user@]host[:port]/name; made or migrated where needed"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status: 0, 1 for a failure, 2 for wrong arguments."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (HubError, GateError) as error:
        print(f"thermogate-hub: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `thermogate-hub events | head`
        sys.stderr.close()
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="thermogate-hub", description="The campus side of Thermogate's gates.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser(
        "serve",
        help="run the hub, until stopped",
        description="Take in what the gates report, and answer over REST, by a hub.toml (docs/hub.md).",
    )
    serve.add_argument("--config", required=True, type=Path, metavar="FILE", help="hub.toml")
    _add_worker(serve)
    serve.set_defaults(run=_serve)
    ingest = commands.add_parser(
        "ingest",
        help="take in what the gates report, until stopped",
        description="Subscribe to every gate of a campus, store its events once each, acknowledge them after COMMIT. "
        "Gates keep what was not acknowledged and send it again: this may be stopped and started at any time.",
    )
    _add_broker(ingest)
    ingest.add_argument("--db", required=True, metavar="DATABASE", help=DATABASE)
    _add_worker(ingest)
    ingest.add_argument(
        "--metrics-port", type=int, metavar="PORT", help="tell Prometheus there, on the loopback address"
    )
    ingest.add_argument(
        "--roster-key",
        type=Path,
        metavar="FILE",
        help="sign with it what gates are told of each other; [roster] sign_with",
    )
    ingest.set_defaults(run=_ingest)
    events = commands.add_parser("events", help="print events that arrived, oldest first")
    events.add_argument("--db", required=True, metavar="DATABASE", help=DATABASE)
    events.add_argument("--gate", metavar="NAME", help="of this gate only")
    events.add_argument("--limit", type=int, default=50, metavar="N", help="the newest N (default 50); 0: all")
    events.add_argument("--json", action="store_true", help="one JSON object a line, as it came from the gate")
    events.set_defaults(run=_events)
    gates = commands.add_parser("gates", help="print each gate: whether it is online, and what it reported")
    gates.add_argument("--db", required=True, metavar="DATABASE", help=DATABASE)
    gates.add_argument("--json", action="store_true", help="one JSON object a line")
    gates.set_defaults(run=_gates)
    cli_orders.add_parsers(commands, _add_broker, _broker)
    cli_admin.add_parsers(commands)
    cli_people.add_parsers(commands)
    cli_alert.add_parsers(commands)
    cli_policy.add_parsers(commands)
    cli_roster.add_parsers(commands)
    cli_scim.add_parsers(commands)
    return parser


def _add_broker(command: argparse.ArgumentParser) -> None:
    """Add the options by which a campus' broker is reached."""
    command.add_argument(
        "--broker",
        required=True,
        action="append",
        metavar="HOST[:PORT]",
        help="port: 8883 with TLS, else 1883; given several times, they are tried in this order",
    )
    command.add_argument("--protocol", choices=("5", "3.1.1"), default="5", help="of MQTT; default: %(default)s")
    command.add_argument(
        "--subscribe-qos", type=int, choices=(0, 1), default=1, help="0 with a cluster (docs/clusters.md)"
    )
    command.add_argument("--campus", required=True, metavar="NAME", help="the campus in gate/v1/NAME/...")
    command.add_argument("--username", metavar="NAME")
    command.add_argument("--password-file", type=Path, metavar="FILE", help="its first line is the password")
    command.add_argument("--tls", action="store_true", help="encrypt, and trust the system's authorities")
    command.add_argument("--ca", type=Path, metavar="FILE", help="encrypt, and trust this authority (PEM)")
    command.add_argument("--cert", type=Path, metavar="FILE", help="certificate to show to the broker (PEM)")
    command.add_argument("--key", type=Path, metavar="FILE", help="its private key; default: it is in --cert")


def _add_worker(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--worker", default="1/1", metavar="K/N", help="take the gates of the K-th of N workers (docs/hub.md)"
    )


def _ingest(options: argparse.Namespace) -> int:
    share = read_share(options.worker)
    signer = PeersSigner(options.campus, roster_key(options.roster_key))

    async def run() -> None:
        async with Database(options.db, options.campus) as database:
            broker, metrics = _broker(options), HubMetrics()
            intake = Intake(
                options.campus,
                broker,
                database,
                gaps=GapSettings(),
                metrics=metrics,
                policies=Policies(),
                signer=signer,
                share=share,
            )
            with metrics.served(options.metrics_port):
                await take_in(intake, database, share, metrics)

    _configure_log()
    asyncio.run(_until_signal(run()))
    return 0


def _serve(options: argparse.Namespace) -> int:
    notifier = Notifier.from_environment()
    status = 0

    async def run() -> None:
        nonlocal status
        try:
            hub = Hub(load(options.config), read_share(options.worker), notifier)
        except HubConfigError as error:
            # Started again it would find the same file: the unit leaves it down, and its status says why.
            notifier.status(f"cannot run: {error}")
            print(f"thermogate-hub: {error}", file=sys.stderr)
            status = MISCONFIGURED
        else:
            await hub.run()

    _configure_log()
    asyncio.run(_until_signal(run()))
    return status


def _configure_log() -> None:
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


async def _until_signal(running: Coroutine[None, None, None]) -> None:
    """Run until SIGTERM or SIGINT; a batch that is being written is finished first."""
    task = asyncio.ensure_future(running)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _broker(options: argparse.Namespace) -> Broker:
    tls = bool(options.tls or options.ca or options.cert)
    try:
        first, *others = read_addresses("--broker", options.broker, 8883 if tls else 1883)
    except ValueError as error:
        raise HubConfigError(str(error)) from error
    return Broker(
        host=first.host,
        port=first.port,
        others=tuple(others),
        username=options.username,
        password_file=options.password_file,
        tls=tls,
        ca=options.ca,
        cert=options.cert,
        key=options.key,
        protocol=options.protocol,
        subscribe_qos=options.subscribe_qos,
    )


def _events(options: argparse.Namespace) -> int:
    async def read(store: HubStore) -> list[StoredEvent]:
        return await store.events(gate=options.gate, limit=options.limit or -1)

    for event in _look(options.db, read):
        print(event.payload.decode() if options.json else _event_line(event))
    return 0


def _look(address: str, read: Callable[[HubStore], Awaitable[T]]) -> T:
    """What `read` finds in a database that is there."""

    async def look() -> T:
        async with Database(address, None) as database:
            return await read(HubStore(database))

    return asyncio.run(look())


def _event_line(stored: StoredEvent) -> str:
    event = json.loads(stored.payload)
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(stored.moment.time)) + _UNSURE[stored.moment.source]
    detail = " ".join(f"{key}={value}" for key, value in event.get("detail", {}).items())
    thinned = " (thinned)" if event.get("thinned") else ""
    ahead = "" if stored.complete else " (what is before it has not come yet)"
    place = f"{stored.epoch[-4:]}:{stored.seq:<7}"
    person = event.get("person") or "-"
    return f"{when}  {stored.gate}  {place} {event['type']:<14} {person:<12} {detail}{thinned}{ahead}"


def _gates(options: argparse.Namespace) -> int:
    for gate in _look(options.db, HubStore.gates):
        if options.json:
            told = gate._asdict() | {"state": None if gate.state is None else json.loads(gate.state)}
            print(json.dumps(told))
            continue
        online = {True: "online", False: "offline", None: "unknown"}[gate.online]
        state = json.loads(gate.state)["lane"] if gate.state else "-"
        seen = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(gate.seen))
        gap = f"  {gate.missing} events wait behind a gap" if gate.missing else ""
        taken = f"  {gate.conflicts} other events at taken places" if gate.conflicts else ""
        print(f"{gate.gate:<16} {online:<8} {state:<16} {gate.events:>8} events  last heard {seen}{gap}{taken}")
    return 0
