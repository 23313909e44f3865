"""Photographs to templates at the hub over REST: judged, compared with everybody, and enrolled under one id alone."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import struct
import time
import zlib
from typing import TYPE_CHECKING, Any

import cv2
import httpx
import msgspec
import numpy as np
import pytest
import pytest_asyncio
import sqlalchemy as sa
import structlog

from campus import tables
from campus.api.app import make_app
from campus.auth import audit, tokens
from campus.auth.roles import Actor, Permission, Role
from campus.database import Database
from campus.errors import HubEngineError
from campus.gates.documents import start_over
from campus.people.enrolment import DuplicateFaceError, PhotographDesk
from campus.people.photographs import PhotographSettings
from campus.people.records import CHUNK, People, PeopleSettings, Person, Template
from controller.gallery.judge import ADVICE, Code
from controller.gallery.model import Consent
from tests.campus.colours import ColourEngine, drawn, encoded, photograph

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

pytestmark = pytest.mark.asyncio

OFFICE = Actor("office", Role.ENROLMENT)
SHELL = Actor("root (shell)", Role.ADMIN)
CONSENT = Consent("consent", dt.date(2026, 1, 1), "guardian", "face")
TYPES = {"png": "image/png", "jpg": "image/jpeg"}


class Office:
    """A hub that takes photographs, and whoever asks it."""

    def __init__(self, database: Database, people: People, settings: PhotographSettings) -> None:
        self.database, self.people = database, people
        self.engine = ColourEngine()
        self.desk = PhotographDesk(database, people, settings, self.engine)
        self._app = make_app(database, people, photograph_desk=self.desk)
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(self._app), base_url="http://hub/api/v1")
        self._tokens: dict[Role, str] = {}

    async def ask(self, method: str, path: str, role: Role = Role.ENROLMENT, **more: Any) -> httpx.Response:
        if role not in self._tokens:
            async with self.database.transaction() as query:
                made = await tokens.issue(query, SHELL, f"a {role}", role, now=time.time(), expires=None)
            self._tokens[role] = made[0]
        headers = {"Authorization": f"Bearer {self._tokens[role]}", **more.pop("headers", {})}
        return await self.client.request(method, path, headers=headers, **more)

    async def post(self, who: str, data: bytes, kind: str = "image/png", **more: Any) -> httpx.Response:
        return await self.ask(
            "POST", f"/people/{who}/photographs", content=data, headers={"content-type": kind}, **more
        )

    async def add(self, *ids: str, **more: Any) -> None:
        async with self.database.transaction() as query:
            for who in ids:
                wanted = Person(**{"id": who, "consent": CONSENT, **more})
                await self.people.upsert(query, OFFICE, wanted, now=time.time())

    async def templates(self, who: str) -> list[Template]:
        async with self.database.transaction() as query:
            return (await self.people.templates(query, [who]))[who]

    async def person(self, who: str) -> Person:
        async with self.database.transaction() as query:
            found = await self.people.get(query, who)
        assert found is not None
        return found

    async def entries(self) -> list[tuple[str, str, dict[str, Any]]]:
        """(action, subject, detail) of the audit log, whose chain holds."""
        async with self.database.transaction() as query:
            await audit.verify(query)
            rows = (await query.execute(sa.select(tables.audit).order_by(tables.audit.c.seq))).all()
        return [(row.action, row.subject, json.loads(row.detail)) for row in rows]


@pytest.fixture
def settings() -> PhotographSettings:
    return PhotographSettings(duplicate=0.98, resemblance=0.9, waiting=2, max_bytes=400_000, max_pixels=1_000_000)


@pytest.fixture
def people(tmp_path: Path) -> People:
    return People(PeopleSettings(key=tmp_path / "key" / "people.key"))


@pytest_asyncio.fixture
async def office(address: str, people: People, settings: PhotographSettings) -> AsyncIterator[Office]:
    async with Database(address, "school") as database:
        made = Office(database, people, settings)
        yield made
        made.desk.close()


@pytest.fixture
def log() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as lines:
        yield lines


async def test_a_photograph_becomes_a_template(office: Office) -> None:
    await office.add("2041")
    data = photograph(1)
    answer = await office.post("2041", data)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["result"], told["templates"], told["alike"]) == ("taken", 1, [])
    assert told["template"]["model"] == "colour:1"
    assert set(told["quality"]) == {"size", "sharpness", "exposure", "pose"}
    (kept,) = await office.templates("2041")
    assert kept.model == "colour:1"
    assert kept.photograph is not None
    assert told["template"]["id"] == kept.photograph.hex()[:32]
    assert np.allclose(kept.embedding, office.engine.embed(drawn(1), office.engine.detect(drawn(1))[0]), atol=1e-6)
    # The same file again is no second template; another picture of them is.
    assert (await office.post("2041", data)).json()["result"] == "unchanged"
    second = (await office.post("2041", photograph(1, shade=4, kind="jpg"), "image/jpeg")).json()
    assert (second["result"], second["templates"]) == ("taken", 2)
    third = await office.ask(
        "PUT", "/people/2041/photographs", content=photograph(1, shade=-4), headers={"content-type": "image/png"}
    )
    assert (third.json()["result"], third.json()["templates"]) == ("taken", 1)
    noted = [detail for action, who, detail in await office.entries() if (action, who) == ("templates_set", "2041")]
    assert [(one["templates"], one["photographs"]) for one in noted] == [(1, 1), (2, 1), (1, 1)]


async def test_templates_of_other_models_stay(office: Office) -> None:
    await office.add("2041")
    other = np.eye(16, dtype=np.float32)[0]
    async with office.database.transaction() as query:
        await office.people.set_templates(query, OFFICE, "2041", [Template("net:0", other, None)], now=time.time())
    assert (await office.desk.faces()).index.people() == ()
    for method in ("POST", "PUT"):
        answer = await office.ask(
            method, "/people/2041/photographs", content=photograph(1), headers={"content-type": "image/png"}
        )
        assert answer.status_code == 200
        assert sorted(one.model for one in await office.templates("2041")) == ["colour:1", "net:0"]
    assert (await office.desk.faces()).index.people() == ("2041",)


def bomb(width: int, height: int) -> bytes:
    """Some kilobytes that promise much more."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(9000))) + chunk(b"IEND", b"")
    )


