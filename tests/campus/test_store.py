"""The hub's database: every event once, marks that mean completeness, and nothing thrown away."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campus.errors import HubStoreError
from campus.store import HubStore, Incoming, Mark
from controller.link.messages import Cursor, EventMessage, Online, State, encode, event_id

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from pathlib import Path

EPOCH = "000000000000002a"


def event(seq: int, *, gate: str = "north", history: str = "0", epoch: str = EPOCH) -> Incoming:
    message = EventMessage(
        id=event_id(gate, epoch, seq), epoch=epoch, seq=seq, boot_id="b", time=float(seq), monotonic=1.0,
        clock="unknown", type="grant", chain=history * 48 + f"{seq:016x}", person="p-1",
    )  # fmt: skip
    return Incoming(gate, message, encode(message))


def birth(acked: int, *, gate: str = "north") -> Incoming:
    message = Online(online=True, boot_id="b", cursors=[Cursor(epoch=EPOCH, acked=acked)])
    return Incoming(gate, message, encode(message))


def mark(seq: int, history: str = "0") -> Mark:
    return Mark("north", EPOCH, seq, history * 48 + f"{seq:016x}" if seq else "")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[HubStore]:
    hub = HubStore(tmp_path / "hub.sqlite3", "school")
    hub.open()
    yield hub
    hub.close()


def test_the_mark_stands_before_the_first_gap(store: HubStore) -> None:
    assert store.apply([event(1), event(2), event(4), event(5)], 1.0) == [mark(2)]
    assert store.apply([event(7)], 2.0) == [mark(2)]
    assert store.apply([event(3)], 3.0) == [mark(5)]
    assert store.apply([event(6)], 4.0) == [mark(7)]
    assert [row.seq for row in store.events()] == [1, 2, 4, 5, 7, 3, 6]


def test_what_comes_again_is_stored_once_and_acknowledged_again(store: HubStore) -> None:
    batch = [event(1), event(2)]
    assert store.apply(batch, 1.0) == [mark(2)]
    assert store.apply(batch, 2.0) == [mark(2)]
    assert store.counts == {"stored": 2, "duplicates": 2}
    assert len(list(store.events())) == 2


@settings(max_examples=40)
@given(st.lists(st.lists(st.integers(1, 12), max_size=6), max_size=12), st.randoms())
def test_any_order_ends_complete(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[int]], dice: random.Random
) -> None:
    hub = HubStore(tmp_path_factory.mktemp("hub") / "hub.sqlite3", "school")
    with contextlib.closing(hub):
        hub.open()
        seen: set[int] = set()
        rest = list(range(1, 13))
        dice.shuffle(rest)
        for batch in [*batches, rest]:
            marks = hub.apply([event(seq) for seq in batch], 1.0)
            seen |= set(batch)
            complete = next(seq for seq in range(13) if seq + 1 not in seen)
            assert marks == ([mark(complete)] if batch else [])
        assert sorted(row.payload for row in hub.events()) == sorted(event(seq).payload for seq in range(1, 13))


def test_another_event_at_a_taken_place_is_kept_apart(store: HubStore, tmp_path: Path) -> None:
    store.apply([event(1), event(2)], 1.0)
    assert store.apply([event(2, history="f"), event(2, history="f")], 2.0) == [mark(2)]
    assert store.counts["conflicts"] == 2
    with contextlib.closing(sqlite3.connect(tmp_path / "hub.sqlite3")) as reader, reader:
        found = reader.execute("SELECT payload FROM conflict").fetchall()
    reader.close()
    assert found == [(event(2, history="f").payload,)]
    assert [row.payload for row in store.events()] == [event(1).payload, event(2).payload]


def test_gates_and_epochs_have_marks_of_their_own(store: HubStore) -> None:
    other = "000000000000002b"
    marks = store.apply([event(1), event(1, gate="south"), event(5, epoch=other)], 1.0)
    assert [(m.gate, m.epoch, m.seq) for m in marks] == [("north", EPOCH, 1), ("south", EPOCH, 1), ("north", other, 0)]


def test_what_a_gate_will_not_send_again_is_a_hole_and_no_reason_to_wait(store: HubStore, tmp_path: Path) -> None:
    assert store.apply([event(1), event(5), event(6)], 1.0) == [mark(1)]
    assert store.apply([birth(4)], 2.0) == [mark(6)]
    assert store.apply([birth(4), birth(6)], 3.0) == [mark(6)]
    assert store.counts["holes"] == 1
    with contextlib.closing(sqlite3.connect(tmp_path / "hub.sqlite3")) as reader, reader:
        assert reader.execute("SELECT gate, first, last FROM hole").fetchall() == [("north", 2, 4)]
    reader.close()


def test_a_hole_has_no_chain_value_to_give(store: HubStore) -> None:
    assert store.apply([birth(9)], 1.0) == [Mark("north", EPOCH, 9, "")]


def test_what_is_known_of_a_gate(store: HubStore) -> None:
    state = State(boot_id="b", time=1.0, clock="unknown", lane="locked")
    gone = Online(online=False, boot_id="b")
    store.apply([birth(0), Incoming("north", state, encode(state)), event(1), event(3)], 5.0)
    store.apply([event(1, gate="south")], 6.0)
    north, south = store.gates()
    assert (north.gate, north.online, north.boot_id, north.events, north.missing) == ("north", True, "b", 2, 1)
    assert north.state == encode(state)
    assert (south.gate, south.online, south.seen, south.state) == ("south", None, 6.0, None)
    store.apply([Incoming("north", gone, encode(gone))], 7.0)
    assert (store.gates()[0].online, store.gates()[0].seen) == (False, 7.0)


def test_a_batch_that_fails_leaves_nothing(store: HubStore) -> None:
    store.apply([event(1)], 1.0)
    connection = store._connection
    assert connection is not None
    connection.execute("PRAGMA query_only = ON")
    with pytest.raises(HubStoreError, match=r"hub\.sqlite3: attempt to write a readonly database"):
        store.apply([event(2)], 2.0)
    connection.execute("PRAGMA query_only = OFF")
    assert store.apply([event(2)], 3.0) == [mark(2)]


def test_a_database_of_another_campus_is_refused(store: HubStore, tmp_path: Path) -> None:
    with pytest.raises(HubStoreError, match="holds the events of campus 'school', not of 'college'"):
        HubStore(tmp_path / "hub.sqlite3", "college").open()


def test_what_is_no_database_is_named(tmp_path: Path) -> None:
    with pytest.raises(HubStoreError, match=r"nowhere\.sqlite3: there is no such database"):
        HubStore(tmp_path / "nowhere.sqlite3", None).open()
    (tmp_path / "text").write_bytes(b"no database" * 100)
    with pytest.raises(HubStoreError, match=r"text: file is not a database"):
        HubStore(tmp_path / "text", "school").open()
