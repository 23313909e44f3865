"""Real photographs, enrolled once at the hub over REST; another one of theirs is known at a gate that follows it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

import httpx
import numpy as np
import pytest

from benchmarks.roster_rig import ADMIN, CONSENT, RigGate, RigHub, campus, until
from campus.auth import tokens
from campus.auth.roles import Role
from campus.people.photographs import PhotographSettings
from campus.people.records import Person, Template
from controller.errors import ImageError
from controller.gallery.judge import judge_photo
from controller.perception.engines import open_engine
from controller.perception.operating import wilson

if TYPE_CHECKING:
    from pathlib import Path

    from controller.perception.types import FaceEngine
    from tests.link.conftest import Mosquitto

PEOPLE = 60
"""Enrolled; as many strangers."""

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.service,
    pytest.mark.models,
    pytest.mark.realdata,
    pytest.mark.timeout(900),
]


def album(testdata: Path) -> dict[str, list[bytes]]:
    """Files by name, of people who have at least three."""
    names = (testdata / "face" / "gallery_dev.txt").read_text(encoding="utf-8").split()
    found = {}
    for name in names:
        files = sorted((testdata / "face" / "lfw" / name).glob("*.jpg"))
        if len(files) >= 3:
            found[name] = [file.read_bytes() for file in files[:3]]
    return found


async def token(hub: RigHub) -> dict[str, str]:
    async with hub.database.transaction() as query:
        made, _ = await tokens.issue(query, ADMIN, "office", Role.ENROLMENT, now=time.time(), expires=None)
    return {"Authorization": f"Bearer {made}", "Content-Type": "image/jpeg"}


def told(hits: int, trials: int) -> str:
    low, high = wilson(hits, trials)
    return f"{hits} of {trials} (95 %: {low:.3f} to {high:.3f})"


def recognised(engine: FaceEngine, gate: RigGate, files: list[bytes]) -> str | None:
    """Whom the gate's index takes the first usable of these photographs for; "" where none is usable."""
    for data in files:
        try:
            judged = judge_photo(engine, data)
        except ImageError:
            continue
        match = gate.index.identify(judged.embedding).match
        return None if match is None else match.person
    return ""


@pytest.mark.parametrize("name", ["opencv", "tflite"])
async def test_whoever_is_enrolled_at_the_hub_is_known_at_the_gate(
    name: Literal["opencv", "tflite"],
    broker: Mosquitto,
    models: Path,
    testdata: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    people = album(testdata)
    enrolled, strangers = list(people)[:PEOPLE], list(people)[PEOPLE : 2 * PEOPLE]
    assert len(enrolled) == len(strangers) == PEOPLE
    engine = open_engine(name, models)
    photographs = PhotographSettings(engine=name, models=models)
    async with campus(tmp_path, broker.port, 1, photographs, engine) as (hub, (gate,)):
        async with hub.database.transaction() as query:
            for who in enrolled:
                await hub.people.upsert(query, ADMIN, Person(id=who, consent=CONSENT), now=time.time())
        seconds, refused = [], []
        async with httpx.AsyncClient(
            base_url=f"{await hub.url()}/api/v1/people", headers=await token(hub), timeout=60
        ) as office:
            for who in enrolled:
                for data in people[who][:2]:
                    started = time.perf_counter()
                    answer = await office.post(f"/{who}/photographs", content=data)
                    seconds.append(time.perf_counter() - started)
                    if answer.status_code != 200:
                        refused.append(f"{who}: {answer.status_code} {answer.json()['detail']}")
            assert hub.hub.photographs is not None
            taken = set((await hub.hub.photographs.faces()).index.people())
            await until(lambda: set(gate.index.people()) >= taken, "the gate has everybody")
            answers = {who: recognised(engine, gate, people[who][2:]) for who in taken}
            others = {who: recognised(engine, gate, people[who]) for who in strangers}
            # The same face under another id, by a photograph that the hub has not seen.
            doubles = []
            for who in sorted(taken):
                async with hub.database.transaction() as query:
                    await hub.people.upsert(query, ADMIN, Person(id=f"{who}-2", consent=CONSENT), now=time.time())
                answer = await office.post(f"/{who}-2/photographs", content=people[who][2])
                doubles.append((who, answer))
    right = [who for who, found in answers.items() if found == who]
    wrong = [who for who, found in answers.items() if found not in (who, None, "")]
    seen = [who for who, found in answers.items() if found != ""]
    let_in = [who for who, found in others.items() if found]
    with capsys.disabled():
        print(f"\n{name}: two photographs each of {PEOPLE} people sent to the hub, {len(taken)} people enrolled")
        print(f"  photographs refused:                   {told(len(refused), len(seconds))}")
        print(f"  another photograph, known at the gate: {told(len(right), len(seen))}")
        print(f"  taken for another:                     {told(len(wrong), len(seen))}")
        print(f"  strangers taken for somebody:          {told(len(let_in), len(others))}")
        known = [answer for _, answer in doubles if answer.status_code in (200, 409)]
        again = [answer for answer in known if answer.status_code == 409]
        marked = [answer for answer in known if answer.status_code == 200 and answer.json()["alike"]]
        print(f"  under another id, refused:             {told(len(again), len(known))}")
        print(f"  under another id, taken and marked:    {told(len(marked), len(known))}")
        print(f"  a photograph answered in {np.median(seconds):.3f} s (median, n = {len(seconds)})")
        print("  " + "\n  ".join(refused))
    assert len(taken) >= 0.9 * PEOPLE
    assert not wrong
    assert len(let_in) <= 1
    assert len(right) >= 0.8 * len(seen)
    assert all(f"as {who} " in answer.json()["detail"] for who, answer in doubles if answer.status_code == 409)
    assert len(again) + len(marked) >= 0.8 * len(known)


async def test_templates_of_a_model_that_a_gate_has_not_stop_it_from_nothing(
    broker: Mosquitto, models: Path, testdata: Path, tmp_path: Path
) -> None:
    """A hub that is ahead with its engine: such people come by card, and whoever is removed still leaves the gate."""
    engine = open_engine("opencv", models)
    first, second = list(album(testdata).items())[:2]
    async with campus(tmp_path, broker.port, 1, None, engine) as (hub, (gate,)):
        strange = Template("net:2", np.eye(64, dtype=np.float32)[0], None)
        async with hub.database.transaction() as query:
            for who, files in (first, second):
                judged = judge_photo(engine, files[0])
                await hub.people.upsert(query, ADMIN, Person(id=who, consent=CONSENT), now=time.time())
                mine = Template(engine.template_model, judged.embedding, None)
                await hub.people.set_templates(query, ADMIN, who, [mine], now=time.time())
        await until(lambda: set(gate.index.people()) == {first[0], second[0]}, "both are there")
        async with hub.database.transaction() as query:
            await hub.people.upsert(query, ADMIN, Person(id="new", consent=CONSENT), now=time.time())
            await hub.people.set_templates(query, ADMIN, "new", [strange], now=time.time())
        await until(lambda: "new" in gate.index.people(), "who is of another model is there, by card")
        await until(lambda: gate.index.strange == 1, "and counted")
        async with hub.database.transaction() as query:
            await hub.people.remove(query, ADMIN, first[0], now=time.time())
        await until(lambda: set(gate.index.people()) == {second[0], "new"}, "who was removed is gone")
        assert recognised(engine, gate, first[1][:1]) is None
        assert recognised(engine, gate, second[1][:1]) == second[0]
