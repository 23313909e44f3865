"""`thermogate-hub serve` as a process: the first token, an answer, wrong files, a good end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from campus.cli.main import main
from campus.config import load
from campus.errors import HubConfigError
from controller.health.notify import MISCONFIGURED

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "hub.toml"
    path.write_text(
        f'campus = "school"\ndatabase = "{tmp_path / "hub.sqlite3"}"\n[broker]\nport = 1\n[http]\nport = 0\n'
    )
    return path


def test_it_answers_who_has_a_token_and_ends_when_told(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "issue", "desk", "--role", "admin", "--config", str(config)]) == 0
    token = capsys.readouterr().out.splitlines()[-1]
    command = [sys.executable, "-m", "campus", "serve", "--config", str(config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as hub:
        assert hub.stderr is not None
        port = next(line["port"] for line in map(json.loads, hub.stderr) if line["event"] == "answering")
        url = f"http://127.0.0.1:{port}/api/v1"
        assert httpx.get(f"{url}/gates").status_code == 401
        answer = httpx.get(f"{url}/gates", headers={"Authorization": f"Bearer {token}"})
        assert answer.json() == []
        assert answer.headers["cache-control"] == "no-store"
        hub.send_signal(signal.SIGTERM)
        assert hub.wait(20) == 0
        assert token not in hub.stderr.read()
    assert main(["audit", "verify", "--config", str(config)]) == 0
    assert capsys.readouterr().out.startswith("1 entries, as they were written")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('campus = "A B"\ndatabase = "x"', "campus: Expected `str` matching regex"),
        ('campus = "a"', "missing key `database`"),
        ('campus = "a"\ndatabase = "x"\n[http]\nprot = 1', "http: unknown key `prot`"),
        ('campus = "a"\ndatabase = "x"\n[http]\nport = 70000', "http.port: Expected `int` <= 65535"),
        ("campus = ]", "Invalid value (at line 1, column 10)"),
    ],
)
def test_a_wrong_file_is_refused_by_its_place(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "hub.toml"
    path.write_text(text)
    with pytest.raises(HubConfigError) as caught:
        load(path)
    assert told in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_a_wrong_file_has_a_status_of_its_own(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By which the unit does not start it again; what may pass by itself, as a port that is taken, is tried again."""
    config.write_text(config.read_text() + "\n[orders]\nkey = 1\n")
    assert main(["serve", "--config", str(config)]) == MISCONFIGURED
    assert f"{config}: orders.key: " in capsys.readouterr().err
    config.write_text('campus = "school"\ndatabase = "postgresql://hub:secret@db/x"\n')
    assert main(["serve", "--config", str(config)]) == MISCONFIGURED
    assert "a password in an address is read by others" in capsys.readouterr().err


def test_the_service_manager_hears_of_its_life(config: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        heard: list[str] = []

        def hear(line: str, times: int = 1) -> None:
            while heard.count(line) < times:
                heard.extend(manager.recv(4096).decode().splitlines())

        told = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "300000"}
        command = [sys.executable, "-m", "campus", "serve", "--config", str(config)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, env=os.environ | told, text=True) as hub:
            assert hub.stderr is not None
            hear("READY=1")
            port = next(line["port"] for line in map(json.loads, hub.stderr) if line["event"] == "answering")
            assert httpx.get(f"http://127.0.0.1:{port}/ready").status_code == 200
            hear("WATCHDOG=1", times=3)
            hub.send_signal(signal.SIGTERM)
            hear("STOPPING=1")
            assert hub.wait(20) == 0
    assert heard.index("STATUS=starting: database") < heard.index("READY=1") < heard.index("WATCHDOG=1")
    assert f"STATUS=answering on port {port}; broker away" in heard


def test_a_port_that_is_taken_is_said(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config.write_text(config.read_text().replace("port = 0", f"port = {taken.getsockname()[1]}"))
        assert main(["serve", "--config", str(config)]) == 1
    assert "Address already in use" in capsys.readouterr().err
