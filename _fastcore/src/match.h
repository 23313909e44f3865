/* Exact 1:N inner-product search over float32 templates.
 *
 * The store keeps templates in chunks. A search pins the chunks it is about to read and lets go of the interpreter's
 * lock; a change to a pinned chunk goes to a copy of that chunk. So a search sees the gallery as it was when it began,
 * and neither waits for the other. Pins are counted under the caller's lock (the GIL); only scanning happens without.
 */
#ifndef THERMOGATE_MATCH_H
#define THERMOGATE_MATCH_H

#include "isa.h"

#include <stddef.h>
#include <stdint.h>

enum {
    TG_LANES = 32,   /* partial sums of a dot product; rows are padded with zeros to a multiple */
    TG_ALIGN = 128,  /* bytes; a row starts on it */
    TG_BLOCK = 64    /* scores computed before they are offered to the best */
};

/* Scores of `count` rows of `stride` floats against a probe of the same stride. Same bits for a pair on every path. */
typedef void tg_dot_kernel(const float *rows, size_t stride, size_t count, const float *probe, float *scores);
tg_dot_kernel tg_dot_generic, tg_dot_avx2;
tg_dot_kernel *tg_dot_kernel_for(tg_isa path);

typedef struct {
    int64_t key;
    float score;
} tg_hit;

/* The best `limit` hits so far: a binary heap, the worst on top. */
typedef struct {
    tg_hit *hits;
    size_t count, limit;
} tg_best;

/* Keep the hit if it is among the best: higher score first, then lower key. */
void tg_best_offer(tg_best *best, int64_t key, float score);

/* Order the hits, best first; the heap is spent. */
void tg_best_sort(tg_best *best);

typedef struct {
    size_t pins; /* snapshots that hold the chunk */
    int orphan;  /* no longer the store's: the last snapshot frees it */
    int64_t *keys;
    float *rows;
} tg_chunk;

typedef struct {
    size_t dim, stride, rows_per_chunk;
    size_t count, chunk_count, chunk_room;
    tg_chunk **chunks;
} tg_store;

typedef struct {
    size_t stride, rows_per_chunk, count, chunk_count;
    tg_chunk *chunks[];
} tg_snapshot;

/* All of these return NULL or -1 when memory is short, leaving the store as it was. Call them under the lock. */
tg_store *tg_store_new(size_t dim);
void tg_store_free(tg_store *store);
int tg_store_append(tg_store *store, int64_t key, const float *row);
int tg_store_replace(tg_store *store, size_t slot, const float *row);
/* Move the last row into `slot` and drop the last; *moved is the key that now lives there. */
int tg_store_remove(tg_store *store, size_t slot, int64_t *moved);
tg_snapshot *tg_store_pin(tg_store *store);
void tg_snapshot_release(tg_snapshot *snapshot);

/* Offer every row that scores at least `threshold` to `best`. No lock needed; `probe` is aligned and padded. */
void tg_scan(const tg_snapshot *snapshot, const float *probe, tg_dot_kernel *kernel, double threshold, tg_best *best);

/* Zeroed floats on TG_ALIGN, a multiple of TG_LANES of them; release with free(). */
float *tg_aligned_floats(size_t count);

#endif
