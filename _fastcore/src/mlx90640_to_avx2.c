/* The per-pixel kernel for AVX2, without FMA so that its bits are the baseline's. */
#include "isa.h"

#ifdef TG_HAVE_AVX2
#include "mlx90640_to_kernel.h"

__attribute__((target("avx2"))) void mlx_to_avx2(const mlx_lanes *lanes, const mlx_terms *terms, const int16_t *raw,
                                                 float *to)
{
    to_lanes(lanes, terms, raw, to);
}
#else
typedef int tg_no_avx2_here; /* ISO C wants a declaration in every unit */
#endif
