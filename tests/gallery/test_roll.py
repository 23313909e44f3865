"""Who is to be enrolled: folders and CSV files, and what is wrong with them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from controller.errors import GalleryError
from controller.gallery.consent import legal_basis, read_consents
from controller.gallery.model import Consent, Person
from controller.gallery.roll import Candidate, read_roll

if TYPE_CHECKING:
    from pathlib import Path


def test_a_folder_has_one_photograph_or_several_of_each(tmp_path: Path) -> None:
    for name in ("p1.jpg", "p2/a.JPG", "p2/b.png", "p2/notes.txt", "p3.heic", ".hidden.jpg", "readme.md"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    roll = {candidate.person.person: candidate.photos for candidate in read_roll(tmp_path).candidates}
    assert roll == {
        "p1": (tmp_path / "p1.jpg",),
        "p2": (tmp_path / "p2" / "a.JPG", tmp_path / "p2" / "b.png"),
        "p3": (tmp_path / "p3.heic",),
    }


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match="has no photographs"):
        read_roll(tmp_path)


def test_a_file_name_that_is_no_id_is_named(tmp_path: Path) -> None:
    (tmp_path / "Li Hua.jpg").touch()
    with pytest.raises(GalleryError, match="Li Hua"):
        read_roll(tmp_path)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_a_csv_gives_photographs_validity_and_groups(tmp_path: Path, mark: bytes, newline: bytes) -> None:
    lines = [b"person_id,photo,valid_from,valid_until,groups", b"p1,a.jpg,2026-09-01,2027-07-15,staff night"]
    lines += [b"p1,b.jpg,2026-09-01,2027-07-15,staff night", b"p2,sub/c.jpg,,,"]
    path = tmp_path / "roll.csv"
    path.write_bytes(mark + newline.join(lines) + newline)
    staff = Person("p1", dt.date(2026, 9, 1), dt.date(2027, 7, 15), ("staff", "night"))
    roll = read_roll(path)
    assert roll.candidates == (
        Candidate(staff, (tmp_path / "a.jpg", tmp_path / "b.jpg")),
        Candidate(Person("p2"), (tmp_path / "sub" / "c.jpg",)),
    )
    assert roll.encoding == ("UTF-8 with a byte order mark" if mark else "UTF-8")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("person_id\np1\n", r"roll\.csv:1: photo: column is missing"),
        ("person_id,photo,name\np1,a.jpg,Li Hua\n", r"roll\.csv:1: name: column is not known"),
        ("person_id,photo\np1\n", r"roll\.csv:2: has not as many fields"),
        ("person_id,photo\np1,a.jpg,more\n", r"roll\.csv:2: has not as many fields"),
        ("person_id,photo\np1,\n", r"roll\.csv:2: photo: is empty"),
        ("person_id,photo\nLi Hua,a.jpg\n", r"roll\.csv:2: person_id: 'Li Hua' is no person id"),
        ("person_id,photo,valid_until\np1,a.jpg,soon\n", r"roll\.csv:2: valid_until: 'soon' is not a date"),
        (
            "person_id,photo,valid_from,valid_until\np1,a.jpg,2027-01-01,2026-01-01\n",
            r"roll\.csv:2: valid_until: p1: valid from",
        ),
        (
            "person_id,photo,valid_until\np1,a.jpg,2027-01-01\np1,b.jpg,2028-01-01\n",
            r"roll\.csv:3: person_id: p1 had another",
        ),
        ('person_id,photo\np1,"a.jpg\n', r"roll\.csv:\d: "),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "roll.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(GalleryError, match=said):
        read_roll(path)


def test_gb18030_is_read_and_named(tmp_path: Path) -> None:
    path = tmp_path / "roll.csv"
    path.write_bytes("person_id,photo\np1,照片.jpg\n".encode("gb18030"))
    roll = read_roll(path)
    assert roll.encoding == "GB18030"
    assert roll.candidates == (Candidate(Person("p1"), (tmp_path / "照片.jpg",)),)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("person_id,photo\n".encode("utf-16"), "is UTF-16 text"),
        (b"PK\x03\x04...", "is an Excel workbook"),
        (b"person_id,photo\np1,\xff\xff\xff.jpg\n", r"is neither UTF-8 nor GB18030 text \(UTF-8 breaks at byte 19"),
        (b"person_id,photo\np1,\0.jpg\n", "is not text"),
        (b"", r"roll\.csv:1: has no header"),
        (b"person_id,photo\n", "has no rows"),
        (b"person_id,photo,photo\n", "photo: stands twice in the header"),
    ],
)
def test_what_is_no_table_is_named(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "roll.csv"
    path.write_bytes(data)
    with pytest.raises(GalleryError, match=said):
        read_roll(path)


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "roll.csv"
    rows = ["p1,a.jpg,2026-02-30", "p2,,", "p3,c.jpg,", "p3,c.jpg,", "a b,d.jpg,"]
    path.write_text("\n".join(["person_id,photo,valid_from", *rows, ",,", ""]), encoding="utf-8")
    with pytest.raises(GalleryError) as caught:
        read_roll(path)
    assert [line.split(":")[1:3] for line in str(caught.value).splitlines()] == [
        ["2", " valid_from"],
        ["3", " photo"],
        ["5", " person_id"],
        ["6", " person_id"],
    ]


def test_a_consent_is_read_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "roll.csv"
    header = "person_id,photo,consent_date,consent_by,consent_scope,consent_expires"
    path.write_text(f"{header}\np1,a.jpg,2026-03-01,guardian,face temperature,2029-07-31\np2,b.jpg,,,,\n", "utf-8")
    first, second = read_roll(path).candidates
    day = dt.date(2026, 3, 1)
    assert first.consent == Consent("consent", day, "guardian", "face temperature", dt.date(2029, 7, 31))
    assert second.consent is None
    path.write_text(f"{header}\np1,a.jpg,2026-03-01,,face,\n", "utf-8")
    with pytest.raises(GalleryError, match=r"roll\.csv:2: consent_by: is empty"):
        read_roll(path)


def test_a_file_of_consents_names_its_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "consents.csv"
    path.write_text("person_id,consent_date,consent_by,consent_scope\np1,2026-03-01,self,face\n", "utf-8")
    assert read_consents(path) == {"p1": Consent("consent", dt.date(2026, 3, 1), "self", "face")}
    path.write_text("person_id,consent_date,consent_by\n", "utf-8")
    with pytest.raises(GalleryError, match=r"consents\.csv:1: consent_scope: column is missing"):
        read_consents(path)
    path.write_text("person_id,consent_date,consent_by,consent_scope\np1,1.3.26,self,face\np1,,,\n", "utf-8")
    with pytest.raises(GalleryError, match=r":2: consent_date: '1\.3\.26'[^\n]*\n.*:3: person_id: p1 stands in row 2"):
        read_consents(path)


def test_a_legal_basis_has_words() -> None:
    assert legal_basis(" School Act  § 7 ", dt.date(2026, 9, 1)).basis == "School Act § 7"
    for text in ("", "  ", "x" * 201, "consent"):
        with pytest.raises(GalleryError, match="legal basis"):
            legal_basis(text, dt.date(2026, 9, 1))


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match="neither a folder"):
        read_roll(tmp_path / "roll.xlsx")
