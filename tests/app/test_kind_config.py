"""gate.toml of doors and barriers: what does not belong to the kind is refused with its path, defaults fit the kind."""

from __future__ import annotations

import pytest

from controller.config import Config, parse
from controller.errors import ConfigError
from hw.kind_settings import BarrierSettings, DoorSettings
from hw.settings import GateSettings


def read(text: str) -> Config:
    return parse(text, where="gate.toml")


DOOR = '[lane]\nkind = "door"\n'
BARRIER = '[lane]\nkind = "barrier"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[door]\nrex = 6\n", "[door]: belongs to kind = 'door', and [lane] kind is 'turnstile'"),
        ("[lane.barrier]\nclear_for = 2.0\n", "[lane.barrier]: belongs to kind = 'barrier'"),
        (DOOR + "[gate]\nunlock_a = 4\n", "[gate]: belongs to kind = 'turnstile', and [lane] kind is 'door'"),
        (DOOR + "unlock_pulse = 0.3\n", "[lane] unlock_pulse: belongs to kind = 'turnstile'"),
        (DOOR + "passage_time = 9.0\n", "[lane] passage_time: belongs to kind = 'turnstile' and kind = 'barrier'"),
        (DOOR + '[site]\nentry = "b"\n', "[site] entry: belongs to kind = 'turnstile'"),
        (
            BARRIER + "tailgate_window = 2.0\n",
            "[lane] tailgate_window: belongs to kind = 'turnstile' and kind = 'door'",
        ),
        (BARRIER + "[door]\nrex = 6\n", "[door]: belongs to kind = 'door', and [lane] kind is 'barrier'"),
        (BARRIER + "[lane.barrier]\nclose_fast = true\n", "[lane] barrier: "),
        ('[lane]\nkind = "drawbridge"\n', "[lane] kind: "),
        (DOOR + "passage_wait = 30.0\n", "[lane] passage_wait is 30 s: it must be over 0 and at most 15 s, [door]"),
        (DOOR + '[door]\nlock = "magnet"\n', "nobody could leave"),
        (
            DOOR + '[lane.door]\non_rex_stuck = "lock"\n[door]\nlock = "magnet"\nrex = 6\n',
            '[lane.door] on_rex_stuck = "lock" with [door] lock = "magnet": nobody could leave',
        ),
        (BARRIER + "[barrier]\nnormally_closed = []\n", "a cut wire has to read as occupied"),
        (
            BARRIER + '[reader]\ndriver = "wiegand"\nd0 = 13\nd1 = 21\n',
            "GPIO line 13 is given twice: as [barrier] arm_up and as [reader] d0",
        ),
    ],
)
def test_what_does_not_belong_or_cannot_work_is_refused_with_its_path(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert str(caught.value).startswith("gate.toml: ")
    assert message in str(caught.value)


def test_each_kind_has_its_own_wiring() -> None:
    assert isinstance(read("").wiring, GateSettings)
    assert isinstance(read(DOOR).wiring, DoorSettings)
    assert isinstance(read(BARRIER).wiring, BarrierSettings)


def test_a_barrier_waits_longer_and_looks_for_a_seated_driver() -> None:
    config = read(BARRIER)
    assert (config.lane.passage_wait, config.lane.passage_time) == (15.0, 20.0)
    presence = config.perception.presence
    assert (presence.region, presence.least_width) == ((0.0, 0.3, 1.0, 1.0), 0.13)
    assert config.perception.attempt.companions
    assert not read(DOOR).perception.attempt.companions


def test_what_is_said_wins_over_the_kinds_defaults() -> None:
    text = BARRIER + "passage_wait = 9.0\n[perception.presence]\nleast_width = 0.2\n"
    config = read(text)
    assert config.lane.passage_wait == 9.0
    assert config.perception.presence.least_width == 0.2
    assert config.perception.presence.region == (0.0, 0.3, 1.0, 1.0)


def test_a_door_of_a_dormitory() -> None:
    config = read(
        DOOR
        + 'passage_wait = 8.0\n[lane.door]\nrelock = "open"\nopen_alarm = 60.0\n'
        + '[door]\nlock = "magnet"\nlock_line = 4\nrex = 6\nsecure = 13\n'
    )
    assert config.lane.door.relock == "open"
    assert (config.door.lock, config.door.lock_line, config.door.secure) == ("magnet", 4, 13)


def test_an_alarm_before_its_warning_is_refused() -> None:
    with pytest.raises(ConfigError, match="longer than `open_warning`"):
        read(DOOR + "[lane.door]\nopen_alarm = 10.0\n")
