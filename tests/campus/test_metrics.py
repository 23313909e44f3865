"""What Prometheus reads: of a hub that serves and of a board; and the dashboard asks for nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import pytest_asyncio

from campus import tables
from campus.api.app import make_app
from campus.broker import Broker
from campus.database import Database
from campus.errors import HubConfigError
from campus.intake.ingest import Commit, Ingest
from campus.intake.store import HubStore, Incoming
from campus.metrics import HubMetrics
from controller.link.messages import EventMessage, Online, State, encode, event_id
from controller.observe.metrics import Metrics, MetricsServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana" / "thermogate.json"
EPOCH = "000000000000002a"
Board = tuple[HubMetrics, Database, Ingest]


@pytest_asyncio.fixture
async def hub(address: str) -> AsyncIterator[Board]:
    """Counters of a hub that has stored something; its intake is not connected."""
    metrics = HubMetrics()
    async with Database(address, "school") as database:
        intake = Ingest("school", Broker("127.0.0.1", 1), HubStore(database), on_commit=[metrics.committed])
        metrics.watch(intake)
        yield metrics, database, intake


async def store(hub: Board, *batch: Incoming) -> None:
    metrics, _, intake = hub
    marks = await intake.store.apply(batch, 1_790_000_000.0)
    metrics.committed(Commit(batch, marks, 1_790_000_000.0, 0.004))


def event(seq: int) -> Incoming:
    message = EventMessage(
        id=event_id("north", EPOCH, seq), epoch=EPOCH, seq=seq, boot_id="b", time=1.0, monotonic=1.0,
        clock="unknown", type="deny", chain=f"{seq:064x}",
    )  # fmt: skip
    return Incoming("north", message, encode(message))


def scrape(port: int) -> dict[str, float]:
    """Samples by name and labels, as Prometheus reads them."""
    text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    return {name: float(value) for name, value in re.findall(r"^([^#\s]\S*) (\S+)$", text, flags=re.MULTILINE)}


def families(port: int) -> dict[str, str]:
    """Names and types."""
    text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, flags=re.MULTILINE))


@pytest.mark.asyncio
async def test_a_scrape(hub: Board, unused_tcp_port: int) -> None:
    metrics, database, intake = hub
    online, state = (
        Online(online=True, boot_id="b"),
        State(boot_id="b", time=1.0, clock="unknown", lane="locked", outbox=9),
    )
    await store(hub, event(1), event(2), event(2), event(5))
    await store(hub, Incoming("north", online, encode(online)), Incoming("north", state, encode(state)))
    intake.refused["south"] += 3
    async with database.transaction() as query:
        gap = {"gate": "north", "epoch": EPOCH, "first": 3, "last": 4, "found": 1.0, "asked": 7, "alerted": 2.0}
        await query.execute(tables.gap.insert().values(**gap))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(make_app(database, metrics=metrics)), base_url="http://hub"
    ) as client:
        await client.get("/api/v1/gates")
        for path in ("/a/b", "/c/d"):
            await client.request("INVENTED", path)
    await metrics.refresh(database)
    with metrics.served(unused_tcp_port):
        told = scrape(unused_tcp_port)
        with pytest.raises(HubConfigError, match=str(unused_tcp_port)), metrics.served(unused_tcp_port):
            pass
    assert told['thermogate_hub_events_total{result="stored"}'] == 3
    assert told['thermogate_hub_events_total{result="duplicates"}'] == 1
    assert told['thermogate_hub_refused_total{gate="south"}'] == 3
    assert told['thermogate_hub_gate_lag{gate="north"}'] == 9
    assert told['thermogate_hub_gate_waiting{gate="north"}'] == 1
    assert told['thermogate_hub_gates{online="yes"}'] == 1
    assert told['thermogate_hub_gaps{alerted="yes"}'] == 1
    assert told["thermogate_hub_batch_size_sum"] == 6
    assert told["thermogate_hub_acks_total"] == 1
    asked = 'thermogate_hub_request_seconds_count{method="GET",route="/gates",status="401"}'
    assert told[asked] == 1
    invented = [name for name in told if name.startswith("thermogate_hub_request_seconds_count") and "other" in name]
    assert len(invented) == 1, "whoever asks cannot make labels"


@pytest.mark.asyncio
async def test_the_dashboard_asks_for_what_there_is(hub: Board, unused_tcp_port_factory: Any) -> None:
    metrics, database, _ = hub
    await metrics.refresh(database)
    there: dict[str, str] = {}
    with metrics.served(port := unused_tcp_port_factory()):
        there |= families(port)
    with MetricsServer(Metrics(), port := unused_tcp_port_factory()):
        there |= families(port)
    samples = there.keys() | {
        f"{name}_{part}" for name, kind in there.items() if kind == "histogram" for part in ("bucket", "count", "sum")
    }
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    asked = {
        name
        for panel in panels
        for target in panel.get("targets", ())
        for name in re.findall(r"\bthermogate_\w+", target["expr"])
    }
    assert asked - samples == set()
    assert len(asked) > 20
    hubs_own = {name for name, kind in there.items() if name.startswith("thermogate_hub_") and kind != "gauge"}
    assert {name for name in hubs_own if not any(one.startswith(name) for one in asked)} == set()
