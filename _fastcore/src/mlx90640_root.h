/* The fourth root, from multiplications alone; included once for each instruction set.
 *
 * A square root of a square root is bound by the processor's root unit. Instead, the bits of x give a seed z of about
 * x^(-1/4) (its exponent is a quarter of x's, negated), t = x·z⁴ then lies in 0.882 .. 1.134 whatever x is, and
 *   x^(1/4) = x·z³ · t^(-3/4),
 * the last factor by the polynomial of its degree with the smallest relative error. An error of x·z³ goes into t as
 * well, and three quarters of it cancel. benchmarks/fourth_root.py derives the constants and measures the roots over
 * every float32 of the four octaves after which the seed's error repeats:
 *
 *   fair_root   degree 4  2.2e-06 relative   its result only enters a slope that enters a slope
 *   exact_root  degree 6  1.7e-07            2.8 units of 2^-24
 *
 * Like two square roots, each gives NaN for NaN and for anything negative, and 0 for 0. +inf, which only a division by
 * exactly 0 or an overflow gives, becomes NaN here: no temperature fits. So does -0, but no sum rounds to -0 unless both
 * of its terms are.
 */
#ifndef THERMOGATE_MLX90640_ROOT_H
#define THERMOGATE_MLX90640_ROOT_H

#include "mlx90640_vector.h"

enum { ROOT_MAGIC = 0x4F587A00 };

/* Constant first. */
static const float FAIR[] = {3.57195902f, -6.11326981f, 5.81437874f, -2.82682467f, 0.553756356f};
static const float EXACT[] = {1.0f,          -0.750000179f, 0.656247854f, -0.601463437f,
                              0.564369261f, -0.548851073f, 0.500148714f}; /* of t - 1 */

typedef struct {
    block root; /* x·z³ */
    block t;
} seeded;

MLX_INLINE seeded seed_root(block x)
{
    block z, square, product;
    seeded s;
    EACH(j) z.v[j] = (reals)(ROOT_MAGIC - ((ints)x.v[j] >> 2));
    EACH(j) x.v[j] = spoiled((ints)x.v[j] >> 31, x.v[j]);
    EACH(j) square.v[j] = z.v[j] * z.v[j];
    EACH(j) product.v[j] = x.v[j] * z.v[j];
    EACH(j) s.root.v[j] = product.v[j] * square.v[j];
    EACH(j) s.t.v[j] = s.root.v[j] * z.v[j];
    return s;
}

MLX_INLINE block fair_root(block x)
{
    seeded s = seed_root(x);
    block p;
    EACH(j) {
        const reals t = s.t.v[j], t2 = t * t;
        const reals high = (t * FAIR[3] + FAIR[2]) + t2 * FAIR[4];
        p.v[j] = s.root.v[j] * ((t * FAIR[1] + FAIR[0]) + t2 * high);
    }
    return p;
}

MLX_INLINE block exact_root(block x)
{
    seeded s = seed_root(x);
    block p;
    EACH(j) {
        const reals t = s.t.v[j] - 1.0f, t2 = t * t;
        const reals high = (t * EXACT[5] + EXACT[4]) + t2 * EXACT[6];
        const reals middle = (t * EXACT[3] + EXACT[2]) + t2 * high;
        p.v[j] = s.root.v[j] * ((t * EXACT[1] + t2 * middle) + EXACT[0]);
    }
    return p;
}

#endif
