"""Whatever is done to the file without its key is noticed and named, and what is intact is still used."""

from __future__ import annotations

import datetime as dt
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.errors import GalleryError, StoreError
from controller.gallery.credentials import add_credential, credentials_of, open_book, remove_credentials
from controller.gallery.index import GalleryIndex
from controller.gallery.keyfile import create_key, read_key
from controller.gallery.model import Consent, Enrolment, Origin, Person, Picture, Template
from controller.gallery.pictures import erase_damaged, erase_pictures, picture_faults, pictures_of
from controller.gallery.store import GalleryStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Vector = Callable[[int], NDArray[np.float32]]

MODEL = "net:1"
ORIGIN = Origin(dt.date(2026, 9, 1), Consent("consent", dt.date(2026, 3, 1), "guardian", "face"), "photographs.terms")
TABLES = {
    "person": ("person", "key", "nonce", "sealed"),
    "template": ("record", "person", "model", "position", "key", "nonce", "sealed"),
    "credential": ("record", "person", "kind", "key", "nonce", "sealed"),
    "seal": ("key", "nonce", "sealed"),
}


def sql(folder: Path, statement: str, values: tuple[object, ...] = ()) -> list[Any]:
    with closing(sqlite3.connect(folder / "gallery.sqlite3")) as connection, connection:
        return connection.execute(statement, values).fetchall()


def enrolment(person: str, *vectors: NDArray[np.float32]) -> Enrolment:
    return Enrolment(Person(person), tuple(Template(MODEL, one) for one in vectors))


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pristine") / "gallery"
    rng = np.random.default_rng(1)
    with GalleryStore.open(folder, create=True) as store:
        for number in range(4):
            rows = rng.normal(size=(2, 16)).astype(np.float32)
            store.write([enrolment(f"p{number}", *(row / np.linalg.norm(row) for row in rows))])
            add_credential(store, f"p{number}", "card", f"1-{number}")
    return folder


@pytest.fixture
def folder(store: GalleryStore) -> Path:
    return store.path.parent


CHANGES = st.sampled_from(["flip", "cut", "grow", "swap", "empty", "delete", "copy"])


@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_no_change_of_any_cell_goes_unnoticed(pristine: Path, data: st.DataObject) -> None:
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "gallery"
        shutil.copytree(pristine, folder)
        meddle(folder, data)
        try:
            with GalleryStore.open(folder) as store:
                found = store.inspect()
                with pytest.raises(GalleryError, match=r"gallery\.sqlite3: "):
                    store.enrolments()
        except (GalleryError, StoreError):
            return  # the root itself
        assert found.faults
        # Nothing that opens is anything but what was written.
        with GalleryStore.open(pristine) as good:
            written = {one.person.person: {t.embedding.tobytes() for t in one.templates} for one in good.enrolments()}
        for one in found.enrolments:
            assert {template.embedding.tobytes() for template in one.templates} <= written[one.person.person]
        assert len(found.enrolments) >= 2, "a swap is of two"


def meddle(folder: Path, data: st.DataObject) -> None:
    """One change to one row, by somebody with a database tool and no key."""
    table = data.draw(st.sampled_from(sorted(TABLES)))
    column = data.draw(st.sampled_from(TABLES[table]))
    change = data.draw(CHANGES)
    rows = sql(folder, f"SELECT * FROM {table}")  # noqa: S608 - names of this file, here and below
    columns = [row[1] for row in sql(folder, f"PRAGMA table_info({table})")]
    name = columns[0]
    row = dict(zip(columns, data.draw(st.sampled_from(rows)), strict=True))
    if change == "delete":
        sql(folder, f"DELETE FROM {table} WHERE {name} = ?", (row[name],))  # noqa: S608
        return
    if change == "copy" and table != "seal":
        copy = {**row, name: "copy"}
        marks = ", ".join("?" for _ in columns)
        sql(folder, f"INSERT INTO {table} VALUES ({marks})", tuple(copy.values()))  # noqa: S608
        return
    old = row[column]
    others = [other for other in (r[columns.index(column)] for r in rows) if other != old]
    if change == "swap" and others:
        new: object = data.draw(st.sampled_from(others))
        if column == name:  # a name is one row's: the two change places
            sql(folder, f"UPDATE {table} SET {name} = 'aside' WHERE {name} = ?", (new,))  # noqa: S608
    elif isinstance(old, bytes):
        place = data.draw(st.integers(0, len(old) - 1))
        bit = 1 << data.draw(st.integers(0, 7))
        flipped = old[:place] + bytes([old[place] ^ bit]) + old[place + 1 :]
        new = {"cut": old[:place], "grow": old + b"\0", "empty": b""}.get(change, flipped)
    elif isinstance(old, int):
        new = old + 1
    else:
        new = f"{old}x"
    sql(folder, f"UPDATE {table} SET {column} = ? WHERE {name} = ?", (new, row[name]))  # noqa: S608


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ("template", r"template \w+ of p1 was added or put back"),
        ("person", r"template \w+ of p1 was added or put back \(and 2 more"),
    ],
)
def test_a_row_put_back_as_it_was_is_named(
    store: GalleryStore, folder: Path, vector: Vector, table: str, named: str
) -> None:
    store.write([enrolment("p1", vector(1)), enrolment("p2", vector(2))])
    old = sql(folder, f"SELECT * FROM {table} WHERE person = 'p1'")  # noqa: S608
    store.write([enrolment("p1", vector(3))])
    marks = ", ".join("?" for _ in old[0])
    sql(folder, f"INSERT OR REPLACE INTO {table} VALUES ({marks})", old[0])  # noqa: S608
    with pytest.raises(GalleryError, match=named):
        store.enrolments()


