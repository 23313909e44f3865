# cython: language_level=3
"""Pulses on two wires, timed without the GIL: what a Wiegand sender needs of the processor."""

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc

import os

__all__ = ["lock_memory", "play_lines", "play_ports"]

cdef extern from "pulses.h" nogil:
    ctypedef struct tg_wires:
        int fd[2]
        int lines
        uint64_t bit[2]
        uint8_t mark
    ctypedef struct tg_pulse:
        int64_t fell_after
        int64_t fell_before
        int64_t rose_after
        int64_t rose_before
    long tg_pulses_play(const tg_wires *wires, const uint8_t *order, size_t count, int64_t width, int64_t spacing,
                        int64_t longest, tg_pulse *seen)
    int tg_pulses_lock_memory()


def play_lines(int request, bits, bytes order not None, *, int64_t width, int64_t spacing, int64_t longest):
    """Play pulses on the lines of a GPIO line request; stops after one that may have been longer than `longest`.

    Args:
        request: the request's descriptor; its lines rest inactive.
        bits: places of wire 0 and wire 1 in the request.
        order: the wire of each pulse.
        width: nanoseconds of a pulse.
        spacing: nanoseconds from one pulse's start to the next one's.
        longest: nanoseconds.

    Returns a tuple (fell_after, fell_before, rose_after, rose_before) a pulse, CLOCK_MONOTONIC nanoseconds.
    Raises OSError.
    """
    cdef tg_wires wires
    first, second = bits
    if not (0 <= first < 64 and 0 <= second < 64 and first != second):
        raise ValueError(f"two different lines of 0 to 63, not {first} and {second}")
    wires.lines = 1
    wires.mark = 0
    wires.fd[0] = wires.fd[1] = request
    wires.bit[0] = (<uint64_t>1) << <int>first
    wires.bit[1] = (<uint64_t>1) << <int>second
    return _play(&wires, order, width, spacing, longest)


def play_ports(int first, int second, bytes order not None, *, int mark, int64_t width, int64_t spacing):
    """Play pulses by writing the byte `mark`, which takes `width` ns on the wire, to the serial port of each wire.

    Arguments and result are as in `play_lines`; the rise is reckoned from the fall.
    """
    cdef tg_wires wires
    if not 0 <= mark <= 255:
        raise ValueError(f"a byte is 0 to 255, not {mark}")
    wires.lines = 0
    wires.mark = <uint8_t>mark
    wires.fd[0], wires.fd[1] = first, second
    wires.bit[0] = wires.bit[1] = 0
    return _play(&wires, order, width, spacing, 0)


def lock_memory():
    """Keep the pages that this process has touched in memory. Raises OSError where that is not permitted."""
    cdef int fault = tg_pulses_lock_memory()
    if fault < 0:
        raise OSError(-fault, os.strerror(-fault))


cdef list _play(const tg_wires *wires, bytes order, int64_t width, int64_t spacing, int64_t longest):
    cdef size_t count = len(order), place
    cdef const uint8_t *wanted = order
    cdef long played
    if width <= 0 or spacing <= width:
        raise ValueError(f"pulses of {width} ns, {spacing} ns apart, are none")
    cdef tg_pulse *seen = <tg_pulse *>malloc((count or 1) * sizeof(tg_pulse))
    if seen == NULL:
        raise MemoryError
    try:
        with nogil:
            played = tg_pulses_play(wires, wanted, count, width, spacing, longest, seen)
        if played < 0:
            raise OSError(-played, os.strerror(-played))
        return [
            (seen[place].fell_after, seen[place].fell_before, seen[place].rose_after, seen[place].rose_before)
            for place in range(<size_t>played)
        ]
    finally:
        free(seen)
