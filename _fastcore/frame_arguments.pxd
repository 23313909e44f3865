"""What a caller gives for a frame: words and pixels, asked no more than must be, its surroundings, its faults."""

from cpython.buffer cimport (
    PyBUF_FORMAT,
    PyBUF_STRIDES,
    PyBuffer_Release,
    PyObject_CheckBuffer,
    PyObject_GetBuffer,
)
from libc.math cimport NAN, isfinite
from libc.stdint cimport uint16_t, uintptr_t
from libc.string cimport strcmp

from _fastcore.buffers cimport acquire
from _fastcore.mlx90640 cimport MLX_COLUMNS, MLX_FRAME_WORDS, MLX_PIXELS, MLX_RAM_START, mlx_fault, mlx_shared


cdef inline bint _is_plain(
    const Py_buffer *view, char code, Py_ssize_t itemsize, Py_ssize_t length, Py_ssize_t columns, bint writable
) noexcept:
    """Whether a view is the usual array, so that nothing more has to be asked. No is not yet wrong."""
    cdef const Py_ssize_t *shape = view.shape
    cdef const Py_ssize_t *strides = view.strides
    if view.format == NULL or view.format[0] != code or view.format[1] != 0 or view.itemsize != itemsize:
        return False
    if <uintptr_t> view.buf % <uintptr_t> itemsize or (writable and view.readonly):
        return False
    if view.ndim == 1:
        return shape[0] == length and strides[0] == itemsize
    return (
        view.ndim == 2
        and columns > 0
        and shape[1] == columns
        and shape[0] * columns == length
        and strides[1] == itemsize
        and strides[0] == columns * itemsize
    )


cdef inline int take_out(object out, Py_buffer *view) except -1:
    """A view of writable float32[768] or [24, 32], which the caller releases."""
    if PyObject_CheckBuffer(out):
        PyObject_GetBuffer(out, view, PyBUF_FORMAT | PyBUF_STRIDES)
        if _is_plain(view, c"f", 4, MLX_PIXELS, MLX_COLUMNS, True):
            return 0
        PyBuffer_Release(view)
    return acquire(out, view, "out", "float32", MLX_PIXELS, MLX_COLUMNS, True)


cdef inline int take_frame(object frame, Py_buffer *view) except -1:
    """A view of uint16[834], which the caller releases."""
    if PyObject_CheckBuffer(frame):
        PyObject_GetBuffer(frame, view, PyBUF_FORMAT | PyBUF_STRIDES)
        if _is_plain(view, c"H", 2, MLX_FRAME_WORDS, 0, False):
            return 0
        PyBuffer_Release(view)
    return acquire(frame, view, "frame", "uint16", MLX_FRAME_WORDS)


cdef inline bint take_any_frame(object frame, Py_buffer *view) except -1:
    """As `take_frame`, but big-endian words are taken as well, also as 1668 bytes; whether they have to be swapped."""
    cdef bint swapped = False
    if PyObject_CheckBuffer(frame):
        PyObject_GetBuffer(frame, view, PyBUF_FORMAT | PyBUF_STRIDES)
        # Only little-endian processors have a kernel.
        if view.format == NULL or strcmp(view.format, "B") == 0:
            swapped = view.ndim == 1 and view.shape[0] == 2 * MLX_FRAME_WORDS and view.strides[0] == 1
        elif strcmp(view.format, ">H") == 0:
            swapped = view.ndim == 1 and view.shape[0] == MLX_FRAME_WORDS and view.strides[0] == 2
        if swapped and <uintptr_t> view.buf % 2 == 0:
            return True
        PyBuffer_Release(view)
    if swapped:
        raise ValueError("frame must be aligned to 2 bytes")
    take_frame(frame, view)
    return False


cdef inline int raise_frame_fault(const mlx_fault *fault, const uint16_t *frame, bint swapped) except -1:
    cdef unsigned word = frame[fault.address - MLX_RAM_START]
    if swapped:
        word = (word >> 8 | word << 8) & 0xFFFF
    raise ValueError(f"frame: {fault.what.decode()} (RAM word 0x{fault.address:04X} is 0x{word:04X})")


cdef inline double celsius_or_nan(object reflected) except? -1:
    """Tr in °C, NaN for None."""
    if reflected is None:
        return NAN
    cdef double tr = reflected
    if not (isfinite(tr) and tr > -273.15):
        raise ValueError(f"reflected must be a temperature in degrees Celsius, not {reflected}")
    return tr


cdef inline int check_emissivity(double emissivity) except -1:
    if not 0 < emissivity <= 1:
        raise ValueError(f"emissivity must be over 0 and at most 1, not {emissivity}")
    return 0


cdef inline int check_subpage(const mlx_shared *words) except -1:
    if words.subpage > 1:
        raise ValueError(f"frame: the subpage word must be 0 or 1, not {words.subpage}")
    return 0