def test_a_person_put_back_whole_is_noticed(store: GalleryStore, folder: Path, vector: Vector) -> None:
    """All their rows as they were before the card was taken from them: each opens, and they agree with each other."""
    store.write([enrolment("p1", vector(1)), enrolment("p2", vector(2))])
    add_credential(store, "p1", "card", "1-1")
    old = {table: sql(folder, f"SELECT * FROM {table} WHERE person = 'p1'") for table in ("person", "credential")}  # noqa: S608
    remove_credentials(store, "p1")
    for table, rows in old.items():
        marks = ", ".join("?" for _ in rows[0])
        sql(folder, f"INSERT OR REPLACE INTO {table} VALUES ({marks})", rows[0])  # noqa: S608
    with pytest.raises(GalleryError, match="the record of one was removed, altered, or put back"):
        store.enrolments()


def test_a_card_that_was_taken_away_and_put_back_is_nobodys(store: GalleryStore, folder: Path, vector: Vector) -> None:
    store.write([enrolment("p1", vector(1))])
    made = add_credential(store, "p1", "card", "1-1")
    (old,) = sql(folder, "SELECT * FROM credential")
    assert remove_credentials(store, "p1", record=made.record) == 1
    sql(folder, "INSERT INTO credential VALUES (?, ?, ?, ?, ?, ?)", old)
    assert open_book(store).find("card", "1-1") is None
    assert store.inspect().faults == (f"is damaged: credential {made.record} of p1 was added or put back",)


def test_somebody_deleted_with_everything_is_missed(store: GalleryStore, folder: Path, vector: Vector) -> None:
    store.write([enrolment("p1", vector(1)), enrolment("p2", vector(2))])
    sql(folder, "DELETE FROM template WHERE person = 'p1'")
    sql(folder, "DELETE FROM person WHERE person = 'p1'")
    with pytest.raises(GalleryError, match="2 people were written and 1 are there"):
        store.enrolments()


def test_what_is_intact_is_used_where_policy_says_so(store: GalleryStore, folder: Path, vector: Vector) -> None:
    store.write([enrolment("p1", vector(1), vector(2)), enrolment("p2", vector(3)), enrolment("p3", vector(4))])
    first = sql(folder, "SELECT record FROM template WHERE person = 'p1' AND position = 0")[0][0]
    sql(folder, "UPDATE template SET sealed = zeroblob(80) WHERE record = ? OR person = 'p2'", (first,))
    sql(folder, "UPDATE person SET nonce = zeroblob(12) WHERE person = 'p3'")
    index = GalleryIndex(16, MODEL, threshold=0.9, margin=0.1)
    with pytest.raises(GalleryError, match="p3 does not open"):
        index.load(store)
    told: list[str] = []
    index.load(store, on_damage=told.append)
    assert len(told) == 4, "two templates, a person, and the register that misses the person's record"
    assert all("gallery.sqlite3: " in one for one in told)
    assert index.people() == ("p1", "p2")
    found = index.identify(vector(2)).match
    assert found is not None
    assert found.person == "p1"
    assert index.identify(vector(1)).match is None
    assert index.identify(vector(4)).match is None


