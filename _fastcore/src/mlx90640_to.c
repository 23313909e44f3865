/* Which path's kernel converts a frame, and which of its lanes count. */
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

static void count_half_row(const mlx_defects *defects, const uint8_t *picture, int row, int odd, int32_t *counted)
{
    for (int i = 0; i < MLX_HALF; i++) {
        const int pixel = row * MLX_COLUMNS + 2 * i + odd;
        counted[i] = picture[pixel] && !defects->defective[pixel] ? -1 : 0;
    }
}

void mlx_count(const mlx_defects *defects, const uint8_t *picture, mlx_counted counted)
{
    for (int pattern = 0; pattern < MLX_PATTERNS; pattern++)
        for (int subpage = 0; subpage < 2; subpage++)
            for (int half = 0; half < MLX_HALF_ROWS; half++)
                count_half_row(defects, picture, mlx_half_row((mlx_pattern)pattern, subpage, half),
                               mlx_half_row_odd((mlx_pattern)pattern, subpage, half),
                               &counted[pattern][subpage][half * MLX_HALF]);
}
