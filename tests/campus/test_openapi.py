"""Schemathesis asks a hub that serves whatever its own OpenAPI document describes, with a token of each role."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from campus.api.problems import RULES
from campus.auth import tokens
from campus.auth.roles import PERMISSIONS, Actor, Permission, Role
from campus.database import Database
from campus.intake.store import HubStore, Incoming
from campus.policy import versions as policy
from controller.link.messages import Cursor, EventMessage, Online, State, encode, event_id

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.service

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
EXAMPLES = 3
"""Drawn ones an operation and phase; the same each time. Those of the coverage phase are counted by the schema."""
SHELL = Actor("root (shell)", Role.ADMIN)
EPOCH = "000000000000002a"
POLICY = {
    "timezone": "Asia/Shanghai",
    "groups": ["pupils", "guests"],
    "zones": {"street": {"outside": True}, "school": {"english": "School", "chinese": "校园"}},
    "points": {"north": {"from": "street", "to": "school"}},
    "rules": [{"groups": ["pupils", "guests"], "zones": ["school"]}],
}


async def _fill(address: str) -> dict[Role, str]:
    """Two gates with events complete and behind a gap, a hole, a conflict; a token of each role."""
    batch: list[Incoming] = []
    for gate in ("north", "south"):
        for seq in (1, 2, 3, 6):
            message = EventMessage(
                id=event_id(gate, EPOCH, seq), epoch=EPOCH, seq=seq, boot_id="b", time=1_790_000_000.0 + seq,
                monotonic=1.0, clock="synchronised", type="ticket" if seq == 2 else "deny", chain=f"{seq:064x}",
                person=f"p-{seq}", detail={"reason": "too_cold", "temperature": 38.4},
            )  # fmt: skip
            batch.append(Incoming(gate, message, encode(message)))
        other = EventMessage(
            id=event_id(gate, EPOCH, 1), epoch=EPOCH, seq=1, boot_id="c", time=1e300,
            monotonic=1.0, clock="unknown", type="grant", chain="f" * 64,
        )  # fmt: skip
        batch.append(Incoming(gate, other, encode(other)))
        online = Online(online=False, boot_id="b", cursors=[Cursor(epoch="000000000000002b", acked=7)])
        state = State(boot_id="b", time=1e300, clock="unknown", lane="locked", outbox=2)
        batch += [Incoming(gate, online, encode(online)), Incoming(gate, state, encode(state))]
    issued = {}
    async with Database(address, "school") as database:
        await HubStore(database).apply(batch, time.time())
        async with database.transaction() as query:
            await policy.change(query, SHELL, POLICY, now=time.time())
        for role in Role:
            async with database.transaction() as query:
                made = await tokens.issue(query, SHELL, f"a {role}", role, now=time.time(), expires=None)
            issued[role] = made[0]
    return issued


@pytest.fixture
def served(address: str, tmp_path: Path) -> Iterator[tuple[str, dict[Role, str]]]:
    """The address of a hub with something in it, as a process, and the tokens."""
    issued = asyncio.run(_fill(address))
    config = tmp_path / "hub.toml"
    config.write_text(
        f'campus = "school"\ndatabase = "{address}"\n[broker]\nport = 1\n'
        "[http]\nport = 0\nfailures_per_minute = 1000000\n"
        f'[people]\nkey = "{tmp_path / "people.key"}"\n[people.photographs]\nengine = "demo"\n'
    )
    log = tmp_path / "hub.log"
    with log.open("w") as told, log.open() as heard:
        hub = subprocess.Popen([sys.executable, "-m", "campus", "serve", "--config", config], stderr=told)
        port = None
        deadline = time.monotonic() + 60
        while port is None and time.monotonic() < deadline:
            assert hub.poll() is None, log.read_text()
            line = heard.readline()
            if line.endswith("\n") and json.loads(line)["event"] == "answering":
                port = json.loads(line)["port"]
            if not line:
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}", issued
        hub.terminate()
        assert hub.wait(20) == 0
    assert "Traceback" not in log.read_text()


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and description of each."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def _permission(operation: dict[str, Any]) -> Permission | None:
    """What it asks for, as the document says; None: nothing."""
    return next(
        (Permission(scope) for need in operation.get("security", ()) for scope in need.get("HTTPBearer", ())), None
    )


@pytest.mark.timeout(1200)  # some thousand requests
def test_it_answers_as_its_own_document_says(served: tuple[str, dict[Role, str]], address: str, tmp_path: Path) -> None:
    """Each operation in all ways as a role that may; on SQLite with fewer cases, as what answers is the same."""
    url, issued = served
    document = httpx.get(f"{url}/api/v1/openapi.json").json()
    thorough = "://" in address
    phases = "coverage,fuzzing,stateful" if thorough else "fuzzing"
    failures = []
    for role, token in issued.items():
        mine = [
            operation["operationId"]
            for _, _, operation in _operations(document)
            if _owner(_permission(operation)) is role
        ]
        if not mine:
            continue
        _configure(tmp_path / "schemathesis.toml", document)
        command = [
            str(SCHEMATHESIS), "run", f"{url}/api/v1/openapi.json", "--header", f"Authorization: Bearer {token}",
            "--checks", "all", "--phases", phases, "--max-examples", str(EXAMPLES if thorough else 2),
            "--generation-deterministic", "--no-color", "--continue-on-failure",
            *(word for identifier in mine for word in ("--include-operation-id", identifier)),
        ]  # fmt: skip
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        if done.returncode:
            failures.append(f"as {role}:\n{done.stdout}\n{done.stderr}")
    assert not failures, "\n".join(failures)


def _configure(path: Path, document: dict[str, Any]) -> None:
    """Good data may be refused for how things stand, else only where the document tells of rules beyond its schema."""
    accepted = ["2xx", "401", "403", "404", "409", "410", "412", "428"]
    path.write_text(
        f"checks.positive_data_acceptance.expected-statuses = {accepted}\n"
        + "".join(
            # A long poll would wait.
            f'[[operations]]\ninclude-operation-id = "{operation["operationId"]}"\nparameters = {{"query.wait" = 0}}\n'
            for _, _, operation in _operations(document)
            if any(parameter["name"] == "wait" for parameter in operation.get("parameters", ()))
        )
        + "".join(
            f'[[operations]]\ninclude-operation-id = "{operation["operationId"]}"\n'
            f"checks.positive_data_acceptance.expected-statuses = {[*accepted, '422']}\n"
            for _, _, operation in _operations(document)
            if RULES in operation
        )
    )


def _owner(permission: Permission | None) -> Role:
    """The first role that has it."""
    return next(role for role in Role if permission is None or permission in PERMISSIONS[role])


def test_whoever_may_not_is_refused_whatever_he_asks(served: tuple[str, dict[Role, str]]) -> None:
    url, issued = served
    asked = 0
    with httpx.Client(base_url=url, timeout=60) as client:
        for path, method, operation in _operations(client.get("/api/v1/openapi.json").json()):
            permission = _permission(operation)
            if permission is None:
                continue
            # What fits every place there is: a name, and an id.
            place = re.sub(r"\{\w+\}", "0123abcd", path)
            assert client.request(method, place).status_code == 401, (method, path)
            for role, token in issued.items():
                answer = client.request(method, place, headers={"Authorization": f"Bearer {token}"})
                assert (answer.status_code == 403) == (permission not in PERMISSIONS[role]), (role, method, path)
                asked += 1
    assert asked >= len(Role) * 5
