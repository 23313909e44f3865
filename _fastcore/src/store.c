/* Slots and rows of the gallery (store.h). */
#include "store.h"

#include "memory.h"
#include "rotate.h"
#include "match.h"

#include <stdlib.h>
#include <string.h>

enum {
    CHUNK_BYTES = 1 << 21, /* of planes: what a change copies at most beside a search */
    MOST_SLOTS_SHIFT = 13, /* 2^13 slots of a chunk */
    SLAB_BYTES = 1 << 23,  /* of exact rows: with their fine rows, whole huge pages */
    MOST_ROWS_SHIFT = 16,  /* 2^16 rows of a slab */
    GROWN = 512            /* templates, from which on huge pages pay */
};

/* ---- sizes ---- */

static size_t plane_bytes(const tg_store *store, int r)
{
    if (!store->has_planes)
        return 0;
    return r == 0 ? store->shape.first_bytes : store->shape.other_bytes;
}

static size_t bounds_bytes(const tg_store *store)
{
    return store->has_planes ? store->chunk_slots / TG_GROUP * sizeof(tg_group_bounds) : 0;
}

static size_t chunk_bytes(const tg_store *store)
{
    size_t bytes = store->chunk_slots * sizeof(tg_entry) + bounds_bytes(store);
    for (int r = 0; r < TG_READINGS; r++)
        bytes += plane_bytes(store, r) * store->chunk_slots;
    return bytes;
}

static size_t exact_slab_bytes(const tg_store *store)
{
    return store->slab_rows * store->shape.stride * sizeof(float);
}

static size_t fine_slab_bytes(const tg_store *store)
{
    return store->slab_rows * store->shape.fine_stride;
}

/* ---- chunks ---- */

/* A first chunk or slab may stay small; from the second on, a huge page will be filled. */
static tg_chunk *new_chunk(const tg_store *store)
{
    tg_chunk *chunk = calloc(1, sizeof *chunk);
    if (!chunk)
        return NULL;
    uint8_t *at = chunk->memory = tg_zeroed(chunk_bytes(store), store->chunk_count > 0);
    if (!at) {
        free(chunk);
        return NULL;
    }
    for (int r = 0; r < TG_READINGS; at += plane_bytes(store, r) * store->chunk_slots, r++)
        chunk->plane[r] = at;
    chunk->bounds = (tg_group_bounds *)(void *)at;
    chunk->entries = (tg_entry *)(void *)(at + bounds_bytes(store));
    chunk->born = store->serial;
    return chunk;
}

static void free_chunk(const tg_store *store, tg_chunk *chunk)
{
    tg_release(chunk->memory, chunk_bytes(store));
    free(chunk);
}

/* ---- what snapshots may still read ---- */

static void free_row(tg_store *store, uint32_t row)
{
    const size_t slab = row / store->slab_rows, at = row % store->slab_rows;
    tg_wipe(store->exact[slab] + at * store->shape.stride, store->shape.stride * sizeof(float));
    if (store->has_planes)
        tg_wipe(store->fine[slab] + at * store->shape.fine_stride, store->shape.fine_stride);
    store->free_rows[store->free_count++] = row;
}

static void free_retired(tg_store *store, const tg_retired *each)
{
    if (each->chunk)
        free_chunk(store, each->chunk);
    else if (each->memory)
        tg_release(each->memory, each->bytes);
    else
        free_row(store, each->row);
}

/* So that `count` more things can be retired. */
static int reserve_retired(tg_store *store, size_t count)
{
    tg_retired *grown =
        tg_grown(store->retired, &store->retired_room, store->retired_count + count, sizeof *store->retired);
    if (!grown)
        return -1;
    store->retired = grown;
    return 0;
}

/* Free now, or when the last snapshot that may read it is released. Room to note it must be reserved. */
static void retire(tg_store *store, tg_retired one)
{
    one.serial = store->serial;
    if (store->newest)
        store->retired[store->retired_count++] = one;
    else
        free_retired(store, &one);
}

