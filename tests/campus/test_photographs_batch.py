"""Many photographs at once: folders, archives, what is refused by name, and a run that goes on where it was stopped."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import re
import shlex
import time
import zipfile
from pathlib import Path
from typing import Any

import cv2
import pytest

from campus.auth.roles import Actor, Role
from campus.cli.main import _parser, main
from campus.config import load
from campus.database import Database
from campus.errors import HubConfigError, HubStoreError
from campus.people.batch import Batch, Result, counts, opened
from campus.people.enrolment import PhotographDesk
from campus.people.photographs import PhotographSettings
from campus.people.records import People, PeopleSettings, Person
from controller.gallery.consent import legal_basis
from controller.gallery.judge import Code
from controller.gallery.model import Consent
from hw.sim.scene import enrolment_photo
from tests.campus.colours import ColourEngine, photograph

SHELL = Actor("root (shell)", Role.ADMIN)
TODAY = dt.date(2026, 9, 1)
CONSENT = Consent("consent", dt.date(2026, 1, 1), "guardian", "face")


class Rig:
    """A hub that photographs are put into, in one loop a call."""

    def __init__(self, address: str, folder: Path) -> None:
        self.address = address
        self.people = People(PeopleSettings(key=folder / "people.key"))
        self.settings = PhotographSettings(duplicate=0.98, resemblance=0.9)
        self.looked = 0

    def run(self, source: Path, *, stop_after: int | None = None, **more: Any) -> list[Result]:
        return asyncio.run(self._run(source, stop_after, more))

    async def _run(self, source: Path, stop_after: int | None, more: dict[str, Any]) -> list[Result]:
        engine = ColourEngine()
        async with Database(self.address, "school") as database:
            desk = PhotographDesk(database, self.people, self.settings, engine)
            results = []
            with opened(source) as everybody:
                async for one in Batch(database, self.people, desk, SHELL, today=TODAY, **more).run(everybody):
                    results.append(one)
                    if len(results) == stop_after:
                        break
            desk.close()
        self.looked = engine.looked
        return results

    def add(self, *ids: str, **more: Any) -> None:
        async def write() -> None:
            async with Database(self.address, "school") as database, database.transaction() as query:
                for who in ids:
                    wanted = Person(**{"id": who, "consent": CONSENT, **more})
                    await self.people.upsert(query, SHELL, wanted, now=time.time())

        asyncio.run(write())

    def templates(self, *ids: str) -> dict[str, int]:
        async def read() -> dict[str, int]:
            async with Database(self.address, "school") as database, database.transaction() as query:
                found = await self.people.templates(query, ids)
                return {who: len(each) for who, each in found.items()}

        return asyncio.run(read())

    def consent(self, who: str) -> Consent | None:
        async def read() -> Consent | None:
            async with Database(self.address, "school") as database, database.transaction() as query:
                found = await self.people.get(query, who)
                assert found is not None
                return found.consent

        return asyncio.run(read())


@pytest.fixture
def rig(address: str, tmp_path: Path) -> Rig:
    return Rig(address, tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three people, one with two photographs of which one is torn, and somebody whom the hub does not know."""
    photos = tmp_path / "photos"
    (photos / "2").mkdir(parents=True)
    (photos / "1.png").write_bytes(photograph(1))
    (photos / "2" / "a.jpg").write_bytes(photograph(2, kind="jpg"))
    (photos / "2" / "torn.jpg").write_bytes(photograph(2, kind="jpg")[:3000])
    (photos / "3.png").write_bytes(photograph(1, shade=2))
    (photos / "9.png").write_bytes(photograph(9))
    return photos


def told(results: list[Result]) -> dict[str, tuple[str, str]]:
    return {one.id: (one.change, one.reason.partition(" (")[0]) for one in results}


def test_each_refused_photograph_and_person_is_named_with_the_reason(rig: Rig, folder: Path) -> None:
    rig.add("1", "2", "3")
    results = rig.run(folder)
    assert told(results) == {
        "1": ("taken", ""),
        "2": ("taken", ""),
        "3": ("refused", "this face is already enrolled as 1"),
        "9": ("refused", "there is nobody of this id at the hub: import people first"),
    }
    assert [(file.name, file.reason) for one in results for file in one.files if file.reason] == [
        (str(folder / "2" / "torn.jpg"), "is truncated")
    ]
    assert counts(results) == {"taken": 2, "tried": 0, "unchanged": 0, "refused": 2, "marked": 0}
    assert rig.templates("1", "2", "3") == {"1": 1, "2": 1, "3": 0}


