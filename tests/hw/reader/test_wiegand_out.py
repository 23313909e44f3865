"""Wiegand out: what a panel at the other end reads, what is refused, and the real ends as far as a machine has them."""

from __future__ import annotations

import itertools
import json
import os
import pty
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from _fastcore import pulses as core
from hw.bus import Pulse
from hw.drivers.wiegand_out import WiegandSender, judge
from hw.errors import DeviceError, DeviceMissing, PulseError
from hw.linux.pulses import GpioPulses, SerialPulses, as_sensed, mark_of, realtime
from hw.sender_settings import WiegandOutSettings
from hw.settings import WiegandFormat
from hw.sim.clock import ManualClock
from hw.sim.panel import SimulatedPanel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Line:
    """A sender, the wires, and the panel behind them."""

    def __init__(self, late: Callable[[int], float] = lambda _: 0.0, **settings: object) -> None:
        self.clock = ManualClock(start=100.0)
        self.panel = SimulatedPanel(self.clock, late)
        chosen = WiegandOutSettings(d0=20, d1=21, **settings)  # type: ignore[arg-type]
        self.sender = WiegandSender(chosen, self.panel, self.clock)
        self.sender.open()

    def read(self) -> list[str]:
        self.clock.advance(0.1)
        return self.panel.listen()


@pytest.mark.parametrize(
    ("name", "number"), [("w26", "123-45678"), ("w34", "65535-1"), ("w37", "7-524287"), ("w26", "0-0")]
)
def test_the_panel_reads_what_was_sent(name: str, number: str) -> None:
    line = Line(format=name)
    line.sender.send(number)
    assert line.read() == [number]
    assert (line.sender.counters.cards, line.panel.dropped) == (1, 0)


@given(facility=st.integers(0, 255), number=st.integers(0, 65535))
def test_every_number_arrives(facility: int, number: int) -> None:
    line = Line()
    line.sender.send(f"{facility}-{number}")
    assert line.read() == [f"{facility}-{number}"]


def test_a_facility_is_given_to_numbers_that_have_none() -> None:
    line = Line(facility=17)
    line.sender.send("4711")
    line.sender.send("18-4711")
    assert line.read() == ["17-4711", "18-4711"]


@pytest.mark.parametrize(
    ("number", "settings", "wrong"),
    [
        ("300-1", {}, "does not fit into the 26 bits"),
        ("1-65536", {}, "does not fit into the 26 bits"),
        ("4711", {}, "has no facility"),
        ("1-4711", {"format": "w37n"}, "has a facility"),
        ("A-4711", {}, "is digits"),
        ("", {}, "is digits"),
    ],
)
def test_a_number_that_cannot_be_sent_is_refused_and_not_repeated(
    number: str, settings: dict[str, object], wrong: str
) -> None:
    line = Line(**settings)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=wrong) as caught:
        line.sender.send(number)
    assert "4711" not in str(caught.value)
    assert line.read() == []
    assert line.panel.dropped == 0, "not one pulse went out"


def test_a_pulse_that_is_too_long_cuts_the_card_off_and_it_is_sent_again() -> None:
    line = Line(late=lambda place: 0.0003 if place == 9 else 0.0)
    before = line.clock.monotonic()
    line.sender.send("1-2")
    assert line.read() == ["1-2"]
    assert line.panel.dropped == 1, "the first attempt ended at its tenth pulse"
    counters = line.sender.counters
    assert (counters.cards, counters.spoiled, counters.failed) == (1, 1, 0)
    assert line.clock.monotonic() - before >= 0.5, "after a pause"


def test_after_two_attempts_it_says_why_and_what_helps() -> None:
    line = Line(late=lambda _: 0.0003)
    with pytest.raises(PulseError, match=r"pulse 1 was 350 to 350 us wide, not 20 to 100 us; this is a rehearsal"):
        line.sender.send("1-2")
    assert line.read() == []
    counters = line.sender.counters
    assert (counters.cards, counters.spoiled, counters.failed) == (0, 2, 1)


