"""`python -m benchmarks.campus`: from a passage at a gate to the school's own program, through the whole hub.

Gates' journals and links, mosquitto, `thermogate-hub serve` as a process of its own on PostgreSQL, a webhook over TLS
and a long poll of the change feed, all on this machine. The clock starts before the passage is journaled. The table
goes between the marks of docs/integration.md with `--write`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import httpx
import uvicorn

from benchmarks import machine
from benchmarks.latency import write
from controller.latency import quantile
from controller.link.mqtt import Link
from controller.link.settings import LinkSettings
from controller.record.entry import Entry, Scalar
from controller.record.journal import Journal
from hw.clock import SystemClock
from hw.executor import ClockExecutor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

PAGE: Final = Path(__file__).parents[1] / "docs" / "integration.md"
SHOWN: Final = ("processor", "processors", "python", machine.LOAD)
PATIENCE: Final = 120.0


class Campus(NamedTuple):
    """What runs, and where."""

    folder: Path
    broker: int
    """The broker's port."""
    http: int
    """The hub's."""

    @property
    def config(self) -> str:
        """The hub.toml."""
        return str(self.folder / "hub.toml")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.campus", description=__doc__)
    parser.add_argument("--gates", type=int, default=8)
    parser.add_argument("--rate", type=float, default=16.0, help="passages a second, of all gates together")
    parser.add_argument("--passages", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="put the table into docs/integration.md")
    options = parser.parse_args(argv)
    facts = machine.describe()
    with tempfile.TemporaryDirectory(prefix="thermogate-campus-") as name, _services(Path(name)) as campus:
        seen = asyncio.run(_measure(campus, options))
    asked = f"--gates {options.gates} --rate {options.rate:g} --passages {options.passages}"
    command = f"python -m benchmarks.campus {asked}"
    where = "; ".join(f"{fact}: {facts[fact]}" for fact in SHOWN)
    lines = [f"`{command}`, on {where}.", "", "| passage journaled → | n | p50 s | p99 s |", "|---|---:|---:|---:|"]
    for row, values in seen.items():
        middle, high = quantile(values, 0.5), quantile(values, 0.99)
        cells = [f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})" for one in (middle, high)]
        lines.append(f"| {row} | {len(values)} | {' | '.join(cells)} |")
    text = "\n".join(lines)
    print(text)
    if options.write:
        write(text + "\n", PAGE)
    return 0


