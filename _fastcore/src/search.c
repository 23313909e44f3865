/* From planes to the best k (search.h).
 *
 * 1. Where no threshold helps, sum the first plane of everybody and rescore those that look best: the worst of k such
 *    scores is as good as a threshold.
 * 2. Run by run, sum as many planes as pay, and list the templates whose bound reaches the threshold.
 * 3. Look those up in 8 bits, and those whose bound still reaches it in float32. The threshold rises with the k-th best.
 */
#include "search.h"

#include "query.h"

#include <math.h>
#include <stdlib.h>

enum {
    RUN = 8 * TG_BLOCK, /* templates between two looks at the threshold */
    SAMPLE = 4 * TG_GROUP,
    FEW = 64,         /* templates, for which tables do not pay */
    SEEDS = 12,       /* looked up besides k to find a threshold ... */
    MOST_SEEDED = 256 /* ... which is worth it up to this k: seeds are kept in order, one by one */
};

/* Fine rows of more bytes than these are mostly not in a near cache, or in none, when they are looked up. */
static const size_t NEAR = 1 << 20, FAR = 12 << 20;

/* Of the spread of strangers' scores: where bounds reach further down than this, a threshold rules nobody out. */
static const double HOPELESS = 0.5;

typedef struct {
    const tg_snapshot *snapshot;
    const float *probe;
    tg_dot_kernel *dot;
    double threshold;
    tg_best *best;
    tg_work *work;
    tg_query query;
    int tables_made[2];
    int reading; /* -1: bounds rule nobody out; else the planes to read */
    int judged;
    uint16_t *sums[TG_READINGS];
    uint32_t *list;
} tg_run;

/* ---- exact scores ---- */

/* What a template must score at least to matter. A tie matters: its key may be lower. */
static double bar(const tg_run *run)
{
    const tg_best *best = run->best;
    if (best->count < best->limit)
        return run->threshold;
    return fmax(run->threshold, (double)best->hits[0].score);
}

static void rescore(tg_run *run, const tg_entry *entry)
{
    float score;
    run->dot(tg_exact_row(run->snapshot, entry->row), run->snapshot->shape.stride, 1, run->probe, &score);
    run->work->rescored++;
    if ((double)score >= run->threshold)
        tg_best_offer(run->best, entry->key, score);
}

/* Rows that follow each other in memory are scored together. */
static void scan_exact(tg_run *run)
{
    const tg_snapshot *s = run->snapshot;
    float scores[TG_GROUP];
    for (size_t slot = 0, count; slot < s->count; slot += count) {
        const tg_entry *first = tg_entry_at(s, slot);
        const size_t left = s->chunk_slots - (slot & (s->chunk_slots - 1));
        const size_t in_slab = s->slab_rows - (first->row & (s->slab_rows - 1));
        size_t most = s->count - slot < TG_GROUP ? s->count - slot : TG_GROUP;
        most = most < left ? most : left;
        most = most < in_slab ? most : in_slab;
        for (count = 1; count < most && first[count].row == first->row + count;)
            count++;
        run->dot(tg_exact_row(s, first->row), s->shape.stride, count, run->probe, scores);
        for (size_t i = 0; i < count; i++)
            if ((double)scores[i] >= run->threshold)
                tg_best_offer(run->best, first[i].key, scores[i]);
    }
    run->work->rescored += s->count;
}

/* ---- 8 bits ---- */

/* Look up the `count` entries that `list` names, or all in order when there is no list. */
static void refine(tg_run *run, const tg_entry *entries, const uint32_t *list, size_t count)
{
    const tg_snapshot *s = run->snapshot;
    const tg_query *q = &run->query;
    double least = bar(run);
    for (size_t i = 0; i < count; i += TG_TOGETHER) {
        const size_t several = count - i < TG_TOGETHER ? count - i : TG_TOGETHER;
        const tg_entry *entry[TG_TOGETHER];
        const uint8_t *rows[TG_TOGETHER];
        int32_t dots[TG_TOGETHER];
        for (size_t j = 0; j < several; j++) {
            entry[j] = &entries[list ? list[i + j] : i + j];
            rows[j] = tg_fine_row(s, entry[j]->row);
        }
        q->kernels->dots(rows, several, q->fine, s->shape.fine_stride, q->fine_offset, dots);
        for (size_t j = 0; j < several; j++) {
            if (tg_query_fine_bound(q, dots[j], entry[j]->fine_scale, entry[j]->fine_distance) < least)
                continue;
            rescore(run, entry[j]);
            least = bar(run);
        }
    }
    run->work->refined += count;
}

