/* The rotation's signs and its error, and the rotation for the architecture's baseline (rotate.h). */
#define TG_WIDTH 4
#include "rotate_kernel.h"

#include <float.h>
#include <stdlib.h>

/* splitmix64 (Steele, Lea, Flood 2014): signs must be the same on every machine and for ever. */
static uint64_t mixed(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

int tg_rotation_open(tg_rotation *rotation, size_t dim)
{
    size_t power = 1;
    while (2 * power <= dim)
        power *= 2;
    const size_t count = power == dim ? dim : 3 * power;
    rotation->dim = dim;
    rotation->power = power;
    rotation->signs = malloc(count * sizeof(float));
    if (!rotation->signs)
        return -1;
    for (size_t i = 0; i < count; i++)
        rotation->signs[i] = mixed(i / 64) >> i % 64 & 1 ? -1.0f : 1.0f;
    return 0;
}

void tg_rotation_close(tg_rotation *rotation)
{
    free(rotation->signs);
}

void tg_rotate(const tg_rotation *rotation, const float *in, float *out, size_t room)
{
    rotate(rotation, in, out, room);
}

double tg_rotation_error(size_t dim)
{
    /* A pass errs by at most one unit roundoff of each output, hence of the vector's length; scaling and its constant
     * by two more. Twice the sum covers the products of errors. */
    size_t power = 1;
    double passes = 2;
    for (; 2 * power <= dim; power *= 2)
        passes++;
    return (power < dim ? 3 : 1) * 2 * passes * (FLT_EPSILON / 2.0);
}
