/* The gallery's memory: planes in chunks that a search reads front to back, and rows that it seldom looks up.
 *
 * A template has a slot, its place in the planes, and a row, its place among the exact (float32) and fine (8-bit) rows.
 * Slots are dense: removing one moves the last into its place. Rows stay where they are until they are freed.
 *
 * A search pins a snapshot and then reads without the caller's lock (the GIL), while everything here runs under it:
 *  - a chunk that a snapshot may read is not written to but where the snapshot does not look (behind its count): a change
 *    elsewhere goes to a copy of the chunk;
 *  - a row that a snapshot may read is neither wiped nor used again before the snapshot is released.
 * So a search sees the gallery as it was when it began, and neither waits for the other.
 */
#ifndef THERMOGATE_STORE_H
#define THERMOGATE_STORE_H

#include "planes.h"

/* What belongs to a slot beside its planes. */
typedef struct {
    int64_t key;
    uint32_t row;
    float fine_scale, fine_distance;
} tg_entry;

typedef struct {
    uint64_t born; /* the store's serial number then: snapshots with a higher one may read it */
    uint8_t *plane[TG_READINGS];
    tg_group_bounds *bounds;
    tg_entry *entries;
    void *memory;
} tg_chunk;

typedef struct tg_snapshot {
    uint64_t serial;
    struct tg_snapshot *older, *newer;
    tg_shape shape;
    int has_planes;
    unsigned chunk_shift, slab_shift;
    size_t chunk_slots, slab_rows;
    size_t count, chunk_count;
    const tg_rotation *rotation;
    double distance[TG_READINGS]; /* means of all templates' */
    tg_chunk **chunks;
    float **exact; /* slabs of rows */
    uint8_t **fine;
} tg_snapshot;

/* A chunk, or memory of a slab, or a row, that a snapshot may still read. */
typedef struct {
    uint64_t serial;
    tg_chunk *chunk;
    void *memory;
    size_t bytes;
    uint32_t row;
} tg_retired;

typedef struct {
    tg_shape shape;
    tg_rotation rotation;
    int has_planes;
    unsigned chunk_shift, slab_shift;
    size_t chunk_slots, slab_rows; /* room of each, powers of two */
    size_t count, row_count, chunk_count, chunk_room, slab_count, slab_room;
    tg_chunk **chunks;
    float **exact;
    uint8_t **fine;
    uint32_t *free_rows;
    size_t free_count, free_room; /* there is room for all rows at any time */
    double distance_sum[TG_READINGS];
    uint64_t serial;
    tg_snapshot *oldest, *newest;
    tg_retired *retired; /* in order of their serial numbers */
    size_t retired_count, retired_room;
    float *rotated; /* scratch */
    tg_quantised scratch;
} tg_store;

/* Bytes in use, by what reads them. */
typedef struct {
    size_t hot;   /* planes and bounds: every search */
    size_t fine;  /* what the planes let through */
    size_t exact; /* what the fine rows let through */
    size_t index; /* keys, slot to row */
} tg_memory;

/* These return NULL or -1 when memory is short, leaving the store as it was. Call them under the lock. */
tg_store *tg_store_new(size_t dim);
void tg_store_free(tg_store *store);
int tg_store_append(tg_store *store, int64_t key, const float *template);
int tg_store_replace(tg_store *store, size_t slot, const float *template);
/* Move the last slot into `slot` and drop the last; *moved is the key that now lives there. The row is wiped. */
int tg_store_remove(tg_store *store, size_t slot, int64_t *moved);
tg_memory tg_store_memory(const tg_store *store);
const float *tg_store_template(const tg_store *store, size_t slot, int64_t *key);

tg_snapshot *tg_store_pin(tg_store *store);
void tg_store_unpin(tg_store *store, tg_snapshot *snapshot);

static inline const tg_entry *tg_entry_at(const tg_snapshot *s, size_t slot)
{
    return &s->chunks[slot >> s->chunk_shift]->entries[slot & (s->chunk_slots - 1)];
}

static inline const tg_group_bounds *tg_bounds_at(const tg_snapshot *s, size_t slot)
{
    return &s->chunks[slot >> s->chunk_shift]->bounds[(slot & (s->chunk_slots - 1)) / TG_GROUP];
}

static inline const float *tg_exact_row(const tg_snapshot *s, uint32_t row)
{
    return s->exact[row >> s->slab_shift] + (row & (s->slab_rows - 1)) * s->shape.stride;
}

static inline const uint8_t *tg_fine_row(const tg_snapshot *s, uint32_t row)
{
    return s->fine[row >> s->slab_shift] + (row & (s->slab_rows - 1)) * s->shape.fine_stride;
}

#endif
