/* Short pulses on two wires, with what the clock said around each write. */
#ifndef TG_PULSES_H
#define TG_PULSES_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    int fd[2];    /* lines: one GPIO line request, twice; else a serial port a wire */
    int lines;    /* whether they are GPIO lines */
    uint64_t bit[2]; /* each wire's bit in the line request */
    uint8_t mark; /* the byte that is one pulse on a serial port */
} tg_wires;

/* CLOCK_MONOTONIC, nanoseconds. The wire fell between the first two and rose between the last two. */
typedef struct {
    int64_t fell_after, fell_before, rose_after, rose_before;
} tg_pulse;

/* Plays pulses of `width` ns on the wires of `order` (0 or 1), `spacing` ns from start to start, and stops after one
 * that may have been longer than `longest`: a reader throws a card away that ends early. `seen` takes `count`.
 * A serial port times the pulse itself: there `width` is what its byte takes.
 * Returns how many were played, or -errno; the wire of an error is let go once more. */
long tg_pulses_play(const tg_wires *wires, const uint8_t *order, size_t count, int64_t width, int64_t spacing,
                    int64_t longest, tg_pulse *seen);

/* Keeps the pages that this process has touched in memory; 0, or -errno where that is not permitted. */
int tg_pulses_lock_memory(void);

#endif
