"""`thermogate gallery` as an operator uses it, and the retention of photographs."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest

from controller.cli.main import main
from controller.config import Config, StoreSettings
from controller.gallery.history_store import HistoryStore, Reading
from controller.gallery.keyfile import read_key
from controller.gallery.model import Enrolment, Person, Picture, Template
from controller.gallery.pictures import pictures_of
from controller.gallery.store import GalleryStore
from controller.retention import erase_old_pictures

if TYPE_CHECKING:
    from pathlib import Path

TODAY = 739000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    template = Template("net:1", np.eye(16, dtype=np.float32)[0])
    pictures = (Picture(b"old", TODAY - 365), Picture(b"new", TODAY - 364))
    with GalleryStore.open(tmp_path, create=True) as store:
        store.write(
            [Enrolment(Person("s-1"), (template, template), pictures=pictures), Enrolment(Person("s-2"), (template,))]
        )
    with HistoryStore.open(tmp_path, create=True) as history:
        history.append([Reading(history.pseudonym("s-1"), TODAY, 1.7e9, 0.1, 0.1, flagged=False)] * 3, keep=9)
    return tmp_path


def damage(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "gallery.sqlite3")) as connection, connection:
        connection.execute(statement)


def test_a_whole_gallery_is_said_to_be(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gallery", "check", "--gallery", str(folder)]) == 0
    told = capsys.readouterr().out
    assert "gallery.key, a file" in told
    assert "2 people, 3 templates, 0 credentials, 2 pictures" in told
    assert "history: 3 readings" in told
    assert "every record opens" in told


def test_damage_is_named_repaired_and_then_gone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damage(folder, "UPDATE template SET nonce = zeroblob(12) WHERE person = 's-2'")
    damage(folder, "UPDATE picture SET day = day + 1000 WHERE day < 738700")
    for repair in ([], ["--repair"]):
        assert main(["gallery", "check", "--gallery", str(folder), *repair]) == 1
        told = capsys.readouterr().err
        assert "of s-2 does not open" in told
        assert "picture" in told
    assert main(["gallery", "check", "--gallery", str(folder)]) == 0
    assert "2 people, 2 templates" in capsys.readouterr().out


def test_a_damaged_history_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect(folder / "history.sqlite3")) as connection, connection:
        connection.execute("UPDATE reading SET day = 1 WHERE id = 2")
    assert main(["gallery", "check", "--gallery", str(folder)]) == 1
    assert "record 2 does not open" in capsys.readouterr().err


def test_the_key_is_changed_and_a_half_done_change_is_pointed_out(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = read_key(folder / "gallery.key")
    assert main(["gallery", "new-key", str(folder / "gallery.key.next")]) == 0
    assert main(["gallery", "new-key", str(folder / "gallery.key.next")]) == 1
    assert "never replaced" in capsys.readouterr().err
    assert main(["gallery", "check", "--gallery", str(folder)]) == 0
    assert "was not finished" in capsys.readouterr().out
    assert main(["gallery", "rotate-key", "--gallery", str(folder)]) == 0
    assert "7 records and 3 readings sealed anew" in capsys.readouterr().out
    assert read_key(folder / "gallery.key") != old
    assert main(["gallery", "check", "--gallery", str(folder)]) == 0


def test_without_a_gallery_the_command_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("check", "rotate-key"):
        assert main(["gallery", command, "--gallery", str(tmp_path)]) == 1
        assert "there is no gallery" in capsys.readouterr().err


def test_pictures_are_not_kept_unless_the_school_says_so() -> None:
    assert not Config().store.keep_pictures


@pytest.mark.parametrize(
    ("keep", "today", "left"),
    [(True, TODAY, [b"new"]), (True, None, [b"old", b"new"]), (True, TODAY + 1, []), (False, None, [])],
)
def test_the_retention_clock(folder: Path, keep: bool, today: int | None, left: list[bytes]) -> None:  # noqa: FBT001
    settings = StoreSettings(folder=folder, keep_pictures=keep, picture_days=365)
    assert erase_old_pictures(settings, today) == 2 - len(left)
    with GalleryStore.open(folder) as store:
        assert [one.jpeg for one in pictures_of(store, "s-1")] == left


def test_where_there_is_no_gallery_nothing_is_erased(tmp_path: Path) -> None:
    assert erase_old_pictures(StoreSettings(folder=tmp_path), TODAY) == 0
    assert list(tmp_path.iterdir()) == []
