# cython: language_level=3
"""MLX90640 thermal array: from EEPROM and frame words to temperatures (Melexis data sheet, revision 12)."""

cimport cython
from cpython.buffer cimport PyBuffer_Release
from libc.math cimport NAN, isfinite
from libc.stdint cimport uint16_t
from libc.stdlib cimport free
from libc.string cimport memset

from _fastcore cimport isa
from _fastcore.buffers cimport acquire

from _fastcore import requested_backend
from _fastcore.defects import Defects

__all__ = ["CalibrationError", "Defects", "Mlx90640", "available_backends", "backend", "select_backend"]

cdef extern from "<stdlib.h>" nogil:
    void *aligned_alloc(size_t alignment, size_t size)

cdef extern from "mlx90640.h" nogil:
    enum:
        MLX_PIXELS
        MLX_COLUMNS
        MLX_EEPROM_WORDS
        MLX_FRAME_WORDS
        MLX_EEPROM_START
        MLX_RAM_START
        MLX_CONTROL
    ctypedef enum mlx_pattern:
        pass
    ctypedef struct mlx_fault:
        const char *what
        unsigned address
    ctypedef struct mlx_defects:
        unsigned broken_count
        unsigned outlier_count
        uint16_t *broken
        uint16_t *outliers
        int code
    ctypedef struct mlx_params:
        mlx_defects defects
    ctypedef struct mlx_shared:
        unsigned control
        unsigned subpage
    ctypedef struct mlx_terms:
        pass
    ctypedef struct mlx_extras:
        pass
    ctypedef void mlx_to_kernel(
        const mlx_params *params, const mlx_terms *terms, const uint16_t *frame, float *out, mlx_extras *extras
    )
    mlx_pattern mlx_pattern_of(unsigned control)
    mlx_fault mlx_extract(const uint16_t *eeprom, mlx_params *params)
    void mlx_repair(const mlx_defects *defects, mlx_pattern pattern, float *to)
    mlx_shared mlx_read_shared(const uint16_t *frame, int swapped)
    double mlx_supply_voltage(const mlx_params *params, const mlx_shared *words)
    mlx_fault mlx_ambient_temperature(const mlx_params *params, const mlx_shared *words, double *ta)
    mlx_fault mlx_shared_terms(
        const mlx_params *params, const mlx_shared *words, double emissivity, double reflected, mlx_terms *terms
    )
    mlx_to_kernel *mlx_to_kernel_for(isa.tg_isa path)


class CalibrationError(ValueError):
    """The EEPROM's words are no sensor's; the message names the word."""


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


cdef _raise_frame_fault(const mlx_fault *fault, const uint16_t *frame):
    what = fault.what.decode()
    raise ValueError(f"frame: {what} (RAM word 0x{fault.address:04X} is 0x{frame[fault.address - MLX_RAM_START]:04X})")


