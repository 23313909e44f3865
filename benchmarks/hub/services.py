"""A school's services on loopback: mosquitto as docs/mqtt.md has it, PostgreSQL with its own defaults, and the hub."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.hub.authority import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
"""Seconds a service may take to start, on a busy machine."""
CAMPUS = "school"
TUNING = ("set_tcp_nodelay", "max_queued_messages")
"""Options of docs/mqtt.md that are for speed; without them the rest of mosquitto is as it comes."""

Process = subprocess.Popen[bytes]


class MissingError(RuntimeError):
    """A service that is not installed; the message says how to."""


def gate_names(count: int) -> list[str]:
    """Names of so many gates."""
    return [f"gate-{number:03}" for number in range(count)]


def free_port() -> int:
    """A port of loopback that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(command: Sequence[object], log: Path) -> Process:
    """Start a process whose output goes to the end of `log`."""
    with log.open("ab") as file:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen([str(word) for word in command], stdout=file, stderr=file, env=environment)


def end(process: Process) -> None:
    """Kill it, unless it has ended, and wait."""
    process.kill()
    process.wait()


def fenced(language: str, page: str = "mqtt.md") -> str:
    """A block of a page in docs."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
    if found is None:
        raise ValueError(f"docs/{page}: has no block {language!r}")
    return found[1]


class Mosquitto:
    """A broker that takes only those who show a certificate, by the configuration and the access list of docs/mqtt.md.

    `tuned` False leaves out the page's options for speed. In `folder` are `school.pem`, `school.crl`, `broker.crt` and
    `broker.key`.
    """

    def __init__(self, folder: Path, *, tuned: bool = True) -> None:
        program = shutil.which("mosquitto", path="/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin")
        if program is None:
            raise MissingError("mosquitto is not installed (apt install mosquitto)")
        self.port = free_port()
        self.process: Process | None = None
        self._log = folder / "mosquitto.log"
        self._command = [program, "-c", str(folder / "mosquitto.conf")]
        acl = folder / "gates.acl"
        acl.write_text(fenced("acl"))
        acl.chmod(0o644)
        text = fenced("conf mosquitto").replace("listener 8883", f"listener {self.port} 127.0.0.1")
        for name, file in (
            ("cafile", "school.pem"),
            ("certfile", "broker.crt"),
            ("keyfile", "broker.key"),
            ("crlfile", "school.crl"),
        ):
            text = re.sub(rf"^{name} .*$", f"{name} {folder / file}", text, flags=re.MULTILINE)
        text = re.sub(r"^acl_file .*$", f"acl_file {acl}", text, flags=re.MULTILINE)
        if not tuned:
            text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith(TUNING))
        # Started by root it would else become another user, who may read nothing in a folder of ours.
        (folder / "mosquitto.conf").write_text(f"{text}\nuser root\n")

    def start(self) -> None:
        """Start, and return when it takes connections."""
        self.process = start(self._command, self._log)
        wait_for_port(self.port, self.process)

    def kill(self) -> None:
        """As a crash does; harmless when it does not run."""
        if self.process is not None:
            end(self.process)
            self.process = None


def wait_for_port(port: int, process: Process, host: str = "127.0.0.1") -> None:
    """Return when somebody listens there. Raises `TimeoutError`, also when the process has ended."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
            return
        time.sleep(0.02)
    raise TimeoutError(f"nobody takes connections at {host}:{port}")


class PostgreSQL:
    """A database server of our own, on a socket in a folder of its own; with its defaults, fsync among them.

    `options`: of the server, as `-c name=value`. Raises `MissingError` where it is not installed.
    """

    def __init__(self, *options: str) -> None:
        found = shutil.which("pg_ctl")
        places = [Path(found).resolve().parent] if found else []
        places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
        programs = [place for place in places if (place / "initdb").exists() and (place / "pg_ctl").exists()]
        if not programs:
            raise MissingError("PostgreSQL is not installed (apt install postgresql)")
        self._programs = programs[0]
        self._account = _account()
        self.folder = Path(tempfile.mkdtemp(prefix="thermogate-pg-"))
        if self._account is not None:
            shutil.chown(self.folder, self._account)
        self._options = " ".join([f"-k {self.folder} -c listen_addresses=", *options])
        self._data = str(self.folder / "data")
        words = ("-U", "hub", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        self._run("initdb", "-D", self._data, *words)

    @property
    def address(self) -> str:
        """Of the database that the server comes with."""
        return self.address_of("postgres")

    def address_of(self, name: str) -> str:
        """Of the database of this name."""
        return f"postgresql://hub@/{name}?host={self.folder}"

    @property
    def pid(self) -> int:
        """Of the server's first process."""
        return int((Path(self._data) / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])

    def start(self) -> None:
        """Start, and return when it answers."""
        self._run("pg_ctl", "-D", self._data, "-l", str(self.folder / "log"), "-o", self._options, "-w", "start")

    def create(self, name: str) -> None:
        """Make a database."""
        self._run("createdb", "-h", str(self.folder), "-U", "hub", name)

    def stop(self) -> None:
        """At once, as a crash does: it recovers when it is started again."""
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")

    def remove(self) -> None:
        """Stop it and throw everything away."""
        with contextlib.suppress(RuntimeError):
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [self._programs / program, *words],
            user=self._account,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stdout}{done.stderr}")


def _account() -> str | None:
    """Whose PostgreSQL is: it refuses to be root's."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    return None


class School:
    """The services of one school in a folder: certificates for hub and gates, a broker, a database, a hub.toml."""

    def __init__(self, folder: Path, gates: Sequence[str], *, tuned: bool = True) -> None:
        self.folder = folder
        self.gates = gates
        folder.chmod(0o755)
        authority = Authority(folder, "school")
        authority.revoke_nothing()
        for name in ("broker", "hub", *gates):
            authority.issue(name)
        self.broker = Mosquitto(folder, tuned=tuned)
        self.database = PostgreSQL()
        self.config = folder / "hub.toml"
        self.config.write_text(
            f'campus = "{CAMPUS}"\ndatabase = "{self.database.address}"\n'
            f'[broker]\nhost = "127.0.0.1"\nport = {self.broker.port}\n'
            f'ca = "{folder / "school.pem"}"\ncert = "{folder / "hub.crt"}"\nkey = "{folder / "hub.key"}"\n'
            "[http]\nport = 0\n"
        )

    def start(self) -> None:
        """Start broker and database."""
        self.broker.start()
        self.database.start()

    def start_hub(self) -> Process:
        """`thermogate-hub serve`."""
        return start([sys.executable, "-m", "campus", "serve", "--config", self.config], self.folder / "hub.log")

    def remove(self) -> None:
        """Stop the services; the folder stays."""
        self.broker.kill()
        self.database.remove()


@contextlib.contextmanager
def school(gates: int, *, tuned: bool = True) -> Iterator[School]:
    """A school whose services run, in a folder that is thrown away."""
    with tempfile.TemporaryDirectory(prefix="thermogate-school-") as name:
        made = School(Path(name), gate_names(gates), tuned=tuned)
        try:
            made.start()
            yield made
        finally:
            made.remove()