static void free_unseen(tg_store *store)
{
    size_t done = 0;
    while (done < store->retired_count &&
           (!store->oldest || store->retired[done].serial < store->oldest->serial))
        free_retired(store, &store->retired[done++]);
    if (done == 0)
        return;
    store->retired_count -= done;
    memmove(store->retired, store->retired + done, store->retired_count * sizeof *store->retired);
}

/* Put a copy in a chunk's place, of what is in use. Room to retire the old one must be reserved. */
static tg_chunk *copy_chunk(tg_store *store, size_t index)
{
    tg_chunk *chunk = store->chunks[index], *copy = new_chunk(store);
    if (!copy)
        return NULL;
    const size_t left = store->count - index * store->chunk_slots;
    const size_t used = left < store->chunk_slots ? left : store->chunk_slots;
    const size_t blocks = (used + TG_BLOCK - 1) / TG_BLOCK;
    for (int r = 0; r < TG_READINGS; r++)
        memcpy(copy->plane[r], chunk->plane[r], blocks * TG_BLOCK * plane_bytes(store, r));
    if (store->has_planes)
        memcpy(copy->bounds, chunk->bounds, blocks * (TG_BLOCK / TG_GROUP) * sizeof *copy->bounds);
    memcpy(copy->entries, chunk->entries, used * sizeof *copy->entries);
    store->chunks[index] = copy;
    retire(store, (tg_retired){.chunk = chunk});
    return copy;
}

/* The chunk, safe to write: a copy takes its place where a snapshot may read it. */
static tg_chunk *writable(tg_store *store, size_t index)
{
    tg_chunk *chunk = store->chunks[index];
    return store->newest && store->newest->serial > chunk->born ? copy_chunk(store, index) : chunk;
}

/* Move the rows of the first slab to huge pages. */
static int move_slab(tg_store *store, void **slab, size_t bytes, size_t row_bytes)
{
    void *moved = tg_zeroed(bytes, 1);
    if (!moved)
        return -1;
    const size_t rows = store->row_count < store->slab_rows ? store->row_count : store->slab_rows;
    memcpy(moved, *slab, rows * row_bytes);
    retire(store, (tg_retired){.memory = *slab, .bytes = bytes});
    *slab = moved;
    return 0;
}

/* A gallery that has grown is worth huge pages from its first template on: without them, looking addresses up takes a
 * search as long as reading. Where memory is short, it does without. */
static void promote(tg_store *store)
{
    void *exact = store->exact[0], *fine = store->fine[0];
    if (reserve_retired(store, 3) < 0 || !copy_chunk(store, 0))
        return;
    if (move_slab(store, &exact, exact_slab_bytes(store), store->shape.stride * sizeof(float)) == 0)
        store->exact[0] = exact;
    if (store->has_planes && move_slab(store, &fine, fine_slab_bytes(store), store->shape.fine_stride) == 0)
        store->fine[0] = fine;
}

/* ---- the store ---- */

/* Powers of two, so that finding a slot or a row takes no division. */
static unsigned shift_of_chunk(const tg_shape *shape)
{
    unsigned shift = 8; /* a block */
    while (shift < MOST_SLOTS_SHIFT && (shape->padded / 2 << (shift + 1)) <= CHUNK_BYTES)
        shift++;
    return shift;
}

static unsigned shift_of_slab(const tg_shape *shape)
{
    unsigned shift = 0;
    while (shift < MOST_ROWS_SHIFT && (shape->stride * sizeof(float) << (shift + 1)) <= SLAB_BYTES)
        shift++;
    return shift;
}

