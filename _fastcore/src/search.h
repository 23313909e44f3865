/* Exact search: the best k templates by inner product, in float32, order and ties included.
 *
 * tg_search reads the planes and looks up only what they cannot rule out; tg_search_exhaustive reads every template.
 * Both give the same keys and the same bits.
 */
#ifndef THERMOGATE_SEARCH_H
#define THERMOGATE_SEARCH_H

#include "match.h"
#include "store.h"

/* What a search read. */
typedef struct {
    size_t hot_bytes; /* of planes and bounds */
    size_t refined;   /* templates looked up in 8 bits */
    size_t rescored;  /* templates looked up in float32 */
} tg_work;

/* Offer every template that scores at least `threshold` and can be among the best to `best`. `probe`: float32[stride],
 * aligned, of length 1 within `tolerance`. No lock needed. Returns -1 when memory is short. */
int tg_search(const tg_snapshot *snapshot, const float *probe, double tolerance, tg_isa path, double threshold,
              tg_best *best, tg_work *work);

void tg_search_exhaustive(const tg_snapshot *snapshot, const float *probe, tg_isa path, double threshold, tg_best *best,
                          tg_work *work);

/* The bounds that a search compares, by slot: of the planes for a reading, of the fine rows for TG_READINGS. `out` has room
 * for whole groups. The store must have planes, and the path their operations. Returns -1 when memory is short. */
int tg_search_bounds(const tg_snapshot *snapshot, const float *probe, double tolerance, tg_isa path, int reading,
                     double *out);

#endif
