/* Inner products of float32 rows, and the best of them. */
#ifndef THERMOGATE_MATCH_H
#define THERMOGATE_MATCH_H

#include "isa.h"

#include <stddef.h>
#include <stdint.h>

enum {
    TG_LANES = 32, /* partial sums of a dot product; rows are padded with zeros to a multiple */
    TG_ALIGN = 128 /* bytes; a row starts on it */
};

/* Scores of `count` rows of `stride` floats against a probe of the same stride. Same bits for a pair on every path. */
typedef void tg_dot_kernel(const float *rows, size_t stride, size_t count, const float *probe, float *scores);
tg_dot_kernel tg_dot_generic, tg_dot_avx2, tg_dot_avx512;
tg_dot_kernel *tg_dot_kernel_for(tg_isa path);

/* XOR of all words of `bytes` (a multiple of 256, on a 64-byte boundary): what reading memory costs, and nothing else. */
typedef uint64_t tg_read_kernel(const void *memory, size_t bytes);
tg_read_kernel tg_read_generic, tg_read_avx2, tg_read_avx512;
tg_read_kernel *tg_read_kernel_for(tg_isa path);

/* Length of a vector, in double; infinite or NaN where an element is. */
double tg_length(const float *vector, size_t dim);

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

#endif
