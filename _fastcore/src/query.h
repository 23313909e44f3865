/* A probe, made ready: rotated, as lookup tables of the planes, in 8 bits; and the terms of its bounds. */
#ifndef THERMOGATE_QUERY_H
#define THERMOGATE_QUERY_H

#include "planes.h"
#include "rotate.h"

typedef struct tg_query {
    const tg_plane_kernels *kernels;
    tg_shape shape;
    float *rotated;     /* [fine_stride] */
    double sum, norm;   /* of the rotated probe; the norm rounded up */
    float largest;      /* of its elements, without sign */
    double slack;       /* what rounding can add to a score beyond the bound of the exact inner product */
    uint16_t *weights;  /* scratch */
    uint8_t *tables[2]; /* of the first plane; of the second and third */
    double unit[2], least[2]; /* inner product with a plane <= unit * sums + least */
    int8_t *fine;             /* [fine_stride] */
    int32_t fine_offset;
    double fine_unit, fine_norm, fine_rest; /* score <= unit * scale * dot + norm * distance + rest */
    void *memory;
} tg_query;

/* Make a probe ready, without tables. `tolerance`: how far lengths of probe and templates may be from 1. Returns -1 when
 * memory is short. */
int tg_query_open(tg_query *query, const tg_shape *shape, const tg_plane_kernels *kernels, const tg_rotation *rotation,
                  const float *probe, double tolerance);
void tg_query_close(tg_query *query);

/* Tables of the first plane (0), or of the others (1). */
void tg_query_tables(tg_query *query, int which);

/* The terms of a reading; its tables must be there. */
tg_bound_terms tg_query_terms(const tg_query *query, int reading);

/* A template whose bound (by the terms) is below this scores below `score`. */
float tg_query_least(const tg_query *query, double score);

/* An upper bound of the score, from the inner product of the fine rows. */
static inline double tg_query_fine_bound(const tg_query *q, int32_t dot, float scale, float distance)
{
    return q->fine_unit * (double)scale * (double)dot + q->fine_norm * (double)distance + q->fine_rest;
}

#endif
