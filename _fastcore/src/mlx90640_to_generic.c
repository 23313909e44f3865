/* The per-pixel kernel for the architecture's baseline (SSE2, NEON). */
#include "mlx90640_to_kernel.h"

void mlx_to_generic(const mlx_lanes *lanes, const mlx_terms *terms, const int16_t *raw, float *to)
{
    to_lanes(lanes, terms, raw, to);
}
