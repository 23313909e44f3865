/* Quantised planes of templates: what a search reads instead of the templates, and the bounds that make it exact.
 *
 * A template is rotated (rotate.h) and each of its elements rounded to one of 16 levels, u = 2c - 15 with c in 0..15. The
 * four bits of c lie apart: `first` holds the upper two of every element, `second` and `third` one each. Reading the first
 * plane alone gives a template of 4 levels, with the second 8, with the third 16; beside them lie one scale and, for each
 * of the three readings, a bound of the distance to the template. docs/search.md proves what follows from them.
 *
 * 256 templates form a block, so that vectors hold the same bits of many of them, and memory is read in order: row p of a
 * plane's block holds, for each of the block's templates, elements 4p .. 4p+3 (first: two bits each, lowest first) or
 * 8p .. 8p+7 (second, third) in a byte.
 */
#ifndef THERMOGATE_PLANES_H
#define THERMOGATE_PLANES_H

#include "isa.h"
#include "rotate.h"

#include <stddef.h>
#include <stdint.h>

enum {
    TG_GROUP = 64,         /* templates whose bounds are compared at once */
    TG_BLOCK = 256,        /* templates side by side in a plane */
    TG_READINGS = 3,       /* first plane; and second; and third */
    TG_PLANES_LEAST = 32,  /* dimensions for which planes are kept: below, they save nothing ... */
    TG_PLANES_MOST = 2048, /* ... and above, sums leave 16 bits */
    TG_FINE_OFFSET = 128,  /* fine rows are stored with this added */
    TG_TOGETHER = 4        /* fine rows looked up side by side */
};

/* Sizes that follow from the dimension. */
typedef struct {
    size_t dim;
    size_t stride;      /* floats of an exact row, padded with zeros */
    size_t padded;      /* elements of a plane, a multiple of 8 */
    size_t first_bytes; /* of a template in the first plane */
    size_t other_bytes; /* of a template in the second, or the third */
    size_t fine_stride; /* bytes of a fine row */
} tg_shape;

tg_shape tg_shape_of(size_t dim);

/* One template, quantised. */
typedef struct {
    uint16_t scale;                  /* bfloat16 */
    uint16_t distance[TG_READINGS];  /* bfloat16, rounded up: at least |rotated template - reading| */
    float fine_scale, fine_distance; /* of the fine row: 8 bits an element */
    uint8_t *codes;                  /* [padded] c of each element */
    uint8_t *fine;                   /* [fine_stride] level + TG_FINE_OFFSET */
} tg_quantised;

/* How a reading's levels are spread, in units of the scale; fixed, so that 8 bytes hold all of a template's bounds. */
extern const double tg_reading_gain[TG_READINGS];

/* Fill `out` (whose rows the caller provides) from a rotated template; `rotation_error` is the bound of its rounding. */
void tg_quantise(const tg_shape *shape, const float *rotated, double rotation_error, tg_quantised *out);

static inline float tg_from_bfloat16(uint16_t bits)
{
    const union {
        uint32_t word;
        float value;
    } u = {(uint32_t)bits << 16};
    return u.value;
}

/* Where template i of a block lies in each row. Kernels sum even and odd bytes of a group apart, in 16 bits; this order
 * lets them store both halves as they are. */
static inline size_t tg_lane(size_t i)
{
    const size_t within = i % TG_GROUP;
    return i - within + (within < TG_GROUP / 2 ? 2 * within : 2 * (within - TG_GROUP / 2) + 1);
}

/* One template of a plane's block, in or out. */
void tg_put_lane(uint8_t *block, const uint8_t *codes, size_t bytes, size_t lane, int reading);
void tg_move_lane(uint8_t *to, size_t to_lane, const uint8_t *from, size_t from_lane, size_t bytes);
void tg_clear_lane(uint8_t *block, size_t bytes, size_t lane);

/* Bounds of a group's templates: scale and three distances, in the order of the sums. */
typedef struct {
    uint16_t scale[TG_GROUP];
    uint16_t distance[TG_READINGS][TG_GROUP];
} tg_group_bounds;

/* score <= scale * (weight[0] * sums[0] + weight[1] * sums[1] + weight[2] * sums[2] + base) + distance * norm, for the
 * first `planes` sums, one a template of the group. */
typedef struct {
    int planes;
    float weight[TG_READINGS], base, norm;
} tg_bound_terms;

/* The operations on planes, one set a path.
 *
 * prepare, weigh: a probe's preparation (query_kernel.h).
 * tables: lookup tables of a plane from the weight of each bit, weights[8 * bytes], in `room` bytes a plane byte; every
 *   entry is (sum of the weights of the set bits - sum of the negative ones) / 256, rounded up.
 * sums: for `blocks` blocks that follow each other in memory, the sum of each template's entries over 2, rounded up
 *   two by two: at least (sum of the entries) / 2. The entries of 3 bytes (2, where tables take 4 bits) are added up in 8
 *   bits, halved: the weights must leave room for that.
 * over: a bit for each template of a group whose bound is at least `least`.
 * dots: inner products of the levels of `count` <= TG_TOGETHER fine rows with a query row, int8[stride], stride a multiple
 *   of 64; `offset` is TG_FINE_OFFSET times the sum of the query row.
 */
struct tg_query;

typedef struct {
    size_t room; /* bytes of tables a plane byte */
    /* Relative, in cycles: of a plane byte; of a fine row's element in a cache, and far away; of a fine row besides, when
     * all are read in order, when some are picked near by, and when some are picked further away. */
    double lookup_cost, fine_cost, far_cost, fine_call, near_pick, far_pick;
    void (*prepare)(struct tg_query *query, const tg_rotation *rotation, const float *probe);
    void (*weigh)(struct tg_query *query, int which);
    void (*tables)(const uint16_t *weights, size_t bytes, uint8_t *tables);
    void (*sums)(const uint8_t *plane, size_t bytes, const uint8_t *tables, size_t blocks, uint16_t *sums);
    uint64_t (*over)(const tg_bound_terms *terms, const tg_group_bounds *bounds, const uint16_t *const sums[TG_READINGS],
                     float least);
    void (*dots)(const uint8_t *const *rows, size_t count, const int8_t *query, size_t stride, int32_t offset,
                 int32_t *out);
} tg_plane_kernels;

extern const tg_plane_kernels tg_planes_avx2, tg_planes_avx512, tg_planes_neon, tg_planes_dotprod;

/* The set of a path, or NULL where planes are slower than reading the templates. */
const tg_plane_kernels *tg_plane_kernels_for(tg_isa path);

#endif
