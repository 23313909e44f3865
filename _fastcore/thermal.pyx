# cython: language_level=3
"""MLX90640 thermal array: from EEPROM and frame words to temperatures (Melexis data sheet, revision 12)."""

cimport cython
from cpython.buffer cimport PyBuffer_Release
from libc.math cimport NAN
from libc.stdint cimport uint8_t, uint16_t
from libc.stdlib cimport free
from libc.string cimport memset

from _fastcore cimport isa
from _fastcore.buffers cimport acquire
from _fastcore.frame_arguments cimport (
    celsius_or_nan,
    check_emissivity,
    check_subpage,
    raise_frame_fault,
    take_any_frame,
    take_frame,
    take_out,
)
from _fastcore.mlx90640 cimport (
    MLX_COLUMNS,
    MLX_CONTROL,
    MLX_EEPROM_START,
    MLX_EEPROM_WORDS,
    MLX_ROWS,
    mlx_ambient_temperature,
    mlx_average,
    mlx_average_expect,
    mlx_average_start,
    mlx_count,
    mlx_defects,
    mlx_extract,
    mlx_extras,
    mlx_fault,
    mlx_lane_counts,
    mlx_params,
    mlx_pattern,
    mlx_pattern_of,
    mlx_read_shared,
    mlx_repair,
    mlx_shared,
    mlx_shared_terms,
    mlx_supply_voltage,
    mlx_terms,
    mlx_to_kernel,
    mlx_to_kernel_for,
)

import numpy as np

from _fastcore import requested_backend
from _fastcore.defects import Defects

__all__ = [
    "Bound",
    "CalibrationError",
    "Defects",
    "Merger",
    "Mlx90640",
    "available_backends",
    "backend",
    "select_backend",
]

cdef extern from "<stdlib.h>" nogil:
    void *aligned_alloc(size_t alignment, size_t size)

cdef enum:
    SATURATED = 0x7FFF
    NO_WORD = 0x8000  # beyond int16
    MOST_FRAMES = 1 << 20  # float32 still counts on


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
        take_frame(frame, &view)
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
        take_frame(frame, &view)
        try:
            words = mlx_read_shared(<const uint16_t *> view.buf, False)
            fault = mlx_ambient_temperature(self._params, &words, &ta)
            if fault.what != NULL:
                raise_frame_fault(&fault, <const uint16_t *> view.buf, False)
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
        cdef double tr = celsius_or_nan(reflected)
        cdef mlx_fault fault
        cdef mlx_shared shared
        cdef mlx_terms terms
        cdef mlx_to_kernel *kernel = mlx_to_kernel_for(_path)
        check_emissivity(emissivity)
        take_frame(frame, &words)
        try:
            take_out(out, &pixels)
            try:
                shared = mlx_read_shared(<const uint16_t *> words.buf, False)
                check_subpage(&shared)
                with nogil:
                    fault = mlx_shared_terms(self._params, &shared, emissivity, tr, &terms)
                    if fault.what == NULL:
                        kernel(self._params, &terms, <const uint16_t *> words.buf, <float *> pixels.buf, NULL)
                if fault.what != NULL:
                    raise_frame_fault(&fault, <const uint16_t *> words.buf, False)
                return <int> shared.subpage
            finally:
                PyBuffer_Release(&pixels)
        finally:
            PyBuffer_Release(&words)

    def bind(
        self,
        frame,
        out,
        double emissivity=0.98,
        reflected=None,
        *,
        bint check=False,
        bint repair=False,
        region=None,
    ):
        """Bind the buffers of `object_temperatures` once, for a call of `Bound.convert` per frame.

        `frame` may also be big-endian, as its words come off the bus: of dtype '>u2', or 1668 bytes. With `check`,
        words of 0x7FFF (a saturated or invalid reading) become NaN and are counted. With `repair`, every conversion
        ends with `repair`. `region`, a pair of slices, says which pixels of a picture [24, 32] `Bound.hottest` is of.
        Raises TypeError or ValueError for a wrong array, emissivity, reflected temperature or region.
        """
        return Bound(self, frame, out, emissivity, reflected, check=check, repair=repair, region=region)

    def merge(self, frames=8, double emissivity=0.98, reflected=None, *, bint check=False):
        """A `Merger`, which keeps both subpages in one picture, and each pixel's mean and noise.

        `frames` is the number of readings N that the mean goes over; the other arguments are those of `bind`.
        Raises ValueError for a wrong one.
        """
        return Merger(self, frames, emissivity, reflected, check=check)

    def repair(self, out, frame):
        """Replace every defect pixel of `out` (as above, both subpages merged) from good neighbours of its own subpage.

        The frame's control register says which those are: diagonal ones in chess readout, ones in the row in
        interleaved readout. NaN where none is good.
        """
        cdef Py_buffer words, pixels
        take_frame(frame, &words)
        try:
            take_out(out, &pixels)
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


