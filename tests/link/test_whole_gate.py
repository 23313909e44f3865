"""The whole program is killed between grant and publication; the campus learns of the grant all the same."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiomqtt
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.service, pytest.mark.asyncio]

ENTRIES, EVENTS = "SELECT kind FROM entry", "SELECT type FROM event"
HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HERE.parents[1])}


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, *map(str, arguments)], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)


def kinds(path: Path, query: str) -> list[str]:
    """What a database of another process holds so far."""
    if not path.exists():
        return []
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return [row[0] for row in connection.execute(query)]
    except sqlite3.OperationalError:
        return []
    finally:
        connection.close()


async def test_a_grant_that_was_on_disk_reaches_the_campus_once(
    broker: Any, compare: Callable[[], int], eventually: Callable[..., Any], tmp_path: Path
) -> None:
    broker.stop()
    gate = start(HERE / "whole_gate.py", tmp_path, broker.port, "killed")
    gate.communicate(timeout=120)
    assert gate.returncode == -signal.SIGKILL
    journal = tmp_path / "journal.sqlite3"
    assert kinds(journal, ENTRIES).count("grant") == 1
    broker.start()
    where = f"127.0.0.1:{broker.port}"
    hub_path = tmp_path / "hub.sqlite3"
    hub = start("-m", "campus", "ingest", "--broker", where, "--campus", "school", "--db", hub_path)
    gate = start(HERE / "whole_gate.py", tmp_path, broker.port, "served")
    try:
        await eventually(lambda: "passage" in kinds(hub_path, EVENTS), "the second passage at the campus")
        assert kinds(hub_path, EVENTS).count("grant") == 2
        async with aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as home:
            await home.subscribe("homeassistant/device/thermogate-school-north/config", qos=1)
            told = json.loads(bytes((await asyncio.wait_for(anext(home.messages), 20)).payload))
            assert told["components"].keys() >= {"lane", "online", "thermal", "camera", "passages"}
            await home.subscribe("gate/v1/school/north/state", qos=1)
            while json.loads(bytes((await asyncio.wait_for(anext(home.messages), 60)).payload))["passages"] != 1:
                pass
        gate.send_signal(signal.SIGTERM)
        said, _ = gate.communicate(timeout=60)
        assert said.endswith("ended\n")
        await eventually(lambda: len(kinds(hub_path, EVENTS)) == len(kinds(journal, ENTRIES)), "every event")
        hub.send_signal(signal.SIGTERM)
        assert hub.wait(60) == 0
    finally:
        for process in (gate, hub):
            process.kill()
            process.communicate()
    assert compare() == len(kinds(journal, ENTRIES))