def test_a_repair_erases_what_is_damaged_and_nothing_else(store: GalleryStore, folder: Path, vector: Vector) -> None:
    store.write([enrolment("p1", vector(1), vector(2)), enrolment("p2", vector(3)), enrolment("p3", vector(4))])
    add_credential(store, "p1", "card", "1-1")
    add_credential(store, "p2", "card", "1-2")
    sql(folder, "UPDATE template SET sealed = zeroblob(80) WHERE person = 'p1' AND position = 0")
    sql(folder, "UPDATE credential SET kind = 'qr' WHERE person = 'p2'")
    sql(folder, "UPDATE person SET nonce = zeroblob(12) WHERE person = 'p3'")
    faults = store.repair()
    assert len(faults) == 4
    assert store.inspect().faults == ()
    assert {one.person.person: len(one.templates) for one in store.enrolments()} == {"p1": 1, "p2": 1}
    assert [one.person for one in credentials_of(store)] == ["p1"]
    store.write([enrolment("p3", vector(4))])
    assert len(store.enrolments()) == 3


def test_a_gallery_without_faults_is_repaired_to_itself(pristine: Path) -> None:
    with GalleryStore.open(pristine) as store:
        before = [one.person for one in store.enrolments()]
        assert store.repair() == ()
        assert [one.person for one in store.enrolments()] == before
        assert len(open_book(store)) == 4


def test_pictures_are_sealed_bound_and_erased_with_the_person(
    store: GalleryStore, folder: Path, vector: Vector
) -> None:
    taken = (Picture(b"a face" * 50, 739000), Picture(b"another" * 50, 739100))
    for number in (1, 2):
        person = Enrolment(Person(f"p{number}"), (Template(MODEL, vector(number)),), pictures=taken)
        store.write([person])
    store.write([enrolment("p1", vector(5))])
    assert pictures_of(store, "p1") == list(taken), "renewing templates alone leaves them"
    assert b"a face" not in b"".join(file.read_bytes() for file in folder.glob("gallery.sqlite3*"))
    assert erase_pictures(store, 739001) == 2
    assert pictures_of(store, "p2") == [taken[1]]
    sql(folder, "UPDATE picture SET person = 'p2', record = record || person")
    assert len(picture_faults(store)) == 2
    with pytest.raises(GalleryError, match=r"picture .* does not open"):
        pictures_of(store, "p2")
    erase_damaged(store)
    assert picture_faults(store) == {}
    store.write([Enrolment(Person("p1"), (), pictures=taken)])
    assert store.remove("p1")
    assert sql(folder, "SELECT count(*) FROM picture") == [(0,)]


def test_factors_stay_over_a_new_enrolment_and_no_face_erases_the_face(store: GalleryStore, vector: Vector) -> None:
    store.write([Enrolment(Person("p1"), (Template(MODEL, vector(1)),), pictures=(Picture(b"x", 1),))])
    assert store.set_factors("p1", second_factor=True, no_face=False)
    store.write([enrolment("p1", vector(2))])
    assert store.people()["p1"].second_factor
    assert len(store.enrolments()[0].templates) == 1
    assert store.set_factors("p1", second_factor=False, no_face=True)
    assert store.people()["p1"] == Person("p1", no_face=True)
    assert store.enrolments() == [Enrolment(Person("p1", no_face=True), ())]
    assert pictures_of(store, "p1") == []
    with pytest.raises(GalleryError, match="p1 is known without a face, and no template is kept"):
        store.write([enrolment("p1", vector(3))])
    assert not store.set_factors("nobody", second_factor=True, no_face=False)
    index = GalleryIndex(16, MODEL, threshold=0.5, margin=0.1)
    index.load(store)
    assert index.people() == ("p1",)


def test_a_mark_and_a_card_leave_the_origin_and_no_face_takes_it(store: GalleryStore, vector: Vector) -> None:
    store.write([Enrolment(Person("p1"), (Template(MODEL, vector(1)),), ORIGIN, (Picture(b"x", 1),))])
    store.write([enrolment("p2", vector(2))], mark=["p1", "nobody"])
    add_credential(store, "p1", "card", "1-1")
    assert store.people()["p1"].second_factor
    assert store.origins() == {"p1": ORIGIN, "p2": Origin()}
    assert store.records("p1") == {"person": 1, "template": 1, "credential": 1, "picture": 1}
    assert store.set_factors("p1", second_factor=True, no_face=True)
    assert store.origins()["p1"] == Origin()
    assert store.records("p1") == {"person": 1, "credential": 1}


