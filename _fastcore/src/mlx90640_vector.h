/* Vectors of MLX_WIDTH pixels, for the kernels that are compiled once for each instruction set.
 *
 * A path's file defines MLX_WIDTH (4, 8 or 16) and MLX_TARGET (its target attribute, empty for the baseline) before it
 * includes a kernel. Only the compiler's vector types are used, so that a width serves
 * every architecture; a path may define MLX_LESSER and MLX_GREATER where its processor has them as one instruction.
 */
#ifndef THERMOGATE_MLX90640_VECTOR_H
#define THERMOGATE_MLX90640_VECTOR_H

#include "mlx90640.h"

#include <math.h>
#include <string.h>

#if !defined(MLX_WIDTH) || !defined(MLX_TARGET)
#error "a path's file defines MLX_WIDTH and MLX_TARGET first"
#endif
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "a word of two pixels is taken apart for little-endian processors"
#endif

#define MLX_INLINE static inline __attribute__((always_inline)) MLX_TARGET

typedef float reals __attribute__((vector_size(4 * MLX_WIDTH)));
typedef int32_t ints __attribute__((vector_size(4 * MLX_WIDTH)));
typedef uint32_t words __attribute__((vector_size(4 * MLX_WIDTH)));
typedef uint64_t pairs __attribute__((vector_size(4 * MLX_WIDTH)));

/* Loads and stores from anywhere; the compiler makes one instruction of each. */
MLX_INLINE reals load(const float *from)
{
    reals value;
    memcpy(&value, from, sizeof value);
    return value;
}

MLX_INLINE void store(float *to, reals value)
{
    memcpy(to, &value, sizeof value);
}

MLX_INLINE reals all(float value)
{
    return value - (reals){0.0f};
}

MLX_INLINE ints load_ints(const int32_t *from)
{
    ints value;
    memcpy(&value, from, sizeof value);
    return value;
}

/* Where the mask's lanes are all ones, `yes`, where they are 0, `no`. */
MLX_INLINE reals either(ints mask, reals yes, reals no)
{
    return (reals)((mask & (ints)yes) | (~mask & (ints)no));
}

/* NaN where the mask's lanes are all ones. */
MLX_INLINE reals spoiled(ints mask, reals value)
{
    return (reals)(mask | (ints)value);
}

/* a < b ? a : b and a > b ? a : b: the second one for NaN, as SSE has it. */
#ifndef MLX_LESSER
#define MLX_LESSER(a, b) either((a) < (b), (a), (b))
#define MLX_GREATER(a, b) either((a) > (b), (a), (b))
#endif

/* Each value twice: the first half of the vector, then the second. */
#if MLX_WIDTH == 4
#define MLX_TWICE_LOW 0, 0, 1, 1
#define MLX_TWICE_HIGH 2, 2, 3, 3
#elif MLX_WIDTH == 8
#define MLX_TWICE_LOW 0, 0, 1, 1, 2, 2, 3, 3
#define MLX_TWICE_HIGH 4, 4, 5, 5, 6, 6, 7, 7
#elif MLX_WIDTH == 16
#define MLX_TWICE_LOW 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7
#define MLX_TWICE_HIGH 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15
#endif

/* Vectors that go through a chain of operations side by side, each operation for all of them before the next one: a
 * processor has some hundred places for operations that wait, and a lone chain would fill them with its own. */
#define MLX_SIDE_BY_SIDE 8
#define MLX_STEP (MLX_SIDE_BY_SIDE * MLX_WIDTH)
#define EACH(j) for (int j = 0; j < MLX_SIDE_BY_SIDE; j++)

typedef struct {
    reals v[MLX_SIDE_BY_SIDE];
} block;

MLX_INLINE block load_block(const float *from)
{
    block value;
    EACH(j) value.v[j] = load(from + j * MLX_WIDTH);
    return value;
}

MLX_INLINE void store_block(float *to, block value)
{
    EACH(j) store(to + j * MLX_WIDTH, value.v[j]);
}

/* MLX_WIDTH raw words of a half row, in int32: a word of 32 bits holds two neighbours, the even column in its low half. */
MLX_INLINE ints load_half(const uint16_t *pairs, int odd, int swapped)
{
    words both;
    memcpy(&both, pairs, sizeof both);
    if (swapped)
        both = (both >> 8 & 0x00FF00FFu) | (both << 8 & 0xFF00FF00u);
    return (ints)(both << (odd ? 0 : 16)) >> 16;
}

MLX_INLINE int sum(ints value)
{
    int total = 0;
    for (int i = 0; i < MLX_WIDTH; i++)
        total += value[i];
    return total;
}

/* The largest lane; NaN when no lane is above -inf. */
MLX_INLINE float largest(reals value)
{
    float best = -INFINITY;
    for (int i = 0; i < MLX_WIDTH; i++)
        best = value[i] > best ? value[i] : best;
    return best > -INFINITY ? best : NAN;
}

/* Write the values to one half of the pairs at `to`, and leave the other half as it is. */
MLX_INLINE void store_half(float *to, int odd, reals value)
{
    const ints mine = (ints)((pairs){0} + (odd ? 0xFFFFFFFF00000000u : 0x00000000FFFFFFFFu));
    const reals low = __builtin_shufflevector(value, value, MLX_TWICE_LOW);
    const reals high = __builtin_shufflevector(value, value, MLX_TWICE_HIGH);

    store(to, either(mine, low, load(to)));
    store(to + MLX_WIDTH, either(mine, high, load(to + MLX_WIDTH)));
}

#endif
