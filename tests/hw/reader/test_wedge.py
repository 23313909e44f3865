"""A reader that types: layouts, terminators, silence, lost events, an unplugged cable, the kernel's structures."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.bus import LOST, KeyEvent
from hw.drivers.wedge import Typist, WedgeReader, key_map, kind_of
from hw.errors import DeviceClosed, DeviceError, DeviceMissing
from hw.linux.evdev import EVENT, EvdevSource, parse_events
from hw.ports import CredentialRead, ReaderState, ReadKind
from hw.settings import ReaderSettings
from hw.sim.clock import ManualClock
from hw.sim.reader import SimulatedKeys

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENTER, SHIFT, F1, ALT, CAPS = 28, 42, 59, 56, 58


def typed(typist: Typist, *codes: int, at: float = 0.0) -> list[str]:
    """Keys pressed one after the other; a negative code is pressed with Shift."""
    found = []
    for code in codes:
        events = [KeyEvent(abs(code), down=True), KeyEvent(abs(code), down=False)]
        if code < 0:
            events = [KeyEvent(SHIFT, down=True), *events, KeyEvent(SHIFT, down=False)]
        for event in events:
            text = typist.feed(event, at)
            if text is not None:
                found.append(text)
    return found


def codes_of(layout: str, text: str) -> list[int]:
    keys = {}
    for code, (plain, shifted) in reversed(key_map(layout).items()):
        keys[shifted] = -code
        keys[plain] = code
    return [keys[one] for one in text]


@pytest.mark.parametrize("layout", ["us", "de", "fr"])
@given(data=st.data())
def test_what_is_typed_in_a_layout_is_read(layout: str, data: st.DataObject) -> None:
    characters = sorted({one for pair in key_map(layout).values() for one in pair} - {" "})
    text = data.draw(st.text(st.sampled_from(characters), min_size=1, max_size=60))
    assert typed(Typist(layout, "enter", 0.5), *codes_of(layout, text), ENTER) == [text]


def test_digits_stand_where_each_layout_has_them() -> None:
    assert typed(Typist("us", "enter", 0.5), 2, 3, 11, ENTER) == ["120"]
    assert typed(Typist("fr", "enter", 0.5), -2, -3, -11, ENTER) == ["120"]
    assert typed(Typist("fr", "enter", 0.5), 79, 80, 82, ENTER) == ["120"]
    assert typed(Typist("de", "enter", 0.5), 21, 44, ENTER) == ["zy"]


def test_silence_drops_what_was_not_ended() -> None:
    typist = Typist("us", "enter", 0.5)
    assert typed(typist, 2, 3) == []
    assert typist.settle(0.6) is None
    assert typed(typist, 4, ENTER, at=0.7) == ["3"]
    assert typist.dropped == 1


def test_silence_ends_a_text_that_nothing_else_ends() -> None:
    typist = Typist("us", "none", 0.5)
    assert typed(typist, 2, 3) == []
    assert typist.settle(0.4) is None
    assert typist.settle(0.5) == "12"
    assert typist.settle(9.0) is None
    typed(typist, 2, at=10.0)
    assert typed(typist, 3, at=11.0) == ["1"], "the next one's first key comes after the silence"


@pytest.mark.parametrize("hole", [KeyEvent(F1, down=True), KeyEvent(LOST, down=True)])
def test_a_text_with_a_hole_in_it_is_dropped(hole: KeyEvent) -> None:
    typist = Typist("us", "enter", 0.5)
    typed(typist, 2)
    typist.feed(hole, 0.0)
    assert typed(typist, 3, ENTER) == []
    assert typist.dropped == 1
    assert typed(typist, 3, ENTER) == ["2"]


def alt_coded(typist: Typist, *numbers: str, at: float = 0.0) -> list[str]:
    """Numbers keyed in on the keypad with Alt held, as a scanner does for what no layout has."""
    keypad = {str(digit): code for digit, code in enumerate((82, 79, 80, 81, 75, 76, 77, 71, 72, 73))}
    found = []
    for number in numbers:
        events = [KeyEvent(ALT, down=True)]
        for digit in number:
            events += [KeyEvent(keypad[digit], down=True), KeyEvent(keypad[digit], down=False)]
        for event in [*events, KeyEvent(ALT, down=False)]:
            text = typist.feed(event, at)
            if text is not None:
                found.append(text)
    return found


@pytest.mark.parametrize(
    ("alt_codes", "numbers"),
    [
        ("unicode", [str(ord(one)) for one in "学号A中𠮷"]),
        ("gbk", [str(int.from_bytes(one.encode("gb18030"))) for one in "学号A中𠮷"]),
        ("utf-8", [f"0{byte}" for byte in "学号A中𠮷".encode()]),
    ],
)
def test_chinese_is_keyed_in_by_number(alt_codes: str, numbers: list[str]) -> None:
    typist = Typist("us", "enter", 0.5, alt_codes)
    assert alt_coded(typist, *numbers) == []
    assert typed(typist, 2, ENTER) == ["学号A中𠮷1"]
    assert typist.dropped == 0


@pytest.mark.parametrize(
    ("alt_codes", "numbers"),
    [
        ("unicode", ["9"]),
        ("unicode", ["0"]),
        ("unicode", ["55296"]),
        ("unicode", ["1114112"]),
        ("unicode", ["9999999999"]),
        ("unicode", ["00000000065"]),
        ("gbk", ["129"]),
        ("utf-8", ["228", "184"]),
        ("utf-8", ["228", "65"]),
        ("utf-8", ["255"]),
        ("utf-8", ["300"]),
    ],
)
def test_a_number_that_is_no_character_drops_the_text(alt_codes: str, numbers: list[str]) -> None:
    typist = Typist("us", "enter", 0.5, alt_codes)
    alt_coded(typist, *numbers)
    assert typed(typist, 2, ENTER) == []
    assert typist.dropped == 1
    assert typed(typist, 2, ENTER) == ["1"], "and costs the next one nothing"


def test_part_of_a_character_ends_with_silence() -> None:
    typist = Typist("us", "enter", 0.5, "utf-8")
    alt_coded(typist, "228")
    assert typist.settle(0.6) is None
    assert (typist.dropped, typed(typist, 2, ENTER, at=1.0)) == (1, ["1"])


def test_a_control_character_drops_the_text() -> None:
    """Ctrl held: the group separator of a GS1 code, as some scanners send it."""
    typist = Typist("us", "enter", 0.5)
    typed(typist, 2)
    typist.feed(KeyEvent(29, down=True), 0.0)
    typed(typist, 27)
    typist.feed(KeyEvent(29, down=False), 0.0)
    assert typed(typist, 3, ENTER) == []
    assert (typist.dropped, typed(typist, 3, ENTER)) == (1, ["2"])


def test_caps_lock_turns_letters_round_and_nothing_else() -> None:
    typist = Typist("us", "enter", 0.5)
    assert typed(typist, CAPS, 30, -48, 2, -3, CAPS, 30, ENTER) == ["Ab1@a"]


def test_a_code_of_the_longest_length_is_read_and_a_longer_one_dropped() -> None:
    typist = Typist("us", "enter", 0.5)
    assert typed(typist, *[2] * 512, ENTER) == ["1" * 512]
    assert typed(typist, *[2] * 513, ENTER) == []
    assert typist.dropped == 1


def test_a_text_without_an_end_fills_no_memory() -> None:
    typist = Typist("us", "enter", 0.5)
    assert typed(typist, *[2] * 2000) == []
    assert len(typist._text) == 512
    assert typed(typist, ENTER) == []


def test_enter_alone_is_nothing() -> None:
    assert typed(Typist("us", "enter", 0.5), ENTER, 57, ENTER) == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [("0008046766", ReadKind.CARD), ("20417*4711", ReadKind.PIN), ("TG1:abc", ReadKind.QR), ("1" * 21, ReadKind.QR)],
)
def test_what_a_text_is(text: str, kind: ReadKind) -> None:
    assert kind_of(text, "auto") is kind
    assert kind_of(text, "qr") is ReadKind.QR


class Desk:
    def __init__(self) -> None:
        self.clock = ManualClock(start=10.0)
        self.keys = SimulatedKeys(self.clock)
        self.reader = WedgeReader(ReaderSettings(driver="wedge", device="sim"), self.keys, self.clock)
        self.reads: list[CredentialRead] = []
        self.states: list[ReaderState] = []


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    assert "a simulated scanner" in desk.reader.open(desk.reads.append, desk.states.append)
    yield desk
    desk.reader.close()
    desk.clock.advance(5.0)


def test_a_scan_is_read(desk: Desk) -> None:
    desk.keys.scan("0008046766")
    desk.clock.advance(0.5)
    assert [(read.kind, read.value) for read in desk.reads] == [(ReadKind.CARD, "0008046766")]


def test_a_reader_that_is_unplugged_is_found_again(desk: Desk) -> None:
    desk.keys.unplug()
    desk.clock.advance(7.0)
    desk.keys.plugged = True
    desk.clock.advance(3.0)
    assert desk.keys.opened == 2
    assert [state.up for state in desk.states] == [False, True], "said once each"
    desk.keys.scan("42")
    desk.clock.advance(0.5)
    assert [read.value for read in desk.reads] == ["42"]


def test_a_callback_that_fails_costs_one_card(desk: Desk) -> None:
    def fail(_read: CredentialRead) -> None:
        raise RuntimeError("no")

    desk.reader._on_read = fail
    desk.keys.scan("1")
    desk.clock.advance(0.5)
    desk.reader._on_read = desk.reads.append
    desk.keys.scan("2")
    desk.clock.advance(0.5)
    assert [read.value for read in desk.reads] == ["2"]


def test_a_reader_that_is_not_there_says_so() -> None:
    desk = Desk()
    desk.keys.plugged = False
    with pytest.raises(DeviceMissing):
        desk.reader.open(desk.reads.append)


# The kernel's structures


def event(kind: int, code: int, value: int) -> bytes:
    return EVENT.pack(1, 2, kind, code, value)


def test_the_structure_is_the_kernels() -> None:
    assert EVENT.size == 2 * struct.calcsize("@l") + 8


def test_keys_of_a_read_without_repeats_and_reports() -> None:
    data = event(4, 4, 458756) + event(1, 30, 1) + event(0, 0, 0) + event(1, 30, 2) + event(1, 30, 0)
    assert parse_events(data) == ([KeyEvent(30, down=True), KeyEvent(30, down=False)], False)
    assert parse_events(data[:-1])[0] == [KeyEvent(30, down=True)], "half an event is none"


def test_after_an_overflow_all_is_void_up_to_the_next_report() -> None:
    first, lost = parse_events(event(1, 2, 1) + event(0, 3, 0) + event(1, 3, 1))
    assert (first, lost) == ([KeyEvent(2, down=True), KeyEvent(LOST, down=True)], True)
    assert parse_events(event(1, 4, 1) + event(0, 0, 0) + event(1, 5, 1), lost=True) == (
        [KeyEvent(5, down=True)],
        False,
    )


def test_a_node_that_is_not_there_or_no_keyboard_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing, match="is not there; there is: "):
        EvdevSource(str(tmp_path / "none")).open()
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", "/dev/null"):
        with pytest.raises(DeviceError, match="is no event device"):
            EvdevSource(str(path)).open()
    closed = EvdevSource("/dev/null")
    closed.close()
    with pytest.raises(DeviceClosed):
        closed.read(0.0)


def test_events_are_read_from_a_descriptor_and_its_end_is_a_loss() -> None:
    """A pipe in place of a node: what the kernel queues is read in whole structures."""
    receive, send = os.pipe()
    os.set_blocking(receive, False)
    source = EvdevSource("a pipe")
    source._descriptor = receive
    assert source.read(0.0) == []
    os.write(send, event(1, 30, 1) + event(0, 0, 0))
    assert source.read(1.0) == [KeyEvent(30, down=True)]
    os.close(send)
    with pytest.raises(DeviceError, match="a pipe"):
        source.read(1.0)
    source.close()
    source.close()