def test_a_cut_wire_is_named() -> None:
    line = Line()
    line.panel.cut.add(1)
    with pytest.raises(PulseError, match="nothing came out on D1: a cut wire"):
        line.sender.send("1-2")


def test_two_cards_are_a_pause_apart() -> None:
    line = Line(pause=1.0)
    line.sender.send("1-2")
    over = line.clock.monotonic()
    line.sender.send("3-4")
    assert line.clock.monotonic() - over >= 1.0
    assert line.read() == ["1-2", "3-4"]


def test_closed_wires_are_an_error_of_the_device() -> None:
    line = Line()
    line.sender.close()
    with pytest.raises(DeviceError, match="closed"):
        line.sender.send("1-2")


# The judgement


def card(*, width: float = 50e-6, spacing: float = 0.002, blur: float = 0.0, bits: bytes = b"\0\1\1") -> list[Pulse]:
    """Pulses whose edges are known to within `blur` s."""
    return [
        Pulse(wire, at, at + blur, width - blur, width + blur)
        for wire, at in ((wire, place * spacing) for place, wire in enumerate(bits))
    ]


@pytest.mark.parametrize(
    ("pulses", "wrong"),
    [
        (card(), ""),
        (card(width=21e-6), ""),
        (card(width=99e-6), ""),
        (card(width=19e-6), "pulse 1 was 19 to 19 us wide"),
        (card(width=101e-6), "pulse 1 was 101 to 101 us wide"),
        (card(blur=29e-6), ""),
        (card(blur=51e-6), "pulse 1 was 0 to 101 us wide"),
        (card(spacing=0.021), "pulse 2 came 20.95 to 21.00 ms after"),
        (card(spacing=0.0002), "pulse 2 came 0.15 to 0.20 ms after"),
        (card()[:2], "2 pulses came out for 3 bits"),
        (card(bits=b"\0\1\0"), "or on the wrong wires"),
        ([], "nothing came out on D0 and D1"),
    ],
)
def test_what_is_not_for_sure_the_standards_is_no_card(pulses: list[Pulse], wrong: str) -> None:
    said = judge(b"\0\1\1", pulses)
    assert wrong in said
    assert bool(said) == bool(wrong)


def test_what_was_sensed_is_what_came_out() -> None:
    written = card()
    falls = [(round(1e9 * one.fell_after) + 1000, one.wire) for one in written]
    assert judge(b"\0\1\1", as_sensed(written, falls)) == ""
    assert "nothing came out on D0" in judge(b"\0\1\1", as_sensed(written, falls[1:]))
    assert "2 pulses came out for 3 bits" in judge(b"\0\1\1", as_sensed(written, falls[:2]))
    assert "on the wrong wires" in judge(b"\0\1\1", as_sensed(written, [(at, 1 - wire) for at, wire in falls]))
    late = [falls[0], (falls[1][0] + 25_000_000, 1), (falls[2][0] + 25_000_000, 1)]
    assert "pulse 2 came" in judge(b"\0\1\1", as_sensed(written, late))
    assert "pulse 4 was 0 to 0 us wide" in judge(b"\0\1\1", as_sensed(written, [*falls, (10**10, 0)]))


