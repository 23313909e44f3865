"""What gates should have, made from the database while it changes: installed in a gallery, nothing gets lost."""

from __future__ import annotations

import base64
import datetime as dt
import resource
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from campus.auth.roles import Actor, Role
from campus.database import Database
from campus.errors import HubConfigError, HubStoreError
from campus.gates.documents import FEW, Documents
from campus.gates.keys import ContentKey
from campus.people.records import People, PeopleSettings, Person, Template
from controller.gallery.install import hub_state, install
from controller.gallery.model import Consent
from controller.gallery.store import GalleryStore
from controller.link.documents import INLINE, open_document

if TYPE_CHECKING:
    from pathlib import Path

    from controller.link.documents import File, Wanted

pytestmark = pytest.mark.asyncio

OFFICE = Actor("office", Role.ENROLMENT)
CONSENT = Consent("consent", dt.date(2026, 1, 1), "guardian", "face", dt.date(2029, 7, 31))
KEY = ContentKey(1, bytes(32))
NOW = 1_790_000_000.0


async def enrol(people: People, query: Any, who: str) -> None:
    await people.upsert(query, OFFICE, Person(id=who, groups=("7b",), kind="staff", consent=CONSENT), now=NOW)
    vector = np.eye(16, dtype=np.float32)[len(who)]
    await people.set_templates(query, OFFICE, who, [Template("net:1", vector, None)], now=NOW)


class Interrupted(People):
    """People among whom somebody comes while they are read."""

    comes = ""

    async def some(self, query: Any, chosen: Any) -> list[Person]:
        found = await super().some(query, chosen)
        if self.comes and len(chosen) > 1:
            who, self.comes = self.comes, ""
            await enrol(self, query, who)
        return found


def bring(store: GalleryStore, folder: Path, wanted: dict[str, Wanted]) -> list[str]:
    """Install as a gate does; which documents it took."""
    taken = []
    for kind, one in wanted.items():
        have = hub_state(store).versions.get(kind, 0)
        steps: list[tuple[str, File | None]] = [("snapshot", one.snapshot)] if have < one.base else []
        steps += [("changes", one.delta)] if one.version > max(have, one.base) else []
        for name, file in steps:
            assert file is not None
            sealed = base64.b64decode(file.inline) if file.inline else (folder / file.sha256).read_bytes()
            install(store, open_document(kind, sealed, KEY.key))
            taken.append(f"{kind} {name}")
    return taken


async def test_whoever_comes_or_leaves_while_they_are_made_is_told_next(address: str, tmp_path: Path) -> None:
    people = Interrupted(PeopleSettings(key=tmp_path / "people.key"))
    async with Database(address, "school") as database:
        documents = Documents("school", tmp_path / "documents", database, people)
        assert await documents.make(KEY) == {}, "a hub without people erases nobody's"
        async with database.transaction() as query:
            for who in ("a", "bb"):
                await enrol(people, query, who)
        people.comes = "ccc"
        with GalleryStore.open(tmp_path / "gate", create=True) as store:
            first = await documents.make(KEY)
            assert bring(store, documents.folder, first) == ["roster snapshot", "gallery snapshot"]
            second = await documents.make(KEY)
            assert bring(store, documents.folder, second) == ["roster changes", "gallery changes"]
            assert all(one.delta is not None and one.delta.size <= INLINE for one in second.values())
            async with database.transaction() as query:
                await people.remove(query, OFFICE, "a", now=NOW)
                await people.withdraw(query, OFFICE, "bb", now=NOW)
            bring(store, documents.folder, await documents.make(KEY))
            assert store.inspect().faults == ()
            assert {one.person.person: len(one.templates) for one in store.enrolments()} == {"bb": 0, "ccc": 1}
            found = store.people()["ccc"]
            assert (found.groups, found.valid_until) == (("7b", "staff"), CONSENT.expires)
            assert bring(store, documents.folder, await documents.make(KEY)) == []


async def test_many_changes_another_key_or_a_lost_file_make_a_new_snapshot(address: str, tmp_path: Path) -> None:
    people = People(PeopleSettings(key=tmp_path / "people.key"))
    async with Database(address, "school") as database:
        documents = Documents("school", tmp_path / "documents", database, people)

        async def base() -> int:
            return (await documents.make(KEY))["roster"].base

        async def come(*who: str) -> None:
            async with database.transaction() as query:
                for one in who:
                    await people.upsert(query, OFFICE, Person(id=one), now=NOW)

        await come("first")
        first = await base()
        await come(*(f"p{number}" for number in range(FEW)))
        assert await base() == first
        await come("more")
        second = await base()
        assert second > first
        await come("last")
        assert await base() == second
        wanted = await documents.make(ContentKey(2, bytes(32)))
        assert wanted["roster"].base > second
        for path in documents.folder.iterdir():
            path.unlink()
        async with database.transaction() as query:
            assert (await documents.versions(query))["roster"] == wanted["roster"].version
        again = await documents.make(ContentKey(2, bytes(32)))
        assert (documents.folder / again["roster"].snapshot.sha256).exists()
        assert {path.name for path in documents.folder.iterdir()} == {one.snapshot.sha256 for one in again.values()}


@pytest.mark.parametrize("address", ["postgresql"], indirect=True)
async def test_a_full_disk_is_waited_for_and_a_wrong_folder_is_not(address: str, tmp_path: Path) -> None:
    """Who ended the hub for the first would end the intake as well, which needs no such folder."""
    people = People(PeopleSettings(key=tmp_path / "people.key"))
    async with Database(address, "school") as database:
        async with database.transaction() as query:
            await enrol(people, query, "a")
        (tmp_path / "file").touch()
        with pytest.raises(HubConfigError, match="cannot be written: Not a directory"):
            await Documents("school", tmp_path / "file" / "x", database, people).make(KEY)
        documents = Documents("school", tmp_path / "documents", database, people)
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))  # as a disk that ends there
        try:
            with pytest.raises(HubStoreError, match="cannot be written: File too large"):
                await documents.make(KEY)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        assert (await documents.make(KEY)).keys() == {"roster", "gallery"}
        assert {path.name for path in documents.folder.iterdir()} == {
            one.snapshot.sha256 for one in (await documents.make(KEY)).values()
        }
