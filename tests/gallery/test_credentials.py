"""Who is known by which card, code or PIN, with no number anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.errors import GalleryError
from controller.gallery.credentials import (
    add_credential,
    credentials_of,
    open_book,
    parse,
    remove_credentials,
)
from controller.gallery.file import Root
from controller.gallery.model import Enrolment, Person, Template
from controller.gallery.store import GalleryStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    Vector = Callable[[int], NDArray[np.float32]]


@pytest.fixture
def people(store: GalleryStore, vector: Vector) -> GalleryStore:
    store.write([Enrolment(Person(f"p{n}"), (Template("net:1", vector(n)),)) for n in (1, 2)])
    return store


def test_each_kind_is_found_and_no_other(people: GalleryStore) -> None:
    add_credential(people, "p1", "card", "123-45678")
    add_credential(people, "p1", "qr", "TG1:8f3a 学生")
    add_credential(people, "p2", "pin", "20417*4711")
    book = open_book(people)
    assert len(book) == 3
    assert book.find("card", "123-45678") == "p1"
    assert book.find("qr", "TG1:8f3a 学生") == "p1"
    assert book.find("pin", "20417*4711") == "p2"
    for kind, value in (
        ("qr", "123-45678"),
        ("card", "123-45679"),
        ("pin", "20417*4712"),
        ("pin", "20418*4711"),
        ("pin", "20417"),
        ("card", ""),
        ("card", "x" * 999),
        ("face", "123-45678"),
    ):
        assert book.find(kind, value) is None, (kind, value)


def test_no_number_is_on_disk_or_in_the_book(people: GalleryStore) -> None:
    add_credential(people, "p1", "card", "123-45678")
    add_credential(people, "p2", "pin", "20417*471199")
    book = open_book(people)
    folder = people.path.parent
    raw = b"".join(file.read_bytes() for file in folder.glob("gallery.sqlite3*"))
    held = repr(book._content[1])
    for secret in ("123-45678", "45678", "20417", "471199"):
        assert secret.encode() not in raw
        assert secret not in held


def test_another_gallerys_secret_gives_other_marks(people: GalleryStore, tmp_path: Path) -> None:
    add_credential(people, "p1", "card", "1-1")
    with GalleryStore.open(tmp_path / "other", create=True) as other:
        add_credential(other, "p1", "card", "1-1", create=True)
        assert set(open_book(other)._content[1]) != set(open_book(people)._content[1])


def test_a_card_is_one_persons(people: GalleryStore) -> None:
    first = add_credential(people, "p1", "card", "1-1")
    assert add_credential(people, "p1", "card", "1-1") == first, "twice is once"
    with pytest.raises(GalleryError, match="this card is p1's already"):
        add_credential(people, "p2", "card", "1-1")
    with pytest.raises(GalleryError, match="nobody is not enrolled"):
        add_credential(people, "nobody", "card", "1-2")
    assert [one.person for one in credentials_of(people)] == ["p1"]
    assert people.inspect().faults == ()


def test_a_new_pin_takes_the_place_of_the_old_one(people: GalleryStore) -> None:
    add_credential(people, "p1", "pin", "20417*4711")
    add_credential(people, "p1", "pin", "20417*9999")
    with pytest.raises(GalleryError, match="this pin is p1's already"):
        add_credential(people, "p2", "pin", "20417*1234")
    book = open_book(people)
    assert (book.find("pin", "20417*4711"), book.find("pin", "20417*9999")) == (None, "p1")
    assert len(credentials_of(people)) == 1


def test_what_is_taken_away_opens_nothing(people: GalleryStore) -> None:
    add_credential(people, "p1", "card", "1-1")
    lost = add_credential(people, "p1", "card", "1-2")
    add_credential(people, "p1", "qr", "code")
    assert remove_credentials(people, "p1", record=lost.record) == 1
    assert open_book(people).find("card", "1-2") is None
    assert open_book(people).find("card", "1-1") == "p1"
    assert remove_credentials(people, "p1", "card") == 1
    assert remove_credentials(people, "p1") == 1
    assert remove_credentials(people, "p1") == 0
    assert remove_credentials(people, "nobody") == 0
    assert people.inspect().faults == ()
    add_credential(people, "p2", "card", "1-1")


def test_credentials_stay_over_a_new_enrolment_and_go_with_the_person(people: GalleryStore, vector: Vector) -> None:
    add_credential(people, "p1", "card", "1-1")
    people.write([Enrolment(Person("p1"), (Template("net:1", vector(9)),))])
    assert open_book(people).find("card", "1-1") == "p1"
    assert people.inspect().faults == ()
    people.remove("p1")
    assert credentials_of(people) == []
    assert open_book(people).find("card", "1-1") is None


def test_somebody_without_a_face_is_enrolled_by_their_card(store: GalleryStore) -> None:
    add_credential(store, "visitor", "qr", "V-17", create=True)
    assert store.people() == {"visitor": Person("visitor", no_face=True)}
    assert store.inspect().faults == ()


def test_a_credential_that_does_not_open_is_nobodys(people: GalleryStore) -> None:
    add_credential(people, "p1", "card", "1-1")
    add_credential(people, "p2", "card", "1-2")
    people.file.run("UPDATE credential SET person = 'p2' WHERE person = 'p1'")
    book = open_book(people)
    assert (book.find("card", "1-1"), book.find("card", "1-2")) == (None, "p2")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("card", ""),
        ("card", "1 2"),
        ("card", "x" * 65),
        ("qr", ""),
        ("qr", "a\nb"),
        ("qr", "x" * 513),
        ("pin", "4711"),
        ("pin", "1*123"),
        ("pin", "1*" + "1" * 13),
        ("pin", "*4711"),
        ("pin", "1*47a1"),
        ("badge", "1"),
    ],
)
def test_what_cannot_be_is_refused_without_repeating_it(kind: str, value: str) -> None:
    with pytest.raises(GalleryError) as caught:
        parse(kind, value)
    assert not value or value not in str(caught.value) or kind == "badge"


@settings(max_examples=200)
@given(st.text(max_size=40), st.text(max_size=40))
def test_no_two_numbers_share_a_mark(one: str, other: str) -> None:
    root = Root(bytes(32))
    marks = {
        root.mac(b"credential " + kind, text.encode(errors="surrogatepass"))
        for kind in (b"card", b"qr")
        for text in (one, other)
    }
    assert len(marks) == 2 * len({one, other})


def test_a_plate_is_known_however_its_gaps_are_written(people: GalleryStore) -> None:
    add_credential(people, "p1", "plate", "京A·12 345")
    book = open_book(people)
    for written in ("京A12345", "京a 12345", "京A-123-45"):
        assert book.find("plate", written) == "p1"
    assert book.find("plate", "京A12346") is None
    for wrong in ("", "-", "A", "ABC*1234", "A" * 13):
        with pytest.raises(GalleryError, match="number plate"):
            add_credential(people, "p1", "plate", wrong)