tg_store *tg_store_new(size_t dim)
{
    tg_store *store = calloc(1, sizeof *store);
    if (!store)
        return NULL;
    store->shape = tg_shape_of(dim);
    store->has_planes = dim >= TG_PLANES_LEAST && dim <= TG_PLANES_MOST;
    store->chunk_shift = shift_of_chunk(&store->shape);
    store->chunk_slots = (size_t)1 << store->chunk_shift;
    store->slab_shift = shift_of_slab(&store->shape);
    store->slab_rows = (size_t)1 << store->slab_shift;
    store->rotated = tg_aligned_floats(store->shape.fine_stride);
    store->scratch.codes = malloc(store->shape.padded);
    store->scratch.fine = malloc(store->shape.fine_stride);
    if (tg_rotation_open(&store->rotation, dim) < 0 || !store->rotated || !store->scratch.codes || !store->scratch.fine) {
        tg_store_free(store);
        return NULL;
    }
    return store;
}

void tg_store_free(tg_store *store)
{
    if (!store)
        return;
    /* Nothing is retired any more: a search keeps its gallery alive, and the last one freed what was. */
    for (size_t i = 0; i < store->chunk_count; i++)
        free_chunk(store, store->chunks[i]);
    for (size_t i = 0; i < store->slab_count; i++) {
        tg_release(store->exact[i], exact_slab_bytes(store));
        tg_release(store->fine[i], fine_slab_bytes(store));
    }
    if (store->rotated)
        tg_wipe(store->rotated, store->shape.fine_stride * sizeof(float));
    tg_rotation_close(&store->rotation);
    free(store->rotated);
    free(store->scratch.codes);
    free(store->scratch.fine);
    free(store->chunks);
    free(store->exact);
    free(store->fine);
    free(store->free_rows);
    free(store->retired);
    free(store);
}

static int add_slab(tg_store *store)
{
    size_t room = store->slab_room;
    float **exact = tg_grown(store->exact, &room, store->slab_count + 1, sizeof *exact);
    if (!exact)
        return -1;
    store->exact = exact;
    room = store->slab_room;
    uint8_t **fine = tg_grown(store->fine, &room, store->slab_count + 1, sizeof *fine);
    if (!fine)
        return -1;
    store->fine = fine;
    store->slab_room = room;
    exact[store->slab_count] = tg_zeroed(exact_slab_bytes(store), store->slab_count > 0);
    fine[store->slab_count] = store->has_planes ? tg_zeroed(fine_slab_bytes(store), store->slab_count > 0) : NULL;
    if (!exact[store->slab_count] || (store->has_planes && !fine[store->slab_count])) {
        tg_release(exact[store->slab_count], exact_slab_bytes(store));
        tg_release(fine[store->slab_count], fine_slab_bytes(store));
        return -1;
    }
    store->slab_count++;
    return 0;
}

/* A row for one more template. */
static int take_row(tg_store *store, uint32_t *row)
{
    if (store->free_count) {
        *row = store->free_rows[--store->free_count];
        return 0;
    }
    if (store->row_count == UINT32_MAX)
        return -1;
    /* Each row can come back: there is always room to note it. */
    uint32_t *grown = tg_grown(store->free_rows, &store->free_room, store->row_count + 1, sizeof *grown);
    if (!grown)
        return -1;
    store->free_rows = grown;
    if (store->row_count == store->slab_count * store->slab_rows && add_slab(store) < 0)
        return -1;
    *row = (uint32_t)store->row_count++;
    return 0;
}

static int add_chunk(tg_store *store)
{
    tg_chunk **grown = tg_grown(store->chunks, &store->chunk_room, store->chunk_count + 1, sizeof *grown);
    if (!grown)
        return -1;
    store->chunks = grown;
    tg_chunk *chunk = new_chunk(store);
    if (!chunk)
        return -1;
    store->chunks[store->chunk_count++] = chunk;
    return 0;
}

/* The block of a plane that slot `at` is in. */
static uint8_t *block_of(const tg_store *store, const tg_chunk *chunk, int r, size_t at)
{
    return chunk->plane[r] + at / TG_BLOCK * TG_BLOCK * plane_bytes(store, r);
}

