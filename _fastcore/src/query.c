/* A probe's tables and bounds (query.h; the proof is in docs/search.md). */
#include "query.h"

#include "memory.h"
#include "rotate.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static const double UNIT_ROUNDOFF = FLT_EPSILON / 2.0;

/* Readings: u = 2c - middle, and c by planes. */
static const double MIDDLE[TG_READINGS] = {3, 7, 15};
static const double SHARE[TG_READINGS][TG_READINGS] = {{2, 0, 0}, {4, 2, 0}, {8, 4, 2}};

static size_t rounded_up(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static int open_memory(tg_query *q)
{
    const size_t floats = rounded_up(q->shape.fine_stride * sizeof(float)), fine = rounded_up(q->shape.fine_stride);
    const size_t weights = rounded_up(8 * q->shape.first_bytes * sizeof(uint16_t));
    const size_t first = rounded_up(q->shape.first_bytes * q->kernels->room + 64);
    const size_t other = rounded_up(q->shape.other_bytes * q->kernels->room + 64);
    char *at = q->memory = aligned_alloc(64, floats + fine + weights + first + other);
    if (!at)
        return -1;
    q->rotated = (float *)(void *)at;
    q->fine = (int8_t *)(at += floats);
    q->weights = (uint16_t *)(void *)(at += fine);
    q->tables[0] = (uint8_t *)(at += weights);
    q->tables[1] = (uint8_t *)(at + first);
    return 0;
}

int tg_query_open(tg_query *q, const tg_shape *shape, const tg_plane_kernels *kernels, const tg_rotation *rotation,
                  const float *probe, double tolerance)
{
    const double rotation_error = tg_rotation_error(shape->dim);
    q->shape = *shape;
    q->kernels = kernels;
    if (open_memory(q) < 0)
        return -1;
    kernels->prepare(q, rotation, probe);
    double sums[8] = {0};
    for (size_t i = 0; i < shape->fine_stride; i++)
        sums[i % 8] += (double)q->rotated[i];
    q->sum = ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
    /* The float32 score differs from the exact inner product by the rounding of a product, of the sums of stride / 32
     * products, and of five folds; the bound's own arithmetic in float32 by less than 32 roundings of numbers under 8;
     * the probe's rotation by its error. */
    const double length = (1 + tolerance) * (1 + tolerance);
    q->slack = ((double)shape->stride / 32 + 7) * UNIT_ROUNDOFF * length * 1.01 + 256 * UNIT_ROUNDOFF +
               2 * rotation_error * length;
    q->fine_rest = (q->fine_rest + rotation_error) * (1 + tolerance) + q->slack;
    return 0;
}

void tg_query_close(tg_query *q)
{
    if (!q->memory)
        return;
    tg_wipe(q->rotated, q->shape.fine_stride * sizeof(float));
    free(q->memory);
}

void tg_query_tables(tg_query *q, int which)
{
    const size_t bytes = which == 0 ? q->shape.first_bytes : q->shape.other_bytes;
    q->kernels->weigh(q, which);
    q->kernels->tables(q->weights, bytes, q->tables[which]);
}

tg_bound_terms tg_query_terms(const tg_query *q, int reading)
{
    const double gain = tg_reading_gain[reading];
    double base = -MIDDLE[reading] * q->sum;
    tg_bound_terms terms = {.planes = reading + 1, .norm = (float)(q->norm * (1 + 1e-6))};
    for (int r = 0; r <= reading; r++) {
        terms.weight[r] = (float)(gain * SHARE[reading][r] * q->unit[r > 0]);
        base += SHARE[reading][r] * q->least[r > 0];
    }
    terms.base = (float)(gain * base);
    return terms;
}

float tg_query_least(const tg_query *q, double score)
{
    const double least = score - q->slack;
    const float nearest = (float)least;
    return (double)nearest > least ? nextafterf(nearest, -INFINITY) : nearest;
}
