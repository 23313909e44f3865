# cython: language_level=3
"""Exact 1:N search of face templates by inner product."""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.math cimport INFINITY
from libc.stdint cimport int64_t, uint64_t, uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from _fastcore cimport isa
from _fastcore.buffers cimport acquire, acquire_rows

import operator

import numpy as np

from _fastcore import requested_backend
from _fastcore.gallery import GalleryMemory, SearchWork, read_gallery, write_gallery

__all__ = [
    "Gallery",
    "GalleryMemory",
    "SearchWork",
    "available_backends",
    "backend",
    "read_bytes",
    "select_backend",
]

cdef extern from "match.h" nogil:
    ctypedef struct tg_hit:
        int64_t key
        float score
    ctypedef struct tg_best:
        tg_hit *hits
        size_t count
        size_t limit
    ctypedef uint64_t tg_read_kernel(const void *memory, size_t bytes)
    tg_read_kernel *tg_read_kernel_for(isa.tg_isa path)
    void tg_best_sort(tg_best *best)
    double tg_length(const float *vector, size_t dim)

cdef extern from "memory.h" nogil:
    float *tg_aligned_floats(size_t count)
    void tg_wipe(void *memory, size_t bytes)

cdef extern from "store.h" nogil:
    ctypedef struct tg_memory:
        size_t hot
        size_t fine
        size_t exact
        size_t index
    ctypedef struct tg_store:
        size_t count
    ctypedef struct tg_snapshot:
        pass
    tg_store *tg_store_new(size_t dim)
    void tg_store_free(tg_store *store)
    int tg_store_append(tg_store *store, int64_t key, const float *row)
    int tg_store_replace(tg_store *store, size_t slot, const float *row)
    int tg_store_remove(tg_store *store, size_t slot, int64_t *moved)
    const float *tg_store_template(const tg_store *store, size_t slot, int64_t *key)
    tg_memory tg_store_memory(const tg_store *store)
    tg_snapshot *tg_store_pin(tg_store *store)
    void tg_store_unpin(tg_store *store, tg_snapshot *snapshot)

cdef extern from "search.h" nogil:
    ctypedef struct tg_work:
        size_t hot_bytes
        size_t refined
        size_t rescored
    int tg_search(
        const tg_snapshot *snapshot, const float *probe, double tolerance, isa.tg_isa path, double threshold,
        tg_best *best, tg_work *work
    )
    void tg_search_exhaustive(
        const tg_snapshot *snapshot, const float *probe, isa.tg_isa path, double threshold, tg_best *best,
        tg_work *work
    )
    int tg_search_bounds(
        const tg_snapshot *snapshot, const float *probe, double tolerance, isa.tg_isa path, int reading, double *out
    )

cdef extern from "planes.h" nogil:
    enum:
        TG_READINGS
        TG_PLANES_LEAST
        TG_PLANES_MOST
    ctypedef struct tg_plane_kernels:
        pass
    const tg_plane_kernels *tg_plane_kernels_for(isa.tg_isa path)

MAX_DIM = 65536
cdef double NORM_TOLERANCE = 1e-3
cdef object _empty = np.empty, _int64 = np.dtype(np.int64), _float32 = np.dtype(np.float32)
cdef object _index = operator.index

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


def read_bytes(buffer):
    """Read every byte of a buffer once, as fast as the path can, without the GIL, and return how many were read.

    For measuring memory bandwidth. The buffer must be contiguous; what is not on a 64-byte boundary at its start, and a
    rest of under 256 bytes at its end, is left out. Raises TypeError or BufferError for another object.
    """
    cdef Py_buffer view
    cdef uintptr_t start, end
    cdef tg_read_kernel *kernel = tg_read_kernel_for(_path)
    PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
    try:
        start = (<uintptr_t> view.buf + 63) // 64 * 64
        end = <uintptr_t> view.buf + <uintptr_t> view.len
        if end < start + 256:
            return 0
        end = start + (end - start) // 256 * 256
        with nogil:
            kernel(<const void *> start, end - start)
        return int(end - start)
    finally:
        PyBuffer_Release(&view)


