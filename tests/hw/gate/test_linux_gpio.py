"""The factory for real lines: what it says when something is missing, and what it asks of the kernel."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hw.drivers.gate import GpioGate
from hw.errors import DeviceError, DeviceMissing
from hw.linux.gpio import _check_node, pin_factory
from hw.ports import Edge, Side, Signal
from hw.settings import GateSettings
from hw.sim.clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    """A folder with one chip node, as /dev has."""
    folder = tmp_path / "dev"
    folder.mkdir()
    (folder / "gpiochip0").touch()
    return folder


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lgpio", "gpiozero.pins.lgpio"):
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.fixture
def lgpio(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The stand-in where the real module would be imported from, forgotten afterwards."""
    forget(monkeypatch)
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "fake_lgpio"))
    yield lambda: sys.modules["lgpio"]
    for name in ("lgpio", "gpiozero.pins.lgpio"):
        sys.modules.pop(name, None)


def test_a_missing_chip_is_named_with_those_that_are_there(devices: Path) -> None:
    (devices / "gpiochip4").touch()
    with pytest.raises(
        DeviceMissing, match=r"gpiochip7 is not there \(GPIO chips on this machine: gpiochip0, gpiochip4"
    ):
        pin_factory(GateSettings(chip=7), devices=devices)


def test_a_chip_one_may_not_open_names_the_group(devices: Path) -> None:
    with pytest.raises(DeviceMissing, match="group gpio"):
        _check_node(devices / "gpiochip0", "gate", may_open=lambda _path, _mode: False)


def test_without_lgpio_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, devices: Path) -> None:
    forget(monkeypatch)
    monkeypatch.setitem(sys.modules, "lgpio", None)
    with pytest.raises(DeviceMissing, match=r"thermogate\[board\]"):
        pin_factory(GateSettings(), devices=devices)


def test_a_chip_that_refuses_is_an_error_that_names_it(lgpio: Any, devices: Path) -> None:
    (devices / "gpiochip2").touch()
    with pytest.raises(DeviceError, match=r"gpiochip2 can't be opened: can not open gpiochip"):
        pin_factory(GateSettings(chip=2), devices=devices)


def test_importing_lgpio_leaves_nothing_behind(
    lgpio: Any, devices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    pin_factory(GateSettings(), devices=devices).close()
    assert list(here.iterdir()) == []
    assert Path.cwd() == here


@pytest.mark.parametrize("active_low", [False, True])
def test_a_gate_on_real_lines(lgpio: Any, devices: Path, active_low: bool) -> None:  # noqa: FBT001
    settings = GateSettings(outputs_active_low=active_low)
    factory = pin_factory(settings, devices=devices)
    chip, clock, edges = lgpio(), ManualClock(), list[Edge]()
    gate = GpioGate(settings, factory, clock)
    gate.open(edges.append)
    clock.advance(0.1)
    gate.unlock(Side.A, 0.3)
    clock.advance(1)
    chip.edge(5, 0)
    clock.advance(0.3)
    chip.edge(5, 1)
    clock.advance(1)
    gate.close()
    factory.close()
    on, off = int(not active_low), int(active_low)
    relay = [(what, level) for what, line, level in chip.log if line == 17 and what in {"output", "write"}]
    assert relay == [("output", off), ("write", on), ("write", off), *[("write", off)] * (len(relay) - 3)]
    assert [(edge.signal, edge.active) for edge in edges] == [(Signal.PASS_A, True), (Signal.PASS_A, False)]


def test_a_closed_gate_has_let_its_lines_go(lgpio: Any, devices: Path) -> None:
    factory = pin_factory(GateSettings(), devices=devices)
    gate, edges = GpioGate(GateSettings(), factory, ManualClock()), list[Edge]()
    gate.open(edges.append)
    gate.close()
    chip = lgpio()
    last = {line: what for what, line, _ in chip.log}
    assert {line for line, what in last.items() if what == "free"} == {17, 27, 22, 23, 5, 6}
    # A callback whose owner has gone would raise on lgpio's only thread of callbacks, and end it for all others.
    assert not chip._callbacks
    factory.close()


def test_a_line_another_program_holds_is_named(lgpio: Any, devices: Path) -> None:
    settings = GateSettings()
    factory = pin_factory(settings, devices=devices)
    lgpio().busy.add(27)
    gate = GpioGate(settings, factory, ManualClock())
    with pytest.raises(DeviceError, match=r"unlock_b: GPIO line 27 of /dev/gpiochip0 can't be claimed: GPIO busy"):
        gate.open(lambda _: None)
    factory.close()


def test_two_factories_do_not_share_lines(lgpio: Any, devices: Path) -> None:
    (devices / "gpiochip1").touch()
    first = pin_factory(GateSettings(), devices=devices)
    lgpio().chips.add(1)
    second = pin_factory(GateSettings(chip=1), devices=devices)
    assert first.pin(17) is first.pin(17)
    assert first.pin(17) is not second.pin(17)
    first.close()
    second.close()