/* ---- planes ---- */

static void need_tables(tg_run *run, int which)
{
    if (!run->tables_made[which])
        tg_query_tables(&run->query, which);
    run->tables_made[which] = 1;
}

/* Sum one plane of the blocks that hold `count` templates from slot `first`, the first of a block, on. */
static void sum_plane(tg_run *run, int r, size_t first, size_t count, uint16_t *out)
{
    const tg_snapshot *s = run->snapshot;
    const tg_chunk *chunk = s->chunks[first >> s->chunk_shift];
    const size_t bytes = r == 0 ? s->shape.first_bytes : s->shape.other_bytes;
    const size_t blocks = (count + TG_BLOCK - 1) / TG_BLOCK;
    need_tables(run, r > 0);
    const uint8_t *plane = chunk->plane[r] + (first & (s->chunk_slots - 1)) * bytes;
    run->query.kernels->sums(plane, bytes, run->query.tables[r > 0], blocks, out);
    run->work->hot_bytes += blocks * TG_BLOCK * bytes;
}

/* Share of a Gaussian over z. */
static double tail(double z)
{
    return 0.5 * erfc(z * 0.70710678118654752);
}

/* Mean and spread of what the first plane makes of a sample, from sums of the groups at `first`. */
static void sample(const tg_run *run, size_t first, const uint16_t *sums, size_t count, double *mean, double *spread)
{
    const tg_bound_terms terms = tg_query_terms(&run->query, 0);
    float total = 0, square = 0;
    const tg_group_bounds *bounds = tg_bounds_at(run->snapshot, first);
    for (size_t i = 0; i < count; i++) {
        const float scale = tg_from_bfloat16(bounds[i / TG_GROUP].scale[i % TG_GROUP]);
        const float value = scale * (terms.weight[0] * (float)sums[i] + terms.base);
        total += value;
        square += value * value;
    }
    *mean = (double)total / (double)count;
    *spread = sqrt(fmax((double)square / (double)count - *mean * *mean, 1e-12));
}

/* Which planes to read: what they cost, and what they leave to look up. */
static void judge(tg_run *run, size_t first, const uint16_t *sums, size_t count)
{
    const tg_snapshot *s = run->snapshot;
    const tg_plane_kernels *k = run->query.kernels;
    const size_t fine_bytes = s->count * s->shape.fine_stride;
    const double look_up = (fine_bytes > FAR ? k->far_cost : k->fine_cost) * (double)s->shape.fine_stride + k->fine_call;
    const double pick = fine_bytes > NEAR ? k->far_pick : k->near_pick;
    double mean, spread, least = look_up;
    sample(run, first, sums, count < SAMPLE ? count : SAMPLE, &mean, &spread);
    run->reading = -1;
    for (int r = 0; r < TG_READINGS; r++) {
        const double bytes = (double)(s->shape.first_bytes + (size_t)r * s->shape.other_bytes);
        const double left = tail((bar(run) - mean - s->distance[r] * run->query.norm) / spread);
        const double cost = k->lookup_cost * bytes + left * (look_up + pick);
        if (cost < least) {
            least = cost;
            run->reading = r;
        }
    }
    run->judged = 1;
}

/* Lists the slots after `first` whose bounds reach the bar. Returns how many. */
static size_t list_over(tg_run *run, size_t first, const uint16_t *first_sums, size_t count)
{
    const tg_bound_terms terms = tg_query_terms(&run->query, run->reading);
    const float least = tg_query_least(&run->query, bar(run));
    const uint16_t *sums[TG_READINGS] = {first_sums, run->sums[1], run->sums[2]};
    const tg_group_bounds *bounds = tg_bounds_at(run->snapshot, first);
    size_t listed = 0;
    for (size_t at = 0; at < count; at += TG_GROUP) {
        const size_t left = count - at;
        uint64_t found = run->query.kernels->over(&terms, bounds++, sums, least);
        if (left < TG_GROUP)
            found &= ((uint64_t)1 << left) - 1;
        for (; found; found &= found - 1)
            run->list[listed++] = (uint32_t)(at + (size_t)__builtin_ctzll(found));
        for (int r = 0; r < TG_READINGS; r++)
            sums[r] += TG_GROUP;
    }
    run->work->hot_bytes += count * 2 * sizeof(uint16_t);
    return listed;
}