cdef int _check_normalised(const float *vector, Py_ssize_t dim, str name) except -1:
    cdef double length = tg_length(vector, <size_t> dim)
    if not length < INFINITY:
        raise ValueError(f"{name} has an element that is not finite")
    if not 1 - NORM_TOLERANCE <= length <= 1 + NORM_TOLERANCE:
        raise ValueError(f"{name} must have length 1 (L2-normalised), not {length:.6g}")
    return 0


@cython.final
cdef class Gallery:
    """Templates by key, and the search for those most like a probe.

    `Gallery(dim)` takes templates of 1 to 65536 elements. Safe for threads: changes happen under the GIL, a search runs
    without it on the gallery as it was when the search began (a change meanwhile goes to a copy of the up to 2 MiB it
    touches), so searches and changes never wait for each other.
    """

    cdef tg_store *_store
    cdef dict _slots
    cdef readonly Py_ssize_t dim

    def __cinit__(self, dim):
        size = _index(dim)
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
        cdef int64_t number = _index(key)
        acquire(template, &view, "template", "float32", self.dim)
        try:
            _check_normalised(<const float *> view.buf, self.dim, "template")
            self._put(number, <const float *> view.buf)
        finally:
            PyBuffer_Release(&view)

    def add_many(self, keys, templates):
        """Add templates, float32[n, dim], under int64 keys, any n of them; a present key's is replaced.

        Raises as `add` does, naming the row; then nothing changes but for a lack of memory, which leaves the first ones
        added.
        """
        cdef Py_buffer view
        cdef Py_ssize_t i, count
        cdef const float *rows
        cdef list numbers = [<int64_t> _index(key) for key in keys]
        count = len(numbers)
        acquire_rows(templates, &view, "templates", count, self.dim)
        try:
            rows = <const float *> view.buf
            for i in range(count):
                _check_normalised(rows + i * self.dim, self.dim, f"templates[{i}]")
            for i in range(count):
                self._put(<int64_t> numbers[i], rows + i * self.dim)
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
        """Remove a key's template, and wipe it from memory when the last search that may read it has ended.

        Raises KeyError when there is none. Takes the same time however many there are.
        """
        cdef int64_t moved = 0
        number = _index(key)
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
        cdef tg_work work
        return self._search(probe, k, threshold, True, &work)

    def search_exhaustive(self, probe, k=1, threshold=None):
        """What `search` answers, by scoring every template in float32: to check it, and to compare with."""
        cdef tg_work work
        return self._search(probe, k, threshold, False, &work)

    def explain(self, probe, k=1, threshold=None):
        """What `search` reads for its answer, as a `SearchWork`."""
        cdef tg_work work
        self._search(probe, k, threshold, True, &work)
        return SearchWork(len(self._slots), work.hot_bytes, work.refined, work.rescored)

    def bounds(self, probe, reading):
        """What `search` knows each score to be at most before it looks closer: (keys int64[n], bounds float64[n]).

        `reading`: 0, 1 and 2 for the first plane alone, with the second, and with the third; 3 for 8 bits an element.
        No bound is under the score. (None, None) where the path or the dimension has no planes: then every template is
        scored. For checking the search. Raises as `search` does.
        """
        cdef float *padded
        cdef double[::1] view
        cdef tg_snapshot *snapshot
        cdef int status, which = _index(reading)
        if not 0 <= which <= TG_READINGS:
            raise ValueError(f"reading must be 0 to {TG_READINGS}, not {reading}")
        padded = self._probe(probe)
        try:
            if not TG_PLANES_LEAST <= self.dim <= TG_PLANES_MOST or tg_plane_kernels_for(_path) == NULL:
                return None, None
            keys = self._keys()
            bounds = _empty(len(keys) + 1, np.float64)
            view = bounds
            snapshot = tg_store_pin(self._store)
            if snapshot == NULL:
                raise MemoryError
            status = tg_search_bounds(snapshot, padded, NORM_TOLERANCE, _path, which, &view[0])
            tg_store_unpin(self._store, snapshot)
            if status < 0:
                raise MemoryError
            return keys, bounds[: len(keys)]
        finally:
            tg_wipe(padded, <size_t> self.dim * sizeof(float))
            free(padded)

    def memory(self):
        """Bytes in use, as a `GalleryMemory`."""
        cdef tg_memory used = tg_store_memory(self._store)
        return GalleryMemory(used.hot, used.fine, used.exact, used.index)

    def save(self, path):
        """Write keys and templates, **not encrypted**, to a file: for benchmarks and experiments. Raises OSError.

        The file appears whole or not at all.
        """
        keys, rows = self._contents()
        write_gallery(path, keys, rows)

    @classmethod
    def load(cls, path):
        """The gallery that `save` wrote. Raises OSError, or ValueError for another or a damaged file, naming it."""
        keys, rows = read_gallery(path)
        gallery = cls(rows.shape[1])
        try:
            gallery.add_many(keys.tolist(), rows)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        if len(gallery) != len(keys):
            raise ValueError(f"{path}: a key comes twice")
        return gallery

    cdef object _keys(self):
        """Keys by slot, int64[n]."""
        cdef size_t i
        cdef int64_t key = 0
        keys = _empty(self._store.count, dtype=_int64)
        cdef int64_t[::1] view = keys
        for i in range(self._store.count):
            tg_store_template(self._store, i, &key)
            view[i] = key
        return keys

    cdef tuple _contents(self):
        cdef size_t i, count = self._store.count, dim = <size_t> self.dim
        cdef int64_t key = 0
        cdef const float *row
        rows = _empty((count, dim), dtype=_float32)
        cdef float[:, ::1] row_view = rows
        for i in range(count):
            row = tg_store_template(self._store, i, &key)
            memcpy(&row_view[i, 0], row, dim * sizeof(float))
        return self._keys(), rows

    cdef float *_probe(self, probe) except NULL:
        """A checked copy, aligned and padded with zeros; the caller wipes and frees it."""
        cdef Py_buffer view
        cdef float *padded
        acquire(probe, &view, "probe", "float32", self.dim)
        try:
            _check_normalised(<const float *> view.buf, self.dim, "probe")
            padded = tg_aligned_floats(<size_t> self.dim)
            if padded == NULL:
                raise MemoryError
            memcpy(padded, view.buf, <size_t> self.dim * sizeof(float))
            return padded
        finally:
            PyBuffer_Release(&view)

    cdef tuple _search(self, probe, k, threshold, bint planes, tg_work *work):
        cdef double least = -INFINITY if threshold is None else threshold
        cdef float *padded
        wanted = _index(k)
        if wanted < 1:
            raise ValueError(f"k must be at least 1, not {wanted}")
        if least != least:
            raise ValueError("threshold must be a number")
        padded = self._probe(probe)
        try:
            return self._scan(padded, <size_t> min(wanted, len(self._slots)), least, planes, work)
        finally:
            tg_wipe(padded, <size_t> self.dim * sizeof(float))
            free(padded)

    cdef tuple _scan(self, const float *probe, size_t limit, double threshold, bint planes, tg_work *work):
        cdef tg_best best
        cdef tg_snapshot *snapshot
        cdef isa.tg_isa path = _path
        cdef int status = 0
        work.hot_bytes = work.refined = work.rescored = 0
        best.count = 0
        best.limit = limit
        best.hits = <tg_hit *> malloc((limit + 1) * sizeof(tg_hit))
        snapshot = tg_store_pin(self._store)
        try:
            if best.hits == NULL or snapshot == NULL:
                raise MemoryError
            if limit > 0:
                with nogil:
                    if planes:
                        status = tg_search(snapshot, probe, NORM_TOLERANCE, path, threshold, &best, work)
                    else:
                        tg_search_exhaustive(snapshot, probe, path, threshold, &best, work)
                    tg_best_sort(&best)
            if status < 0:
                raise MemoryError
            return _as_arrays(&best)
        finally:
            tg_store_unpin(self._store, snapshot)
            free(best.hits)


cdef tuple _as_arrays(const tg_best *best):
    cdef size_t i
    cdef Py_buffer view
    keys = _empty(best.count, _int64)
    scores = _empty(best.count, _float32)
    PyObject_GetBuffer(keys, &view, PyBUF_SIMPLE)
    for i in range(best.count):
        (<int64_t *> view.buf)[i] = best.hits[i].key
    PyBuffer_Release(&view)
    PyObject_GetBuffer(scores, &view, PyBUF_SIMPLE)
    for i in range(best.count):
        (<float *> view.buf)[i] = best.hits[i].score
    PyBuffer_Release(&view)
    return keys, scores
