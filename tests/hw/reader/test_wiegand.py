"""Wiegand on simulated edges: every card whole, damaged or mixed with another."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.drivers.wiegand import FrameAssembler, WiegandCounters, WiegandReader, decode, encode, key_of
from hw.linux.wires import GpioWires
from hw.ports import CredentialRead, ReaderState, ReadKind
from hw.settings import WIEGAND_FORMATS, ReaderSettings, WiegandFormat
from hw.sim.clock import ManualClock
from hw.sim.lines import WiredFactory
from hw.sim.reader import BIT, SimulatedWires, card_26

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

W26 = WIEGAND_FORMATS["w26"]


class Desk:
    """A reader, what it read, and somebody with cards."""

    def __init__(self, **settings: object) -> None:
        self.clock = ManualClock(start=10.0)
        self.wires = SimulatedWires(self.clock)
        chosen = ReaderSettings(driver="wiegand", d0=2, d1=3, **settings)  # type: ignore[arg-type]
        self.reader = WiegandReader(chosen, self.wires, self.clock)
        self.reads: list[CredentialRead] = []
        self.states: list[ReaderState] = []
        self.reader.open(self.reads.append, self.states.append)

    @property
    def values(self) -> list[str]:
        return [read.value for read in self.reads]

    def settle(self) -> None:
        self.clock.advance(0.2)


@pytest.fixture
def make() -> Iterator[Callable[..., Desk]]:
    desks: list[Desk] = []

    def build(**settings: object) -> Desk:
        desks.append(Desk(**settings))
        return desks[-1]

    yield build
    for desk in desks:
        desk.reader.close()


@pytest.fixture
def desk(make: Callable[..., Desk]) -> Desk:
    return make()


def test_a_card_is_read_with_its_facility(desk: Desk) -> None:
    desk.wires.hold(123, 45678)
    assert desk.values == []
    desk.settle()
    (read,) = desk.reads
    assert (read.kind, read.value) == (ReadKind.CARD, "123-45678")
    assert "45678" not in repr(read), "a number is in no log"


def test_known_cards_of_each_format() -> None:
    """Worked by hand: facility 1, number 1 in 26 bits is 1 00000001 0000000000000001 0."""
    assert "".join(map(str, encode(W26, 1, 1))) == "10000000100000000000000010"
    assert decode([int(one) for one in "10000000100000000000000010"], W26) == "1-1"
    assert card_26(123, 45678) == list(encode(W26, 45678, 123))
    assert decode(encode(WIEGAND_FORMATS["w34"], 65535, 65535), WIEGAND_FORMATS["w34"]) == "65535-65535"
    assert decode(encode(WIEGAND_FORMATS["w37"], 2**19 - 1, 7), WIEGAND_FORMATS["w37"]) == "7-524287"
    assert decode(encode(WIEGAND_FORMATS["w37n"], 2**35 - 1), WIEGAND_FORMATS["w37n"]) == "34359738367"


@given(data=st.data(), name=st.sampled_from(sorted(WIEGAND_FORMATS)))
def test_every_number_comes_back_and_no_flipped_bit_passes(data: st.DataObject, name: str) -> None:
    form = WIEGAND_FORMATS[name]
    number = data.draw(st.integers(0, (1 << form.number[1] - form.number[0] + 1) - 1))
    facility = (
        0 if form.facility is None else data.draw(st.integers(0, (1 << form.facility[1] - form.facility[0] + 1) - 1))
    )
    bits = list(encode(form, number, facility))
    assert decode(bits, form) == (str(number) if form.facility is None else f"{facility}-{number}")
    place = data.draw(st.integers(0, form.bits - 1))
    bits[place] ^= 1
    shared = form.even is not None and form.odd is not None and form.odd[0] <= place <= form.even[1]
    assert decode(bits, form) is None, f"{place} {shared}"


def test_a_number_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="65536 does not fit into 16 bits"):
        encode(W26, 65536)


def test_a_format_of_ones_own(make: Callable[..., Desk]) -> None:
    form = WiegandFormat(bits=35, even=(0, 17), odd=(17, 34), facility=(2, 13), number=(14, 33))
    desk = make(custom=(form,))
    desk.wires.send(encode(form, 54321, 1001))
    desk.settle()
    assert desk.values == ["1001-54321"]


@pytest.mark.parametrize("missing", [0, 7, 25])
def test_a_missing_bit_is_no_card(desk: Desk, missing: int) -> None:
    bits = card_26(123, 45678)
    del bits[missing]
    desk.wires.send(bits)
    desk.settle()
    assert desk.values == []
    assert desk.reader.counters.wrong_length == 1


def test_a_wrong_parity_is_no_card_and_the_next_one_is(desk: Desk) -> None:
    bits = card_26(123, 45678)
    bits[5] ^= 1
    desk.wires.send(bits)
    desk.settle()
    assert (desk.values, desk.reader.counters.parity) == ([], 1)
    desk.wires.hold(123, 45678)
    desk.settle()
    assert desk.values == ["123-45678"]


def test_two_cards_one_after_the_other_are_two(desk: Desk) -> None:
    """They may arrive in one batch: the moments of their edges tell them apart."""
    now = desk.clock.monotonic()
    for start, card in ((now, card_26(1, 2)), (now + 26 * BIT + 0.06, card_26(3, 4))):
        desk.wires.edges([(bit, start + place * BIT) for place, bit in enumerate(card)])
    desk.settle()
    assert desk.values == ["1-2", "3-4"]


def test_two_cards_at_once_are_none(desk: Desk) -> None:
    now = desk.clock.monotonic()
    for offset in (0.0, 0.00005, 0.0007):
        both = [(bit, now + place * BIT) for place, bit in enumerate(card_26(1, 2))]
        both += [(bit, now + offset + place * BIT) for place, bit in enumerate(card_26(200, 999))]
        desk.wires.edges(sorted(both, key=lambda edge: edge[1]))
        desk.settle()
        now = desk.clock.monotonic()
    assert desk.values == []
    assert desk.reader.counters.spoiled >= 1


def test_ringing_is_no_bit(desk: Desk) -> None:
    now = desk.clock.monotonic()
    edges = []
    for place, bit in enumerate(card_26(123, 45678)):
        edges += [(bit, now + place * BIT), (bit, now + place * BIT + 0.00003)]
    desk.wires.edges(edges)
    desk.settle()
    assert desk.values == ["123-45678"]
    assert desk.reader.counters.ringing == 26


def test_noise_reads_no_card_and_fills_no_memory(desk: Desk) -> None:
    dice = random.Random(1)
    for _ in range(300):
        moments = list(itertools.accumulate(dice.uniform(0.0002, 0.03) for _ in range(dice.randint(1, 300))))
        desk.wires.edges([(dice.randint(0, 1), desk.clock.monotonic() + at) for at in moments])
        assert len(desk.reader._frames._bits) <= 129
        desk.clock.advance(10.0)
    # A burst of 26 random bits passes two parities one time in four; anything else never.
    assert len(desk.values) <= 2


def test_the_slowest_and_the_fastest_reader_of_the_standard(desk: Desk) -> None:
    for spacing in (0.0003, 0.02):
        desk.wires.send(card_26(1, 2), spacing=spacing)
        desk.clock.advance(1.0)
    assert desk.values == ["1-2", "1-2"]


@given(offset=st.floats(0, 0.06), cards=st.tuples(*[st.integers(0, 65535)] * 2))
def test_two_readers_on_one_bus_never_make_a_third_card(offset: float, cards: tuple[int, int]) -> None:
    """At any offset, from both at once to one after the other."""
    desk = Desk()
    now = desk.clock.monotonic()
    edges = [(bit, now + place * BIT) for place, bit in enumerate(card_26(1, cards[0]))]
    edges += [(bit, now + offset + place * BIT) for place, bit in enumerate(card_26(2, cards[1]))]
    desk.wires.edges(sorted(edges, key=lambda edge: edge[1]))
    desk.settle()
    assert set(desk.values) <= {f"1-{cards[0]}", f"2-{cards[1]}"}
    desk.reader.close()


def test_edges_of_two_queues_are_put_in_order(desk: Desk) -> None:
    """The kernel stamps both wires by one clock, and may hand over one wire's edges before the other's."""
    now = desk.clock.monotonic()
    edges = [(bit, now + place * BIT) for place, bit in enumerate(card_26(123, 45678))]
    desk.wires.edges(sorted(edges))
    desk.settle()
    assert desk.values == ["123-45678"]


def test_exchanged_wires_are_said_in_words(desk: Desk) -> None:
    for number in range(4):
        desk.wires.send([1 - bit for bit in card_26(123, number)])
        desk.settle()
        assert len(desk.states) == (number >= 2), "after three in a row, and once"
    (state,) = desk.states
    assert not state.up
    assert "exchanged: swap the two wires, or `d0` and `d1`" in state.text
    assert (desk.values, desk.reader.counters.swapped) == ([], 4)
    desk.wires.hold(123, 4)
    desk.settle()
    assert (desk.states[-1].up, desk.values) == (True, ["123-4"])


def test_noise_between_right_cards_is_no_exchange(desk: Desk) -> None:
    wrong = card_26(123, 45678)
    wrong[0] ^= 1
    for bits in ([1 - bit for bit in card_26(1, 2)], wrong, [1 - bit for bit in card_26(1, 3)], card_26(1, 4)) * 2:
        desk.wires.send(bits)
        desk.settle()
    assert desk.states == []
    assert desk.values == ["1-4", "1-4"]


def test_a_card_ends_what_somebody_began_to_key_in(make: Callable[..., Desk]) -> None:
    desk = make(keypad=True)

    def press(keys: str) -> None:
        for key in keys:
            desk.wires.send([int(bit) for bit in f"{'0123456789*#'.index(key):04b}"])
            desk.settle()

    press("204")
    desk.wires.hold(1, 2)
    desk.settle()
    press("17*4711#")
    assert desk.values == ["1-2", "17*4711"]


def test_a_pin_within_its_time_is_one_and_over_it_two(make: Callable[..., Desk]) -> None:
    desk = make(keypad=True, key_timeout=2.0)
    for keys, pause in (("1*2", 1.7), ("3#", 1.7), ("4*5", 2.1), ("6*7#", 0.1)):
        for key in keys:
            desk.wires.send([int(bit) for bit in f"{'0123456789*#'.index(key):04b}"])
            desk.settle()
        desk.clock.advance(pause)
    assert desk.values == ["1*23", "6*7"]


@pytest.mark.parametrize("eight", [False, True])
def test_a_pin_is_keyed_in(make: Callable[..., Desk], eight: bool) -> None:  # noqa: FBT001
    desk = make(keypad=True)
    for key in "20417*4711#":
        value = "0123456789*#".index(key)
        code = f"{~value & 15:04b}{value:04b}" if eight else f"{value:04b}"
        desk.wires.send([int(bit) for bit in code])
        desk.settle()
    assert [(read.kind, read.value) for read in desk.reads] == [(ReadKind.PIN, "20417*4711")]


def test_a_pause_and_two_stars_begin_a_pin_anew(make: Callable[..., Desk]) -> None:
    desk = make(keypad=True)
    for keys, pause in (("99", 6.0), ("12*34**5*6#", 0.2)):
        for key in keys:
            desk.wires.send([int(bit) for bit in f"{'0123456789*#'.index(key):04b}"])
            desk.settle()
        desk.clock.advance(pause)
    assert desk.values == ["5*6"]


def test_a_key_that_contradicts_itself_is_none() -> None:
    assert key_of((1, 0, 1, 0, 0, 1, 0, 1)) == "5"
    assert key_of((1, 0, 1, 1, 0, 1, 0, 1)) is None
    assert key_of((1, 1, 1, 1)) is None


def test_without_a_keypad_bursts_of_four_are_noise(desk: Desk) -> None:
    desk.wires.send([0, 1, 0, 1])
    desk.settle()
    assert desk.values == []
    assert desk.reader.counters.wrong_length == 1


def test_a_callback_that_fails_costs_one_card(desk: Desk) -> None:
    def fail(_read: CredentialRead) -> None:
        raise RuntimeError("no")

    desk.reader._on_read = fail
    desk.wires.hold(1, 2)
    desk.settle()
    desk.reader._on_read = desk.reads.append
    desk.wires.hold(3, 4)
    desk.settle()
    assert (desk.values, desk.reader.counters.failed_callbacks) == (["3-4"], 1)


@given(st.lists(st.tuples(st.integers(0, 1), st.floats(0, 0.2)), max_size=200))
def test_any_edges_are_bursts_of_bounded_length(steps: list[tuple[int, float]]) -> None:
    frames = FrameAssembler(0.05, 0.0001, WiegandCounters())
    now = 0.0
    for wire, wait in steps:
        now += wait
        bits = frames.feed(wire, now)
        assert bits is None or 0 < len(bits) <= 129


def test_gpio_lines_report_their_falls_and_are_let_go() -> None:
    factory = WiredFactory(lambda _line, _level: None)
    wires = GpioWires(factory, (2, 3))
    seen: list[int] = []
    for _ in range(2):
        wires.open(lambda wire, at: seen.append(wire) if at > 0 else None)
        for line in (2, 3, 3):
            factory.pin(line).drive_low()
            factory.pin(line).drive_high()
        assert seen == [0, 1, 1]
        wires.close()
        factory.pin(2).function = "input"
        factory.pin(2).drive_low()
        assert seen == [0, 1, 1]
        seen.clear()


def test_a_line_that_another_device_has_is_named() -> None:
    from hw.errors import DeviceError

    factory = WiredFactory(lambda _line, _level: None)
    first = GpioWires(factory, (2, 3))
    first.open(lambda _wire, _at: None)
    with pytest.raises(DeviceError, match=r"GPIO 3 and 4 can't be had"):
        GpioWires(factory, (3, 4)).open(lambda _wire, _at: None)
    first.close()


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"driver": "wiegand", "d0": 2}, "needs `d0` and `d1`"),
        ({"driver": "wiegand", "d0": 2, "d1": 2}, "two different lines"),
        ({"driver": "wedge"}, "needs `device`"),
        ({"driver": "wiegand", "d0": 2, "d1": 3, "device": "/dev/x"}, "and no other"),
        ({"driver": "wiegand", "d0": 2, "d1": 3, "formats": ("w37", "w37n")}, "same number of bits"),
    ],
)
def test_a_reader_that_cannot_be_is_refused(settings: dict[str, object], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        ReaderSettings(**settings)  # type: ignore[arg-type]


def test_a_span_outside_of_the_card_is_refused() -> None:
    with pytest.raises(ValueError, match="`number` is first and last of bits 0 to 25"):
        WiegandFormat(bits=26, number=(9, 26))
