/* Pulses by spinning on the clock (pulses.h).
 *
 * A pulse of 50 us leaves no room for an interpreter or a wake-up, so this runs without the GIL and spins for as long as
 * the wire is low; between two pulses, where the standard leaves 20 ms, it sleeps. */
#define _GNU_SOURCE
#include "pulses.h"

#include <errno.h>
#include <string.h>

#ifdef __linux__
#include <linux/gpio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { SECOND = 1000000000 };

static int64_t now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (int64_t)at.tv_sec * SECOND + at.tv_nsec;
}

static void sleep_until(int64_t moment)
{
    const struct timespec at = {.tv_sec = (time_t)(moment / SECOND), .tv_nsec = (long)(moment % SECOND)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        ;
}

static int set_line(const tg_wires *wires, int wire, int active)
{
    struct gpio_v2_line_values values = {.bits = active ? wires->bit[wire] : 0, .mask = wires->bit[wire]};
    return ioctl(wires->fd[wire], GPIO_V2_LINE_SET_VALUES_IOCTL, &values) < 0 ? -errno : 0;
}

static int pulse_line(const tg_wires *wires, int wire, int64_t width, tg_pulse *seen)
{
    /* The first write after a sleep is slow, and how slow is not known: let it be one that changes nothing. */
    int fault = set_line(wires, wire, 0);
    if (fault)
        return fault;
    seen->fell_after = now();
    fault = set_line(wires, wire, 1);
    seen->fell_before = now();
    /* Half of each write counts to the pulse: so the next one begins `width` after this one began. */
    while (!fault && now() < seen->fell_after + width)
        ;
    seen->rose_after = now();
    const int rise = set_line(wires, wire, 0);
    seen->rose_before = now();
    if (rise)
        set_line(wires, wire, 0);
    return fault ? fault : rise;
}

static int pulse_port(const tg_wires *wires, int wire, int64_t width, tg_pulse *seen)
{
    seen->fell_after = now();
    const ssize_t count = write(wires->fd[wire], &wires->mark, 1);
    const int fault = count == 1 ? 0 : count == 0 ? -EIO : -errno;
    seen->fell_before = now();
    seen->rose_after = seen->fell_after + width;
    seen->rose_before = seen->fell_before + width;
    return fault;
}

long tg_pulses_play(const tg_wires *wires, const uint8_t *order, size_t count, int64_t width, int64_t spacing,
                    int64_t longest, tg_pulse *seen)
{
    memset(seen, 0, count * sizeof *seen); /* no page of it comes as a surprise later */
    for (size_t place = 0; place < count; ++place) {
        tg_pulse *pulse = &seen[place];
        const int wire = order[place] != 0;
        if (place)
            sleep_until(seen[place - 1].fell_after + spacing);
        const int fault =
            wires->lines ? pulse_line(wires, wire, width, pulse) : pulse_port(wires, wire, width, pulse);
        if (fault)
            return fault;
        if (wires->lines && pulse->rose_before - pulse->fell_after > longest)
            return (long)place + 1;
    }
    return (long)count;
}

int tg_pulses_lock_memory(void)
{
#ifdef MCL_ONFAULT
    /* Not MCL_FUTURE: under a limit, that would fail later allocations. */
    return mlockall(MCL_CURRENT | MCL_ONFAULT) < 0 ? -errno : 0;
#else
    return -ENOSYS;
#endif
}
#else
long tg_pulses_play(const tg_wires *wires, const uint8_t *order, size_t count, int64_t width, int64_t spacing,
                    int64_t longest, tg_pulse *seen)
{
    return -ENOSYS;
}

int tg_pulses_lock_memory(void)
{
    return -ENOSYS;
}
#endif
