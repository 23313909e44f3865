/* The rotation's arithmetic; included once for each instruction set with TG_WIDTH its vector. Same bits for every width:
 * each output is one sum or difference a pass, whatever the passes are grouped by. */
#ifndef THERMOGATE_ROTATE_KERNEL_H
#define THERMOGATE_ROTATE_KERNEL_H

#include "rotate.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define TG_INLINE static inline __attribute__((always_inline))

typedef float tg_lanes __attribute__((vector_size(TG_WIDTH * sizeof(float)), aligned(4), may_alias));
typedef int32_t tg_lane_numbers __attribute__((vector_size(TG_WIDTH * sizeof(int32_t))));

static const int32_t TG_LANE[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

#define TG_FOUR(at, d) (at) ^ (d), ((at) + 1) ^ (d), ((at) + 2) ^ (d), ((at) + 3) ^ (d)
#if TG_WIDTH == 4
#define TG_PARTNERS(d) TG_FOUR(0, d)
#elif TG_WIDTH == 8
#define TG_PARTNERS(d) TG_FOUR(0, d), TG_FOUR(4, d)
#else
#define TG_PARTNERS(d) TG_FOUR(0, d), TG_FOUR(4, d), TG_FOUR(8, d), TG_FOUR(12, d)
#endif

/* What lane i ^ distance holds, a distance inside the vector. (By reference: a vector argument would be an ABI of its own.) */
TG_INLINE void partners(tg_lanes *to, const tg_lanes *from, int distance)
{
    switch (distance) {
    case 1:
        *to = __builtin_shufflevector(*from, *from, TG_PARTNERS(1));
        break;
    case 2:
        *to = __builtin_shufflevector(*from, *from, TG_PARTNERS(2));
        break;
#if TG_WIDTH > 4
    case 4:
        *to = __builtin_shufflevector(*from, *from, TG_PARTNERS(4));
        break;
#endif
#if TG_WIDTH > 8
    case 8:
        *to = __builtin_shufflevector(*from, *from, TG_PARTNERS(8));
        break;
#endif
    default:
        break;
    }
}

/* Sums and differences at a distance inside the vector: lane i takes in lane i ^ half. */
TG_INLINE void butterfly_inside(tg_lanes *x, int half)
{
    tg_lane_numbers lane;
    tg_lanes other = *x;
    memcpy(&lane, TG_LANE, sizeof lane);
    partners(&other, x, half);
    const tg_lane_numbers minus = ((lane & half) != 0) & INT32_MIN;
    *x = other + (tg_lanes)((tg_lane_numbers)*x ^ minus);
}

TG_INLINE void butterflies_inside(float *values, size_t count)
{
    for (size_t at = 0; at < count; at += TG_WIDTH) {
        tg_lanes x = *(const tg_lanes *)(values + at);
#pragma GCC unroll 4
        for (int half = 1; half < TG_WIDTH; half *= 2)
            butterfly_inside(&x, half);
        *(tg_lanes *)(values + at) = x;
    }
}

/* At distances of whole vectors, two passes at a time. */
TG_INLINE void butterflies_between(float *values, size_t count)
{
    size_t half = TG_WIDTH;
    for (; 4 * half <= count; half *= 4)
        for (size_t at = 0; at < count; at += 4 * half)
            for (size_t i = at; i < at + half; i += TG_WIDTH) {
                tg_lanes *w = (tg_lanes *)(values + i), *x = (tg_lanes *)(values + i + half),
                         *y = (tg_lanes *)(values + i + 2 * half), *z = (tg_lanes *)(values + i + 3 * half);
                const tg_lanes a = *w + *x, b = *w - *x, c = *y + *z, d = *y - *z;
                *w = a + c;
                *x = b + d;
                *y = a - c;
                *z = b - d;
            }
    if (2 * half <= count)
        for (size_t i = 0; i < half; i += TG_WIDTH) {
            tg_lanes *x = (tg_lanes *)(values + i), *y = (tg_lanes *)(values + i + half);
            const tg_lanes a = *x + *y, b = *x - *y;
            *x = a;
            *y = b;
        }
}

TG_INLINE void transform(float *restrict values, size_t count, const float *restrict signs)
{
    const float scale = (float)(1 / sqrt((double)count));
    for (size_t i = 0; i < count; i++)
        values[i] *= signs[i];
    if (count >= TG_WIDTH) {
        butterflies_inside(values, count);
        butterflies_between(values, count);
    } else {
        for (size_t half = 1; half < count; half *= 2)
            for (size_t i = 0; i < count; i++)
                if (!(i & half)) {
                    const float a = values[i], b = values[i + half];
                    values[i] = a + b;
                    values[i + half] = a - b;
                }
    }
    for (size_t i = 0; i < count; i++)
        values[i] *= scale;
}

TG_INLINE void rotate(const tg_rotation *rotation, const float *in, float *out, size_t room)
{
    const size_t dim = rotation->dim, power = rotation->power;
    memcpy(out, in, dim * sizeof *out);
    memset(out + dim, 0, (room - dim) * sizeof *out);
    transform(out, power, rotation->signs);
    if (power < dim) {
        /* What the first transform left out is in the second, and half of the rest with it. */
        transform(out + dim - power, power, rotation->signs + power);
        transform(out, power, rotation->signs + 2 * power);
    }
}

#endif
