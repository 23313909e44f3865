/* The per-pixel kernel for AVX-512, without FMA so that its bits are the baseline's. */
#include "isa.h"

#ifdef TG_HAVE_AVX512
#include <immintrin.h>
#define MLX_WIDTH 16
#define MLX_TARGET TG_TARGET_AVX512
#define MLX_LESSER(a, b) ((reals)_mm512_min_ps((__m512)(a), (__m512)(b)))
#define MLX_GREATER(a, b) ((reals)_mm512_max_ps((__m512)(a), (__m512)(b)))
#include "mlx90640_to_kernel.h"

MLX_TARGET void mlx_to_avx512(const mlx_params *params, const mlx_terms *terms, const uint16_t *frame, float *out,
                              mlx_extras *extras)
{
    to_subpage(params, terms, frame, out, extras);
}
#else
typedef int tg_no_avx512_here; /* ISO C wants a declaration in every unit */
#endif
