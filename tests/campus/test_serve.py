"""`thermogate-hub serve` as a process: the first token, an answer, wrong files, a good end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from campus.cli.main import main
from campus.config import load
from campus.errors import HubConfigError

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


def test_a_port_that_is_taken_is_said(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config.write_text(config.read_text().replace("port = 0", f"port = {taken.getsockname()[1]}"))
        assert main(["serve", "--config", str(config)]) == 1
    assert "Address already in use" in capsys.readouterr().err