static void count_distances(tg_store *store, const tg_chunk *chunk, size_t at, int sign)
{
    if (store->has_planes)
        for (int r = 0; r < TG_READINGS; r++)
            store->distance_sum[r] +=
                sign * (double)tg_from_bfloat16(chunk->bounds[at / TG_GROUP].distance[r][at % TG_GROUP]);
}

/* The template into its row, and its planes and entry into slot `at` of the chunk. */
static void put(tg_store *store, tg_chunk *chunk, size_t at, int64_t key, uint32_t row, const float *template)
{
    const size_t slab = row / store->slab_rows, place = row % store->slab_rows;
    tg_quantised *q = &store->scratch;
    memcpy(store->exact[slab] + place * store->shape.stride, template, store->shape.dim * sizeof(float));
    chunk->entries[at] = (tg_entry){.key = key, .row = row};
    if (!store->has_planes)
        return;
    tg_rotate(&store->rotation, template, store->rotated, store->shape.fine_stride);
    tg_quantise(&store->shape, store->rotated, tg_rotation_error(store->shape.dim), q);
    memcpy(store->fine[slab] + place * store->shape.fine_stride, q->fine, store->shape.fine_stride);
    chunk->entries[at].fine_scale = q->fine_scale;
    chunk->entries[at].fine_distance = q->fine_distance;
    tg_group_bounds *bounds = &chunk->bounds[at / TG_GROUP];
    const size_t i = at % TG_GROUP, in_block = at % TG_BLOCK;
    bounds->scale[i] = q->scale;
    for (int r = 0; r < TG_READINGS; r++) {
        bounds->distance[r][i] = q->distance[r];
        tg_put_lane(block_of(store, chunk, r, at), q->codes, plane_bytes(store, r), tg_lane(in_block), r);
    }
    count_distances(store, chunk, at, 1);
}

int tg_store_append(tg_store *store, int64_t key, const float *template)
{
    uint32_t row;
    if (store->count == store->chunk_count * store->chunk_slots && add_chunk(store) < 0)
        return -1;
    if (take_row(store, &row) < 0)
        return -1;
    if (store->count == GROWN && store->chunk_count == 1)
        promote(store);
    /* Behind every snapshot's count: written in place. */
    put(store, store->chunks[store->count / store->chunk_slots], store->count % store->chunk_slots, key, row, template);
    store->count++;
    return 0;
}

int tg_store_replace(tg_store *store, size_t slot, const float *template)
{
    uint32_t row;
    const size_t at = slot % store->chunk_slots;
    if (reserve_retired(store, 2) < 0 || take_row(store, &row) < 0)
        return -1;
    tg_chunk *chunk = writable(store, slot / store->chunk_slots);
    if (!chunk) {
        store->free_rows[store->free_count++] = row;
        return -1;
    }
    const tg_entry old = chunk->entries[at];
    count_distances(store, chunk, at, -1);
    put(store, chunk, at, old.key, row, template);
    retire(store, (tg_retired){.row = old.row});
    return 0;
}

static void move_slot(tg_store *store, tg_chunk *to, size_t to_at, const tg_chunk *from, size_t from_at)
{
    to->entries[to_at] = from->entries[from_at];
    if (!store->has_planes)
        return;
    const size_t to_i = to_at % TG_GROUP, from_i = from_at % TG_GROUP;
    tg_group_bounds *bounds = &to->bounds[to_at / TG_GROUP];
    const tg_group_bounds *source = &from->bounds[from_at / TG_GROUP];
    bounds->scale[to_i] = source->scale[from_i];
    for (int r = 0; r < TG_READINGS; r++) {
        const size_t bytes = plane_bytes(store, r);
        bounds->distance[r][to_i] = source->distance[r][from_i];
        tg_move_lane(block_of(store, to, r, to_at), tg_lane(to_at % TG_BLOCK), block_of(store, from, r, from_at),
                     tg_lane(from_at % TG_BLOCK), bytes);
    }
}

