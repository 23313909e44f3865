"""What an installer is told of the wiring, over the kernel's own interface; and what becomes of released outputs."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hw.board import wiring
from hw.drivers.wiring import WiringFinding, check_release, check_wiring, config_lines
from hw.errors import DeviceDenied, DeviceError, DeviceMissing
from hw.gate_settings import GATE_INPUTS, GATE_OUTPUTS, GateSettings, LaneLines, LineSettings
from hw.kind_settings import BarrierSettings, DoorSettings
from hw.linux import gpio_lines
from hw.linux.gpio_lines import LinuxGpioLines
from hw.ports import ACTIVE_AT_REST

HERE = Path(__file__).parent


def _load_kernel() -> Any:
    spec = importlib.util.spec_from_file_location("gate_test_kernel", HERE / "kernel.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


kernel = _load_kernel()
NODE = Path("/dev/gpiochip0")
AT_REST = {signal.value for signal in ACTIVE_AT_REST}
WIRED: dict[str, Any] = {
    "stop": 24,
    "ready": 12,
    "intrusion": 18,
    "fire": 13,
    "tamper": 16,
    "mains": 21,
    "key": 20,
    "readback_a": 19,
    "readback_b": 26,
}


class Place:
    """A machine, the wiring that gate.toml tells of, and what is really on the wires."""

    def __init__(self, settings: LaneLines | None = None, **changes: Any) -> None:
        self.settings = settings or GateSettings(**(WIRED | changes))
        self.machine = kernel.FakeKernel()
        at_rest = AT_REST if settings is None else settings.active_at_rest | {"arm_down"}
        for name in self.settings.INPUTS:
            if getattr(self.settings, name) is not None:
                self.contact(name, active=name in at_rest)

    def contact(self, name: str, *, active: bool) -> None:
        """Dry contacts: closed, one pulls the line to its side; open, it leaves the line to the pull."""
        closed = active is not (name in self.settings.normally_closed)
        low = self.settings.active_low(name)
        pulled = self.settings.pull_of(name) == "none"  # by a resistor outside
        wire = (not low) if closed else (low if pulled else None)
        self.machine.line(getattr(self.settings, name)).wire = wire

    def look(self) -> list[WiringFinding]:
        lines = LinuxGpioLines(NODE, self.machine)
        try:
            return check_wiring(self.settings, lines)
        finally:
            lines.close()

    def wrong(self) -> dict[str, WiringFinding]:
        return {finding.name: finding for finding in self.look() if not finding.ok}


WAYS: list[dict[str, Any]] = [
    {},
    {"inputs_active_low": False},
    {"normally_closed": ("fire", "tamper", "pass_a")},
    {"inputs_active_low": False, "normally_closed": ("ready", "mains", "readback_a")},
    {"line": {"fire": LineSettings(pull="none"), "ready": LineSettings(active_low=False)}},
]


@pytest.mark.parametrize("changes", WAYS)
def test_a_gate_that_is_wired_as_it_says_has_nothing_wrong(changes: dict[str, Any]) -> None:
    place = Place(**changes)
    found = place.look()
    assert [str(finding) for finding in found if not finding.ok] == []
    assert len(found) == len([name for name in GATE_OUTPUTS + GATE_INPUTS if getattr(place.settings, name) is not None])


def test_no_output_is_claimed_and_no_line_is_driven() -> None:
    place = Place()
    place.look()
    outputs = {getattr(place.settings, name) for name in GATE_OUTPUTS}
    for what, line, flags in place.machine.log:
        assert line not in outputs, what
        assert not flags & kernel.OUT


@pytest.mark.parametrize("changes", WAYS)
@pytest.mark.parametrize("name", GATE_INPUTS)
def test_an_input_that_is_not_at_rest_is_named_with_its_cause_and_its_fix(changes: dict[str, Any], name: str) -> None:
    place = Place(**changes)
    place.contact(name, active=name not in AT_REST)
    wrong = place.wrong()
    finding = wrong.pop(f"gate {name}")
    assert ("is not active at rest" if name in AT_REST else "is active at rest") in finding.text
    assert "normally_closed" in finding.fix
    assert set(wrong) <= {"gate ready+fire"}


def test_a_contact_that_is_active_at_boot_says_what_it_may_be() -> None:
    place = Place()
    place.contact("pass_a", active=True)
    finding = place.wrong()["gate pass_a"]
    cause = "somebody stands in the arm, the contact is stuck closed, or it opens when somebody passes"
    fix = "if the contact opens when it becomes active, name pass_a in `normally_closed`"
    assert str(finding) == f"GPIO line 5 is active at rest (contact closed): {cause}: {fix}"


def test_a_cut_wire_shows_where_the_contact_rests_closed() -> None:
    place = Place(normally_closed=("fire", "tamper"))
    for name in ("fire", "ready", "mains"):
        place.machine.line(getattr(place.settings, name)).wire = None
    assert set(place.wrong()) == {"gate fire", "gate ready", "gate mains"}


def test_ready_and_fire_both_active() -> None:
    place = Place()
    place.contact("fire", active=True)
    assert "has released is not ready" in place.wrong()["gate ready+fire"].text


def test_everything_the_wrong_way_round_is_one_word_more() -> None:
    """Contacts to 3.3 V, and gate.toml says to ground."""
    place = Place(inputs_active_low=False)
    place.settings = GateSettings(**WIRED)
    for name in GATE_INPUTS:
        place.machine.line(getattr(place.settings, name)).wire = name not in AT_REST and name.startswith("pass")
    for name in ("pass_a", "pass_b", "intrusion", "fire", "tamper", "key"):
        place.machine.line(getattr(place.settings, name)).wire = False
    for name in ("ready", "mains"):
        place.machine.line(getattr(place.settings, name)).wire = True
    assert "inputs_active_low" in place.wrong()["gate inputs"].fix


@pytest.mark.parametrize("consumer", [b"lg", b""])
def test_a_busy_line_names_who_has_it(consumer: bytes) -> None:
    place = Place()
    place.machine.line(17).consumer = consumer
    place.machine.line(5).consumer = consumer
    wrong = place.wrong()
    assert set(wrong) == {"gate unlock_a", "gate pass_a"}
    told = "busy: 'lg' has it" if consumer else "busy: the kernel or another program has it"
    assert told in wrong["gate unlock_a"].text
    assert "systemctl stop thermogate" in wrong["gate pass_a"].fix


def test_a_line_outside_of_the_chip() -> None:
    place = Place(stop=28)
    place.machine.count = 28
    finding = place.wrong()["gate stop"]
    assert finding.text == "/dev/gpiochip0 has lines 0 to 27, and no 28"
    assert "`chip` the right chip" in finding.fix


def test_an_input_that_floats_where_a_resistor_was_promised() -> None:
    place = Place(line={"fire": LineSettings(pull="none")})
    place.machine.line(13).wire = None
    finding = place.wrong()["gate fire"]
    assert "floats: it follows whichever pull" in finding.text
    assert "10 kΩ" in finding.fix


def test_a_read_back_that_is_closed_says_welded() -> None:
    place = Place()
    place.contact("readback_b", active=True)
    assert "relay B is on though nothing has commanded it: a welded contact" in place.wrong()["gate readback_b"].text


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (FileNotFoundError(2, "No such file"), DeviceMissing, "gpiochip0 is not there; `gpiodetect` lists"),
        (PermissionError(13, "Permission denied"), DeviceDenied, "add this user to the group gpio"),
        (OSError(6, "No such device"), DeviceError, "gpiochip0 can't be opened: .*No such device"),
    ],
)
def test_a_chip_that_cannot_be_opened(error: OSError, kind: type[DeviceError], text: str) -> None:
    machine = kernel.FakeKernel(refuse_open=error)
    with pytest.raises(kind, match=text):
        LinuxGpioLines(NODE, machine)


def test_a_node_that_is_no_chip() -> None:
    with pytest.raises(DeviceError, match="is no GPIO chip: Inappropriate ioctl"):
        LinuxGpioLines(NODE, kernel.FakeKernel(no_chip=True))


def test_the_chip_tells_its_name_and_a_line_that_vanished_is_an_error() -> None:
    machine = kernel.FakeKernel()
    lines = LinuxGpioLines(NODE, machine)
    assert (lines.label, lines.count, machine.path) == ("pinctrl-bcm2711", 58, "/dev/gpiochip0")
    with pytest.raises(DeviceError, match="line 60 of /dev/gpiochip0: the chip has no such line"):
        lines.state(60)
    machine.line(5).consumer = b"lg"
    with pytest.raises(DeviceError, match="line 5 of /dev/gpiochip0: GPIO busy"):
        lines.read(5, "up")
    lines.close()


def test_a_board_without_its_chip_is_one_finding(tmp_path: Path) -> None:
    (finding,) = wiring(GateSettings(chip=7), devices=tmp_path)
    assert not finding.ok
    assert "gpiochip7 is not there" in str(finding)
    (tmp_path / "gpiochip0").touch()
    (finding,) = wiring(GateSettings(), devices=tmp_path)
    assert "is no GPIO chip" in finding.text


# Doors and barriers

DOOR: dict[str, Any] = {"rex": 6, "secure": 13, "fire": 16, "tamper": 19, "key": 20, "readback": 26}
BARRIER: dict[str, Any] = {
    "loop_front": 12,
    "loop_exit": 16,
    "loop_fault": 20,
    "photocell_fault": 21,
    "power_fail": 24,
    "fire": 25,
    "readback_open": 18,
    "readback_close": 26,
}
KINDS: list[LaneLines] = [
    DoorSettings(**DOOR),
    DoorSettings(**DOOR, lock="magnet", normally_closed=("door", "fire", "secure")),
    DoorSettings(**DOOR, inputs_active_low=False, line={"rex": LineSettings(pull="none", active_low=True)}),
    BarrierSettings(**BARRIER),
    BarrierSettings(**BARRIER, inputs_active_low=False, line={"arm_up": LineSettings(active_low=True)}),
]


@pytest.mark.parametrize("settings", KINDS)
def test_a_door_or_a_barrier_that_is_wired_as_it_says_has_nothing_wrong(settings: LaneLines) -> None:
    place = Place(settings)
    found = place.look()
    assert [str(finding) for finding in found if not finding.ok] == []
    names = [name for name in (*settings.OUTPUTS, *settings.INPUTS) if settings.number(name) is not None]
    assert [finding.name for finding in found] == [f"{settings.SECTION} {name}" for name in names]
    outputs = {settings.number(name) for name in settings.OUTPUTS}
    assert not outputs & {line for _, line, _ in place.machine.log}, "no output is claimed"


@pytest.mark.parametrize("settings", KINDS)
def test_each_input_of_a_door_or_a_barrier_that_is_not_at_rest_is_named_with_its_cause(settings: LaneLines) -> None:
    for name in settings.INPUTS:
        if settings.number(name) is None or name in ("arm_up", "arm_down"):
            continue
        place, rest = Place(settings), name in settings.active_at_rest
        place.contact(name, active=not rest)
        finding = place.wrong()[f"{settings.SECTION} {name}"]
        assert ("is not active at rest" if rest else "is active at rest") in finding.text
        assert "normally_closed" in finding.fix


def test_a_magnet_without_its_program_holds_nothing_and_a_strike_does() -> None:
    for lock, holds in (("strike", True), ("magnet", False)):
        place = Place(DoorSettings(**DOOR, lock=lock))  # type: ignore[arg-type]
        place.contact("secure", active=holds)
        assert place.wrong() == {}
        place.contact("secure", active=not holds)
        assert "the lock does not hold" in place.wrong()["door secure"].text


def test_an_open_door_whose_lock_holds_is_a_contact_of_the_other_kind() -> None:
    place = Place(DoorSettings(**DOOR))
    place.contact("door", active=True)
    assert "of the other kind" in place.wrong()["door door+secure"].fix


@pytest.mark.parametrize(("up", "down", "told"), [(True, True, "up and down at once"), (False, False, "neither up")])
def test_an_arm_may_stand_either_way_but_somewhere(up: bool, down: bool, told: str) -> None:  # noqa: FBT001
    place = Place(BarrierSettings(**BARRIER))
    place.contact("arm_up", active=True)
    place.contact("arm_down", active=False)
    assert place.wrong() == {}, "an arm that is up is wired well"
    place.contact("arm_up", active=up)
    place.contact("arm_down", active=down)
    assert told in place.wrong()["barrier arm"].text


def test_lines_for_config_txt_of_a_door_and_a_barrier() -> None:
    assert config_lines(DoorSettings(**DOOR)) == ["gpio=17=op,dl", "dtparam=strict_gpiod"]
    barrier = BarrierSettings(**BARRIER, line={"close": LineSettings(active_low=True)})
    assert config_lines(barrier) == ["gpio=17=op,dl", "gpio=27=op,dh", "dtparam=strict_gpiod"]


# What the kernel does with a released output


@pytest.mark.parametrize("kept", [False, True])
def test_the_kernel_is_found_out_on_the_spare_line_alone(kept: bool) -> None:  # noqa: FBT001
    place = Place(spare=4)
    place.machine.keeps_outputs = kept
    finding = place.look()[-1]
    assert finding.ok is not kept
    assert ("stay driven" in finding.text) is kept
    driven = {line for what, line, flags in place.machine.log if flags & kernel.OUT}
    assert driven == {4}
    assert not place.machine.line(4).output, "left as it was found"
    if kept:
        assert "gpio=17,27,24=op,dl; dtparam=strict_gpiod" in finding.fix
        assert "one-shot" in finding.fix


def test_a_kernel_that_only_forgets_to_tell_is_not_accused() -> None:
    """Line information repeats what was last asked for; the direction is read from the chip at the next request."""
    machine = kernel.FakeKernel(keeps_outputs=False)
    lines = LinuxGpioLines(NODE, machine)
    machine.close(lines._request(4, gpio_lines.OUTPUT))
    assert lines.state(4).output, "stale"
    assert not lines.stays_driven(4)
    lines.close()


def test_without_a_spare_line_nothing_is_tried() -> None:
    place = Place()
    lines = LinuxGpioLines(NODE, place.machine)
    finding = check_release(place.settings, lines)
    assert finding.ok
    assert "not tried" in finding.text
    assert place.machine.log == []
    lines.close()


def test_a_spare_line_that_is_in_use_is_not_driven() -> None:
    place = Place(spare=4)
    place.machine.line(4).consumer = b"w1"
    assert "busy: 'w1' has it" in place.wrong()["gate spare"].text
    assert all(line != 4 for _, line, _ in place.machine.log)


def test_lines_for_config_txt_follow_the_polarity_of_each_output() -> None:
    settings = GateSettings(stop=24, outputs_active_low=True, line={"stop": LineSettings(active_low=False)})
    assert config_lines(settings) == ["gpio=24=op,dl", "gpio=17,27=op,dh", "dtparam=strict_gpiod"]


def test_numbers_and_layouts_are_those_of_the_kernels_header(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None or not Path("/usr/include/linux/gpio.h").exists():
        pytest.skip("no C compiler, or no linux/gpio.h (Debian: gcc, linux-libc-dev)")
    program = tmp_path / "uapi"
    subprocess.run([compiler, "-Wall", "-Werror", "-o", str(program), str(HERE / "gpio_uapi.c")], check=True)
    lines = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout.splitlines()
    told = {name: int(value) for name, _, value in (line.rpartition(" ") for line in lines)}
    for name in ("GET_CHIPINFO", "GET_LINEINFO", "GET_LINE", "GET_VALUES", "USED", "INPUT", "OUTPUT"):
        assert getattr(gpio_lines, name) == told[name], name
    assert {pull: told[pull] for pull in ("up", "down", "none")} == gpio_lines.PULLS
    assert gpio_lines.CHIPINFO.size == told["sizeof chip"]
    assert gpio_lines.LINEINFO.size == told["sizeof info"]
    assert gpio_lines.LINE_REQUEST.size == told["sizeof request"]
    assert gpio_lines.LINE_VALUES.size == told["sizeof values"]
    mark = b"\xff" * 8
    request = gpio_lines.LINE_REQUEST.pack(1, mark, 2, 3, 4, -5)
    assert request.index(mark) == told["request.consumer"]
    assert request[told["request.flags"]] == 2
    assert request[told["request.num_lines"]] == 3
    assert int.from_bytes(request[told["request.fd"] :][:4], "little", signed=True) == -5
    info = gpio_lines.LINEINFO.pack(b"", mark, 1, 0, 2)
    assert info.index(mark) == told["info.consumer"]
    assert (info[told["info.offset"]], info[told["info.flags"]]) == (1, 2)
    assert gpio_lines.LINE_VALUES.pack(0, 1)[told["values.mask"]] == 1
    layouts = {"sizeof chip": kernel.ChipInfo, "sizeof info": kernel.LineInfo, "sizeof request": kernel.LineRequest}
    assert {name: kernel.ctypes.sizeof(kind) for name, kind in layouts.items()} == {
        name: told[name] for name in layouts
    }
