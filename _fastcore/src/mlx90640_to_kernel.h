/* Object temperature of a subpage's lanes (11.2.2.5 to 11.2.2.9.1); included once for each instruction set.
 *
 * With r = V_IR/α, the data sheet's Sx is KsTo2 · α · fourth_root(r + T_ar), and α drops out of both of its formulae:
 *   To  = fourth_root(r / (1 + KsTo2 · (q - 273.15)) + T_ar),  q = fourth_root(r + T_ar)   (kelvin)
 *   To' = fourth_root(r / (αcorr · (1 + KsTo · (To - CT))) + T_ar)
 * That leaves two divisions, and no power of α that could leave float's range. A negative radicand gives NaN.
 */
#ifndef THERMOGATE_MLX90640_TO_KERNEL_H
#define THERMOGATE_MLX90640_TO_KERNEL_H

#include "mlx90640.h"

#include <math.h>

static inline __attribute__((always_inline)) float fourth_root(float x)
{
    return sqrtf(sqrtf(x));
}

/* The corners ascend, so the second comparison covers the first; NaN takes the last range and stays NaN. */
static inline __attribute__((always_inline)) float by_range(const float *table, const float *start, float to)
{
    const float lower = to < start[1] ? table[0] : table[1];
    const float upper = to < start[3] ? table[2] : table[3];
    return to < start[2] ? lower : upper;
}

static inline __attribute__((always_inline)) void to_lanes(const mlx_lanes *restrict lanes,
                                                           const mlx_terms *restrict shared,
                                                           const int16_t *restrict raw, float *restrict to)
{
    const mlx_terms t = *shared;
    const float kelvin = (float)MLX_KELVIN;
    for (int i = 0; i < MLX_LANES; i++) {
        const float drift = (1.0f + lanes->kta[i] * t.delta_ta) * (1.0f + lanes->kv[i] * t.delta_v);
        const float signal = (float)raw[i] * t.gain - lanes->offset[i] * drift + lanes->pattern[i] - t.gradient;
        const float r = signal * lanes->inverse_alpha[i] * t.scale;
        const float q = fourth_root(r + t.background);
        const float basic = fourth_root(r / (t.base + t.slope * q) + t.background) - kelvin;
        const float sensitivity =
            by_range(t.range_base, t.range_start, basic) + by_range(t.range_slope, t.range_start, basic) * basic;
        to[i] = fourth_root(r / sensitivity + t.background) - kelvin;
    }
}

#endif
