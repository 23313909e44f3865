"""Several brokers: read, tried in turn, kept to; what was on its way when one was killed arrives by another."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import aiomqtt
import msgspec
import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from campus.broker import Broker
from campus.config import load
from campus.errors import HubConfigError, HubOrderError
from campus.gates.orders import Sender, give
from controller.lane.states import State
from controller.link import commands as wire
from controller.link import signing
from controller.link.brokers import Address, Backoff, Turn, read_addresses
from controller.link.messages import State as StateMessage
from controller.link.mqtt import Link
from controller.link.settings import LinkSettings, TlsSettings
from controller.orders.desk import CommandDesk, Identity
from controller.record.boot import clock_state
from controller.watch import Step

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from controller.lane.events import LaneEvent

Make = Callable[..., Any]
FIRST, SECOND, THIRD = Address("a", 1), Address("b", 2), Address("c", 3)


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    with structlog.testing.capture_logs() as captured:
        yield captured  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("broker", "broker", 8883),
        (" broker:1884 ", "broker", 1884),
        ("10.0.0.1:1884", "10.0.0.1", 1884),
        ("fe80::1", "fe80::1", 8883),
        ("[fe80::1]", "fe80::1", 8883),
        ("[fe80::1]:1884", "fe80::1", 1884),
    ],
)
def test_an_address_is_read_and_written(text: str, host: str, port: int) -> None:
    (found,) = read_addresses("host", text, 8883)
    assert found == (host, port)
    assert read_addresses("host", (str(found),), 1) == (found,)


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ([], "`host`: no broker is named"),
        ("", "`host`: '' is not HOST or HOST:PORT"),
        (["a", "b:0"], "`host`, entry 2: 'b:0': a port is a number from 1 to 65535"),
        (["a", "b:65536"], "`host`, entry 2"),
        (["a", "b:x"], "`host`, entry 2: 'b:x': a port"),
        (["a", "mqtts://b"], "`host`, entry 2"),
        (["a", "a:8883"], "`host`, entry 2: 'a:8883' is there twice"),
        (["a", 5], "$.host[1]"),
    ],
)
def test_wrong_addresses_are_refused_by_key(host: object, message: str, tmp_path: Path) -> None:
    raw = {"campus": "school", "host": host, "tls": {}}
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.convert(raw, LinkSettings)
    assert message in str(refused.value)
    file = tmp_path / "hub.toml"
    file.write_text(f'campus = "school"\ndatabase = "x"\n[broker]\ntls = true\nhost = {json.dumps(host)}\n')
    with pytest.raises(HubConfigError, match=r"hub\.toml: broker"):
        load(file)


def test_both_sides_take_one_or_several(tmp_path: Path) -> None:
    file = tmp_path / "hub.toml"
    file.write_text('campus = "school"\ndatabase = "x"\n[broker]\nport = 7\nhost = ["a", "b:2"]\n')
    settings = load(file).broker
    assert settings is not None
    broker = settings.broker()
    assert (broker.host, broker.port, broker.others) == ("a", 7, (("b", 2),))
    several = msgspec.convert({"campus": "school", "host": ["a", "b:2"]}, LinkSettings)
    assert several.brokers == (("a", 1883), ("b", 2))
    assert msgspec.convert({"campus": "school", "host": "a", "tls": {}}, LinkSettings).brokers == (("a", 8883),)


def test_a_turn_goes_round_and_stays_with_what_works() -> None:
    turn = Turn((FIRST, SECOND, THIRD))
    seen = []
    for _ in range(4):
        seen.append((turn.current, turn.has_untried))
        turn.failed(turn.current)
    assert seen == [(FIRST, False), (SECOND, True), (THIRD, True), (FIRST, False)]
    turn.failed(FIRST)
    assert turn.current == SECOND  # another connection had said so already
    turn.held()
    assert (turn.current, turn.has_untried) == (SECOND, False)
    turn.failed(SECOND)
    assert (turn.current, turn.has_untried) == (THIRD, True)


def test_gates_do_not_come_to_the_next_broker_all_at_once() -> None:
    """In the second in which a node's gates come to the others no tenth of it has more than a third of them."""
    pauses = [Backoff(1.0, 60.0, random.Random(gate)).next(another=True) for gate in range(240)]
    assert all(0 <= pause <= 1.0 for pause in pauses)
    assert max(Counter(int(pause * 10) for pause in pauses).values()) < 80


