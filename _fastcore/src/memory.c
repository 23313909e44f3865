/* Pages, wiping and growing arrays (memory.h). */
#define _GNU_SOURCE
#include "memory.h"

#include "match.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

enum { PAGE = 4096, HUGE_PAGE = 1 << 21 };

static size_t whole_pages(size_t bytes)
{
    return (bytes + PAGE - 1) / PAGE * PAGE;
}

#ifdef __linux__
void *tg_zeroed(size_t bytes, int huge)
{
    const size_t align = huge ? HUGE_PAGE : PAGE, size = whole_pages(bytes);
    char *memory = mmap(NULL, size + align, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    const size_t before = (align - (uintptr_t)memory % align) % align;
    if (before)
        munmap(memory, before);
    munmap(memory + before + size, align - before);
    if (huge)
        madvise(memory + before, size, MADV_HUGEPAGE);
    return memory + before;
}

void tg_release(void *memory, size_t bytes)
{
    if (memory)
        munmap(memory, whole_pages(bytes));
}
#else
void *tg_zeroed(size_t bytes, int huge)
{
    void *memory = aligned_alloc(huge ? HUGE_PAGE : PAGE, huge ? (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE
                                                               : whole_pages(bytes));
    if (memory)
        memset(memory, 0, bytes);
    return memory;
}

void tg_release(void *memory, size_t bytes)
{
    if (memory)
        tg_wipe(memory, bytes);
    free(memory);
}
#endif

void tg_wipe(void *memory, size_t bytes)
{
    memset(memory, 0, bytes);
    __asm__ volatile("" : : "r"(memory) : "memory"); /* or the compiler drops a store that nobody reads */
}

float *tg_aligned_floats(size_t count)
{
    const size_t padded = (count + TG_LANES - 1) / TG_LANES * TG_LANES;
    float *floats = aligned_alloc(TG_ALIGN, padded * sizeof *floats);
    if (floats)
        memset(floats, 0, padded * sizeof *floats);
    return floats;
}

void *tg_grown(void *array, size_t *room, size_t wanted, size_t size)
{
    size_t larger = *room ? *room : 8;
    if (array && wanted <= *room)
        return array;
    while (larger < wanted)
        larger *= 2;
    void *grown = realloc(array, larger * size);
    if (grown)
        *room = larger;
    return grown;
}