def test_who_lost_a_template_is_not_enrolled_from_the_same_photographs(
    store: GalleryStore, folder: Path, vector: Vector
) -> None:
    templates = (Template(MODEL, vector(1)), Template(MODEL, vector(2)))
    store.write([Enrolment(Person(person), templates, ORIGIN) for person in ("p1", "p2")])
    sql(folder, "DELETE FROM template WHERE person = 'p1' AND position = 0")
    assert len(store.repair()) == 1
    assert store.origins() == {"p1": Origin(ORIGIN.enrolled, ORIGIN.consent, "photographs"), "p2": ORIGIN}


TERMS = {"valid_from": "2026-09-01", "valid_until": None, "groups": ["staff"]}
"""What the first version sealed of a person."""
CONSENTED = {
    **TERMS,
    "second_factor": True,
    "origin": {
        "enrolled": "2026-09-01",
        "consent": {"basis": "consent", "date": "2026-03-01", "by": "guardian", "scope": "face", "expires": None},
        "source": "photographs.terms",
    },
}
"""The same, once it took consents."""


@pytest.fixture(params=[TERMS, CONSENTED])
def first_version(request: pytest.FixtureRequest, tmp_path: Path, vector: Vector) -> Path:
    """A gallery as the first version wrote it."""
    key = create_key(tmp_path / "gallery.key")
    cipher = AESGCM(key)

    def sealed(plain: bytes, *label: str) -> tuple[bytes, bytes]:
        nonce = np.random.default_rng(len(plain)).bytes(12)
        return nonce, cipher.encrypt(nonce, plain, msgspec.json.encode(label))

    with closing(sqlite3.connect(tmp_path / "gallery.sqlite3")) as old, old:
        old.executescript("""
            CREATE TABLE seal (id INTEGER PRIMARY KEY CHECK (id = 1), nonce BLOB NOT NULL, sealed BLOB NOT NULL) STRICT;
            CREATE TABLE person (person TEXT PRIMARY KEY, nonce BLOB NOT NULL, sealed BLOB NOT NULL)
                STRICT, WITHOUT ROWID;
            CREATE TABLE template (record TEXT PRIMARY KEY, person TEXT NOT NULL REFERENCES person (person)
                ON DELETE CASCADE, model TEXT NOT NULL, nonce BLOB NOT NULL, sealed BLOB NOT NULL)
                STRICT, WITHOUT ROWID;
            CREATE INDEX template_person ON template (person);
            PRAGMA application_id = 1413957441; PRAGMA user_version = 1;
        """)
        old.execute("INSERT INTO seal VALUES (1, ?, ?)", sealed(b"", "gallery"))
        details = msgspec.json.encode(request.param)
        old.execute("INSERT INTO person VALUES ('p1', ?, ?)", sealed(details, "person", "p1"))
        row = sealed(vector(1).tobytes(), "template", "p1", MODEL, "r1")
        old.execute("INSERT INTO template VALUES ('r1', 'p1', ?, ?, ?)", (MODEL, *row))
    return tmp_path


def test_a_gallery_of_the_first_version_is_brought_up_to_date(
    request: pytest.FixtureRequest, first_version: Path, vector: Vector
) -> None:
    consented = request.node.callspec.params["first_version"] is CONSENTED
    for _ in range(2):
        with GalleryStore.open(first_version) as store:
            (one,) = store.enrolments()
            assert one.person == Person("p1", dt.date(2026, 9, 1), None, ("staff",), second_factor=consented)
            assert one.origin == (ORIGIN if consented else Origin())
            np.testing.assert_array_equal(one.templates[0].embedding, vector(1))
    assert sql(first_version, "PRAGMA user_version") == [(2,)]


def test_a_damaged_gallery_of_the_first_version_is_left_as_it_is(first_version: Path) -> None:
    sql(first_version, "UPDATE template SET person = person, model = 'net:2'")
    with pytest.raises(GalleryError, match="template r1 of p1 does not open"):
        GalleryStore.open(first_version)
    assert sql(first_version, "SELECT record, model FROM template") == [("r1", "net:2")]
    assert sql(first_version, "PRAGMA user_version") == [(1,)]
    other = first_version / "other.key"
    create_key(other)
    with pytest.raises(GalleryError, match=rf"with {other}, the gallery does not open"):
        GalleryStore.open(first_version, other)
    assert read_key(first_version / "gallery.key")