def test_the_pause_before_another_broker_does_not_grow() -> None:
    backoff = Backoff(1.0, 60.0, random.Random(1))
    for _ in range(100):
        assert backoff.next(another=True) <= 1.0
    assert backoff.next() <= 3.0


def settings_of(folder: Path, *brokers: Any, **changes: Any) -> dict[str, Any]:
    """Of the gate `north` with its certificate."""
    tls = TlsSettings(ca=folder / "school.pem", cert=folder / "north.crt", key=folder / "north.key")
    return {"host": tuple(f"{one.host}:{one.port}" for one in brokers), "tls": tls} | changes


def hub_of(folder: Path, first: Any, *others: Any) -> Broker:
    return Broker(
        first.host,
        first.port,
        tls=True,
        ca=folder / "school.pem",
        cert=folder / "hub.crt",
        key=folder / "hub.key",
        others=tuple(Address(other.host, other.port) for other in others),
    )


@pytest.mark.service
@pytest.mark.asyncio
async def test_a_killed_broker_costs_nothing_and_nobody_goes_back(
    pair: tuple[Any, Any],
    tmp_path: Path,
    gates: Make,
    hubs: Make,
    eventually: Make,
    journal_of: Callable[[], list[bytes]],
    compare: Callable[[], int],
    stored: Callable[[], list[bytes]],
) -> None:
    first, second = pair
    gate = gates(1, **settings_of(tmp_path, first, second))
    hub = hubs(hub_of(tmp_path, first, second))
    await hub.start()
    await gate.start()
    await gate.append(60)
    await eventually(lambda: len(stored()) >= 20, "some have arrived")
    first.stop()
    await gate.append(60)
    await gate.drained()
    assert gate.link.counters.broker == f"{second.host}:{second.port}"
    assert compare() == 120
    assert stored() == journal_of()

    first.start()
    connects = gate.link.counters.connects
    await gate.append(20)
    await gate.drained()
    assert (gate.link.counters.connects, gate.link.counters.broker) == (connects, f"{second.host}:{second.port}")

    second.stop()
    await gate.append(20)
    await gate.drained()
    assert gate.link.counters.broker == f"{first.host}:{first.port}"
    assert stored() == journal_of()
    assert len(stored()) == 160


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.service
@pytest.mark.asyncio
async def test_each_broker_has_to_have_the_name_it_is_called_by(
    pair: tuple[Any, Any], tmp_path: Path, gates: Make, hubs: Make, eventually: Make, lines: list[dict[str, Any]]
) -> None:
    first, second = pair
    # The second one shows the first one's certificate: good for 127.0.0.1 alone.
    certificate, key = tmp_path / "broker-127.0.0.1.crt", tmp_path / "broker-127.0.0.1.key"
    second.stop()
    second.configure(f"cafile {tmp_path / 'school.pem'}\ncertfile {certificate}\nkeyfile {key}\nallow_anonymous true\n")
    second.start()
    gate = gates(1, **settings_of(tmp_path, first, second))
    await gate.start()
    await eventually(lambda: gate.link.counters.up, "the first one is good")
    first.stop()

    def refused() -> list[dict[str, Any]]:
        return [line for line in lines if "IP address mismatch" in str(line.get("error"))]

    await eventually(lambda: len(refused()) >= 2, "the second one is refused")
    assert {line["broker"] for line in refused()} == {f"{second.host}:{second.port}"}
    assert [line["log_level"] for line in refused()].count("warning") == 1
    assert not gate.link.counters.up
    first.start()
    await hubs(hub_of(tmp_path, first)).start()
    await gate.append(5)
    await gate.drained()
    assert gate.link.counters.broker == f"{first.host}:{first.port}"


@pytest.mark.service
@pytest.mark.asyncio
async def test_a_broker_behind_which_nobody_is_heard_is_left(
    pair: tuple[Any, Any],
    tmp_path: Path,
    gates: Make,
    hubs: Make,
    compare: Callable[[], int],
    lines: list[dict[str, Any]],
) -> None:
    """It is there and takes everything, and the campus is at the other one: as where a cluster has come apart."""
    first, second = pair
    gate = gates(1, **settings_of(tmp_path, first, second, ack_timeout=0.2, ack_timeout_max=1.0))
    await hubs(hub_of(tmp_path, second)).start()
    await gate.start()
    await gate.append(30)
    await gate.drained()
    assert gate.link.counters.broker == f"{second.host}:{second.port}"
    assert compare() == 30
    assert any("nothing was acknowledged by way of this broker" in str(line.get("error")) for line in lines)


