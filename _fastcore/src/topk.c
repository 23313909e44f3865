/* The best k hits in one pass: a bounded heap. */
#include "match.h"

static int worse(const tg_hit *a, const tg_hit *b)
{
    return a->score < b->score || (a->score == b->score && a->key > b->key);
}

static void swap(tg_hit *a, tg_hit *b)
{
    const tg_hit held = *a;
    *a = *b;
    *b = held;
}

static void sift_down(tg_hit *hits, size_t count, size_t at)
{
    for (;;) {
        size_t worst = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++)
            if (worse(&hits[child], &hits[worst]))
                worst = child;
        if (worst == at)
            return;
        swap(&hits[at], &hits[worst]);
        at = worst;
    }
}

static void sift_up(tg_hit *hits, size_t at)
{
    while (at > 0 && worse(&hits[at], &hits[(at - 1) / 2])) {
        swap(&hits[at], &hits[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

void tg_best_offer(tg_best *best, int64_t key, float score)
{
    const tg_hit hit = {key, score};
    if (best->count < best->limit) {
        best->hits[best->count] = hit;
        sift_up(best->hits, best->count++);
    } else if (worse(&best->hits[0], &hit)) {
        best->hits[0] = hit;
        sift_down(best->hits, best->count, 0);
    }
}

void tg_best_sort(tg_best *best)
{
    for (size_t left = best->count; left > 1; left--) {
        swap(&best->hits[0], &best->hits[left - 1]);
        sift_down(best->hits, left - 1, 0);
    }
}