static void clear_slot(tg_store *store, tg_chunk *chunk, size_t at)
{
    memset(&chunk->entries[at], 0, sizeof chunk->entries[at]);
    for (int r = 0; store->has_planes && r < TG_READINGS; r++)
        tg_clear_lane(block_of(store, chunk, r, at), plane_bytes(store, r), tg_lane(at % TG_BLOCK));
}

int tg_store_remove(tg_store *store, size_t slot, int64_t *moved)
{
    const size_t last = store->count - 1, at = slot % store->chunk_slots, last_at = last % store->chunk_slots;
    if (reserve_retired(store, 3) < 0)
        return -1;
    tg_chunk *chunk = writable(store, slot / store->chunk_slots);
    /* The vacated slot may be written next, in place: a snapshot must not be reading it. */
    tg_chunk *tail = chunk ? writable(store, last / store->chunk_slots) : NULL;
    if (!tail)
        return -1;
    const uint32_t row = chunk->entries[at].row;
    *moved = tail->entries[last_at].key;
    count_distances(store, chunk, at, -1);
    /* What stays behind in the last slot is somebody's who is still here; the removed one's planes are overwritten. */
    if (slot != last)
        move_slot(store, chunk, at, tail, last_at);
    else
        clear_slot(store, tail, last_at);
    store->count--;
    retire(store, (tg_retired){.row = row});
    return 0;
}

const float *tg_store_template(const tg_store *store, size_t slot, int64_t *key)
{
    const tg_entry *entry = &store->chunks[slot / store->chunk_slots]->entries[slot % store->chunk_slots];
    *key = entry->key;
    return store->exact[entry->row / store->slab_rows] + entry->row % store->slab_rows * store->shape.stride;
}

tg_memory tg_store_memory(const tg_store *store)
{
    tg_memory used = {0};
    for (int r = 0; r < TG_READINGS; r++)
        used.hot += plane_bytes(store, r) * store->count;
    if (store->has_planes) {
        used.hot += store->count * (sizeof(tg_group_bounds) / TG_GROUP);
        used.fine = store->count * store->shape.fine_stride;
    }
    used.exact = store->count * store->shape.stride * sizeof(float);
    used.index = store->count * sizeof(tg_entry);
    return used;
}

/* ---- snapshots ---- */

tg_snapshot *tg_store_pin(tg_store *store)
{
    tg_snapshot *s = malloc(sizeof *s + (store->chunk_count + 2 * store->slab_count) * sizeof(void *));
    if (!s)
        return NULL;
    s->serial = ++store->serial;
    s->older = store->newest;
    s->newer = NULL;
    s->shape = store->shape;
    s->has_planes = store->has_planes;
    s->rotation = &store->rotation;
    s->chunk_slots = store->chunk_slots;
    s->chunk_shift = store->chunk_shift;
    s->slab_shift = store->slab_shift;
    s->slab_rows = store->slab_rows;
    s->count = store->count;
    s->chunk_count = store->chunk_count;
    for (int r = 0; r < TG_READINGS; r++)
        s->distance[r] = store->count ? store->distance_sum[r] / (double)store->count : 0;
    s->chunks = (tg_chunk **)(void *)(s + 1);
    s->exact = (float **)(void *)(s->chunks + store->chunk_count);
    s->fine = (uint8_t **)(void *)(s->exact + store->slab_count);
    for (size_t i = 0; i < store->chunk_count; i++)
        s->chunks[i] = store->chunks[i];
    for (size_t i = 0; i < store->slab_count; i++) {
        s->exact[i] = store->exact[i];
        s->fine[i] = store->fine[i];
    }
    if (s->older)
        s->older->newer = s;
    else
        store->oldest = s;
    store->newest = s;
    return s;
}

void tg_store_unpin(tg_store *store, tg_snapshot *s)
{
    if (!s)
        return;
    if (s->older)
        s->older->newer = s->newer;
    else
        store->oldest = s->newer;
    if (s->newer)
        s->newer->older = s->older;
    else
        store->newest = s->older;
    free(s);
    free_unseen(store);
}