cdef class _Pass:
    """What `Bound` and `Merger` share: a sensor, its surroundings, and one conversion at a time."""

    cdef Mlx90640 _sensor
    cdef double _emissivity, _reflected
    cdef mlx_extras _extras
    cdef bint _busy

    cdef int _set(self, Mlx90640 sensor, double emissivity, object reflected, bint check) except -1:
        check_emissivity(emissivity)
        self._reflected = celsius_or_nan(reflected)
        self._emissivity = emissivity
        self._sensor = sensor
        self._extras.saturation = SATURATED if check else NO_WORD
        self._extras.hottest = NAN
        return 0

    cdef int _enter(self) except -1:
        """Another thread must not be in the middle of it. The GIL guards the flag."""
        if self._busy:
            raise RuntimeError("another thread is in the middle of a conversion of this object")
        self._busy = True
        return 0

    @property
    def saturated(self):
        """How many pixels of the last frame were saturated, of those its subpage has; 0 without `check`."""
        return self._extras.saturated


@cython.final
cdef class Bound(_Pass):
    """A calibration with the buffers it reads and writes; see `Mlx90640.bind`, which makes one.

    The buffers are held until `release`, the end of a `with` block, or the object's end. Only one thread may be in a
    call of it at a time; another gets RuntimeError.
    """

    cdef Py_buffer _frame, _out
    cdef bint _held, _plain, _repair
    cdef mlx_lane_counts *_counted

    def __cinit__(
        self,
        Mlx90640 sensor not None,
        frame,
        out,
        double emissivity=0.98,
        reflected=None,
        *,
        bint check=False,
        bint repair=False,
        region=None,
    ):
        self._set(sensor, emissivity, reflected, check)
        if region is not None:
            self._count(region)
        self._repair = repair
        self._extras.swapped = take_any_frame(frame, &self._frame)
        try:
            take_out(out, &self._out)
        except BaseException:
            PyBuffer_Release(&self._frame)
            raise
        self._held = True
        self._plain = not (check or self._extras.swapped or region is not None)

    def __dealloc__(self):
        if self._held:
            PyBuffer_Release(&self._out)
            PyBuffer_Release(&self._frame)
        free(self._counted)

    cdef int _count(self, object region) except -1:
        """Which lanes the region's pixels are."""
        cdef const uint8_t[::1] picture
        if not (isinstance(region, tuple) and len(region) == 2 and all([isinstance(each, slice) for each in region])):
            raise TypeError(f"region must be a pair of slices (rows, columns), not {region!r}")
        grid = np.zeros((MLX_ROWS, MLX_COLUMNS), dtype=np.uint8)
        grid[region] = 1
        if not grid.any():
            raise ValueError(f"region {region!r} has no pixel")
        self._counted = <mlx_lane_counts *> aligned_alloc(64, sizeof(mlx_lane_counts))
        if self._counted == NULL:
            raise MemoryError
        picture = grid.ravel()
        mlx_count(&self._sensor._params.defects, &picture[0], self._counted[0])
        return 0

    def convert(self):
        """Write To in °C of the bound frame's subpage into the bound `out`, and return the subpage, 0 or 1.

        As `Mlx90640.object_temperatures`, with the words that the frame holds now. Raises ValueError for a frame no
        sensor sends, and then leaves everything as it was, and ValueError after `release`.
        """
        cdef mlx_fault fault
        cdef mlx_terms terms
        cdef const uint16_t *frame = <const uint16_t *> self._frame.buf
        cdef float *out = <float *> self._out.buf
        cdef mlx_to_kernel *kernel = mlx_to_kernel_for(_path)
        cdef const mlx_params *params
        cdef mlx_pattern pattern
        cdef mlx_shared words
        if not self._held:
            raise ValueError("the buffers are released")
        params = self._sensor._params
        words = mlx_read_shared(frame, self._extras.swapped)
        pattern = mlx_pattern_of(words.control)
        check_subpage(&words)
        self._enter()
        if self._counted != NULL:
            self._extras.counted = self._counted[0][<int> pattern][words.subpage]
        with nogil:
            fault = mlx_shared_terms(params, &words, self._emissivity, self._reflected, &terms)
            if fault.what == NULL:
                kernel(params, &terms, frame, out, NULL if self._plain else &self._extras)
                if self._repair:
                    mlx_repair(&params.defects, pattern, out)
        self._busy = False
        if fault.what != NULL:
            raise_frame_fault(&fault, frame, self._extras.swapped)
        return <int> words.subpage

    @property
    def hottest(self):
        """The largest To in °C that the last conversion gave in the region; its defects and NaN don't count.

        NaN where it gave none there, before the first conversion, and without a region.
        """
        return self._extras.hottest

    def release(self):
        """Let go of the buffers. Nothing happens when that was done before."""
        if not self._held:
            return
        self._enter()
        self._held = False
        PyBuffer_Release(&self._out)
        PyBuffer_Release(&self._frame)
        self._busy = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.release()