/* One run of templates; `first_sums` are there already after seeding. */
static void scan_run(tg_run *run, size_t first, const uint16_t *first_sums, size_t count)
{
    if (!first_sums) {
        sum_plane(run, 0, first, count, run->sums[0]);
        first_sums = run->sums[0];
    }
    if (!run->judged)
        judge(run, first, first_sums, count);
    for (int r = 1; r <= run->reading; r++)
        sum_plane(run, r, first, count, run->sums[r]);
    const tg_entry *entries = tg_entry_at(run->snapshot, first);
    if (run->reading < 0)
        refine(run, entries, NULL, count);
    else
        refine(run, entries, run->list, list_over(run, first, first_sums, count));
}

/* Chunks end where they do, so a run ends there too. */
static size_t run_length(const tg_snapshot *s, size_t first)
{
    const size_t left = s->count - first, in_chunk = s->chunk_slots - (first & (s->chunk_slots - 1));
    const size_t most = left < in_chunk ? left : in_chunk;
    return most < RUN ? most : RUN;
}

/* ---- seeds ---- */

typedef struct {
    float value;
    uint32_t slot;
} seed;

/* Insert into a list in descending order, whose last falls out. */
static void plant(seed *seeds, size_t *count, size_t most, seed one)
{
    size_t at = *count < most ? (*count)++ : most - 1;
    for (; at > 0 && seeds[at - 1].value < one.value; at--)
        seeds[at] = seeds[at - 1];
    seeds[at] = one;
}

static void look_for_seeds(const tg_run *run, const uint16_t *sums, seed *seeds, size_t most, size_t *planted)
{
    const tg_snapshot *s = run->snapshot;
    tg_bound_terms terms = tg_query_terms(&run->query, 0);
    terms.norm = 0; /* the likeliest, not the possible */
    for (size_t at = 0; at < s->count; at += TG_GROUP) {
        const uint16_t *here[TG_READINGS] = {sums + at, NULL, NULL};
        const tg_group_bounds *bounds = tg_bounds_at(s, at);
        const float least = *planted < most ? -INFINITY : seeds[most - 1].value;
        uint64_t found = run->query.kernels->over(&terms, bounds, here, least);
        if (s->count - at < TG_GROUP)
            found &= ((uint64_t)1 << (s->count - at)) - 1;
        for (; found; found &= found - 1) {
            const size_t i = (size_t)__builtin_ctzll(found);
            const float value = tg_from_bfloat16(bounds->scale[i]) * (terms.weight[0] * (float)sums[at + i] + terms.base);
            if (*planted < most || value > seeds[most - 1].value)
                plant(seeds, planted, most, (seed){value, (uint32_t)(at + i)});
        }
    }
}

/* Fill `best` from the templates that look likeliest. They are offered again in the main pass, so they are forgotten at
 * the end, and the worst of them stays as the threshold. Returns -1 when memory is short. */
static int seed_threshold(tg_run *run, const uint16_t *sums)
{
    const size_t most = run->best->limit + SEEDS;
    size_t planted = 0;
    seed *seeds = malloc(most * sizeof *seeds);
    if (!seeds)
        return -1;
    look_for_seeds(run, sums, seeds, most, &planted);
    for (size_t i = 0; i < planted; i++)
        rescore(run, tg_entry_at(run->snapshot, seeds[i].slot));
    if (run->best->count == run->best->limit)
        run->threshold = fmax(run->threshold, (double)run->best->hits[0].score);
    run->best->count = 0;
    free(seeds);
    return 0;
}

/* The first plane of everybody, or NULL when memory is short. */
static uint16_t *sum_all(tg_run *run)
{
    const tg_snapshot *s = run->snapshot;
    uint16_t *sums = malloc((s->count + TG_BLOCK) * sizeof *sums);
    if (!sums)
        return NULL;
    for (size_t first = 0, count; first < s->count; first += count) {
        count = run_length(s, first);
        sum_plane(run, 0, first, count, sums + first);
    }
    return sums;
}

/* ---- the bounds themselves, for checking them ---- */

