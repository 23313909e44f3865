"""Per-line polarity, pull and debounce; and every combination that can't work, refused with its key and its fix."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from controller.config import parse
from controller.errors import ConfigError
from hw.gate_settings import GATE_CONTACTS, GATE_INPUTS, GATE_OUTPUTS, READBACKS, GateSettings, LineSettings
from hw.kind_settings import BARRIER_INPUTS, BARRIER_READBACKS, DOOR_INPUTS, DOOR_READBACKS
from hw.ports import ACTIVE_AT_REST, CONTACTS, Lamp, Side, Signal

if TYPE_CHECKING:
    from collections.abc import Callable

TURNSTILE = [signal for signal in CONTACTS if signal.value in GATE_CONTACTS]
ALL_CONTACTS = {name: number for number, name in enumerate(GATE_CONTACTS, start=4)}


def test_the_settings_and_the_ports_speak_of_the_same_contacts() -> None:
    assert tuple(signal.value for signal in TURNSTILE) == GATE_CONTACTS
    inputs, readbacks = {*GATE_INPUTS, *DOOR_INPUTS, *BARRIER_INPUTS}, {*READBACKS, *DOOR_READBACKS, *BARRIER_READBACKS}
    assert {signal.value for signal in CONTACTS} == inputs - readbacks
    assert (*GATE_CONTACTS, *READBACKS) == GATE_INPUTS


WAYS = list(itertools.product([False, True], [False, True], [None, "none"]))


@pytest.mark.parametrize("signal", TURNSTILE)
@pytest.mark.parametrize(("low", "closed", "pull"), WAYS)
def test_every_contact_may_be_wired_in_its_own_way(
    build: Callable[..., Any],
    signal: Signal,
    low: bool,  # noqa: FBT001
    closed: bool,  # noqa: FBT001
    pull: Any,
) -> None:
    own = LineSettings(active_low=low, pull=pull)
    lane = build(
        inputs_active_low=not low,
        line={signal.value: own},
        normally_closed=(signal.value,) if closed else (),
        intrusion=18,
        mains=21,
    )
    rest = signal in ACTIVE_AT_REST
    assert lane.gate.read(signal) is rest
    lane.turnstile._signal(signal, active=not rest)
    lane.clock.advance(0.2)
    lane.turnstile._signal(signal, active=rest)
    lane.clock.advance(0.2)
    assert lane.edges_of(signal) == [not rest, rest]
    expected = "floating" if pull == "none" else ("up" if low else "down")
    assert lane.turnstile.pin_factory.pin(getattr(lane.settings, signal.value)).pull == expected


@pytest.mark.parametrize("name", GATE_OUTPUTS)
@pytest.mark.parametrize("low", [False, True])
def test_every_output_may_have_its_own_polarity(build: Callable[..., Any], name: str, low: bool) -> None:  # noqa: FBT001
    lane = build(outputs_active_low=not low, line={name: LineSettings(active_low=low)})
    lane.gate.unlock(Side.A, 1.0)
    lane.gate.unlock(Side.B, 1.0)
    lane.gate.stop(on=True)
    lane.gate.indicate(Lamp.ALARM)
    lane.clock.advance(0.05)
    other = Lamp.GO if name == "lamp_go" else Lamp.ALARM
    lane.gate.indicate(other)
    lane.clock.advance(0.05)
    assert lane.turnstile.active(name)
    assert lane.pin_levels(name)[-1] == int(not low)
    lane.gate.close()
    assert not lane.turnstile.active(name)


def test_a_line_has_its_own_debounce(build: Callable[..., Any]) -> None:
    lane = build(line={"tamper": LineSettings(debounce=0.15)})
    lane.turnstile.open_cover(True)
    lane.turnstile.turn_key(True)
    lane.clock.advance(0.1)
    assert lane.edges_of(Signal.KEY) == [True]
    assert lane.edges_of(Signal.TAMPER) == []
    lane.clock.advance(0.1)
    assert lane.edges_of(Signal.TAMPER) == [True]


DOOR, BARRIER = '[lane]\nkind = "door"\n', '[lane]\nkind = "barrier"\n'
REFUSED = {
    "[gate.line.fir]\nactive_low = true": r"`line\.fir`: there is no such line; lines are unlock_a, ",
    "[gate.line.fire]\nactive_low = true": r"`line\.fire` is about a line that is not wired: give `fire` its GPIO line",
    '[gate.line.unlock_a]\npull = "up"': r"`line\.unlock_a` has a pull or a debounce, but unlock_a is an output",
    "[gate.line.lamp_go]\ndebounce = 0.1": r"`line\.lamp_go` has a pull or a debounce, but lamp_go is an output",
    '[gate.line.pass_a]\npull = "down"': r'contact to ground with a pull-down .* takes pull = "up", or "none"',
    '[gate.line.pass_a]\nactive_low = false\npull = "up"': r'contact to 3\.3 V with a pull-up .* takes pull = "down"',
    "[gate.line.pass_a]\npul = true": r"unknown field `pul`",
    "[gate]\nready = 2\ninputs_active_low = false": r"`ready`: GPIO line 2 has a pull-up on the board; take another",
    '[gate]\nready = 3\n[gate.line.ready]\npull = "none"': r"`ready`: GPIO line 3 has a pull-up on the board",
    '[gate]\nnormally_closed = ["fire"]': r"`normally_closed` names fire, which is not wired: give `fire` its",
    "[gate]\nreadback_b = 19\nunlock_b = 19": r"GPIO line 19 is given twice: as unlock_b and as readback_b",
    "[gate]\nspare = 17": r"GPIO line 17 is given twice: as unlock_a and as spare",
    "[gate]\nfire = 16\ndebounce = 0.1": r"`fire`: a debounce of 0\.1 s is too long, a fire frees both",
    "[gate]\ndebounce = 0.15": r"`pass_a`: a debounce of 0\.15 s .*at most 0\.1 s, as `debounce` in \[gate",
    "[gate]\nreadback_a = 19\n[gate.line.readback_a]\ndebounce = 0.12": r"`readback_a`: a debounce of 0\.12 s",
    "[gate]\nreadback_a = 19\n[lane]\nunlock_pulse = 0.15": r"\[lane\] unlock_pulse is 0\.15 s: with a read-back",
    '[gate]\nnormally_closed = ["lamp_go"]': r"`normally_closed` names lamp_go, which is no input; inputs are pass_a, ",
    DOOR + "[door.line.bell]\nactive_low = true": r"`line\.bell`: there is no such line; lines are lock_line, ",
    DOOR + "[door.line.rex]\ndebounce = 0.1": r"`line\.rex` is about a line that is not wired: give `rex` its",
    DOOR
    + '[door]\nrex = 6\n[door.line.rex]\npull = "down"': r'a contact to ground with a pull-down .* takes pull = "up"',
    DOOR + "[door]\nfire = 16\ndebounce = 0.1": r"`fire`: .* as `debounce` in \[door\.line\.fire\]",
    DOOR + "[door]\nspare = 17": r"GPIO line 17 is given twice: as lock_line and as spare",
    BARRIER + "[barrier.line.photocell]\ndebounce = 0.2": r"`photocell`: .* has to turn round in time; at most 0\.1 s",
    BARRIER + "[barrier.line.open]\ndebounce = 0.1": r"`line\.open` has a pull or a debounce, but open is an output",
    BARRIER
    + "[barrier]\npulse = 0.2\nreadback_close = 20": r"`pulse` is 0\.2 s: with a read-back it must be over 0\.2",
    "[gate]\npass_a = 3": r"GPIO line 3 is I2C 1, where \[thermal\] has its sensor; \[gate\] pass_a takes another",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_work_is_refused_with_its_key_and_its_fix(text: str) -> None:
    with pytest.raises(ConfigError, match=REFUSED[text]) as caught:
        parse(text, where="gate.toml")
    assert str(caught.value).startswith("gate.toml: ")


def test_a_read_back_of_a_side_without_a_relay_is_refused() -> None:
    with pytest.raises(ValueError, match="`readback_b` is the read-back of `unlock_b`, which is not wired"):
        GateSettings(unlock_b=None, readback_b=19)


def test_lines_of_i2c_are_free_where_the_sensor_is_on_another_bus() -> None:
    text = '[thermal]\nbus = "/dev/i2c-3"\n[gate]\npass_a = 2\npass_b = 3'
    assert parse(text, where="gate.toml").gate.pass_a == 2


def test_a_whole_gate_parses() -> None:
    text = """
    [gate]
    stop = 24
    buzzer = 25
    ready = 12
    intrusion = 18
    fire = 13
    tamper = 16
    mains = 21
    key = 20
    readback_a = 19
    readback_b = 26
    spare = 4
    normally_closed = ["fire", "tamper"]
    [gate.line.fire]
    pull = "none"
    debounce = 0.05
    [gate.line.stop]
    active_low = true
    """
    gate = parse(text, where="gate.toml").gate
    assert (gate.pull_of("fire"), gate.debounce_of("fire"), gate.debounce_of("tamper")) == ("none", 0.05, 0.03)
    assert (gate.active_low("stop"), gate.active_low("unlock_a")) == (True, False)
