/* A fixed orthogonal rotation that spreads any direction evenly over all elements.
 *
 * Embeddings have directions in which they all agree and elements that hardly vary; quantised as they are, they would
 * waste levels. Random signs (the same everywhere) and a Walsh-Hadamard transform make every element of every template
 * look like a draw from one Gaussian. Inner products stay what they are, to rounding.
 */
#ifndef THERMOGATE_ROTATE_H
#define THERMOGATE_ROTATE_H

#include <stddef.h>

typedef struct {
    size_t dim, power; /* the largest power of two in it */
    float *signs;      /* [dim], or [3 * power] where dim is no power of two */
} tg_rotation;

/* Returns -1 when memory is short. */
int tg_rotation_open(tg_rotation *rotation, size_t dim);
void tg_rotation_close(tg_rotation *rotation);

/* Rotate `dim` elements; `out` has room for `room` >= dim floats on a 64-byte boundary, and is 0 beyond dim. */
void tg_rotate(const tg_rotation *rotation, const float *in, float *out, size_t room);

/* At least |computed - exact rotation| / |in|, for vectors of length near 1. */
double tg_rotation_error(size_t dim);

#endif
