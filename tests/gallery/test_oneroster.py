"""OneRoster's users.csv as a roll: ids, statuses, photographs by column or rule, roles, and no names."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from controller.errors import GalleryError
from controller.gallery.model import Consent, Person
from controller.gallery.roll import Candidate, RosterOptions, read_roll

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = [
    "sourcedId",
    "status",
    "dateLastModified",
    "enabledUser",
    "username",
    "userIds",
    "givenName",
    "familyName",
    "middleName",
    "identifier",
    "email",
    "sms",
    "phone",
    "agentSourcedIds",
    "grades",
    "password",
    "userMasterIdentifier",
    "resourceSourcedIds",
    "preferredGivenName",
    "preferredMiddleName",
    "preferredFamilyName",
    "primaryOrgSourcedId",
    "pronouns",
]


def write(path: Path, *people: dict[str, str], extra: tuple[str, ...] = (), encoding: str = "utf-8") -> Path:
    """A table with all of OneRoster 1.2's columns, names filled in."""
    columns = [*COLUMNS, *extra]
    rows = [
        ",".join(
            {"givenName": "李", "familyName": "华", "enabledUser": "true", **one}.get(name, "") for name in columns
        )
        for one in people
    ]
    path.write_bytes("\r\n".join([",".join(columns), *rows, ""]).encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_whole_export(tmp_path: Path, encoding: str) -> None:
    photos = tmp_path / "photos"
    (photos / "2042").mkdir(parents=True)
    for name in ("2041.JPG", "2042/a.png", "2042/b.jpeg"):
        (photos / name).touch()
    table = write(
        tmp_path / "users.csv",
        {"sourcedId": "u-1", "identifier": "2041"},
        {"sourcedId": "u-2", "identifier": "2042", "status": "active"},
        {"sourcedId": "u-3", "identifier": "2043"},
        {"sourcedId": "u-4", "identifier": "2044", "status": "tobedeleted"},
        {"sourcedId": "u-5", "identifier": "2045", "enabledUser": "false"},
        encoding=encoding,
    )
    roll = read_roll(table, RosterOptions(photo_rule="{identifier}", photos=photos))
    assert roll.kind == "OneRoster"
    assert roll.encoding == {"utf-8-sig": "UTF-8 with a byte order mark", "gb18030": "GB18030"}.get(encoding, "UTF-8")
    assert roll.candidates == (
        Candidate(Person("u-1"), (photos / "2041.JPG",)),
        Candidate(Person("u-2"), (photos / "2042" / "a.png", photos / "2042" / "b.jpeg")),
        Candidate(Person("u-3"), (photos / "2043.jpg",)),
    )
    assert (roll.leaving, roll.suspended) == (("u-4",), ("u-5",))
    assert "李" not in repr(roll)


def test_columns_name_photograph_role_and_consent(tmp_path: Path) -> None:
    extra = ("role", "metadata.photo", "metadata.consent_date", "metadata.consent_by", "metadata.consent_scope")
    consent = {"metadata.consent_date": "2026-03-01", "metadata.consent_by": "self", "metadata.consent_scope": "face"}
    one = {"sourcedId": "u-1", "identifier": "s-1", "role": "student", "metadata.photo": "y7/s1.jpg", **consent}
    table = write(tmp_path / "users.csv", one, extra=extra)
    (found,) = read_roll(table, RosterOptions(id_column="identifier")).candidates
    given = Consent("consent", dt.date(2026, 3, 1), "self", "face")
    assert found == Candidate(Person("s-1", groups=("student",)), (tmp_path / "y7" / "s1.jpg",), given)


def test_roles_stand_in_a_file_of_their_own(tmp_path: Path) -> None:
    table = write(tmp_path / "users.csv", {"sourcedId": "u-1"}, {"sourcedId": "u-2"})
    rows = ["r1,,u-1,primary,teacher", "r2,,u-1,secondary,proctor", "r3,tobedeleted,u-2,primary,student"]
    (tmp_path / "roles.csv").write_text("\n".join(["sourcedId,status,userSourcedId,roleType,role", *rows]), "utf-8")
    assert [one.person.groups for one in read_roll(table).candidates] == [("proctor", "teacher"), ()]


@pytest.mark.parametrize(
    ("people", "options", "said"),
    [
        ([{"sourcedId": "u-1"}, {"sourcedId": "u-1"}], {}, r"users\.csv:3: sourcedId: u-1 stands in row 2 as well"),
        ([{"sourcedId": "u-1", "status": "gone"}], {}, r"users\.csv:2: status: 'gone' is none of"),
        ([{"sourcedId": "u-1", "enabledUser": "yes"}], {}, r"users\.csv:2: enabledUser: 'yes' is neither"),
        ([{"sourcedId": "a b"}], {}, r"users\.csv:2: sourcedId: 'a b' is no person id"),
        ([{"sourcedId": ""}], {}, r"users\.csv:2: sourcedId: '' is no person id"),
        ([], {}, r"users\.csv: has no rows"),
        ([{"sourcedId": "u-1"}], {"photo_rule": "{badge}"}, r"users\.csv:1: badge: column is missing"),
        ([{"sourcedId": "u-1"}], {"photo_rule": "{familyName}"}, "familyName is personal"),
        ([{"sourcedId": "u-1"}], {"photo_rule": "all"}, "names no column"),
        ([{"sourcedId": "u-1"}], {"photo_rule": "{identifier!r}"}, "only names of columns"),
        ([{"sourcedId": "u-1"}], {"photo_rule": "{identifier"}, "photo rule"),
        ([{"sourcedId": "u-1"}], {"photo_rule": "{identifier}"}, r"users\.csv:2: identifier: '' cannot be part"),
        (
            [{"sourcedId": "u-1", "identifier": "../x"}],
            {"photo_rule": "{identifier}"},
            r":2: identifier: '\.\./x' cannot",
        ),
        (
            [{"sourcedId": "u-1", "username": "../../etc/x.jpg"}],
            {"photo_column": "username"},
            r":2: username: .* leads out",
        ),
    ],
)
def test_what_is_wrong_is_named(
    tmp_path: Path, people: list[dict[str, str]], options: dict[str, str], said: str
) -> None:
    table = write(tmp_path / "users.csv", *people)
    with pytest.raises(GalleryError, match=said):
        read_roll(table, RosterOptions(**options))  # type: ignore[arg-type]
