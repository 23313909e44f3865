"""VoSPI packets by themselves: real Lepton 3 pictures in packets that others made, and what damage does to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.drivers.lepton_picture import Ffc, FrameAssembler, telemetry
from hw.drivers.lepton_vospi import Collector, Layout, LeptonCounters, intact, is_discard
from hw.errors import FrameError
from hw.sim.lepton_video import numbered

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

WITHOUT_TELEMETRY = Layout(rows=120, columns=160, segments=4, packets=60, telemetry=0, period=1 / 105.6)


def frames_of(packets: NDArray[np.uint8]) -> tuple[list[NDArray[np.uint16]], LeptonCounters]:
    counters = LeptonCounters()
    collector, assembler = Collector(WITHOUT_TELEMETRY, counters), FrameAssembler(WITHOUT_TELEMETRY)
    found = []
    for at, packet in enumerate(packets):
        segment = collector.add(packet.tobytes(), float(at))
        whole = None if segment is None else assembler.add(segment)
        if whole is not None:
            found.append(whole[0].reshape(120, 160))
    return found, counters


@pytest.mark.realdata
def test_real_pictures_come_out_of_their_packets(testdata: Path) -> None:
    with np.load(testdata / "thermal" / "lepton3_real_frames_vospi_synth.npz") as data:
        frames, packets = data["frames"], data["packets"]
    found, counters = frames_of(packets)
    assert counters.damaged == 0
    assert len(found) >= 5
    at = [next(index for index, frame in enumerate(frames) if np.array_equal(frame, picture)) for picture in found]
    assert at == sorted(at)


@pytest.mark.realdata
def test_real_pictures_with_damaged_packets_lose_their_frame_only(testdata: Path) -> None:
    with np.load(testdata / "thermal" / "lepton3_real_frames_vospi_synth.npz") as data:
        frames, packets, damaged, where = (
            data[key] for key in ("frames", "packets", "packets_corrupt", "corrupt_index")
        )
    assert [index for index in range(len(damaged)) if not np.array_equal(packets[index], damaged[index])] == sorted(
        where
    )
    whole, _ = frames_of(packets)
    found, counters = frames_of(damaged)
    assert counters.damaged == sum(not is_discard(damaged[index].tobytes()) for index in where)
    assert counters.damaged > 0
    assert len(whole) - len(where) <= len(found) < len(whole)
    assert all(any(np.array_equal(frame, picture) for frame in frames) for picture in found)


@given(st.binary(min_size=160, max_size=160), st.integers(0, 62))
def test_a_packet_of_the_simulated_module_is_intact(payload: bytes, number: int) -> None:
    """Two calculations of the CRC that share nothing agree."""
    words = np.zeros((number + 1, 80), dtype=np.uint16)
    words[number] = np.frombuffer(payload, dtype=">u2")
    packet = numbered(words)[number]
    assert packet[4:] == payload
    assert intact(packet)
    assert intact(bytes((packet[0] | 0x30,)) + packet[1:])


@given(st.integers(0, 164 * 8 - 1))
def test_any_flipped_bit_but_those_of_the_segment_number_is_seen(bit: int) -> None:
    packet = bytearray(numbered(np.arange(80, dtype=np.uint16)[None])[0])
    packet[bit // 8] ^= 0x80 >> bit % 8
    assert intact(bytes(packet)) is (bit < 4)


def test_a_known_remainder() -> None:
    """CRC-16/XMODEM's check value, as the catalogue has it: 0x31C3 for the digits 1 to 9."""
    from hw.sim.lepton_video import remainder

    digits = np.frombuffer(b"123456789", dtype=np.uint8)[None]
    assert remainder(digits).tolist() == [0x31C3]


def test_a_missing_packet_tears_its_segment() -> None:
    packets = numbered(np.zeros((60, 80), dtype=np.uint16))
    packets[20] = bytes((0x10,)) + packets[20][1:]
    counters = LeptonCounters()
    collector = Collector(WITHOUT_TELEMETRY, counters)
    stream = [*packets[:30], *packets[31:], *packets]
    found = [segment for packet in stream if (segment := collector.add(packet, 0.0)) is not None]
    assert [segment.number for segment in found] == [1]
    assert counters.torn == 1


def test_discards_amid_a_segment_do_not_tear_it() -> None:
    packets = numbered(np.zeros((60, 80), dtype=np.uint16))
    discard = bytes((0x3F, 0xFF)) + bytes(162)
    collector = Collector(WITHOUT_TELEMETRY, LeptonCounters())
    stream = [packet for each in packets for packet in (each, discard)]
    assert sum(collector.add(packet, 0.0) is not None for packet in stream) == 1


@pytest.mark.parametrize("order", [(1, 2, 4, 3, 4), (1, 1, 2, 3), (2, 3, 4), (0, 0, 0, 0), (1, 2, 0, 3, 4)])
def test_segments_out_of_order_make_no_frame(order: tuple[int, ...]) -> None:
    assert not any(_assemble(order))


def test_a_frame_begun_again_is_whole() -> None:
    assert _assemble((1, 2, 1, 2, 3, 4, 0, 0, 1)) == [False] * 5 + [True] + [False] * 3


def _assemble(order: tuple[int, ...]) -> list[bool]:
    from hw.drivers.lepton_vospi import Segment

    assembler = FrameAssembler(WITHOUT_TELEMETRY)
    words = np.zeros((60, 80), dtype=np.uint16)
    return [assembler.add(Segment(number, words, 0.0)) is not None for number in order]


def test_telemetry_is_read_low_word_first() -> None:
    rows = np.zeros((3, 80), dtype=np.uint16)
    rows[0, 1:5] = 0xD687, 0x0012, 0x1020, 0x0000
    rows[0, 20:22] = 0x0001, 0x0002
    rows[0, 26] = 30515
    rows[2, 48:50] = 1, 1
    about = telemetry(rows)
    assert about.uptime == pytest.approx(1_234.567)
    assert about.counter == 0x20001
    assert about.housing == pytest.approx(32.0)
    assert about.ffc is Ffc.RUNNING
    assert about.agc
    assert about.step == 0.01
    rows[2, 49] = 7
    with pytest.raises(FrameError, match="TLinear step 7"):
        telemetry(rows)
