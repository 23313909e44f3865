/* The per-pixel kernel for the architecture's baseline (SSE2, NEON). */
#define MLX_WIDTH 4
#define MLX_TARGET

#ifdef __SSE2__
#include <emmintrin.h>
#define MLX_LESSER(a, b) ((reals)_mm_min_ps((__m128)(a), (__m128)(b)))
#define MLX_GREATER(a, b) ((reals)_mm_max_ps((__m128)(a), (__m128)(b)))
#endif
#include "mlx90640_to_kernel.h"

void mlx_to_generic(const mlx_params *params, const mlx_terms *terms, const uint16_t *frame, float *out,
                    mlx_extras *extras)
{
    to_subpage(params, terms, frame, out, extras);
}