static void plane_bounds(tg_run *run, size_t first, size_t count, double *out)
{
    for (int r = 0; r <= run->reading; r++)
        sum_plane(run, r, first, count, run->sums[r]);
    const tg_bound_terms terms = tg_query_terms(&run->query, run->reading);
    for (size_t i = 0; i < count; i++) {
        const tg_group_bounds *bounds = tg_bounds_at(run->snapshot, first + i);
        float total = terms.base;
        for (int r = 0; r <= run->reading; r++)
            total += terms.weight[r] * (float)run->sums[r][i];
        const float bound = tg_from_bfloat16(bounds->scale[i % TG_GROUP]) * total +
                            tg_from_bfloat16(bounds->distance[run->reading][i % TG_GROUP]) * terms.norm;
        out[i] = (double)bound + run->query.slack;
    }
}

static void fine_bounds(tg_run *run, size_t first, size_t count, double *out)
{
    const tg_query *q = &run->query;
    const tg_entry *entries = tg_entry_at(run->snapshot, first);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *row = tg_fine_row(run->snapshot, entries[i].row);
        int32_t dot;
        q->kernels->dots(&row, 1, q->fine, q->shape.fine_stride, q->fine_offset, &dot);
        out[i] = tg_query_fine_bound(q, dot, entries[i].fine_scale, entries[i].fine_distance);
    }
}

static int list_bounds(tg_run *run, void *out)
{
    for (size_t first = 0, count; first < run->snapshot->count; first += count) {
        count = run_length(run->snapshot, first);
        if (run->reading < TG_READINGS)
            plane_bounds(run, first, count, (double *)out + first);
        else
            fine_bounds(run, first, count, (double *)out + first);
    }
    return 0;
}

/* ---- the whole ---- */

static int scan_planes(tg_run *run, void *unused)
{
    (void)unused;
    const tg_snapshot *s = run->snapshot;
    uint16_t *all = NULL;
    if (run->threshold < s->distance[TG_READINGS - 1] + HOPELESS / sqrt((double)s->shape.dim)) {
        if (run->best->limit > MOST_SEEDED) {
            scan_exact(run);
            return 0;
        }
        all = sum_all(run);
        if (!all || seed_threshold(run, all) < 0) {
            free(all);
            return -1;
        }
    }
    for (size_t first = 0, count; first < s->count; first += count) {
        count = run_length(s, first);
        scan_run(run, first, all ? all + first : NULL, count);
    }
    free(all);
    return 0;
}

/* Do something with the probe made ready. */
static int with_query(tg_run *run, double tolerance, const tg_plane_kernels *kernels, int (*act)(tg_run *, void *),
                      void *argument)
{
    const tg_snapshot *s = run->snapshot;
    int done = -1;
    uint16_t *sums = malloc(TG_READINGS * RUN * sizeof *sums + RUN * sizeof(uint32_t));
    if (tg_query_open(&run->query, &s->shape, kernels, s->rotation, run->probe, tolerance) == 0 && sums) {
        for (int r = 0; r < TG_READINGS; r++)
            run->sums[r] = sums + r * RUN;
        run->list = (uint32_t *)(void *)(sums + TG_READINGS * RUN);
        done = act(run, argument);
    }
    tg_query_close(&run->query);
    free(sums);
    return done;
}

static tg_run new_run(const tg_snapshot *snapshot, const float *probe, tg_isa path, double threshold, tg_best *best,
                      tg_work *work)
{
    return (tg_run){.snapshot = snapshot,
                    .probe = probe,
                    .dot = tg_dot_kernel_for(path),
                    .threshold = threshold,
                    .best = best,
                    .work = work};
}

int tg_search(const tg_snapshot *snapshot, const float *probe, double tolerance, tg_isa path, double threshold,
              tg_best *best, tg_work *work)
{
    const tg_plane_kernels *kernels = tg_plane_kernels_for(path);
    tg_run run = new_run(snapshot, probe, path, threshold, best, work);
    if (!snapshot->has_planes || !kernels || snapshot->count <= FEW || best->limit > snapshot->count / 8) {
        scan_exact(&run);
        return 0;
    }
    return with_query(&run, tolerance, kernels, scan_planes, NULL);
}

void tg_search_exhaustive(const tg_snapshot *snapshot, const float *probe, tg_isa path, double threshold, tg_best *best,
                          tg_work *work)
{
    tg_run run = new_run(snapshot, probe, path, threshold, best, work);
    scan_exact(&run);
}

int tg_search_bounds(const tg_snapshot *snapshot, const float *probe, double tolerance, tg_isa path, int reading,
                     double *out)
{
    tg_work work = {0};
    tg_run run = new_run(snapshot, probe, path, 0, NULL, &work);
    run.reading = reading;
    return with_query(&run, tolerance, tg_plane_kernels_for(path), list_bounds, out);
}