cdef class _Picture:
    """A float32[24, 32] of ours and a view of it for others, who only read."""

    cdef object shown
    cdef float[:, ::1] values

    def __cinit__(self):
        array = np.full((MLX_ROWS, MLX_COLUMNS), np.nan, dtype=np.float32)
        self.values = array
        self.shown = array.view()
        self.shown.flags.writeable = False


@cython.final
cdef class Merger(_Pass):
    """Frames into one picture of both subpages, with each pixel's mean and noise; see `Mlx90640.merge`.

    The pictures are read-only float32[24, 32] in °C and K, the same arrays for good: `add` renews the pixels of the
    frame's subpage, all NaN before. A pixel's first N readings make a plain mean; from then on a reading fades by
    1 - 1/N with each one that follows. Readings that are NaN show in `latest` alone. A frame in another readout pattern
    than the last one's begins anew. Only one thread may be in a call at a time; another gets RuntimeError.
    """

    cdef mlx_average *_average
    cdef _Picture _latest, _mean, _noise

    def __cinit__(
        self, Mlx90640 sensor not None, frames=8, double emissivity=0.98, reflected=None, *, bint check=False
    ):
        if not isinstance(frames, int) or not 2 <= frames <= MOST_FRAMES:
            raise ValueError(f"frames must be an integer from 2 to {<int> MOST_FRAMES}, not {frames!r}")
        self._latest, self._mean, self._noise = _Picture(), _Picture(), _Picture()
        self._average = <mlx_average *> aligned_alloc(64, (sizeof(mlx_average) + 63) // 64 * 64)
        if self._average == NULL:
            raise MemoryError
        mlx_average_start(
            self._average,
            <float> <int> frames,
            &self._latest.values[0, 0],
            &self._mean.values[0, 0],
            &self._noise.values[0, 0],
        )
        self._set(sensor, emissivity, reflected, check)
        self._extras.average = self._average

    def __dealloc__(self):
        free(self._average)

    def add(self, frame):
        """Take in a frame, uint16[834], native or big-endian as in `Mlx90640.bind`, and return its subpage, 0 or 1.

        Runs without the GIL. Raises TypeError or ValueError for a wrong array, ValueError for a frame no sensor sends,
        and then leaves everything as it was.
        """
        cdef Py_buffer view
        cdef bint swapped = take_any_frame(frame, &view)
        try:
            return self._add(<const uint16_t *> view.buf, swapped)
        finally:
            PyBuffer_Release(&view)

    cdef int _add(self, const uint16_t *frame, bint swapped) except -1:
        cdef mlx_fault fault
        cdef mlx_terms terms
        cdef mlx_to_kernel *kernel = mlx_to_kernel_for(_path)
        cdef const mlx_params *params = self._sensor._params
        cdef mlx_shared words = mlx_read_shared(frame, swapped)
        check_subpage(&words)
        self._enter()
        self._extras.swapped = swapped
        with nogil:
            fault = mlx_shared_terms(params, &words, self._emissivity, self._reflected, &terms)
            if fault.what == NULL:
                mlx_average_expect(self._average, mlx_pattern_of(words.control))
                kernel(params, &terms, frame, NULL, &self._extras)
        self._busy = False
        if fault.what != NULL:
            raise_frame_fault(&fault, frame, swapped)
        return <int> words.subpage

    @property
    def latest(self):
        """To of both subpages' newest frames, °C."""
        return self._latest.shown

    @property
    def mean(self):
        """The mean of each pixel's readings, °C."""
        return self._mean.shown

    @property
    def noise(self):
        """The standard deviation of one reading, K, as if the scene stood still; NaN before a pixel's second one."""
        return self._noise.shown
