"""`thermogate-hub` as people use it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from campus.cli.main import _broker, _parser, main
from campus.database import Database
from campus.intake.store import HubStore, Incoming
from controller.link.messages import EventMessage, Online, State, encode, event_id

if TYPE_CHECKING:
    from pathlib import Path

EPOCH = "000000000000002a"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "hub.sqlite3"
    batch: list[Incoming] = []
    for gate in ("north", "south"):
        for seq in (1, 2):
            message = EventMessage(
                id=event_id(gate, EPOCH, seq), epoch=EPOCH, seq=seq, boot_id="b", time=1_790_000_000.0 + seq,
                monotonic=1.0, clock="unknown" if seq == 1 else "synchronised", type="deny", chain="0" * 64,
                detail={"reason": "too_cold", "attempt": 2},
            )  # fmt: skip
            batch.append(Incoming(gate, message, encode(message)))
    online, state = Online(online=True, boot_id="b"), State(boot_id="b", time=1.0, clock="unknown", lane="locked")
    batch += [Incoming("north", online, encode(online)), Incoming("north", state, encode(state))]
    asyncio.run(_fill(str(path), batch))
    return path


async def _fill(address: str, batch: list[Incoming]) -> None:
    async with Database(address, "school") as database:
        await HubStore(database).apply(batch, 1_790_000_003.0)


def test_events_are_printed(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["events", "--db", str(database), "--gate", "south"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert "south  002a:1" in first
    assert first.endswith("reason=too_cold attempt=2")
    assert first[19] == "~", "a clock that nobody set, dated by the event after it"
    assert second[19] == " "


def test_events_as_json_are_the_gates_own_bytes(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["events", "--db", str(database), "--json", "--limit", "3"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["id"] for event in events] == [f"north-{EPOCH}-2", f"south-{EPOCH}-1", f"south-{EPOCH}-2"]


def test_gates_are_printed(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gates", "--db", str(database)]) == 0
    north, south = capsys.readouterr().out.splitlines()
    assert north.split()[:5] == ["north", "online", "locked", "2", "events"]
    assert south.split()[:3] == ["south", "unknown", "-"]


def test_gates_as_json(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gates", "--db", str(database), "--json"]) == 0
    north, south = map(json.loads, capsys.readouterr().out.splitlines())
    assert (north["gate"], north["online"], north["events"], north["state"]["lane"]) == ("north", True, 2, "locked")
    assert (south["gate"], south["online"], south["state"]) == ("south", None, None)


def test_a_failure_is_one_line_and_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["events", "--db", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err == f"thermogate-hub: {tmp_path / 'none'}: there is no such database\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--campus", "No Such Name", "--db", "x"], "is no name for a campus or gate"),
        (["--campus", "school", "--db", "/proc/nowhere/x"], "/proc/nowhere/x: unable to open database file"),
        (["--campus", "school", "--db", "hub.sqlite3", "--ca", "/nowhere/ca.pem"], "/nowhere/ca.pem: cannot be used"),
        (["--campus", "school", "--db", "hub.sqlite3", "--metrics-port", "70000"], "[metrics] port: 70000 cannot be"),
        (["--campus", "school", "--db", "hub.sqlite3", "--worker", "3/2"], "--worker 3/2: NUMBER/WORKERS"),
    ],
)
def test_an_intake_that_cannot_start_says_why(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["ingest", "--broker", "127.0.0.1:1", *arguments]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("broker", "broker", 1883),
        ("broker:1884", "broker", 1884),
        ("10.0.0.1:1884", "10.0.0.1", 1884),
        ("fe80::1", "fe80::1", 1883),
        ("[fe80::1]:1884", "fe80::1", 1884),
        ("[fe80::1]", "fe80::1", 1883),
    ],
)
def test_addresses(text: str, host: str, port: int) -> None:
    options = _parser().parse_args(["ingest", "--broker", text, "--campus", "school", "--db", "x"])
    broker = _broker(options)
    assert (broker.host, broker.port) == (host, port)


def test_several_brokers_are_tried_in_their_order() -> None:
    words = ["--broker", "a", "--broker", "b:7", "--protocol", "3.1.1", "--subscribe-qos", "0"]
    broker = _broker(_parser().parse_args(["ingest", *words, "--campus", "school", "--db", "x"]))
    assert broker.turn.in_turn == (("a", 1883), ("b", 7))
    assert (broker.protocol, broker.subscribe_qos) == ("3.1.1", 0)


def test_a_wrong_address_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["--broker", "a", "--broker", "b:many", "--campus", "school", "--db", str(tmp_path / "x")]
    assert main(["ingest", *words]) == 1
    assert "`--broker`, entry 2: 'b:many': a port is a number" in capsys.readouterr().err


def test_tls_has_a_port_of_its_own() -> None:
    options = _parser().parse_args(["ingest", "--broker", "b", "--campus", "c", "--db", "x", "--ca", "ca.pem"])
    assert (_broker(options).port, _broker(options).tls) == (8883, True)


@pytest.mark.parametrize("days", ["inf", "nan", "-1", "0", "1e12"])
def test_a_token_ends_on_a_day_that_there_is(days: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "hub.toml"
    config.write_text(f'campus = "school"\ndatabase = "{tmp_path / "hub.sqlite3"}"\n')
    words = ["token", "issue", "desk", "--role", "guard", f"--days={days}", "--config", str(config)]
    assert main(words) == 1
    assert capsys.readouterr().err.startswith("thermogate-hub: expires: has passed already, or lies ")
    assert main(["token", "list", "--config", str(config)]) == 0


def test_a_user_without_a_name_may_use_the_command_line(tmp_path: Path) -> None:
    """As in a container that runs under a number alone."""
    if os.geteuid() != 0:
        pytest.skip("only root may run as another user")
    tmp_path.chmod(0o755)
    program = "import os; from campus.cli.admin import here; os.setgid(54321); os.setuid(54321); print(here().name)"
    nameless = {
        name: value for name, value in os.environ.items() if name not in ("LOGNAME", "USER", "LNAME", "USERNAME")
    }
    done = subprocess.run([sys.executable, "-c", program], env=nameless, capture_output=True, text=True, check=True)
    assert done.stdout == "user 54321 (shell)\n"
