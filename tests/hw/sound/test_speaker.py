"""The loudspeaker's driver on a simulated card: the newest sound wins, and a card's failures stop nobody."""

from __future__ import annotations

import io
import wave
from typing import TYPE_CHECKING

import pytest

from hw.drivers.speaker import LONGEST, LOOK_EVERY, SpeakerDriver
from hw.sim.clock import ManualClock
from hw.sim.speaker import SimulatedSoundCard

if TYPE_CHECKING:
    from collections.abc import Iterator


def sound(seconds: float, level: int = 1) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes([level, 0]) * round(8000 * seconds))
    return out.getvalue()


class Bench:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.card = SimulatedSoundCard(self.clock)
        self.states: list[str | None] = []
        self.speaker = SpeakerDriver(self.card, self.clock)
        self.speaker.open(self.states.append)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.speaker.close()


def test_a_sound_plays_to_its_end(bench: Bench) -> None:
    bench.speaker.play(sound(1.5))
    bench.clock.advance(3)
    assert [(played.begun, played.stopped) for played in bench.card.played] == [(0.0, None)]
    assert bench.states == []


def test_the_newest_sound_ends_the_one_that_plays(bench: Bench) -> None:
    bench.speaker.play(sound(4, 1))
    bench.clock.advance(1)
    bench.speaker.play(sound(2, 2))
    bench.clock.advance(5)
    first, second = bench.card.played
    assert first.stopped == pytest.approx(1.0)
    assert second.begun == pytest.approx(1.0)
    assert second.stopped is None


def test_of_two_at_once_only_the_newest_is_heard(bench: Bench) -> None:
    bench.speaker.play(sound(1, 1))
    bench.speaker.play(sound(1, 2))
    bench.clock.advance(3)
    assert [played.sound for played in bench.card.played] == [sound(1, 2)]


def test_a_missing_card_is_told_once_and_its_return_too(bench: Bench) -> None:
    bench.card.unplugged = True
    for _ in range(3):
        bench.speaker.play(sound(0.5))
        bench.clock.advance(1)
    assert bench.states == ["simulated sound card: no such sound device"]
    bench.card.unplugged = False
    for _ in range(2):
        bench.speaker.play(sound(0.5))
        bench.clock.advance(1)
    assert bench.states[1:] == [None]


def test_a_card_that_hangs_is_given_up_and_the_next_sound_is_tried(bench: Bench) -> None:
    bench.card.stuck = True
    bench.speaker.play(sound(0.5))
    bench.clock.advance(LONGEST + 2 * LOOK_EVERY)
    assert len(bench.states) == 1
    assert "did not end within 30 s" in str(bench.states[0])
    assert bench.card.played[0].stopped is not None
    bench.card.stuck = False
    bench.speaker.play(sound(0.5))
    bench.clock.advance(1)
    assert bench.states[1:] == [None]


def test_closing_silences(bench: Bench) -> None:
    bench.speaker.play(sound(4))
    bench.clock.advance(1)
    bench.speaker.close()
    assert bench.card.played[0].stopped == pytest.approx(1.0)
    bench.speaker.play(sound(1))
    bench.clock.advance(1)
    assert len(bench.card.played) == 1
    bench.speaker.close()


def test_a_listener_that_fails_does_not_end_the_speaker(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    card = SimulatedSoundCard(clock)

    def fail(_text: str | None) -> None:
        raise RuntimeError("nobody listens")

    speaker = SpeakerDriver(card, clock)
    speaker.open(fail)
    card.unplugged = True
    speaker.play(sound(1))
    clock.advance(1)
    card.unplugged = False
    speaker.play(sound(1))
    clock.advance(1)
    speaker.close()
    assert len(card.played) == 1
    assert "could not be told" in caplog.text
