"""The log: one line a thing, nothing personal, nothing secret, and no waiting for whoever reads it."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog

from controller.lane.model import DenyReason
from controller.observe.log import LogHandle, PassageLine, configure, get_logger
from controller.observe.redact import REDACTED
from controller.observe.settings import ObserveSettings

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def restored() -> Iterator[None]:
    level = logging.getLogger().level
    yield
    logging.getLogger().setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def lines(stream: io.StringIO, restored: None) -> Iterator[Lines]:
    """Log to memory as JSON; call it to end the log and read it."""
    handle = configure(ObserveSettings(format="json"), stream)

    def read() -> list[dict[str, Any]]:
        handle.close()
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    yield read
    handle.close()


def test_a_line_is_json_with_time_level_and_room(lines: Lines) -> None:
    get_logger("runner").warning("device down", device="camera", seconds=1.5)
    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "device down", "level": "warning", "logger": "runner", "device": "camera", "seconds": 1.5}


def test_levels_are_kept(lines: Lines) -> None:
    log = get_logger("runner")
    log.debug("not this")
    log.info("this")
    assert [line["event"] for line in lines()] == ["this"]


def test_libraries_log_the_same_way_and_are_redacted_too(lines: Lines) -> None:
    logging.getLogger("mqtt").warning("lost %s", "broker")
    logging.getLogger("mqtt").warning("login", extra={"password": "hunter2"})
    first, second = lines()
    assert (first["event"], first["logger"], first["level"]) == ("lost broker", "mqtt", "warning")
    assert "hunter2" not in json.dumps(second)


class Person:
    def __repr__(self) -> str:
        return "Person(name='Ada Lovelace')"


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"name": "Ada"}, REDACTED),
        ({"Embedding": [0.1, 0.2]}, REDACTED),
        ({"password": "hunter2"}, REDACTED),
        ({"broker_password": "hunter2"}, REDACTED),
        ({"api_token": "t"}, REDACTED),
        ({"template": b"xyz"}, REDACTED),
        ({"blob": b"\xff\xd8secret"}, "[8 bytes]"),
        ({"what": bytearray(3)}, "[3 bytes]"),
        ({"frame": np.full((24, 32), 36.5, np.float32)}, "[array 24x32]"),
        ({"score": np.float32(0.5)}, 0.5),
        ({"who": Person()}, "[Person]"),
        ({"deep": {"a": {"name": "Ada", "n": 1}}}, {"a": {"name": REDACTED, "n": 1}}),
        ({"list": [{"embedding": [1.0]}, b"ab"]}, [{"embedding": REDACTED}, "[2 bytes]"]),
        ({"endless": [[[[[["x"]]]]]]}, [[[["[list]"]]]]),
        ({"path": Path("/var/lib")}, "/var/lib"),
        ({"reason": DenyReason.TOO_COLD}, "too_cold"),
        ({"error": ValueError("bad key")}, "ValueError: bad key"),
        ({"person": "p-17", "grant_id": "g-1"}, "p-17"),
        ({"nothing": None}, None),
    ],
)
def test_nothing_personal_or_secret_is_shown(lines: Lines, fields: dict[str, Any], shown: object) -> None:
    get_logger("x").info("event", **fields)
    (line,) = lines()
    assert line[next(iter(fields))] == shown
    assert "hunter2" not in json.dumps(line)
    assert "Ada" not in json.dumps(line)


def test_tracebacks_show_no_local_variables(lines: Lines) -> None:
    def fail() -> None:
        embedding = "".join(["0.12", "3456789"])  # noqa: FLY002 - so that it stands in no source line
        raise RuntimeError(len(embedding))

    try:
        fail()
    except RuntimeError:
        get_logger("x").exception("failed")
    (line,) = lines()
    assert "RuntimeError: 11" in line["exception"]
    assert "0.123456789" not in line["exception"]


def test_console_lines_show_no_local_variables_either(stream: io.StringIO, restored: None) -> None:
    handle = configure(ObserveSettings(format="console"), stream)

    def fail() -> None:
        secret = "".join(["four", "teen"])  # noqa: FLY002 - so that it stands in no source line
        raise RuntimeError(len(secret))

    try:
        fail()
    except RuntimeError:
        get_logger("x").exception("failed", name="Ada")
    handle.close()
    text = stream.getvalue()
    assert "failed" in text
    assert "RuntimeError: 8" in text
    assert "fourteen" not in text
    assert "Ada" not in text


class StuckStream(io.StringIO):
    """A terminal that nobody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.release = threading.Event()

    def write(self, text: str) -> int:
        self.release.wait()
        return super().write(text)


def test_a_reader_that_hangs_holds_nobody_up(restored: None) -> None:
    stream = StuckStream()
    handle = configure(ObserveSettings(format="json"), stream)
    log = get_logger("x")
    for number in range(10_050):
        log.info("line", number=number)
    assert 0 < handle.dropped <= 50
    stream.release.set()
    handle.close()
    assert len(stream.getvalue().splitlines()) == 10_050 - handle.dropped


def test_closing_twice_is_harmless(lines: Lines, restored: None) -> None:
    handle = configure(ObserveSettings(), io.StringIO())
    handle.close()
    handle.close()
    assert isinstance(handle, LogHandle)


def test_one_line_for_a_passage(lines: Lines) -> None:
    passage = PassageLine(get_logger("lane"), "g-1")
    passage.add(person="p-3", score=0.81)
    passage.add(temperature=36.6, score=0.83)
    passage.end("completed", seconds=2.1)
    passage.end("expired")
    (line,) = lines()
    wanted = {"event": "passage", "grant_id": "g-1", "person": "p-3", "score": 0.83, "temperature": 36.6}
    assert wanted.items() <= line.items()
    assert (line["outcome"], line["seconds"]) == ("completed", 2.1)