@pytest.mark.service
@pytest.mark.asyncio
async def test_a_gate_that_knows_one_broker_stays_there(broker: Any, gates: Make, eventually: Make) -> None:
    gate = gates(broker.port, ack_timeout=0.1, ack_timeout_max=0.2)
    await gate.start()
    await gate.append(3)
    await eventually(lambda: gate.link.counters.starts_over >= 4, "it sends again and again")
    assert gate.link.counters.connects == 1


class Ordered:
    """A gate that takes orders of `key`, by way of several brokers."""

    def __init__(self, gate: Any, settings: Any, key: Ed25519PrivateKey) -> None:
        self.events: list[LaneEvent] = []
        commander = signing.Commander(public=signing.public_text(key.public_key()), actors={"guard": ("open_once",)})
        self.desk = CommandDesk(
            Identity("school", "north", "boot-1", Ed25519PrivateKey.generate()),
            lambda: signing.Commanders("test", (commander,)),
            monotonic=time.monotonic,
            wall=time.time,
            clock_state=clock_state,
            journal=gate.journal,
            append_timeout=2.0,
            degraded=False,
            post=self._post,
            lane_state=lambda: "locked",
            deeds={},
        )
        self.link = Link(
            settings, "north", gate.journal.outbox, boot_id="boot-1", state=self._state, commands=self.desk
        )

    def _post(self, event: LaneEvent) -> None:
        self.events.append(event)
        self.desk.on_step(Step(event, State.LOCKED, State.GRANTED, (), (), 0.0, 0.0))

    def _state(self) -> StateMessage:
        return StateMessage(
            boot_id="boot-1",
            time=time.time(),
            clock=clock_state(),
            lane="locked",
            challenge=self.desk.challenges.newest,
            reply_key=self.desk.reply_key,
        )


@pytest.mark.service
@pytest.mark.asyncio
async def test_orders_reach_a_gate_by_the_other_broker_and_old_ones_count_no_more(
    pair: tuple[Any, Any], tmp_path: Path, gates: Make, link_settings: Make, eventually: Make
) -> None:
    first, second = pair
    made, key = gates(1), Ed25519PrivateKey.generate()
    await made.journal.open()
    gate = Ordered(made, link_settings(1, **settings_of(tmp_path, first, second)), key)
    running = asyncio.ensure_future(gate.link.run())
    hub = hub_of(tmp_path, first, second)
    sender = Sender(key, "guard", "forgot the card")

    async def order() -> wire.Reply:
        return await give(hub, "school", "north", wire.OpenOnce(direction="entry"), sender)

    try:
        await eventually(lambda: gate.link.counters.up, "the gate is at the first broker")
        tls = TlsSettings(ca=hub.ca, cert=hub.cert, key=hub.key)
        async with client_of(first, tls) as spy:
            await spy.subscribe("gate/v1/school/north/cmd", qos=1)
            assert (await order()).accepted
            old = bytes((await anext(aiter(spy.messages))).payload)
        first.stop()
        await eventually(lambda: gate.link.counters.broker.startswith(second.host), "the gate is at the second")
        assert (await order()).accepted
        assert hub.turn.current == (second.host, second.port)
        assert len(gate.events) == 2
        # What was ordered by way of the first broker is heard again by the second: a bridge, or somebody, repeats it.
        async with client_of(second, tls) as replayer:
            for retain in (False, True):
                await replayer.publish("gate/v1/school/north/cmd", old, qos=1, retain=retain)
        await eventually(lambda: gate.desk.refused.total() >= 2, "they are refused")
        assert len(gate.events) == 2
        first.start()
        hub = hub_of(tmp_path, first, second)  # the hub was started anew, and begins with a broker that knows no gate
        assert (await order()).accepted
        assert len(gate.events) == 3
        first.stop()
        second.stop()
        with pytest.raises(HubOrderError, match="refused"):
            await order()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def client_of(broker: Any, tls: TlsSettings) -> aiomqtt.Client:
    parameters = aiomqtt.TLSParameters(ca_certs=str(tls.ca), certfile=str(tls.cert), keyfile=str(tls.key))
    return aiomqtt.Client(broker.host, broker.port, tls_params=parameters)
