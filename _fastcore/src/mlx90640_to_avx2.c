/* The per-pixel kernel for AVX2, without FMA so that its bits are the baseline's. */
#include "isa.h"

#ifdef TG_HAVE_AVX2
#include <immintrin.h>
#define MLX_WIDTH 8
#define MLX_TARGET TG_TARGET_AVX2
#define MLX_LESSER(a, b) ((reals)_mm256_min_ps((__m256)(a), (__m256)(b)))
#define MLX_GREATER(a, b) ((reals)_mm256_max_ps((__m256)(a), (__m256)(b)))
#include "mlx90640_to_kernel.h"

MLX_TARGET void mlx_to_avx2(const mlx_params *params, const mlx_terms *terms, const uint16_t *frame, float *out,
                            mlx_extras *extras)
{
    to_subpage(params, terms, frame, out, extras);
}
#else
typedef int tg_no_avx2_here; /* ISO C wants a declaration in every unit */
#endif
