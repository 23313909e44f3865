"""Evidence, from the line that a machine says to the table and the exit status."""

from __future__ import annotations

import pytest

from image.proof.__main__ import claims, judged, rewritten
from image.proof.claims import Evidence, duration, failed, markdown, missing, parse, percentile, read_table, spread
from image.proof.kernels import ProofError

SHOWN = Evidence("an unlock", "shown", "seen | heard", "3 µs → 4 µs")


def test_what_is_said_is_what_is_read() -> None:
    text = f"[    2.1] usb: talk\n{SHOWN.line()}\nmore talk\n{SHOWN.line()}\n"
    assert parse(text) == [SHOWN, SHOWN]


def test_a_line_that_was_cut_off_is_no_evidence() -> None:
    assert parse(SHOWN.line()) == []
    assert parse(SHOWN.line()[:40]) == []


@pytest.mark.parametrize("told", ['{"claim": "x"}', "[]", '{"claim": 1, "status": "shown", "how": "", "more": ""}'])
def test_a_strange_line_is_refused(told: str) -> None:
    with pytest.raises(ValueError, match="no evidence"):
        parse(f"evidence {told}\n")


def test_silence_about_a_claim_is_a_failure() -> None:
    found = missing([("an unlock", "how"), ("a fire", "how else")], [SHOWN], "it hung")
    assert found == [Evidence("a fire", "FAILED", "how else", "it hung")]
    assert failed([SHOWN, *found])


def test_a_skipped_claim_is_no_failure_and_nothing_at_all_is_one() -> None:
    assert not failed([SHOWN, Evidence("a face", "skipped", "", "no models")])
    assert failed([])


def test_percentiles_are_values_that_occurred() -> None:
    values = [float(value) for value in range(200, 0, -1)]
    assert percentile(values, 0.5) == 100
    assert percentile(values, 0.99) == 198
    assert percentile(values, 1.0) == 200
    assert percentile([7.0], 0.5) == 7
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 0.5)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (64.6e-6, "64.6 µs"),
        (1.234e-3, "1.23 ms"),
        (0.3011, "301 ms"),
        (2.5, "2.5 s"),
        (-0.004, "-4 ms"),
        (123.4, "123 s"),
    ],
)
def test_a_time_has_the_unit_that_suits_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_spread_tells_how_many_there_were() -> None:
    assert spread([0.001, 0.002, 0.003]) == "median 2 ms, p99 3 ms, max 3 ms, n = 3"


def test_a_cell_cannot_break_the_table() -> None:
    table = markdown([SHOWN, Evidence("b", "FAILED", "x", "first\nsecond")]).splitlines()
    assert table[2] == "| an unlock | shown | seen \\| heard | 3 µs → 4 µs |"
    assert table[3] == "| b | FAILED | x | first second |"


def test_a_page_keeps_what_stands_around_its_table() -> None:
    frame = "# Title\n<!-- table -->\n{}<!-- end of table -->\nrest\n"
    second, first, gone = claims()[1], claims()[0], "no claim of today"
    old = [Evidence(claim, "FAILED", "how | so", "before") for claim in (gone, first, second)]
    new = Evidence(second, "shown", "how", "now")
    page = rewritten(frame.format(markdown(old)), [new])
    assert page == frame.format(markdown([old[1], new]))
    assert rewritten(frame.format(""), [new]) == frame.format(markdown([new]))
    with pytest.raises(ProofError, match="no place"):
        rewritten("# Title\n", [new])


def test_a_table_is_read_as_it_was_written() -> None:
    found = [SHOWN, Evidence("b", "skipped", "x", "")]
    assert read_table(markdown(found)) == found
    with pytest.raises(ValueError, match="no row"):
        read_table("| a | | b | c |\n|---|---|---|---|\n| x | perhaps | y | z |\n")


@pytest.mark.parametrize(
    ("status", "output", "expected"),
    [
        (0, "....\n4 passed in 0.5s\n", "shown"),
        (1, "FAILED x\n1 failed, 3 passed in 0.5s\n", "FAILED"),
        (0, "..s\nSKIPPED [1] a.py:3: no umockdev\n2 passed, 1 skipped in 0.1s\n", "skipped"),
        (5, "no tests ran in 0.01s\n", "FAILED"),
        (4, "", "FAILED"),
    ],
)
def test_tests_that_were_skipped_show_nothing(status: int, output: str, expected: str) -> None:
    assert judged("claim", "how", status, output).status == expected
