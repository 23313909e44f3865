"""What the thermal kernel refuses, and that it says why."""

from __future__ import annotations

import array
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _fastcore.thermal import CalibrationError, Mlx90640

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = dict[str, NDArray[Any]]

OUTCOMES = {"no sensor, EEPROM:", "no frame, frame:", "picture"}
FASTCORE = settings.get_profile("fastcore")


@pytest.fixture
def kernel(own: Vectors) -> Mlx90640:
    return Mlx90640(own["eeprom"][0])


@pytest.fixture
def frame(own: Vectors) -> NDArray[np.uint16]:
    words: NDArray[np.uint16] = own["frames"][0, 0].copy()
    return words


@pytest.fixture
def out() -> NDArray[np.float32]:
    return np.full(768, 7, dtype=np.float32)


@pytest.mark.parametrize("word", [0x0000, 0xFFFF, 0x7FFF, 0x2400])
def test_a_blank_eeprom_is_refused(word: int) -> None:
    with pytest.raises(CalibrationError, match=f"dead bus or an erased chip .word 0x2400 is 0x{word:04X}"):
        Mlx90640(np.full(832, word, dtype=np.uint16))


@pytest.mark.parametrize(
    ("address", "word", "complaint"),
    [
        (0x2430, 0x0000, "gain is not positive"),
        (0x2430, 0x8000, "gain is not positive"),
        (0x2431, 0xF000, "V_PTAT25 is not positive"),
        (0x2432, 0x5800, "KtPTAT is not positive"),
        (0x2433, 0x0068, "KVdd is 0"),
        (0x2421, 0x0000, "sensitivity of a pixel"),
    ],
)
def test_an_impossible_word_is_named(own: Vectors, address: int, word: int, complaint: str) -> None:
    eeprom = own["eeprom"][0].copy()
    eeprom[address - 0x2400] = word
    # The average sensitivity fails by way of the first pixel that it leaves without any.
    named = f"0x{address:04X} is 0x{word:04X}" if address != 0x2421 else "(word 0x24"
    with pytest.raises(CalibrationError, match=complaint) as caught:
        Mlx90640(eeprom)
    assert named in str(caught.value)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(("word", "slope"), [(0x243D, 0x0080), (0x243D, 0x8000), (0x243E, 0x0080)])
def test_a_range_without_sensitivity_is_refused(own: Vectors, word: int, slope: int) -> None:
    eeprom = own["eeprom"][0].copy()
    eeprom[0x3D], eeprom[0x3E] = 0, 0
    eeprom[word - 0x2400] = slope
    eeprom[0x3F] = 0x3FF0  # the widest corners, the coarsest slopes
    with pytest.raises(CalibrationError, match=f"0x{word:04X}"):
        Mlx90640(eeprom)


def test_an_array_of_nothing_but_defects_is_refused(own: Vectors) -> None:
    eeprom = own["eeprom"][0].copy()
    eeprom[0x40:] |= 1
    with pytest.raises(CalibrationError, match="every pixel"):
        Mlx90640(eeprom)


def test_buffers_of_the_right_type_are_taken_from_anywhere(own: Vectors, frame: NDArray[np.uint16]) -> None:
    kernel = Mlx90640(array.array("H", own["eeprom"][0].tolist()))
    plain, flat = array.array("f", [0.0] * 768), np.zeros(768, dtype=np.float32)
    grid = np.zeros((24, 32), dtype=np.float32)
    for target in (plain, flat, grid):
        assert kernel.object_temperatures(frame.data, target) == 0
    assert list(plain) == flat.tolist() == grid.ravel().tolist()


@pytest.mark.parametrize(
    ("eeprom", "error", "complaint"),
    [
        ([0] * 832, TypeError, "eeprom must be a uint16 array, not list"),
        (None, TypeError, "not NoneType"),
        (bytes(1664), TypeError, "format 'B'"),
        (np.zeros(832, dtype=np.int16), TypeError, "format 'h'"),
        (np.zeros(832, dtype=">u2"), TypeError, "format '>H'"),
        (np.zeros(831, dtype=np.uint16), ValueError, r"uint16\[832\], not of shape \(831,\)"),
        (np.zeros((26, 32), dtype=np.uint16), ValueError, r"not of shape \(26, 32\)"),
        (np.zeros(1664, dtype=np.uint16)[::2], ValueError, "contiguous"),
        (np.frombuffer(bytes(1665), dtype=np.uint8)[1:].view(np.uint16), ValueError, "aligned to 2 bytes"),
    ],
)
def test_a_wrong_eeprom_array(eeprom: Any, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=complaint):
        Mlx90640(eeprom)


@pytest.mark.parametrize(
    ("target", "error", "complaint"),
    [
        (np.zeros(768), TypeError, "out must be a float32 array, not of format 'd'"),
        (np.zeros(384, dtype=np.float32), ValueError, r"float32\[768\] or float32\[24, 32\], not of shape \(384,\)"),
        (np.zeros((32, 24), dtype=np.float32), ValueError, r"not of shape \(32, 24\)"),
        (np.zeros((24, 64), dtype=np.float32)[:, ::2], ValueError, "contiguous"),
        (np.zeros(3073, dtype=np.uint8)[1:].view(np.float32), ValueError, "aligned to 4 bytes"),
        (np.frombuffer(bytes(3072), dtype=np.float32), ValueError, "out must be writable"),
    ],
)
def test_a_wrong_out_array(
    kernel: Mlx90640, frame: NDArray[np.uint16], target: Any, error: type[Exception], complaint: str
) -> None:
    for call in (lambda: kernel.object_temperatures(frame, target), lambda: kernel.repair(target, frame)):
        with pytest.raises(error, match=complaint):
            call()