def bad_pictures() -> dict[str, tuple[bytes, Code]]:
    whole = photograph(1, kind="jpg")
    two = drawn(1)
    two[:, 118:122] = 255
    blurred = np.asarray(cv2.GaussianBlur(drawn(1), (0, 0), 12.0), dtype=np.uint8)
    small = np.asarray(cv2.resize(drawn(1), (50, 50), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return {
        "no face": (encoded(np.zeros((100, 100, 3), np.uint8)), Code.NO_FACE),
        "two faces": (encoded(two), Code.SEVERAL_FACES),
        "blurred": (encoded(blurred), Code.SHARPNESS),
        "small": (encoded(small), Code.SIZE),
        "dark": (encoded((drawn(1) // 10 + 1).astype(np.uint8)), Code.EXPOSURE),
        "cut short": (whole[: len(whole) // 2], Code.UNREADABLE),
        "a text": (b"no picture at all", Code.UNREADABLE),
        "empty": (b"", Code.UNREADABLE),
        "a WebP": (photograph(1, kind="webp"), Code.UNREADABLE),
        "a bomb": (bomb(19_000, 19_000), Code.TOO_LARGE),
        "too many pixels": (encoded(np.full((1100, 1000, 3), 90, np.uint8)), Code.TOO_LARGE),
    }


async def test_each_bad_photograph_is_refused_with_what_to_do_in_both_languages(office: Office, log: list[Any]) -> None:
    await office.add("2041")
    for name, (data, code) in bad_pictures().items():
        answer = await office.post("2041", data, "image/jpeg" if data.startswith(b"\xff\xd8") else "image/png")
        told = answer.json()
        assert answer.status_code == 422, name
        assert answer.headers["content-type"] == "application/problem+json"
        first = told["findings"][0]
        assert (first["code"], first["refuses"]) == (code, True), (name, told)
        assert (first["english"], first["chinese"]) == ADVICE[code]
        assert first["reason"] == told["detail"], name
        assert data[:200] not in answer.content or not data
    assert await office.templates("2041") == []
    assert office.engine.looked == 5, "nothing else was decoded so far as to be looked at"
    assert "\\x89PNG" not in str(log)
    # Every one of them says what to do.
    assert all(words.english and words.chinese for words in (ADVICE[code] for code in Code))


async def test_what_is_no_photograph_or_too_much_is_refused_before_it_is_judged(office: Office) -> None:
    await office.add("2041")
    assert (await office.post("2041", photograph(1), "application/json")).status_code == 415
    assert (await office.post("2041", photograph(1), "image/webp")).status_code == 415
    answer = await office.post("2041", bytes(400_001))
    assert (answer.status_code, answer.json()["detail"]) == (413, "a photograph has 400000 bytes at most")

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(65_536)

    path, headers = "/people/2041/photographs", {"content-type": "image/png"}
    assert (await office.ask("POST", path, content=endless(), headers=headers)).status_code == 413
    assert (await office.ask("POST", path, Role.DOCTOR, content=photograph(1), headers=headers)).status_code == 403
    assert office.engine.looked == 0


async def test_a_photograph_may_be_larger_than_other_requests(
    address: str, people: People, settings: PhotographSettings
) -> None:
    generous = msgspec.structs.replace(settings, max_bytes=6_000_000)
    async with Database(address, "school") as database:
        office = Office(database, people, generous)
        await office.add("2041")
        # More than [http] body_limit, behind the picture's end, as some programs leave it.
        answer = await office.post("2041", photograph(1, kind="jpg") + bytes(5_000_000), "image/jpeg")
        assert answer.status_code == 200, answer.text
        assert (await office.ask("PUT", "/people/2041", content=bytes(5_000_000))).status_code == 413
        office.desk.close()


async def test_of_whoever_did_not_consent_no_photograph_is_opened(office: Office) -> None:
    ended = Consent("consent", dt.date(2020, 1, 1), "guardian", "face", dt.date(2021, 1, 1))
    await office.add("none", consent=None)
    await office.add("ended", consent=ended)
    await office.add("faceless", no_face=True)
    for who, told in (
        ("none", "none: no consent record"),
        ("ended", "ended: the consent ended on 2021-01-01"),
        ("faceless", "faceless: is known without a face"),
    ):
        answer = await office.post(who, photograph(1))
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith(told)
    assert (await office.post("nobody", photograph(1))).status_code == 404
    assert office.engine.looked == 0


async def test_another_persons_picture_is_refused(office: Office) -> None:
    await office.add("2041")
    assert (await office.post("2041", photograph(1))).status_code == 200
    answer = await office.post("2041", photograph(2))
    assert (answer.status_code, answer.json()["findings"][0]["code"]) == (422, "other_person")
    assert len(await office.templates("2041")) == 1
    assert ("photograph_refused", "2041") in [entry[:2] for entry in await office.entries()]


async def test_a_picture_is_turned_as_its_note_says(office: Office) -> None:
    await office.add("2041")
    assert (await office.post("2041", photograph(1))).status_code == 200
    lying = encoded(np.rot90(drawn(1), 1).copy(), "jpg")
    assert (await office.post("2041", lying, "image/jpeg")).json()["findings"][0]["code"] == "other_person"
    tiff = b"MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0) + b"\0\0\0\0"
    body = b"Exif\0\0" + tiff
    noted = lying[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + lying[2:]
    assert (await office.post("2041", noted, "image/jpeg")).json()["result"] == "taken"


async def test_a_face_that_is_here_under_another_id_is_refused_until_somebody_says_they_are_two(
    office: Office,
) -> None:
    await office.add("2041", "2042")
    assert (await office.post("2041", photograph(1))).status_code == 200
    twin = photograph(1, shade=3)
    answer = await office.post("2042", twin)
    told = answer.json()
    assert answer.status_code == 409
    assert told["detail"].startswith("this face is already enrolled as 2041 (score ")
    assert [(one["code"], one["refuses"]) for one in told["findings"]] == [("duplicate", True)]
    assert await office.templates("2042") == []
    action, who, detail = (await office.entries())[-1]
    assert (action, who, detail["duplicate_of"]) == ("photograph_refused", "2042", "2041")

    path, said = "/people/2042/lookalikes/2041", {"reason": "twins: birth certificates seen"}
    assert (await office.ask("PUT", path, json=said)).status_code == 403, "the office that enrols may not overrule"
    assert (await office.ask("PUT", path, Role.ADMIN, json={"reason": ""})).status_code == 422
    assert (await office.ask("PUT", "/people/2042/lookalikes/9", Role.ADMIN, json=said)).status_code == 404
    assert (await office.ask("PUT", "/people/1/lookalikes/1", Role.ADMIN, json=said)).status_code == 422
    assert (await office.ask("PUT", path, Role.ADMIN, json=said)).status_code == 204
    assert (await office.ask("PUT", path, Role.ADMIN, json=said)).status_code == 204
    action, who, detail = (await office.entries())[-1]
    assert (action, who, detail) == ("lookalikes_allowed", "2041", {"other": "2042", **said})
    listed = await office.ask("GET", "/people/2041/lookalikes")
    assert [one["person"] for one in listed.json()] == ["2042"]

    answer = await office.post("2042", twin)
    assert answer.status_code == 200, answer.text
    assert [one["person"] for one in answer.json()["alike"]] == ["2041"]
    assert answer.json()["findings"][-1]["code"] == "alike"
    for who in ("2041", "2042"):
        assert (await office.person(who)).second_factor, "neither is let in by the face alone"
    assert (await office.ask("DELETE", path, Role.ADMIN)).status_code == 204
    assert (await office.ask("DELETE", path, Role.ADMIN)).status_code == 404
    assert (await office.post("2042", photograph(1, shade=2))).status_code == 409
    assert len(await office.templates("2042")) == 1, "what there is stays"


async def test_the_other_is_named_to_whom_may_see_people() -> None:
    """Every role that may enrol may see people today; the rule is not left to that."""
    assert "as 2041" in str(DuplicateFaceError(OFFICE, "2041", 0.7))
    guard = Actor("guard", Role.GUARD)
    assert not guard.may(Permission.PEOPLE_READ)
    assert str(DuplicateFaceError(guard, "2041", 0.7)) == "this face is already enrolled under another id"


async def test_who_leaves_takes_their_likeness_along(office: Office) -> None:
    await office.add("1", "2")
    said = {"reason": "twins"}
    assert (await office.ask("PUT", "/people/1/lookalikes/2", Role.ADMIN, json=said)).status_code == 204
    assert (await office.ask("DELETE", "/people/1")).status_code == 204
    assert (await office.ask("GET", "/people/2/lookalikes")).json() == []


async def test_who_looks_alike_is_enrolled_and_both_are_marked(office: Office) -> None:
    await office.add("1", "2")
    assert (await office.post("1", photograph(5))).status_code == 200
    answer = await office.post("2", photograph(5, turn=0.3))
    (alike,) = answer.json()["alike"]
    assert alike["person"] == "1"
    assert 0.9 <= alike["score"] < 0.98
    assert (await office.person("1")).second_factor
    assert (await office.person("2")).second_factor


async def test_a_dry_run_changes_nothing_and_is_noted(office: Office) -> None:
    await office.add("1", "2")
    assert (await office.post("1", photograph(1))).status_code == 200
    dry: dict[str, Any] = {"params": {"dry_run": "true"}}
    assert (await office.post("2", photograph(2), **dry)).json()["result"] == "tried"
    assert (await office.post("2", photograph(1, shade=2), **dry)).status_code == 409
    assert await office.templates("2") == []
    last = (await office.entries())[-2:]
    assert [(action, detail["dry_run"]) for action, _, detail in last] == [
        ("photograph_tried", True),
        ("photograph_refused", True),
    ]


async def test_the_look_knows_at_once_what_others_changed(office: Office, people: People) -> None:
    """Another process' enrolment, a removal, and everybody numbered anew."""
    await office.add("1", "2", "3")
    other = PhotographDesk(office.database, people, office.desk.settings, ColourEngine())
    template, _ = await other.judge(photograph(1))
    assert (await other.enrol(OFFICE, "1", [template], replace=False)).change == "taken"  # type: ignore[union-attr]
    assert (await office.post("2", photograph(1, shade=1))).status_code == 409
    assert (await office.ask("DELETE", "/people/1")).status_code == 204
    assert (await office.post("2", photograph(1, shade=1))).status_code == 200
    async with office.database.transaction() as query:
        await start_over(query, now=time.time())
    assert (await office.post("3", photograph(1, shade=2))).status_code == 409
    other.close()


async def test_more_people_than_are_read_at_once(office: Office) -> None:
    ids = [f"p{number}" for number in range(CHUNK + 20)]
    await office.add(*ids)
    await office.add("new")
    vectors = np.random.default_rng(5).normal(size=(len(ids), 12))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    seen = await office.desk.judge(photograph(1))
    async with office.database.transaction() as query:
        for who, vector in zip(ids, vectors.astype(np.float32), strict=True):
            mine = seen[0].embedding if who == "p7" else vector
            await office.people.set_templates(query, OFFICE, who, [Template("colour:1", mine, None)], now=time.time())
        # All of one number, as after a restored backup.
        await start_over(query, now=time.time())
    assert len((await office.desk.faces()).index) == len(ids)
    answer = await office.post("new", photograph(1))
    assert answer.status_code == 409
    assert "as p7 " in answer.json()["detail"]


async def test_one_face_cannot_come_in_twice_at_the_same_moment(address: str, people: People) -> None:
    """Two hub processes, each with a database connection and an index of its own."""
    settings = PhotographSettings(duplicate=0.98, resemblance=0.9)
    async with Database(address, "school") as one, Database(address, "school") as two:
        desks = [PhotographDesk(database, people, settings, ColourEngine()) for database in (one, two)]
        async with one.transaction() as query:
            for number in range(40):
                await people.upsert(query, OFFICE, Person(id=f"p{number}", consent=CONSENT), now=time.time())
        both = 0
        for number in range(0, 40, 2):
            templates = [
                (await desk.judge(photograph(100 + number, shade=shade)))[0]
                for desk, shade in zip(desks, (0, 1), strict=True)
            ]
            answers = await asyncio.gather(
                *(
                    desk.enrol(OFFICE, f"p{number + place}", [templates[place]], replace=False)
                    for place, desk in enumerate(desks)
                ),
                return_exceptions=True,
            )
            refused = [answer for answer in answers if isinstance(answer, DuplicateFaceError)]
            assert len(refused) == 1, answers
            both += 1
        assert both == 20
        async with one.transaction() as query:
            await audit.verify(query)
            kept = await people.templates(query, [f"p{number}" for number in range(40)])
        assert sum(len(found) for found in kept.values()) == 20
        for desk in desks:
            desk.close()


async def test_while_one_is_looked_at_others_are_answered_and_too_many_are_sent_away(office: Office) -> None:
    await office.add("1", "2", "3")
    office.engine.may_look.clear()
    first = asyncio.ensure_future(office.post("1", photograph(1)))
    assert await asyncio.to_thread(office.engine.looking.wait, 60)
    second = asyncio.ensure_future(office.post("2", photograph(2)))
    # The loop is free: whoever asks for something else is answered.
    assert len((await office.ask("GET", "/people")).json()) == 3
    answer = await office.post("3", photograph(3))
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    office.engine.may_look.set()
    assert [(await one).status_code for one in (first, second)] == [200, 200]
    assert (await office.post("3", photograph(3))).status_code == 200


async def test_who_sends_too_slowly_is_sent_away(address: str, people: People, settings: PhotographSettings) -> None:
    hasty = msgspec.structs.replace(settings, patience=0.05, waiting=1)
    async with Database(address, "school") as database:
        office = Office(database, people, hasty)
        await office.add("1")

        async def slow() -> AsyncIterator[bytes]:
            yield b"\x89PNG"
            await asyncio.Event().wait()

        path, headers = "/people/1/photographs", {"content-type": "image/png"}
        answer = await office.ask("POST", path, content=slow(), headers=headers)
        assert answer.status_code == 408
        # Their place is free again.
        patient = msgspec.structs.replace(hasty, patience=30.0)
        office.desk.settings = patient
        assert (await office.post("1", photograph(1))).status_code == 200
        office.desk.close()


async def test_missing_models_are_named_and_the_hub_goes_on(
    address: str, people: People, tmp_path: Path, log: list[Any]
) -> None:
    settings = PhotographSettings(models=tmp_path / "models")
    async with Database(address, "school") as database:
        office = Office(database, people, settings)
        office.desk.close()
        office.desk = PhotographDesk(database, people, settings)
        told = r"\[people.photographs\] models: .*models/face_detection_yunet_2023mar.onnx is missing: .*pull yunet"
        with pytest.raises(HubEngineError, match=told):
            await office.desk.prepare()
        await office.desk.warm_up()
        (line,) = [one for one in log if one["event"] == "no photographs can be taken"]
        assert "face_detection_yunet_2023mar.onnx is missing" in line["error"]
        (tmp_path / "models").mkdir()
        (tmp_path / "models" / "face_detection_yunet_2023mar.onnx").write_bytes(b"another")
        with pytest.raises(HubEngineError, match="is not the right file: it has 7 bytes, yunet has 232589"):
            await office.desk.prepare()
        app = make_app(database, people, photograph_desk=office.desk)
        office.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hub/api/v1")
        await office.add("1")
        answer = await office.post("1", photograph(1))
        assert answer.status_code == 503
        assert str(tmp_path) not in answer.text
        assert (await office.ask("GET", "/people/1")).status_code == 200
        office.desk.close()


async def test_a_hub_without_the_section_takes_none(address: str, people: People) -> None:
    async with Database(address, "school") as database:
        office = Office(database, people, PhotographSettings())
        office.desk.close()
        transport = httpx.ASGITransport(make_app(database, people))
        office.client = httpx.AsyncClient(transport=transport, base_url="http://hub/api/v1")
        await office.add("1")
        answer = await office.post("1", photograph(1))
        assert answer.status_code == 409
        assert "[people.photographs]" in answer.json()["detail"]


async def test_a_template_of_the_wrong_length_stops_nobody(office: Office, log: list[Any]) -> None:
    await office.add("1", "2")
    odd = Template("colour:1", np.eye(16, dtype=np.float32)[0], None)
    async with office.database.transaction() as query:
        await office.people.set_templates(query, OFFICE, "1", [odd], now=time.time())
    assert (await office.post("2", photograph(1))).status_code == 200
    assert [one["person"] for one in log if one["event"] == "templates are not of their model's length"] == ["1"]
