/* One pass over a snapshot: score a block of rows, offer them to the best. */
#include "match.h"

static void scan_chunk(const tg_chunk *chunk, size_t rows, size_t stride, const float *probe, tg_dot_kernel *kernel,
                       double threshold, tg_best *best)
{
    float scores[TG_BLOCK];
    for (size_t first = 0; first < rows; first += TG_BLOCK) {
        const size_t count = rows - first < TG_BLOCK ? rows - first : TG_BLOCK;
        kernel(chunk->rows + first * stride, stride, count, probe, scores);
        for (size_t i = 0; i < count; i++)
            if ((double)scores[i] >= threshold)
                tg_best_offer(best, chunk->keys[first + i], scores[i]);
    }
}

void tg_scan(const tg_snapshot *s, const float *probe, tg_dot_kernel *kernel, double threshold, tg_best *best)
{
    for (size_t c = 0; c < s->chunk_count; c++) {
        const size_t left = s->count - c * s->rows_per_chunk;
        const size_t rows = left < s->rows_per_chunk ? left : s->rows_per_chunk;
        scan_chunk(s->chunks[c], rows, s->stride, probe, kernel, threshold, best);
    }
}
