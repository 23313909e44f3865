"""Bound buffers: the plain call's bits, byte order, saturated words, repair, the hottest pixel of a region."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import _fastcore
from _fastcore import reference
from _fastcore.thermal import Bound, Mlx90640

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = dict[str, NDArray[Any]]

FASTCORE = settings.get_profile("fastcore")
WHOLE = np.s_[:, :]
CHESS, INTERLEAVED = 0x1901, 0x0901


def _frame(own: Vectors, index: int, subpage: int, control: int | None = None) -> NDArray[np.uint16]:
    words: NDArray[np.uint16] = own["frames"][index, subpage].copy()
    if control is not None:
        words[832] = control
    return words


def _plain(kernel: Mlx90640, frame: NDArray[np.uint16], out: NDArray[np.float32]) -> NDArray[np.float32]:
    expected = out.copy()
    kernel.object_temperatures(frame, expected)
    return expected


def test_it_gives_what_the_plain_call_gives(own: Vectors, path: str) -> None:
    frame, out = np.zeros(834, dtype=np.uint16), np.full((24, 32), -7, dtype=np.float32)
    for index in range(len(own["name"])):
        kernel = Mlx90640(own["eeprom"][index])
        bound = kernel.bind(frame, out)
        for subpage in (0, 1):
            frame[:] = own["frames"][index, subpage]
            expected = _plain(kernel, frame, out)
            assert bound.convert() == frame[833]
            np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("control", [CHESS, INTERLEAVED])
def test_big_endian_words_are_swapped_in_the_pass(own: Vectors, path: str, control: int) -> None:
    kernel, native = Mlx90640(own["eeprom"][3]), _frame(own, 3, 1, control)
    swapped = native.astype(">u2")
    for frame in (swapped, swapped.tobytes(), bytearray(swapped.tobytes()), swapped.view(np.uint8)):
        out = np.full(768, -7, dtype=np.float32)
        expected = _plain(kernel, native, out)
        assert kernel.bind(frame, out).convert() == 1
        np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("swap", [False, True])
def test_saturated_words_become_nan_and_are_counted(own: Vectors, path: str, *, swap: bool) -> None:
    kernel, frame = Mlx90640(own["eeprom"][0]), _frame(own, 0, 0)
    frame[[0, 1, 33, 100, 766]] = 0x7FFF
    frame[[5, 6]] = 0x8000
    expected = _plain(kernel, frame, np.full(768, -7, dtype=np.float32))
    full = reference.saturated(frame).ravel()
    expected[full] = np.nan
    out = np.full(768, -7, dtype=np.float32)
    bound = kernel.bind(frame.astype(">u2") if swap else frame, out, check=True)
    assert bound.saturated == 0
    assert bound.convert() == 0
    np.testing.assert_array_equal(out, expected)
    assert bound.saturated == np.count_nonzero(full) > 0


def test_without_the_check_they_are_words_like_others(own: Vectors, path: str) -> None:
    kernel, frame = Mlx90640(own["eeprom"][0]), _frame(own, 0, 0)
    frame[:768] = 0x7FFF
    out = np.full(768, -7, dtype=np.float32)
    expected = _plain(kernel, frame, out)
    bound = kernel.bind(frame, out, region=WHOLE)
    bound.convert()
    np.testing.assert_array_equal(out, expected)
    assert bound.saturated == 0


def test_repair_follows_the_pass(own: Vectors, path: str) -> None:
    defective = [i for i in range(len(own["name"])) if len(Mlx90640(own["eeprom"][i]).defects.broken)]
    assert defective
    for index in defective:
        kernel, out = Mlx90640(own["eeprom"][index]), np.full(768, np.nan, dtype=np.float32)
        expected, frame = out.copy(), np.zeros(834, dtype=np.uint16)
        bound = kernel.bind(frame, out, repair=True)
        for words in own["frames"][index]:
            frame[:] = words
            bound.convert()
            kernel.object_temperatures(frame, expected)
            kernel.repair(expected, frame)
            np.testing.assert_array_equal(out, expected)


SLICES = st.tuples(
    st.slices(24).filter(lambda rows: len(range(*rows.indices(24))) > 0),
    st.slices(32).filter(lambda columns: len(range(*columns.indices(32))) > 0),
)


@settings(FASTCORE, max_examples=100)
@given(
    index=st.integers(0, 103),
    subpage=st.integers(0, 1),
    control=st.sampled_from([CHESS, INTERLEAVED]),
    region=SLICES,
    full=st.lists(st.integers(0, 767), max_size=100),
)
def test_the_hottest_of_any_region(
    own: Vectors, index: int, subpage: int, control: int, region: tuple[slice, slice], full: list[int]
) -> None:
    frame = _frame(own, index, subpage, control)
    frame[full] = 0x7FFF
    kernel, calibration = Mlx90640(own["eeprom"][index]), reference.extract(own["eeprom"][index])
    before = _fastcore.backend()
    for name in _fastcore.available_backends():
        _fastcore.select_backend(name)
        out = np.full(768, np.nan, dtype=np.float32)
        bound = kernel.bind(frame, out, check=True, region=region)
        assert np.isnan(bound.hottest)
        bound.convert()
        expected = reference.hottest(calibration, out.astype(np.float64), region)
        np.testing.assert_array_equal(bound.hottest, expected)
        assert bound.saturated == np.count_nonzero(reference.saturated(frame))
    _fastcore.select_backend(before)


def test_no_region_no_hottest(own: Vectors) -> None:
    bound = Mlx90640(own["eeprom"][0]).bind(_frame(own, 0, 0), np.zeros(768, dtype=np.float32), check=True)
    bound.convert()
    assert np.isnan(bound.hottest)


def test_a_refused_frame_changes_nothing(own: Vectors, path: str) -> None:
    frame, out = _frame(own, 0, 0).astype(">u2"), np.full(768, 7, dtype=np.float32)
    bound = Mlx90640(own["eeprom"][0]).bind(frame, out, check=True, repair=True, region=WHOLE)
    frame[0x070A - 0x0400] = 0xFFF0
    with pytest.raises(ValueError, match=r"gain is not positive .RAM word 0x070A is 0xFFF0"):
        bound.convert()
    frame[833] = 2
    with pytest.raises(ValueError, match="subpage word must be 0 or 1, not 2"):
        bound.convert()
    assert np.all(out == 7)
    assert np.isnan(bound.hottest)
    frame[:] = _frame(own, 0, 0)
    assert bound.convert() == 0


def test_the_buffers_are_held_until_released(own: Vectors) -> None:
    frame, out = bytearray(_frame(own, 0, 0).astype(">u2").tobytes()), np.zeros(768, dtype=np.float32)
    counts = [sys.getrefcount(each) for each in (frame, out)]
    with Mlx90640(own["eeprom"][0]).bind(frame, out) as bound:
        bound.convert()
        with pytest.raises(BufferError):
            frame.append(0)
    frame.append(0)
    assert counts == [sys.getrefcount(each) for each in (frame, out)]
    bound.release()
    with pytest.raises(ValueError, match="released"):
        bound.convert()
    frame.pop()
    bound = Mlx90640(own["eeprom"][0]).bind(frame, out)
    del bound
    gc.collect()
    frame.append(0)


@pytest.mark.parametrize(
    ("frame", "error", "complaint"),
    [
        (np.zeros(833, dtype=np.uint16), ValueError, r"frame must be uint16\[834\], not of shape \(833,\)"),
        (np.zeros(834, dtype=np.int16), TypeError, "frame must be a uint16 array, not of format 'h'"),
        (np.zeros(833, dtype=">u2"), TypeError, "frame must be a uint16 array, not of format '>H'"),
        (np.zeros(1668, dtype=">u2")[::2], TypeError, "format '>H'"),
        (bytes(1667), TypeError, "frame must be a uint16 array, not of format 'B'"),
        (np.zeros(1669, dtype=np.uint8)[1:], ValueError, "frame must be aligned to 2 bytes"),
        ([0] * 834, TypeError, "not list"),
    ],
)
def test_a_wrong_frame(own: Vectors, frame: Any, error: type[Exception], complaint: str) -> None:
    kernel, out = Mlx90640(own["eeprom"][0]), np.zeros(768, dtype=np.float32)
    for call in (lambda: kernel.bind(frame, out), lambda: kernel.merge().add(frame)):
        with pytest.raises(error, match=complaint):
            call()


def test_a_wrong_out_gives_the_frame_back(own: Vectors) -> None:
    frame = bytearray(1668)
    with pytest.raises(TypeError, match="out must be a float32 array, not of format 'd'"):
        Mlx90640(own["eeprom"][0]).bind(frame, np.zeros(768))  # type: ignore[arg-type]
    frame.append(0)


@pytest.mark.parametrize(
    ("options", "error", "complaint"),
    [
        ({"emissivity": 0.0}, ValueError, "emissivity must be over 0"),
        ({"reflected": -300.0}, ValueError, "reflected must be a temperature"),
        ({"region": np.s_[3:3, :]}, ValueError, "has no pixel"),
        ({"region": np.s_[24:, :]}, ValueError, "has no pixel"),
        ({"region": (2, 3)}, TypeError, "region must be a pair of slices"),
        ({"region": np.s_[1:2]}, TypeError, "region must be a pair of slices"),
    ],
)
def test_wrong_options(own: Vectors, options: Any, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=complaint):
        Mlx90640(own["eeprom"][0]).bind(_frame(own, 0, 0), np.zeros(768, dtype=np.float32), **options)


def test_it_is_made_of_a_calibration() -> None:
    with pytest.raises(TypeError):
        Bound(None, np.zeros(834, dtype=np.uint16), np.zeros(768, dtype=np.float32))  # type: ignore[arg-type]