# Settings


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({}, "needs `d0` and `d1`"),
        ({"d0": 20}, "needs `d0` and `d1`"),
        ({"d0": 20, "d1": 20}, "two different lines"),
        ({"port0": "/dev/a", "port1": "/dev/a"}, "two different ports"),
        ({"d0": 20, "d1": 21, "port0": "/dev/a", "port1": "/dev/b"}, "or `port0` and `port1`"),
        ({"port0": "/dev/a", "port1": "/dev/b", "inverted": True}, "cannot be `inverted`"),
        ({"d0": 20, "d1": 21, "sense0": 5}, "together"),
        ({"d0": 20, "d1": 21, "sense0": 5, "sense1": 20}, "given twice"),
        ({"d0": 20, "d1": 21, "facility": 256}, "`facility` 256 does not fit"),
        ({"d0": 20, "d1": 21, "format": "w37n", "facility": 1}, "`facility` 1 does not fit"),
    ],
)
def test_a_sender_that_cannot_be_is_refused(settings: dict[str, object], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        WiegandOutSettings(**settings)  # type: ignore[arg-type]


def test_a_format_of_ones_own_is_sent() -> None:
    form = WiegandFormat(bits=34, even=(0, 16), odd=(17, 33), facility=(1, 16), number=(17, 32))
    line = Line(format="w26", custom=form)
    line.sender.send("1000-1")
    assert line.read() == ["1000-1"]


# Serial ports, on pseudo-terminals of the kernel


def low_time(byte: int, baud: int) -> float:
    """How long a UART holds its line low for a byte that begins with zeros: the start bit and them, then ones."""
    bits = [0, *(byte >> place & 1 for place in range(8)), 1]
    falls = sum(before and not after for before, after in zip([1, *bits], bits, strict=False))
    assert falls == 1, "one pulse a byte"
    return bits.index(1) / baud


@pytest.mark.parametrize("width", [25e-6, 50e-6, 80e-6])
def test_a_byte_is_one_pulse_of_the_nearest_width(width: float) -> None:
    mark, real = mark_of(width)
    assert low_time(mark, 115_200) == pytest.approx(real)
    assert abs(real - width) <= 0.5 / 115_200
    assert 20e-6 < real < 100e-6


def read_all(master: int, count: int) -> bytes:
    """So many bytes; a terminal's arrive in pieces. A byte that is missing ends the test by its time limit."""
    data = b""
    while len(data) < count:
        data += os.read(master, count + 1)
    return data


def test_each_port_gets_the_bits_of_its_wire() -> None:
    pairs = [pty.openpty() for _ in range(2)]
    ports = [os.ttyname(slave) for _, slave in pairs]
    train = SerialPulses((ports[0], ports[1]), priority=0)
    settings = WiegandOutSettings(port0=ports[0], port1=ports[1], spacing=0.0005)
    sender = WiegandSender(settings, train, ManualClock(start=1.0))
    assert "26 bits, timed by the ports" in sender.open()
    try:
        bits = bytes(sender.bits_of("123-45678"))
        pulses = train.play(bits, settings.pulse, settings.spacing, 1e-4)
        got = [read_all(master, bits.count(wire)) for wire, (master, _) in enumerate(pairs)]
        assert got == [b"\xe0" * bits.count(0), b"\xe0" * bits.count(1)]
        assert bytes(pulse.wire for pulse in pulses) == bits
        starts = [pulse.fell_after for pulse in pulses]
        assert starts == sorted(starts)
    finally:
        sender.close()
        for pair in pairs:
            for end in pair:
                os.close(end)
    with pytest.raises(DeviceError, match="is closed"):
        train.play(b"\0", 5e-5, 0.002, 1e-4)


def test_a_port_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing, match="none is not there"):
        SerialPulses((str(tmp_path / "none"), "/dev/null"), priority=0).open()
    with pytest.raises(DeviceError, match="/dev/null: is no serial port"):
        SerialPulses(("/dev/null", "/dev/zero"), priority=0).open()


# GPIO lines


SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/gpio.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
static long long now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}
static int calls;
int ioctl(int fd, unsigned long request, ...)
{
    va_list list;
    va_start(list, request);
    void *given = va_arg(list, void *);
    va_end(list);
    if (fd != atoi(getenv("SHIM_FD")))
        return ((int (*)(int, unsigned long, void *))dlsym(RTLD_NEXT, "ioctl"))(fd, request, given);
    const struct gpio_v2_line_values *values = given;
    if (request != GPIO_V2_LINE_SET_VALUES_IOCTL) {
        errno = ENOTTY;
        return -1;
    }
    if (calls++ == atoi(getenv("SHIM_FAIL"))) {
        errno = EIO;
        return -1;
    }
    fprintf(stderr, "%lld %llu %llu\n", now(), (unsigned long long)values->bits, (unsigned long long)values->mask);
    return 0;
}
"""
"""The kernel's side of a line request, as its header declares it: notes when which lines were set."""