def test_a_run_that_was_stopped_goes_on_and_looks_at_nothing_twice(rig: Rig, folder: Path) -> None:
    rig.add("1", "2", "3")
    assert len(rig.run(folder, stop_after=1)) == 1
    assert rig.templates("1", "2") == {"1": 1, "2": 0}
    assert told(rig.run(folder))["1"][0] == "unchanged"
    assert rig.looked == 2, "2's and 3's"
    assert told(rig.run(folder))["2"][0] == "unchanged"
    assert rig.looked == 1, "3's, which was refused"
    # Another photograph takes the place of the one there was.
    (folder / "1.png").write_bytes(photograph(1, shade=6))
    assert told(rig.run(folder))["1"][0] == "taken"
    assert rig.templates("1") == {"1": 1}


def test_a_dry_run_changes_nothing(rig: Rig, folder: Path) -> None:
    rig.add("1", "2", "3")
    assert told(rig.run(folder, dry_run=True))["1"][0] == "tried"
    assert rig.templates("1", "2", "3") == {"1": 0, "2": 0, "3": 0}


def test_an_archive_is_read_without_being_unpacked(rig: Rig, folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as made:
        for path in sorted(folder.rglob("*.*")):
            made.write(path, path.relative_to(folder))
        made.writestr("__MACOSX/._1.png", b"of a Macintosh")
        made.writestr(".DS_Store", b"the same")
        made.writestr("read me.txt", b"no photograph")
    rig.add("1", "2", "3")
    before = set(tmp_path.rglob("*"))
    assert told(rig.run(archive)) == told(rig.run(folder)) | {"1": ("taken", ""), "2": ("taken", "")}
    assert {path.name for path in set(tmp_path.rglob("*")) - before} <= {"people.key", *_database_files()}


def _database_files() -> set[str]:
    return {f"hub.sqlite3{end}" for end in ("", "-wal", "-shm")}


def test_wrong_archives_are_refused_with_every_wrong_name(tmp_path: Path) -> None:
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("class 7b/2041/a.jpg", b"")
        made.writestr("a b.jpg", b"")
        made.writestr("../../2042.jpg", b"")
    with pytest.raises(HubConfigError) as error, opened(archive):
        pass
    lines = str(error.value).splitlines()
    assert len(lines) == 2
    assert "2041/a.jpg: lies deeper than" in lines[0]
    assert "'a b' is no person id" in lines[1]
    for content, reason in ((b"PK\x03\x04 cut", "is not a zip file"), (b"", "is not a zip file")):
        archive.write_bytes(content)
        with pytest.raises(HubConfigError, match=f"photos.zip: cannot be read: .*{reason}"), opened(archive):
            pass
    with pytest.raises(HubConfigError, match="is neither a folder of photographs nor"), opened(tmp_path / "x.doc"):
        pass


def test_a_bomb_in_an_archive_is_one_refused_photograph(rig: Rig, tmp_path: Path) -> None:
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("1.png", bytes(200_000_000))
        made.writestr("2.png", photograph(2))
    rig.add("1", "2")
    results = rig.run(archive)
    assert told(results) == {"1": ("refused", "no usable photograph"), "2": ("taken", "")}
    assert results[0].files[0].reason == "is larger than 30 MB"


def test_names_of_chinese_windows_are_read(tmp_path: Path) -> None:
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("AAAA.png", photograph(1))
    # As Windows writes it: GB18030, without the mark of UTF-8.
    archive.write_bytes(archive.read_bytes().replace(b"AAAA", "张三".encode("gb18030")))
    with opened(archive) as everybody:
        assert [one.id for one in everybody] == ["张三"]


def test_what_goes_wrong_meanwhile_is_told_as_what_it_is(folder: Path) -> None:
    """`HubStoreError` is an OSError too: not to be taken for an archive that cannot be read."""
    with pytest.raises(HubStoreError, match="the disk is full"), opened(folder):
        raise HubStoreError("the disk is full")


def test_consents_come_with_the_photographs_or_a_basis_is_stated(rig: Rig, folder: Path) -> None:
    rig.add("1", "2", "3", consent=None)
    results = told(rig.run(folder))
    assert results["1"] == ("refused", "no consent record")
    assert rig.looked == 0, "not opened"
    brought = Consent("consent", dt.date(2026, 8, 1), "guardian", "face", dt.date(2030, 1, 1))
    basis = legal_basis("School Act § 7", TODAY)
    results = told(rig.run(folder, consents={"1": brought}, basis=basis))
    assert (results["1"], results["2"]) == (("taken", ""), ("taken", ""))
    assert rig.consent("1") == brought
    assert rig.consent("2") == basis
    # The same basis stated on another day is the same basis, and a consent that holds comes before it.
    later = legal_basis("School Act § 7", TODAY + dt.timedelta(days=9))
    results = told(rig.run(folder, basis=later))
    assert (results["1"][0], results["2"][0]) == ("unchanged", "unchanged")
    # Who was refused keeps the record they had.
    assert rig.consent("3") is None


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "hub.toml"
    path.write_text(
        f'campus = "school"\ndatabase = "{tmp_path / "hub.sqlite3"}"\n[people]\nkey = "{tmp_path / "people.key"}"\n'
        '[people.photographs]\nengine = "demo"\n'
    )
    return path


def test_through_the_shell(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the engine for drawn people, which needs no models."""
    photos = tmp_path / "drawn"
    photos.mkdir()
    for number in (1, 2):
        assert cv2.imwrite(str(photos / f"p{number}.png"), enrolment_photo(number, 0, glasses=False))
    assert cv2.imwrite(str(photos / "p3.png"), enrolment_photo(1, 1, glasses=False))
    table = tmp_path / "people.csv"
    table.write_text("person_id,kind\np1,student\np2,student\np3,student\np4,student\n")
    where = ["--config", str(config)]
    assert main(["import", str(table), *where]) == 0
    summary = tmp_path / "summary.json"
    capsys.readouterr()
    call = ["people", "photos", str(photos), "--legal-basis", "School Act § 7", "--summary", str(summary), *where]
    assert main([*call, "--dry-run"]) == 1, "p3 is p1 again"
    assert "A dry run: nothing was changed." in capsys.readouterr().out
    assert main(call) == 1
    out = capsys.readouterr().out
    assert "p1: taken\n" in out
    assert "p3: refused: this face is already enrolled as p1 (score " in out
    assert out.endswith("2 taken, 1 refused\n")
    kept = json.loads(summary.read_text())
    assert summary.stat().st_mode & 0o777 == 0o600
    assert kept["complete"]
    assert kept["counts"]["refused"] == 1
    (refused,) = [one for one in kept["people"] if one["change"] == "refused"]
    assert refused["photographs"][0]["photograph"] == str(photos / "p3.png")
    # Twins.
    assert main(["people", "alike", "p3", "p1", *where]) == 1
    assert "give a --reason" in capsys.readouterr().err
    assert main(["people", "alike", "p3", "p9", "--reason", "x", *where]) == 1
    assert main(["people", "alike", "p3", "p1", "--reason", "twins, papers seen", *where]) == 0
    assert main(call) == 0
    assert "p3: looks much like p1 (score " in capsys.readouterr().out
    assert main(["people", "alike", "p1", "p3", "--undo", *where]) == 0
    assert main(["people", "alike", "p1", "p3", "--undo", *where]) == 1
    capsys.readouterr()
    assert main(["people", "photos", "--missing", *where]) == 0
    assert capsys.readouterr().out == "p4\n# 1 without a template of drawn-lbp:1\n"
    assert main(["people", "photos", *where]) == 1
    assert main(["audit", "verify", *where]) == 0


def test_without_the_section_it_says_which_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "hub.toml"
    path.write_text(f'campus = "school"\ndatabase = "{tmp_path / "hub.sqlite3"}"\n')
    assert main(["people", "photos", "--missing", "--config", str(path)]) == 1
    assert "people.photographs: is missing from hub.toml" in capsys.readouterr().err


def test_the_page_is_right(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "roster.md").read_text(encoding="utf-8")
    (text,) = [one for one in re.findall(r"```toml\n(.*?)```", page, flags=re.DOTALL) if "photographs" in one]
    path = tmp_path / "hub.toml"
    path.write_text(f'campus = "school"\ndatabase = "x"\n{text}', encoding="utf-8")
    assert load(path).people.photographs == PhotographSettings(models=Path("/var/lib/thermogate-hub/models"))
    commands = re.findall(r"^(thermogate-hub people .*)$", page, flags=re.MULTILINE)
    assert len(commands) == 2
    for line in commands:
        _parser().parse_args(shlex.split(line)[1:])
    for code in Code:
        assert f"`{code}`" in page


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('engine = "auto"', "people.photographs.engine: Invalid enum value"),
        ("max_bytes = 1", "people.photographs.max_bytes: Expected `int` >= 10000"),
        ("duplicate = 0.4\nresemblance = 0.5", "resemblance (0.5) must not be above duplicate (0.4)"),
        ("keep = true", "people.photographs: unknown key `keep`"),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, what: str) -> None:
    path = tmp_path / "hub.toml"
    path.write_text(f'campus = "school"\ndatabase = "x"\n[people.photographs]\n{line}\n')
    assert main(["people", "photos", "--missing", "--config", str(path)]) == 1
    assert what in capsys.readouterr().err
