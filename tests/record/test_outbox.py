"""The outbox forgets on a good acknowledgement only, and gives back everything else, oldest first."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.record.boot import Stamp
from controller.record.database import Database
from controller.record.entry import AckOutcome, Entry, Place, Stored
from controller.record.journal import Journal
from controller.record.ledger import Ledger
from controller.record.rows import to_row
from controller.record.settings import JournalSettings

Make = Callable[..., Journal]
MakeEntry = Callable[..., Entry]


@pytest.mark.asyncio
async def test_pending_acknowledge_depth(make: Make, entry: MakeEntry) -> None:
    journal = make()
    await journal.open()
    outbox = journal.outbox
    stored = [await journal.append(entry(n)) for n in range(10)]
    assert outbox.depth == 10
    assert await outbox.pending(4) == stored[:4]
    assert await outbox.pending(100, after=stored[3].place) == stored[4:]
    assert await outbox.acknowledge(stored[5].epoch, 6, stored[5].chain) is AckOutcome.ADVANCED
    assert outbox.depth == 4
    assert await outbox.pending(100) == stored[6:]
    assert await outbox.cursors() == [stored[5].place]
    await journal.close()
    again = make()
    await again.open()
    assert again.outbox.depth == 4
    assert await again.outbox.pending(100) == stored[6:]
    await again.close()


@pytest.mark.asyncio
async def test_an_acknowledgement_that_is_not_ours_changes_nothing(make: Make, entry: MakeEntry) -> None:
    journal = make()
    await journal.open()
    outbox = journal.outbox
    stored = [await journal.append(entry(n)) for n in range(5)]
    epoch = stored[0].epoch
    assert await outbox.acknowledge(epoch, 3, stored[2].chain) is AckOutcome.ADVANCED
    for place, chain, outcome in [
        ((epoch + 1, 4), stored[3].chain, AckOutcome.UNKNOWN_EPOCH),
        ((epoch, 6), stored[4].chain, AckOutcome.BEYOND_NEWEST),
        ((epoch, 2**62), "", AckOutcome.BEYOND_NEWEST),
        ((epoch, 5), stored[3].chain, AckOutcome.OTHER_HISTORY),
        ((epoch, 5), "", AckOutcome.OTHER_HISTORY),
        ((epoch, 3), stored[2].chain, AckOutcome.REPEATED),
        ((epoch, 2), stored[1].chain, AckOutcome.BEHIND),
        ((epoch, 0), "", AckOutcome.BEHIND),
    ]:
        assert await outbox.acknowledge(*place, chain) is outcome
        assert await outbox.pending(10) == stored[3:]
        assert outbox.depth == 2
    await journal.close()


@pytest.mark.asyncio
async def test_an_epoch_that_is_given_up_is_written_again(make: Make, entry: MakeEntry) -> None:
    journal = make()
    await journal.open()
    outbox = journal.outbox
    old = [await journal.append(entry(n)) for n in range(4)]
    epoch = old[0].epoch
    await outbox.acknowledge(epoch, 2, old[1].chain)
    assert await outbox.retire_epoch(epoch, "the campus is ahead")
    found = await outbox.pending(10)
    assert [stored.seq for stored in found] == [1, 2, 3]
    assert {stored.epoch for stored in found} == {journal.newest.epoch} != {epoch}
    assert found[0].entry.detail == {
        "warning": "journal_epoch", "reason": "the campus is ahead", "epoch": f"{epoch:016x}",
    }  # fmt: skip
    for again, before in zip(found[1:], old[2:], strict=True):
        assert again.entry.detail == {**before.entry.detail, "refiled": f"{epoch:016x}-{before.seq}"}
        assert (again.boot_id, again.entry.wall, again.entry.person) == (before.boot_id, before.entry.wall, "p-7")
    assert outbox.depth == 3
    assert await outbox.cursors() == [Place(journal.newest.epoch, 0)]
    assert await outbox.acknowledge(epoch, 800, "00" * 32) is AckOutcome.REPEATED
    assert not await outbox.retire_epoch(epoch, "again")
    assert not await outbox.retire_epoch(epoch + 1, "never heard of")
    assert await journal.verify() == 7
    await journal.close()


@pytest.mark.asyncio
async def test_a_long_outbox_is_written_again_in_pieces(make: Make, entry: MakeEntry) -> None:
    """The campus' word must not keep the disk busy for seconds: whoever stands at the gate waits for it as well."""
    journal = make(settings={"queue_limit": 1000, "idle": 100.0})
    await journal.open()
    outbox = journal.outbox
    old = await asyncio.gather(*(journal.append(entry(n)) for n in range(700)))
    epoch = old[0].epoch
    assert await outbox.retire_epoch(epoch, "the campus is ahead")
    assert journal.newest.seq == 1, "at once, nothing but the change itself"
    sent = await outbox.pending(100)
    assert [stored.seq for stored in sent] == list(range(1, 101))
    assert journal.newest.seq <= 101
    now = await journal.append(entry(9999))
    assert now.seq <= 102, "what happens now comes between"
    assert await outbox.acknowledge(epoch, 700, old[-1].chain) is AckOutcome.REPEATED, "a late word of it"
    assert await outbox.retire_epoch(epoch, "again") is False
    while more := await outbox.pending(100, sent[-1].place):
        sent += more
    assert {stored.epoch for stored in sent} == {journal.newest.epoch}
    again = [stored.entry.detail["refiled"] for stored in sent if "refiled" in stored.entry.detail]
    assert again == [f"{epoch:016x}-{n}" for n in range(1, 701)], "each once, in its order"
    assert outbox.depth == len(sent) == 702
    assert await outbox.cursors() == [Place(journal.newest.epoch, 0)]
    await journal.close()


