/* Which path's kernel converts a frame. */
#include "mlx90640.h"

void mlx_object_temperatures(const mlx_params *params, const mlx_terms *terms, const uint16_t *frame,
                             mlx_to_kernel *kernel, float *out)
{
    kernel(params, terms, frame, out, NULL);
}

mlx_to_kernel *mlx_to_kernel_for(tg_isa path)
{
#ifdef TG_HAVE_AVX512
    if (path == TG_ISA_AVX512)
        return mlx_to_avx512;
#endif
#ifdef TG_HAVE_AVX2
    if (path == TG_ISA_AVX2)
        return mlx_to_avx2;
#endif
    (void)path;
    return mlx_to_generic;
}
