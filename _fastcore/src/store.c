/* The growable, copy-on-write store of templates behind match.h. */
#include "match.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 1 << 18 }; /* what a change copies at most while a search runs */

float *tg_aligned_floats(size_t count)
{
    const size_t padded = (count + TG_LANES - 1) / TG_LANES * TG_LANES;
    float *floats = aligned_alloc(TG_ALIGN, padded * sizeof *floats);
    if (floats)
        memset(floats, 0, padded * sizeof *floats);
    return floats;
}

/* Templates are biometric data: none is left behind in memory that is given back. */
static void wipe(float *floats, size_t count)
{
    memset(floats, 0, count * sizeof *floats);
    __asm__ volatile("" : : "r"(floats) : "memory"); /* or the compiler drops a store before free() */
}

static void free_chunk(tg_chunk *chunk, size_t floats)
{
    if (!chunk)
        return;
    if (chunk->rows)
        wipe(chunk->rows, floats);
    free(chunk->rows);
    free(chunk->keys);
    free(chunk);
}

static size_t chunk_floats(const tg_store *store)
{
    return store->rows_per_chunk * store->stride;
}

static tg_chunk *new_chunk(const tg_store *store)
{
    tg_chunk *chunk = calloc(1, sizeof *chunk);
    if (!chunk)
        return NULL;
    chunk->keys = calloc(store->rows_per_chunk, sizeof *chunk->keys);
    chunk->rows = tg_aligned_floats(chunk_floats(store));
    if (!chunk->keys || !chunk->rows) {
        free_chunk(chunk, chunk_floats(store));
        return NULL;
    }
    return chunk;
}

/* The store lets go of a chunk; a snapshot that holds it frees it later. */
static void abandon(const tg_store *store, tg_chunk *chunk)
{
    if (chunk->pins)
        chunk->orphan = 1;
    else
        free_chunk(chunk, chunk_floats(store));
}

tg_store *tg_store_new(size_t dim)
{
    tg_store *store = calloc(1, sizeof *store);
    if (!store)
        return NULL;
    store->dim = dim;
    store->stride = (dim + TG_LANES - 1) / TG_LANES * TG_LANES;
    store->rows_per_chunk = CHUNK_BYTES / (store->stride * sizeof(float));
    if (store->rows_per_chunk == 0)
        store->rows_per_chunk = 1;
    return store;
}

void tg_store_free(tg_store *store)
{
    if (!store)
        return;
    for (size_t c = 0; c < store->chunk_count; c++)
        abandon(store, store->chunks[c]);
    free(store->chunks);
    free(store);
}

static int make_room(tg_store *store)
{
    if (store->count < store->chunk_count * store->rows_per_chunk)
        return 0;
    if (store->chunk_count == store->chunk_room) {
        const size_t room = store->chunk_room ? 2 * store->chunk_room : 4;
        tg_chunk **grown = realloc(store->chunks, room * sizeof *grown);
        if (!grown)
            return -1;
        store->chunks = grown;
        store->chunk_room = room;
    }
    tg_chunk *chunk = new_chunk(store);
    if (!chunk)
        return -1;
    store->chunks[store->chunk_count++] = chunk;
    return 0;
}

/* The chunk, safe to write: a copy takes its place where a snapshot holds it. */
static tg_chunk *writable(tg_store *store, size_t index)
{
    tg_chunk *chunk = store->chunks[index];
    if (!chunk->pins)
        return chunk;
    tg_chunk *copy = new_chunk(store);
    if (!copy)
        return NULL;
    memcpy(copy->keys, chunk->keys, store->rows_per_chunk * sizeof *copy->keys);
    memcpy(copy->rows, chunk->rows, chunk_floats(store) * sizeof *copy->rows);
    store->chunks[index] = copy;
    abandon(store, chunk);
    return copy;
}

static void put(const tg_store *store, tg_chunk *chunk, size_t slot, int64_t key, const float *row)
{
    const size_t at = slot % store->rows_per_chunk;
    chunk->keys[at] = key;
    memcpy(chunk->rows + at * store->stride, row, store->dim * sizeof *row);
}

int tg_store_append(tg_store *store, int64_t key, const float *row)
{
    if (make_room(store) < 0)
        return -1;
    /* A snapshot knows its own count, so a row beyond it may be written in place. */
    put(store, store->chunks[store->count / store->rows_per_chunk], store->count, key, row);
    store->count++;
    return 0;
}

int tg_store_replace(tg_store *store, size_t slot, const float *row)
{
    tg_chunk *chunk = writable(store, slot / store->rows_per_chunk);
    if (!chunk)
        return -1;
    put(store, chunk, slot, chunk->keys[slot % store->rows_per_chunk], row);
    return 0;
}

int tg_store_remove(tg_store *store, size_t slot, int64_t *moved)
{
    const size_t last = store->count - 1, last_at = last % store->rows_per_chunk;
    tg_chunk *chunk = writable(store, slot / store->rows_per_chunk);
    /* The vacated row may be appended to next, in place: a snapshot must not be reading it. */
    tg_chunk *tail = chunk ? writable(store, last / store->rows_per_chunk) : NULL;
    if (!tail)
        return -1;
    *moved = tail->keys[last_at];
    if (slot != last)
        put(store, chunk, slot, *moved, tail->rows + last_at * store->stride);
    store->count--;
    wipe(tail->rows + last_at * store->stride, store->stride);
    if (last_at == 0)
        abandon(store, store->chunks[--store->chunk_count]);
    return 0;
}

tg_snapshot *tg_store_pin(tg_store *store)
{
    tg_snapshot *snapshot = malloc(sizeof *snapshot + store->chunk_count * sizeof *snapshot->chunks);
    if (!snapshot)
        return NULL;
    snapshot->stride = store->stride;
    snapshot->rows_per_chunk = store->rows_per_chunk;
    snapshot->count = store->count;
    snapshot->chunk_count = store->chunk_count;
    for (size_t c = 0; c < store->chunk_count; c++) {
        snapshot->chunks[c] = store->chunks[c];
        snapshot->chunks[c]->pins++;
    }
    return snapshot;
}

void tg_snapshot_release(tg_snapshot *snapshot)
{
    if (!snapshot)
        return;
    for (size_t c = 0; c < snapshot->chunk_count; c++) {
        tg_chunk *chunk = snapshot->chunks[c];
        if (--chunk->pins == 0 && chunk->orphan)
            free_chunk(chunk, snapshot->rows_per_chunk * snapshot->stride);
    }
    free(snapshot);
}