@pytest.mark.asyncio
async def test_a_restart_amid_that_loses_nothing_and_doubles_nothing(make: Make, entry: MakeEntry) -> None:
    first = make(settings={"queue_limit": 1000, "idle": 100.0})
    await first.open()
    old = await asyncio.gather(*(first.append(entry(n)) for n in range(300)))
    assert await first.outbox.retire_epoch(old[0].epoch, "the campus is ahead")
    await first.outbox.pending(100)
    await first.close()
    second = make(settings={"idle": 100.0})
    await second.open()
    assert second.outbox.depth == 301
    sent: list[Stored] = []
    while more := await second.outbox.pending(100, sent[-1].place if sent else None):
        sent += more
    assert {stored.epoch for stored in sent} == {second.newest.epoch} != {old[0].epoch}
    again = [stored.entry.detail["refiled"] for stored in sent if "refiled" in stored.entry.detail]
    assert again == [f"{old[0].epoch:016x}-{n}" for n in range(1, 301)]
    assert second.outbox.depth == len(sent) == 301
    assert await second.verify() == 300 + 300 + 1
    await second.close()


@pytest.mark.asyncio
async def test_a_card_from_another_board_begins_a_new_epoch(make: Make, entry: MakeEntry) -> None:
    first = make(serial="board-1")
    await first.open()
    old = await first.append(entry(1))
    await first.close()
    same = make(serial="board-1")
    await same.open()
    assert (await same.append(entry(2))).epoch == old.epoch
    await same.close()
    moved = make(serial="board-2")
    await moved.open()
    new = await moved.append(entry(3))
    assert new.epoch != old.epoch
    assert new.seq == 1
    outbox = moved.outbox
    assert outbox.depth == 3
    # The old epoch comes first, then the new one.
    assert [stored.place for stored in await outbox.pending(10)] == [Place(old.epoch, 1), Place(old.epoch, 2)]
    assert await outbox.pending(10, after=Place(old.epoch, 2)) == [new]
    assert await outbox.pending(10, after=new.place) == []
    assert await outbox.cursors() == [Place(old.epoch, 0), Place(new.epoch, 0)]
    assert await outbox.acknowledge(old.epoch, 3, "00" * 32) is AckOutcome.BEYOND_NEWEST
    assert await outbox.retire_epoch(old.epoch, "the campus is ahead")
    assert [stored.place for stored in await outbox.pending(10)] == [Place(new.epoch, n) for n in (1, 2, 3, 4)]
    await moved.close()


@given(
    st.lists(st.one_of(st.just("append"), st.just("retire"), st.tuples(st.integers(0, 9), st.booleans())), max_size=40)
)
def test_nothing_is_lost_or_forgotten_early(tmp_path_factory: pytest.TempPathFactory, steps: list[object]) -> None:
    """Any order of appends, given up epochs, good and forged acknowledgements: pending is what was not acknowledged."""
    path = tmp_path_factory.mktemp("outbox") / "journal.sqlite3"
    settings = JournalSettings()
    ledger = Ledger(
        Database(path, lock_wait=0), settings, boot_id="b", serial="", stamp=lambda: Stamp(1.0, 2.0, "unknown")
    )
    with contextlib.closing(ledger):
        ledger.open()
        expected: list[Stored] = []
        for step in steps:
            if step == "append":
                expected += ledger.append([to_row(Entry("state", 1.0, 2.0, "unknown", None, None, {}), "b")])
            elif step == "retire":
                ledger.retire_epoch(ledger.newest.epoch, "test")
                before, expected = expected, _everything(ledger)
                assert len(expected) == 1 + len(before), "the change itself, and everything that waited"
            elif isinstance(step, tuple) and expected:
                index, honest = step
                chosen = expected[index % len(expected)]
                chain = chosen.chain if honest else "00" * 32
                outcome = ledger.acknowledge(chosen.epoch, chosen.seq, chain)
                assert outcome is (AckOutcome.ADVANCED if honest else AckOutcome.OTHER_HISTORY)
                if honest:
                    expected = [s for s in expected if s.epoch != chosen.epoch or s.seq > chosen.seq]
            assert _everything(ledger) == expected
            assert ledger.depth == len(expected)
        ledger.verify()


def _everything(ledger: Ledger) -> list[Stored]:
    found: list[Stored] = []
    after: Place | None = None
    while entries := ledger.pending(3, after):
        found += entries
        after = entries[-1].place
    return found