PLAYER = """
import json, sys
from _fastcore import pulses
try:
    seen = pulses.play_lines(77, (1, 0), bytes([0, 1, 1, 0]), width=50000, spacing=300000, longest=10**12)
except OSError as error:
    seen = error.errno
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("shim")
    (folder / "shim.c").write_text(SHIM)
    command = ["cc", "-shared", "-fPIC", "-o", str(folder / "shim.so"), str(folder / "shim.c"), "-ldl"]
    subprocess.run(command, check=True)
    return folder / "shim.so"


def played(shim: Path, fail: int = -1) -> tuple[object, list[tuple[int, int, int]]]:
    variables = {**os.environ, "LD_PRELOAD": str(shim), "SHIM_FD": "77", "SHIM_FAIL": str(fail)}
    done = subprocess.run([sys.executable, "-c", PLAYER], capture_output=True, text=True, env=variables, check=True)
    calls = [tuple(int(one) for one in line.split()) for line in done.stderr.splitlines()]
    return json.loads(done.stdout), [(at, bits, mask) for at, bits, mask in calls]


def test_lines_are_set_as_the_kernel_declares_and_the_clock_encloses_each_write(shim: Path) -> None:
    seen, calls = played(shim)
    assert isinstance(seen, list)
    assert [mask for _, _, mask in calls] == [2] * 3 + [1] * 6 + [2] * 3, "wire 0 is the request's second line"
    assert [bool(bits) for _, bits, _ in calls] == [False, True, False] * 4, "at rest once more, then a pulse"
    assert all(bits in (0, mask) for _, bits, mask in calls)
    for place, (fell_after, fell_before, rose_after, rose_before) in enumerate(seen):
        fell, rose = calls[3 * place + 1][0], calls[3 * place + 2][0]
        assert fell_after <= fell <= fell_before <= rose_after <= rose <= rose_before
        assert rose_after - fell_after >= 50_000
    starts = [one[0] for one in seen]
    assert all(after - before >= 300_000 for before, after in itertools.pairwise(starts))


@pytest.mark.parametrize(("fail", "left"), [(0, []), (1, [(0, 2), (0, 2)]), (2, [(0, 2), (2, 2), (0, 2)])])
def test_a_write_that_fails_ends_it_and_the_wire_is_let_go(shim: Path, fail: int, left: list[tuple[int, int]]) -> None:
    seen, calls = played(shim, fail)
    assert seen == 5
    assert [(bits, mask) for _, bits, mask in calls] == left


def test_a_descriptor_that_is_no_line_is_an_error() -> None:
    with open(os.devnull) as nothing, pytest.raises(OSError, match="Inappropriate ioctl"):  # noqa: PTH123
        core.play_lines(nothing.fileno(), (0, 1), b"\0", width=1000, spacing=2000, longest=10**9)


@pytest.mark.parametrize(
    "wrong",
    [
        {"bits": (0, 0)},
        {"bits": (0, 64)},
        {"width": 0},
        {"width": 3000},
    ],
)
def test_pulses_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    given = {"bits": (0, 1), "width": 1000, "spacing": 2000, "longest": 10**9, **wrong}
    bits = given.pop("bits")
    with pytest.raises(ValueError):
        core.play_lines(0, bits, b"\0", **given)  # type: ignore[arg-type]


def test_a_chip_that_is_not_there_is_named() -> None:
    pytest.importorskip("gpiod")
    train = GpioPulses("/dev/gpiochip99", (20, 21), sense=None, inverted=False, priority=0)
    with pytest.raises(DeviceMissing, match="/dev/gpiochip99 is not there"):
        train.open()
    with pytest.raises(DeviceError, match="GPIO 20 and 21 is closed"):
        train.play(b"\0", 5e-5, 0.002, 1e-4)


def test_a_priority_ends_with_the_pulses() -> None:
    before = os.sched_getscheduler(0)
    with realtime(10) as granted:
        assert os.sched_getscheduler(0) == (os.SCHED_FIFO if granted else before)
    assert os.sched_getscheduler(0) == before
    with realtime(0) as granted:
        assert not granted