def test_a_wrong_frame_array(kernel: Mlx90640, out: NDArray[np.float32]) -> None:
    short = np.zeros(832, dtype=np.uint16)
    calls = (
        lambda: kernel.supply_voltage(short),
        lambda: kernel.ambient_temperature(short),
        lambda: kernel.object_temperatures(short, out),
        lambda: kernel.repair(out, short),
    )
    for call in calls:
        with pytest.raises(ValueError, match=r"frame must be uint16\[834\], not of shape \(832,\)"):
            call()


@pytest.mark.parametrize("emissivity", [0.0, -0.5, 1.0001, float("nan"), float("inf")])
def test_a_wrong_emissivity(
    kernel: Mlx90640, frame: NDArray[np.uint16], out: NDArray[np.float32], emissivity: float
) -> None:
    with pytest.raises(ValueError, match="emissivity must be over 0 and at most 1"):
        kernel.object_temperatures(frame, out, emissivity)


@pytest.mark.parametrize("reflected", [float("nan"), float("inf"), -273.15, -1000.0])
def test_a_wrong_reflected_temperature(
    kernel: Mlx90640, frame: NDArray[np.uint16], out: NDArray[np.float32], reflected: float
) -> None:
    with pytest.raises(ValueError, match="reflected must be a temperature"):
        kernel.object_temperatures(frame, out, reflected=reflected)


@pytest.mark.parametrize(
    ("index", "word", "complaint"),
    [
        (833, 2, "subpage word must be 0 or 1, not 2"),
        (833, 0xFFFF, "not 65535"),
        (0x070A - 0x0400, 0, "gain is not positive .RAM word 0x070A is 0x0000"),
        (0x070A - 0x0400, 0xFFFF, "0x070A is 0xFFFF"),
        (0x0720 - 0x0400, 0, "PTAT gives no possible ambient temperature .RAM word 0x0720"),
    ],
)
def test_an_impossible_frame_is_named_and_changes_nothing(
    kernel: Mlx90640, frame: NDArray[np.uint16], out: NDArray[np.float32], *, index: int, word: int, complaint: str
) -> None:
    frame[index] = word
    with pytest.raises(ValueError, match=complaint):
        kernel.object_temperatures(frame, out)
    assert np.all(out == 7)


def test_ptat_and_vbe_of_nothing(kernel: Mlx90640, frame: NDArray[np.uint16]) -> None:
    frame[0x0700 - 0x0400] = frame[0x0720 - 0x0400] = 0
    with pytest.raises(ValueError, match="ambient temperature"):
        kernel.ambient_temperature(frame)


def _outcome(eeprom: NDArray[np.uint16], frame: NDArray[np.uint16]) -> str:
    """Refused with a reason, or a picture whose every pixel is a temperature or NaN."""
    try:
        kernel = Mlx90640(eeprom)
    except CalibrationError as error:
        return f"no sensor, {str(error)[:7]}"
    out = np.full(768, 25, dtype=np.float32)
    try:
        kernel.object_temperatures(frame, out)
    except ValueError as error:
        return f"no frame, {str(error)[:6]}"
    kernel.repair(out, frame)
    assert np.all(np.isnan(out) | (out >= -273.16))
    return "picture"


@settings(FASTCORE, max_examples=200)
@given(seed=st.integers(0, 2**32 - 1), subpage=st.integers(0, 1))
def test_random_words_are_refused_or_computed(own: Vectors, seed: int, subpage: int) -> None:
    rng = np.random.default_rng(seed)
    frame = rng.integers(0, 65536, 834).astype(np.uint16)
    frame[833] = subpage
    assert _outcome(rng.integers(0, 65536, 832).astype(np.uint16), frame) in OUTCOMES


@settings(FASTCORE, max_examples=200)
@given(
    case=st.integers(0, 10_000),
    flips=st.lists(st.tuples(st.integers(0, 831), st.integers(0, 65535)), max_size=40),
    glitches=st.lists(st.tuples(st.integers(0, 832), st.integers(0, 65535)), max_size=40),
)
def test_damaged_words_are_refused_or_computed(
    own: Vectors, case: int, flips: list[tuple[int, int]], glitches: list[tuple[int, int]]
) -> None:
    index = case % len(own["name"])
    eeprom, frame = own["eeprom"][index].copy(), own["frames"][index, case % 2].copy()
    for place, word in flips:
        eeprom[place] = word
    for place, word in glitches:
        frame[place] = word
    assert _outcome(eeprom, frame) in OUTCOMES


def test_the_outcomes_all_occur(own: Vectors) -> None:
    good, blank = own["frames"][0, 0], np.zeros(834, dtype=np.uint16)
    assert _outcome(own["eeprom"][0], good) == "picture"
    assert _outcome(own["eeprom"][0], blank) == "no frame, frame:"
    assert _outcome(np.zeros(832, dtype=np.uint16), good) == "no sensor, EEPROM:"


def test_it_does_not_keep_the_callers_words(own: Vectors, frame: NDArray[np.uint16]) -> None:
    eeprom = own["eeprom"][0].copy()
    kernel = Mlx90640(eeprom)
    before = np.zeros(768, dtype=np.float32)
    kernel.object_temperatures(frame, before)
    eeprom[:] = 0
    after = np.zeros(768, dtype=np.float32)
    kernel.object_temperatures(frame, after)
    assert np.array_equal(before, after)
    eeprom.resize(0, refcheck=True)  # no view of it is held