@contextlib.contextmanager
def _services(folder: Path) -> Iterator[Campus]:
    """A mosquitto, a PostgreSQL and a certificate; the hub.toml that joins them."""
    campus, tls = Campus(folder, _free_port(), _free_port()), folder / "localhost.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", tls,
         "-out", folder / "ca.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    tls.write_bytes(tls.read_bytes() + (folder / "ca.pem").read_bytes())
    (folder / "mosquitto.conf").write_text(
        f"listener {campus.broker} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n"
    )
    place = os.environ["PATH"] + ":/usr/sbin"
    mosquitto = subprocess.Popen(
        [shutil.which("mosquitto", path=place) or "mosquitto", "-c", folder / "mosquitto.conf"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    data, account = folder / "data", "postgres" if os.geteuid() == 0 else None
    data.mkdir()
    if account is not None:
        folder.chmod(0o755)
        shutil.chown(data, account)

    def run(program: str, *words: str) -> None:
        subprocess.run(
            [programs / program, "-D", data, *words], user=account, cwd=data, check=True, capture_output=True
        )

    run("initdb", "-U", "hub", "-A", "trust", "-E", "UTF8", "--no-locale")
    run("pg_ctl", "-l", str(data / "log"), "-o", f"-k {data} -c listen_addresses=", "-w", "start")
    try:
        subprocess.run(
            [programs / "createdb", "-h", data, "-U", "hub", "hub"], user=account, check=True, capture_output=True
        )
        Path(campus.config).write_text(
            f'campus = "school"\ndatabase = "postgresql://hub@/hub?host={data}"\n'
            f"[broker]\nport = {campus.broker}\n[http]\nport = {campus.http}\n"
            f'[people]\nkey = "{folder / "people.key"}"\n'
            f'[webhooks]\nallow = ["127.0.0.0/8", "::1/128"]\nca = "{folder / "ca.pem"}"\n'
        )
        yield campus
    finally:
        run("pg_ctl", "-m", "immediate", "-w", "stop")
        mosquitto.kill()
        mosquitto.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _measure(campus: Campus, options: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds from before the journal to each end, by end."""
    began: dict[str, float] = {}
    arrived: dict[str, dict[str, float]] = {"webhook received": {}, "seen in the change feed": {}}
    hook, feed = arrived.values()
    async with contextlib.AsyncExitStack() as stack:
        api = await stack.enter_async_context(_hub(campus))
        url = await stack.enter_async_context(_receiver(campus.folder / "localhost.pem", hook))
        (await api.post("/webhooks", json={"url": url, "kinds": ["passage"]})).raise_for_status()
        following = asyncio.ensure_future(_follow(api, feed))
        stack.callback(following.cancel)
        gates = [await stack.enter_async_context(_gate(campus, f"gate-{number}")) for number in range(options.gates)]
        await asyncio.sleep(6)  # until the sender has found the subscription
        dice = random.Random(options.seed)
        for number in range(options.passages):
            await asyncio.sleep(dice.expovariate(options.rate))
            person = f"p-{number}"
            detail: dict[str, Scalar] = {"direction": "entry", "outcome": "completed", "seconds": 1.0}
            entry = Entry("passage", time.monotonic(), time.time(), "synchronised", f"g{number}", person, detail)
            began[person] = time.monotonic()
            gates[number % len(gates)].submit(entry)
        async with asyncio.timeout(PATIENCE):
            while min(map(len, arrived.values())) < options.passages:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.1)
    return {end: [seen[person] - began[person] for person in began] for end, seen in arrived.items()}


@contextlib.asynccontextmanager
async def _hub(campus: Campus) -> AsyncIterator[httpx.AsyncClient]:
    """A hub that serves, and a client with a token."""

    def issue(role: str) -> str:
        command = [sys.executable, "-m", "campus", "token", "issue", role, "--role", role, "--config", campus.config]
        done: str = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return done.rsplit(maxsplit=1)[-1]

    token = await asyncio.to_thread(issue, "admin")
    command = [sys.executable, "-m", "campus", "serve", "--config", campus.config]
    hub = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    url = f"http://127.0.0.1:{campus.http}/api/v1"
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as api:
            async with asyncio.timeout(PATIENCE):
                while True:
                    with contextlib.suppress(httpx.TransportError):
                        (await api.get("/gates")).raise_for_status()
                        break
                    await asyncio.sleep(0.2)
            yield api
    finally:
        hub.terminate()
        await hub.wait()


@contextlib.asynccontextmanager
async def _receiver(certificate: Path, seen: dict[str, float]) -> AsyncIterator[str]:
    """The school's program, which notes when each person's passage came."""

    async def app(_: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            part = await receive()
            body += part["body"]
            if not part["more_body"]:
                break
        seen.setdefault(json.loads(body)["data"]["person"], time.monotonic())
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    port = _free_port()
    server = uvicorn.Server(
        uvicorn.Config(app, port=port, ssl_certfile=certificate, lifespan="off", log_config=None, access_log=False)
    )
    serving = asyncio.ensure_future(server.serve())
    try:
        yield f"https://localhost:{port}/thermogate"
    finally:
        server.should_exit = True
        await serving


async def _follow(api: httpx.AsyncClient, seen: dict[str, float]) -> None:
    """Follow the feed as a program would."""
    after = (await api.get("/changes")).json()["next"]
    while True:
        page = (await api.get("/changes", params={"after": after, "wait": 30, "limit": 1000})).raise_for_status().json()
        for one in page["changes"]:
            seen.setdefault(one["person"], time.monotonic())
        after = page["next"]


@contextlib.asynccontextmanager
async def _gate(campus: Campus, name: str) -> AsyncIterator[Journal]:
    """A gate's journal and link, as the program on a board joins them."""
    disk = ClockExecutor(SystemClock(), 1, name)
    journal = Journal(campus.folder / f"{name}.sqlite3", disk, boot_id=name)
    settings = LinkSettings(campus="school", host="127.0.0.1", port=campus.broker)
    link = Link(settings, name, journal.outbox, boot_id=name)
    journal.add_listener(link.notify)
    await journal.open()
    running = asyncio.ensure_future(link.run())
    try:
        yield journal
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await journal.close()
        disk.shutdown()


if __name__ == "__main__":
    raise SystemExit(main())
