"""Who is to be enrolled: folders and CSV files, and what is wrong with them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from controller.errors import GalleryError
from controller.gallery.model import Person
from controller.gallery.roll import Candidate, read_roll

if TYPE_CHECKING:
    from pathlib import Path


def test_a_folder_has_one_photograph_or_several_of_each(tmp_path: Path) -> None:
    for name in ("p1.jpg", "p2/a.JPG", "p2/b.png", "p2/notes.txt", ".hidden.jpg", "readme.md"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    roll = {candidate.person.person: candidate.photos for candidate in read_roll(tmp_path)}
    assert roll == {"p1": (tmp_path / "p1.jpg",), "p2": (tmp_path / "p2" / "a.JPG", tmp_path / "p2" / "b.png")}


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
    assert read_roll(path) == [
        Candidate(staff, (tmp_path / "a.jpg", tmp_path / "b.jpg")),
        Candidate(Person("p2"), (tmp_path / "sub" / "c.jpg",)),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("person_id\np1\n", r"roll\.csv:1: column photo is missing"),
        ("person_id,photo,name\np1,a.jpg,Li Hua\n", r"roll\.csv:1: column 'name' is not known"),
        ("person_id,photo\np1\n", r"roll\.csv:2: has not as many fields"),
        ("person_id,photo\np1,a.jpg,more\n", r"roll\.csv:2: has not as many fields"),
        ("person_id,photo\np1,\n", r"roll\.csv:2: photo is empty"),
        ("person_id,photo\nLi Hua,a.jpg\n", r"roll\.csv:2: 'Li Hua' is no person id"),
        ("person_id,photo,valid_until\np1,a.jpg,soon\n", r"roll\.csv:2: valid_until 'soon' is not a date"),
        ("person_id,photo,valid_from,valid_until\np1,a.jpg,2027-01-01,2026-01-01\n", r"roll\.csv:2: p1: valid from"),
        ("person_id,photo,valid_until\np1,a.jpg,2027-01-01\np1,b.jpg,2028-01-01\n", r"roll\.csv:3: p1 had another"),
        ('person_id,photo\np1,"a.jpg\n', r"roll\.csv:\d: "),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "roll.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(GalleryError, match=said):
        read_roll(path)


def test_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "roll.csv"
    path.write_bytes("person_id,photo\np1,照片.jpg\n".encode("gb18030"))
    with pytest.raises(GalleryError, match=r"roll\.csv: is not UTF-8"):
        read_roll(path)


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match="neither a folder"):
        read_roll(tmp_path / "roll.xlsx")
