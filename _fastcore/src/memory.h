/* Memory of the gallery: zeroed, released, wiped. */
#ifndef THERMOGATE_MEMORY_H
#define THERMOGATE_MEMORY_H

#include <stddef.h>

/* Zeros on a page boundary, or NULL; for `huge` on that of a huge page, and in such pages where the kernel has them.
 * Linux hands pages out as they are touched, so asking for megabytes takes no longer than for one page. */
void *tg_zeroed(size_t bytes, int huge);

/* Release what tg_zeroed gave; NULL is all right. Nobody reads what was in it: Linux zeroes a page before it hands it on. */
void tg_release(void *memory, size_t bytes);

/* Overwrite with zeros, even if nobody reads them again. */
void tg_wipe(void *memory, size_t bytes);

/* Zeroed floats on a 128-byte boundary, a multiple of 32 of them; release with free(). */
float *tg_aligned_floats(size_t count);

/* Room for `wanted` items of `size` in a growing array, at least doubling it. Returns the array, or NULL, leaving it. */
void *tg_grown(void *array, size_t *room, size_t wanted, size_t size);

#endif
