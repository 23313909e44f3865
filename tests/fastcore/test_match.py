"""The search kernel: order, ties, threshold and refusals, against the oracle and on every path."""

from __future__ import annotations

import array
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import _fastcore
from _fastcore import reference
from _fastcore.match import Gallery

if TYPE_CHECKING:
    from numpy.typing import NDArray

FASTCORE = settings.get_profile("fastcore")
LANES = 32


def _unit(rng: np.random.Generator, count: int, dim: int) -> NDArray[np.float32]:
    rows = rng.standard_normal((count, dim))
    unit: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def _axis(dim: int, index: int, sign: int = 1) -> NDArray[np.float32]:
    row = np.zeros(dim, dtype=np.float32)
    row[index % dim] = sign
    return row


def _written_order(a: NDArray[np.float32], b: NDArray[np.float32]) -> np.float32:
    """The dot product in the kernel's documented order, in float32: 32 partial sums folded by halves."""
    padded = np.zeros((2, -(-a.size // LANES) * LANES), dtype=np.float32)
    padded[0, : a.size], padded[1, : b.size] = a, b
    products = (padded[0] * padded[1]).reshape(-1, LANES)
    sums = products[0]
    for row in products[1:]:
        sums = sums + row
    while sums.size > 1:
        half = sums.size // 2
        sums = sums[:half] + sums[half:]
    return np.float32(sums[0])


@pytest.mark.parametrize("dim", [1, 2, 31, 32, 33, 128, 192, 512, 1000])
@pytest.mark.parametrize("count", [1, 63, 64, 65, 1500])
def test_agrees_with_the_oracle(path: str, dim: int, count: int) -> None:
    rng = np.random.default_rng(dim * 10_000 + count)
    templates, probe = _unit(rng, count, dim), _unit(rng, 1, dim)[0]
    keys = rng.permutation(10 * count)[:count].astype(np.int64) - 5
    gallery = Gallery(dim)
    for key, template in zip(keys, templates, strict=True):
        gallery.add(key, template)
    found, scores = gallery.search(probe, k=count)

    expected_keys, expected = reference.search(keys, templates, probe, k=count)
    assert found.dtype == np.int64
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    exact = dict(zip(expected_keys.tolist(), expected.tolist(), strict=True))
    assert sorted(found) == sorted(exact)
    np.testing.assert_allclose(scores, [exact[key] for key in found.tolist()], atol=1e-6)
    assert np.all(np.diff(scores) <= 0)
    best = gallery.search(probe)
    assert (best[0].tolist(), best[1].tolist()) == (found[:1].tolist(), scores[:1].tolist())


@pytest.mark.parametrize("dim", [7, 128, 200, 512])
def test_the_bits_of_a_score_depend_on_the_pair_alone(path: str, dim: int) -> None:
    rng = np.random.default_rng(dim)
    templates, probe = _unit(rng, 700, dim), _unit(rng, 1, dim)[0]
    alone = Gallery(dim)
    alone.add(0, templates[3])
    crowd = Gallery(dim)
    for key in rng.permutation(700):
        crowd.add(key, templates[key])
    keys, scores = crowd.search(probe, k=700)
    by_key = dict(zip(keys.tolist(), scores, strict=True))
    assert by_key[3] == alone.search(probe)[1][0]
    for key in range(700):
        assert by_key[key] == _written_order(templates[key], probe)


def test_every_path_gives_the_same_bits() -> None:
    rng = np.random.default_rng(5)
    gallery, before, results = Gallery(128), _fastcore.backend(), []
    for key, template in enumerate(_unit(rng, 300, 128)):
        gallery.add(key, template)
    probe = _unit(rng, 1, 128)[0]
    for name in _fastcore.available_backends():
        _fastcore.select_backend(name)
        results.append(gallery.search(probe, 300))
    _fastcore.select_backend(before)
    for other in results[1:]:
        assert np.array_equal(results[0][0], other[0])
        assert np.array_equal(results[0][1], other[1])


def test_ties_go_to_the_lower_key(path: str) -> None:
    gallery, row = Gallery(8), _axis(8, 0)
    for key in (5, -3, 9, 2**62, -(2**63), 0):
        gallery.add(key, row)
    assert gallery.search(row, k=4)[0].tolist() == [-(2**63), -3, 0, 5]
    gallery.remove(-3)
    assert gallery.search(row, k=9)[0].tolist() == [-(2**63), 0, 5, 9, 2**62]


def test_the_threshold_is_inclusive(path: str) -> None:
    gallery = Gallery(4)
    gallery.add(1, _axis(4, 0))
    gallery.add(2, np.array([0.6, 0.8, 0, 0], dtype=np.float32))
    gallery.add(3, _axis(4, 2))
    probe = _axis(4, 0)
    at = float(np.float32(0.6))
    assert gallery.search(probe, 3, threshold=at)[0].tolist() == [1, 2]
    assert gallery.search(probe, 3, threshold=float(np.nextafter(at, 1)))[0].tolist() == [1]
    assert gallery.search(probe, 3, threshold=0.0)[0].tolist() == [1, 2, 3]
    assert gallery.search(probe, 3, threshold=float("-inf"))[0].size == 3
    keys, scores = gallery.search(probe, threshold=1.5)
    assert (keys.shape, scores.shape) == ((0,), (0,))


def test_an_empty_gallery_finds_nobody(path: str) -> None:
    keys, scores = Gallery(16).search(_axis(16, 0), k=10**30)
    assert (str(keys.dtype), keys.size, str(scores.dtype), scores.size) == ("int64", 0, "float32", 0)


def test_replace_and_remove() -> None:
    gallery = Gallery(4)
    gallery.add(7, _axis(4, 0))
    gallery.add(7, _axis(4, 1))
    assert len(gallery) == 1
    assert gallery.search(_axis(4, 1))[1].tolist() == [1.0]
    assert 7 in gallery
    gallery.remove(np.int64(7))
    assert (len(gallery), 7 in gallery) == (0, False)
    for absent in (7, 2**80):
        with pytest.raises(KeyError):
            gallery.remove(absent)


@pytest.mark.parametrize(
    ("template", "error", "complaint"),
    [
        ([1.0, 0, 0, 0], TypeError, "float32 array, not list"),
        (np.array([1.0, 0, 0, 0]), TypeError, "format 'd'"),
        (np.array([1, 0, 0, 0], dtype=np.int32), TypeError, "format 'i'"),
        (np.array([1, 0, 0, 0], dtype=np.float16), TypeError, "format 'e'"),
        (np.array([1, 0, 0, 0], dtype=">f4"), TypeError, "format '>f'"),
        (_axis(3, 0), ValueError, r"float32\[4\], not of shape \(3,\)"),
        (_axis(4, 0)[None], ValueError, r"not of shape \(1, 4\)"),
        (_axis(8, 0)[::2], ValueError, "contiguous"),
        (np.frombuffer(b"\0" + _axis(4, 0).tobytes(), dtype=np.uint8)[1:].view(np.float32), ValueError, "aligned"),
        (np.zeros(4, dtype=np.float32), ValueError, r"length 1 \(L2-normalised\), not 0"),
        (_axis(4, 0) * np.float32(1.0011), ValueError, "not 1.0011"),
        (_axis(4, 0) * np.float32(0.9989), ValueError, "not 0.9989"),
        (np.array([np.nan, 1, 0, 0], dtype=np.float32), ValueError, "not finite"),
        (np.array([np.inf, 0, 0, 0], dtype=np.float32), ValueError, "not finite"),
        (np.array([3e38, 3e38, 0, 0], dtype=np.float32), ValueError, "length 1"),
    ],
)
def test_a_wrong_vector_is_refused_and_changes_nothing(template: Any, error: type[Exception], complaint: str) -> None:
    gallery = Gallery(4)
    gallery.add(1, _axis(4, 0))
    for key in (1, 2):
        with pytest.raises(error, match=f"template .*{complaint}"):
            gallery.add(key, template)
    with pytest.raises(error, match=f"probe .*{complaint}"):
        gallery.search(template)
    assert len(gallery) == 1
    assert gallery.search(_axis(4, 0))[1].tolist() == [1.0]


def test_vectors_are_taken_from_any_buffer_and_copied() -> None:
    gallery = Gallery(3)
    template = array.array("f", [0.0, 1.0005, 0.0])
    gallery.add(1, template)
    template[1] = 0.0
    template.append(1.0)  # no view of it is held
    assert gallery.search(_axis(3, 1).data)[1][0] == np.float32(1.0005)


@pytest.mark.parametrize("key", [1.0, "1", None, np.float64(1)])
def test_a_key_that_is_no_integer(key: Any) -> None:
    gallery = Gallery(2)
    with pytest.raises(TypeError):
        gallery.add(key, _axis(2, 0))
    with pytest.raises(TypeError):
        gallery.remove(key)


@pytest.mark.parametrize("key", [2**63, -(2**63) - 1])
def test_a_key_beyond_int64(key: int) -> None:
    gallery = Gallery(2)
    with pytest.raises(OverflowError):
        gallery.add(key, _axis(2, 0))
    assert len(gallery) == 0


@pytest.mark.parametrize("dim", [0, -1, 65537, 2**70])
def test_a_wrong_dimension(dim: int) -> None:
    with pytest.raises(ValueError, match="dim must be 1 to 65536"):
        Gallery(dim)


def test_wrong_search_arguments() -> None:
    gallery, probe = Gallery(2), _axis(2, 0)
    for k in (0, -1):
        with pytest.raises(ValueError, match="k must be at least 1"):
            gallery.search(probe, k)
    with pytest.raises(ValueError, match="threshold must be a number"):
        gallery.search(probe, threshold=float("nan"))
    with pytest.raises(TypeError):
        gallery.search(probe, 1.5)  # type: ignore[arg-type]


class GalleryModel(RuleBasedStateMachine):
    """Any sequence of changes: the gallery and a dict of the same templates find the same people in the same order.

    Templates lie along the axes, so that scores are exactly -1, 0 or 1 and nearly everything ties. The dimension is so
    large that a chunk of the store holds few rows, so chunks come and go.
    """

    DIM = 16384

    def __init__(self) -> None:
        super().__init__()
        self.gallery = Gallery(self.DIM)
        self.model: dict[int, NDArray[np.float32]] = {}

    @rule(key=st.integers(-4, 12), axis=st.integers(0, 3), sign=st.sampled_from([-1, 1]))
    def add(self, key: int, axis: int, sign: int) -> None:
        template = _axis(self.DIM, axis * 5000, sign)
        self.gallery.add(key, template)
        self.model[key] = template

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.model)))
        self.gallery.remove(key)
        del self.model[key]

    @rule(key=st.integers(-4, 12))
    def remove_absent(self, key: int) -> None:
        if key not in self.model:
            with pytest.raises(KeyError):
                self.gallery.remove(key)

    @precondition(lambda self: self.model)
    @rule(
        axis=st.integers(0, 3), k=st.integers(1, 20), threshold=st.one_of(st.none(), st.sampled_from([-1.0, 0.0, 1.0]))
    )
    def search(self, axis: int, k: int, threshold: float | None) -> None:
        probe = _axis(self.DIM, axis * 5000)
        keys, scores = self.gallery.search(probe, k, threshold)
        expected_keys, expected = reference.search(
            np.array(list(self.model)), np.array(list(self.model.values())), probe, k, threshold
        )
        assert keys.tolist() == expected_keys.tolist()
        assert scores.tolist() == expected.tolist()

    @invariant()
    def same_size(self) -> None:
        assert len(self.gallery) == len(self.model)


TestGalleryModel = GalleryModel.TestCase
TestGalleryModel.settings = settings(FASTCORE, max_examples=60, stateful_step_count=40)


@settings(FASTCORE, max_examples=100)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 200),
    k=st.integers(1, 250),
    threshold=st.one_of(st.none(), st.floats(-1, 1)),
)
def test_the_best_k_are_the_head_of_all(seed: int, count: int, k: int, threshold: float | None) -> None:
    rng = np.random.default_rng(seed)
    # Few distinct templates, so that many scores are equal bit for bit.
    pool, gallery = _unit(rng, 5, 24), Gallery(24)
    for key in rng.permutation(count):
        gallery.add(key, pool[key % 5])
    probe = _unit(rng, 1, 24)[0]
    all_keys, all_scores = gallery.search(probe, count)
    assert np.array_equal(np.lexsort((all_keys, -all_scores)), np.arange(count))
    keep = all_scores >= (-2 if threshold is None else threshold)
    keys, scores = gallery.search(probe, k, threshold)
    assert np.array_equal(keys, all_keys[keep][:k])
    assert np.array_equal(scores, all_scores[keep][:k])
