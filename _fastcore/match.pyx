# cython: language_level=3
"""Exact 1:N search of face templates by inner product."""

cimport cython
from cpython.buffer cimport PyBuffer_Release
from libc.math cimport INFINITY, fabs, isfinite, sqrt
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from _fastcore cimport isa
from _fastcore.buffers cimport acquire

import operator

import numpy as np

from _fastcore import requested_backend

__all__ = ["Gallery", "available_backends", "backend", "select_backend"]

cdef extern from "match.h" nogil:
    ctypedef void tg_dot_kernel(const float *, size_t, size_t, const float *, float *)
    ctypedef struct tg_hit:
        int64_t key
        float score
    ctypedef struct tg_best:
        tg_hit *hits
        size_t count
        size_t limit
    ctypedef struct tg_store:
        size_t count
    ctypedef struct tg_snapshot:
        pass
    tg_dot_kernel *tg_dot_kernel_for(isa.tg_isa path)
    void tg_best_sort(tg_best *best)
    tg_store *tg_store_new(size_t dim)
    void tg_store_free(tg_store *store)
    int tg_store_append(tg_store *store, int64_t key, const float *row)
    int tg_store_replace(tg_store *store, size_t slot, const float *row)
    int tg_store_remove(tg_store *store, size_t slot, int64_t *moved)
    tg_snapshot *tg_store_pin(tg_store *store)
    void tg_snapshot_release(tg_snapshot *snapshot)
    void tg_scan(
        const tg_snapshot *snapshot, const float *probe, tg_dot_kernel *kernel, double threshold, tg_best *best
    )
    float *tg_aligned_floats(size_t count)

MAX_DIM = 65536
cdef double NORM_TOLERANCE = 1e-3

cdef isa.tg_isa _path = isa.by_name(requested_backend(tuple(isa.available_names())))


def available_backends():
    """Names of the paths this build and processor have, the baseline first, the fastest last."""
    return tuple(isa.available_names())


def backend():
    """The path in use."""
    return isa.tg_isa_name(_path).decode()


def select_backend(str name not None):
    """Take another path from now on. Raises ValueError for one that is not available."""
    global _path
    _path = isa.by_name(name)


cdef int _check_normalised(const float *vector, Py_ssize_t dim, str name) except -1:
    cdef double square = 0
    cdef Py_ssize_t i
    for i in range(dim):
        square += <double> vector[i] * vector[i]
    if not isfinite(square):
        raise ValueError(f"{name} has an element that is not finite")
    if fabs(sqrt(square) - 1) > NORM_TOLERANCE:
        raise ValueError(f"{name} must have length 1 (L2-normalised), not {sqrt(square):.6g}")
    return 0


@cython.final
cdef class Gallery:
    """Templates by key, and the search for those most like a probe.

    `Gallery(dim)` takes templates of 1 to 65536 elements. Safe for threads: changes happen under the GIL, a search runs
    without it on the gallery as it was when the search began (a change meanwhile goes to a copy of the 256 KiB it
    touches), so searches and changes never wait for each other.
    """

    cdef tg_store *_store
    cdef dict _slots
    cdef readonly Py_ssize_t dim

    def __cinit__(self, dim):
        size = operator.index(dim)
        if not 1 <= size <= MAX_DIM:
            raise ValueError(f"dim must be 1 to {MAX_DIM}, not {size}")
        self.dim = size
        self._slots = {}
        self._store = tg_store_new(<size_t> self.dim)
        if self._store == NULL:
            raise MemoryError

    def __dealloc__(self):
        tg_store_free(self._store)

    def __len__(self):
        return len(self._slots)

    def __contains__(self, key):
        return key in self._slots

    def add(self, key, template):
        """Add a template, float32[dim] of length 1 (within 1e-3), under an int64 key; a present key's is replaced.

        Raises TypeError or ValueError for a wrong array, OverflowError for a key beyond int64; then nothing changes.
        """
        cdef Py_buffer view
        cdef int64_t number = operator.index(key)
        acquire(template, &view, "template", "float32", self.dim)
        try:
            _check_normalised(<const float *> view.buf, self.dim, "template")
            self._put(number, <const float *> view.buf)
        finally:
            PyBuffer_Release(&view)

    cdef int _put(self, int64_t key, const float *row) except -1:
        slot = self._slots.get(key)
        if slot is not None:
            if tg_store_replace(self._store, <size_t> slot, row) < 0:
                raise MemoryError
            return 0
        self._slots[key] = self._store.count
        if tg_store_append(self._store, key, row) < 0:
            del self._slots[key]
            raise MemoryError
        return 0

    def remove(self, key):
        """Remove a key's template and wipe it from memory. Raises KeyError when there is none. O(1)."""
        cdef int64_t moved = 0
        number = operator.index(key)
        cdef size_t slot = self._slots[number]
        if tg_store_remove(self._store, slot, &moved) < 0:
            raise MemoryError
        # In this order, so that removing the last one does not put it back.
        self._slots[moved] = slot
        del self._slots[number]

    def search(self, probe, k=1, threshold=None):
        """The best `k` of those that score at least `threshold`: (keys int64[n], scores float32[n]), n ≤ k.

        The score is the inner product with the probe, float32[dim] of length 1: the cosine. Order is by score
        descending, then key ascending. The bits of a score depend on the pair alone, neither on place nor processor.
        Raises TypeError or ValueError for a wrong array, k under 1, or a threshold that is not a number.
        """
        cdef double least = -INFINITY if threshold is None else threshold
        cdef Py_buffer view
        cdef float *padded
        wanted = operator.index(k)
        if wanted < 1:
            raise ValueError(f"k must be at least 1, not {wanted}")
        if least != least:
            raise ValueError("threshold must be a number")
        acquire(probe, &view, "probe", "float32", self.dim)
        try:
            _check_normalised(<const float *> view.buf, self.dim, "probe")
            padded = tg_aligned_floats(<size_t> self.dim)
            if padded == NULL:
                raise MemoryError
            memcpy(padded, view.buf, <size_t> self.dim * sizeof(float))
        finally:
            PyBuffer_Release(&view)
        try:
            return self._search(padded, <size_t> min(wanted, len(self._slots)), least)
        finally:
            free(padded)

    cdef tuple _search(self, const float *probe, size_t limit, double threshold):
        cdef tg_best best
        cdef tg_dot_kernel *kernel = tg_dot_kernel_for(_path)
        cdef tg_snapshot *snapshot
        best.count = 0
        best.limit = limit
        best.hits = <tg_hit *> malloc((limit + 1) * sizeof(tg_hit))
        snapshot = tg_store_pin(self._store)
        try:
            if best.hits == NULL or snapshot == NULL:
                raise MemoryError
            with nogil:
                tg_scan(snapshot, probe, kernel, threshold, &best)
                tg_best_sort(&best)
            return _as_arrays(&best)
        finally:
            tg_snapshot_release(snapshot)
            free(best.hits)


cdef tuple _as_arrays(const tg_best *best):
    cdef size_t i
    keys = np.empty(best.count, dtype=np.int64)
    scores = np.empty(best.count, dtype=np.float32)
    cdef int64_t[::1] key_view = keys
    cdef float[::1] score_view = scores
    for i in range(best.count):
        key_view[i] = best.hits[i].key
        score_view[i] = best.hits[i].score
    return keys, scores
