"""Checked access to a caller's buffer: what it must be, said in the caller's words when it is not."""

from cpython.buffer cimport (
    PyBUF_FORMAT,
    PyBUF_STRIDES,
    PyBuffer_IsContiguous,
    PyBuffer_Release,
    PyObject_CheckBuffer,
    PyObject_GetBuffer,
)
from libc.stdint cimport uintptr_t


cdef inline str _complaint(
    Py_buffer *view, str kind, Py_ssize_t itemsize, Py_ssize_t length, Py_ssize_t columns, bint writable
):
    """Why a buffer of the right type cannot be used, or None."""
    cdef bint flat = view.ndim == 1 and view.shape[0] == length
    cdef bint grid = columns > 0 and view.ndim == 2 and view.shape[1] == columns and view.shape[0] * columns == length
    if not flat and not grid:
        shape = tuple([view.shape[i] for i in range(view.ndim)])
        also = f" or {kind}[{length // columns}, {columns}]" if columns > 0 else ""
        return f"must be {kind}[{length}]{also}, not of shape {shape}"
    if not PyBuffer_IsContiguous(view, b"C"):
        return "must be contiguous in memory"
    if <uintptr_t> view.buf % <uintptr_t> itemsize:
        return f"must be aligned to {itemsize} bytes"
    if writable and view.readonly:
        return "must be writable"
    return None


cdef inline bint _is_format(const char *format, char code) noexcept:
    """Whether a PEP 3118 format is one native item of this code."""
    if format == NULL:
        return False
    if format[0] == c"@" or format[0] == c"=":
        format += 1
    return format[0] == code and format[1] == 0


cdef inline int acquire(
    object source,
    Py_buffer *view,
    str name,
    str kind,
    Py_ssize_t length,
    Py_ssize_t columns=0,
    bint writable=False,
) except -1:
    """Fill `view` from any object with a buffer of `length` native items, uint16 or float32 by `kind`.

    With `columns`, a grid of so many columns is taken as well. The caller releases the view. Raises TypeError for the
    wrong kind of object or item, ValueError for the shape, layout, alignment, or a buffer that is read-only.
    """
    cdef bint words = kind == "uint16"
    if not PyObject_CheckBuffer(source):
        raise TypeError(f"{name} must be a {kind} array, not {type(source).__name__}")
    PyObject_GetBuffer(source, view, PyBUF_FORMAT | PyBUF_STRIDES)
    try:
        if not _is_format(view.format, c"H" if words else c"f"):
            found = "bytes" if view.format == NULL else view.format.decode("ascii", "replace")
            raise TypeError(f"{name} must be a {kind} array, not of format {found!r}")
        complaint = _complaint(view, kind, 2 if words else 4, length, columns, writable)
        if complaint is not None:
            raise ValueError(f"{name} {complaint}")
    except BaseException:
        PyBuffer_Release(view)
        raise
    return 0


cdef inline int acquire_rows(
    object source, Py_buffer *view, str name, Py_ssize_t count, Py_ssize_t columns
) except -1:
    """Fill `view` from any object with a C-contiguous buffer of native float32[count, columns], as `acquire`."""
    if not PyObject_CheckBuffer(source):
        raise TypeError(f"{name} must be a float32 array, not {type(source).__name__}")
    PyObject_GetBuffer(source, view, PyBUF_FORMAT | PyBUF_STRIDES)
    try:
        if not _is_format(view.format, c"f"):
            found = "bytes" if view.format == NULL else view.format.decode("ascii", "replace")
            raise TypeError(f"{name} must be a float32 array, not of format {found!r}")
        if view.ndim != 2 or view.shape[0] != count or view.shape[1] != columns:
            shape = tuple([view.shape[i] for i in range(view.ndim)])
            raise ValueError(f"{name} must be float32[{count}, {columns}] (a row a key), not of shape {shape}")
        if not PyBuffer_IsContiguous(view, b"C"):
            raise ValueError(f"{name} must be contiguous in memory")
        if <uintptr_t> view.buf % 4:
            raise ValueError(f"{name} must be aligned to 4 bytes")
    except BaseException:
        PyBuffer_Release(view)
        raise
    return 0