@cython.final
cdef class Mlx90640:
    """The calibration of one sensor, from its EEPROM (uint16[832]). Immutable; any thread may use it.

    Raises CalibrationError for words that no sensor holds, TypeError or ValueError for a wrong array.
    """

    cdef mlx_params *_params
    cdef readonly object defects

    def __cinit__(self, eeprom):
        cdef Py_buffer view
        cdef mlx_fault fault
        # A multiple of the alignment, as C11 asks.
        cdef size_t size = (sizeof(mlx_params) + 63) // 64 * 64
        self._params = <mlx_params *> aligned_alloc(64, size)
        if self._params == NULL:
            raise MemoryError
        memset(self._params, 0, size)
        acquire(eeprom, &view, "eeprom", "uint16", MLX_EEPROM_WORDS)
        try:
            fault = mlx_extract(<const uint16_t *> view.buf, self._params)
            if fault.what != NULL:
                word = (<const uint16_t *> view.buf)[fault.address - MLX_EEPROM_START]
                raise CalibrationError(
                    f"EEPROM: {fault.what.decode()} (word 0x{fault.address:04X} is 0x{word:04X})"
                )
        finally:
            PyBuffer_Release(&view)
        self.defects = self._list_defects()

    def __dealloc__(self):
        free(self._params)

    cdef object _list_defects(self):
        cdef const mlx_defects *found = &self._params.defects
        return Defects(
            code=found.code,
            broken=tuple([found.broken[i] for i in range(found.broken_count)]),
            outliers=tuple([found.outliers[i] for i in range(found.outlier_count)]),
        )

    def supply_voltage(self, frame):
        """Supply voltage Vdd in volts (11.2.2.2) of a frame: uint16[834], 832 RAM words, control register 1, subpage.

        Raises TypeError or ValueError for a wrong array.
        """
        cdef Py_buffer view
        cdef mlx_shared words
        acquire(frame, &view, "frame", "uint16", MLX_FRAME_WORDS)
        try:
            words = mlx_read_shared(<const uint16_t *> view.buf, False)
            return mlx_supply_voltage(self._params, &words)
        finally:
            PyBuffer_Release(&view)

    def ambient_temperature(self, frame):
        """Die temperature Ta in °C (11.2.2.3).

        Raises ValueError for words that give no temperature a chip can have (-100 to 200 °C), naming the word.
        """
        cdef Py_buffer view
        cdef double ta = 0
        cdef mlx_fault fault
        cdef mlx_shared words
        acquire(frame, &view, "frame", "uint16", MLX_FRAME_WORDS)
        try:
            words = mlx_read_shared(<const uint16_t *> view.buf, False)
            fault = mlx_ambient_temperature(self._params, &words, &ta)
            if fault.what != NULL:
                _raise_frame_fault(&fault, <const uint16_t *> view.buf)
            return ta
        finally:
            PyBuffer_Release(&view)

    def object_temperatures(self, frame, out, double emissivity=0.98, reflected=None):
        """Write To in °C of the frame's subpage into `out`, float32[768] or [24, 32], and return the subpage.

        The other subpage's pixels stay as they are. NaN where no temperature fits the signal. `emissivity` is in
        (0, 1]; `reflected` is Tr in °C, and None takes Ta - 8, the data sheet's figure for a sensor in open air (an
        enclosure needs its own). Runs without the GIL. Raises ValueError for a frame no sensor sends, naming the word,
        and then leaves `out` as it was.
        """
        cdef Py_buffer words, pixels
        cdef double tr = NAN if reflected is None else reflected
        if not 0 < emissivity <= 1:
            raise ValueError(f"emissivity must be over 0 and at most 1, not {emissivity}")
        if reflected is not None and not (isfinite(tr) and tr > -273.15):
            raise ValueError(f"reflected must be a temperature in degrees Celsius, not {reflected}")
        acquire(frame, &words, "frame", "uint16", MLX_FRAME_WORDS)
        try:
            acquire(out, &pixels, "out", "float32", MLX_PIXELS, MLX_COLUMNS, True)
            try:
                return self._object_temperatures(<const uint16_t *> words.buf, <float *> pixels.buf, emissivity, tr)
            finally:
                PyBuffer_Release(&pixels)
        finally:
            PyBuffer_Release(&words)

    cdef int _object_temperatures(
        self, const uint16_t *frame, float *out, double emissivity, double reflected
    ) except -1:
        cdef mlx_terms terms
        cdef mlx_fault fault
        cdef mlx_to_kernel *kernel = mlx_to_kernel_for(_path)
        cdef mlx_shared words = mlx_read_shared(frame, False)
        if words.subpage > 1:
            raise ValueError(f"frame: the subpage word must be 0 or 1, not {words.subpage}")
        with nogil:
            fault = mlx_shared_terms(self._params, &words, emissivity, reflected, &terms)
            if fault.what == NULL:
                kernel(self._params, &terms, frame, out, NULL)
        if fault.what != NULL:
            _raise_frame_fault(&fault, frame)
        return <int> words.subpage

    def repair(self, out, frame):
        """Replace every defect pixel of `out` (as above, both subpages merged) from good neighbours of its own subpage.

        The frame's control register says which those are: diagonal ones in chess readout, ones in the row in
        interleaved readout. NaN where none is good.
        """
        cdef Py_buffer words, pixels
        acquire(frame, &words, "frame", "uint16", MLX_FRAME_WORDS)
        try:
            acquire(out, &pixels, "out", "float32", MLX_PIXELS, MLX_COLUMNS, True)
            try:
                mlx_repair(
                    &self._params.defects,
                    mlx_pattern_of((<const uint16_t *> words.buf)[MLX_CONTROL]),
                    <float *> pixels.buf,
                )
            finally:
                PyBuffer_Release(&pixels)
        finally:
            PyBuffer_Release(&words)
