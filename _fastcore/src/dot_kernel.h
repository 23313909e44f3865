/* Dot products in 32 partial sums, folded by halves; included once for each instruction set with TG_WIDTH its vector.
 *
 * Partial sum j takes the products of elements j, j + 32, j + 64 ...; then sum j takes in sum j + 16, then j + 8, and so
 * on. The order is the same for every vector width and every place of a row, and so are the bits.
 */
#ifndef THERMOGATE_DOT_KERNEL_H
#define THERMOGATE_DOT_KERNEL_H

#include "match.h"

#include <string.h>

enum { TG_SUMS = TG_LANES / TG_WIDTH };

typedef float tg_vector __attribute__((vector_size(TG_WIDTH * sizeof(float))));

/* Sum j takes in sum j + width/2 until one is left. */
static inline __attribute__((always_inline)) float fold(const tg_vector *sums)
{
    tg_vector half[TG_SUMS];
    float lanes[TG_WIDTH];
    for (int j = 0; j < TG_SUMS; j++)
        half[j] = sums[j];
    for (int width = TG_SUMS / 2; width > 0; width /= 2)
        for (int j = 0; j < width; j++)
            half[j] += half[j + width];
    memcpy(lanes, &half[0], sizeof lanes);
    for (int width = TG_WIDTH / 2; width > 0; width /= 2)
        for (int j = 0; j < width; j++)
            lanes[j] += lanes[j + width];
    return lanes[0];
}

/* One row after the other: the processor fetches one stream ahead best. */
static inline __attribute__((always_inline)) void dot_rows(const float *rows, size_t stride, size_t count,
                                                           const float *probe, float *scores)
{
    const tg_vector *p = (const tg_vector *)(const void *)probe;
    for (size_t row = 0; row < count; row++) {
        const tg_vector *r = (const tg_vector *)(const void *)(rows + row * stride);
        tg_vector sums[TG_SUMS];
        for (int j = 0; j < TG_SUMS; j++)
            sums[j] = r[j] * p[j];
        for (size_t at = TG_SUMS; at < stride / TG_WIDTH; at += TG_SUMS)
            for (size_t j = 0; j < TG_SUMS; j++)
                sums[j] += r[at + j] * p[at + j];
        scores[row] = fold(sums);
    }
}

static inline __attribute__((always_inline)) uint64_t read_all(const void *memory, size_t bytes)
{
    typedef uint64_t word __attribute__((vector_size(TG_WIDTH * sizeof(float))));
    enum { STEP = 256 / sizeof(word), WORDS = sizeof(word) / sizeof(uint64_t) };
    const word *at = memory;
    word mixed[STEP] = {{0}};
    uint64_t words[WORDS], all = 0;
    for (size_t i = 0; i + STEP <= bytes / sizeof(word); i += STEP)
        for (size_t j = 0; j < STEP; j++)
            mixed[j] ^= at[i + j];
    for (size_t j = 1; j < STEP; j++)
        mixed[0] ^= mixed[j];
    memcpy(words, &mixed[0], sizeof words);
    for (size_t j = 0; j < WORDS; j++)
        all ^= words[j];
    return all;
}

#endif
