/* Between a frame's layout and the dense lanes the kernel works on. */
#include "mlx90640.h"

static void gather(const uint16_t *frame, mlx_pattern pattern, int subpage, int16_t *raw)
{
    for (int row = 0; row < MLX_ROWS; row++) {
        int step;
        const int start = mlx_row_start(pattern, subpage, row, &step);
        for (int column = start; step && column < MLX_COLUMNS; column += step)
            *raw++ = (int16_t)frame[row * MLX_COLUMNS + column];
    }
}

static void scatter(const float *to, mlx_pattern pattern, int subpage, float *out)
{
    for (int row = 0; row < MLX_ROWS; row++) {
        int step;
        const int start = mlx_row_start(pattern, subpage, row, &step);
        for (int column = start; step && column < MLX_COLUMNS; column += step)
            out[row * MLX_COLUMNS + column] = *to++;
    }
}

void mlx_object_temperatures(const mlx_params *params, const mlx_terms *terms, const uint16_t *frame,
                             mlx_to_kernel *kernel, float *out)
{
    _Alignas(64) int16_t raw[MLX_LANES];
    _Alignas(64) float to[MLX_LANES];
    const mlx_pattern pattern = mlx_frame_pattern(frame);
    const int subpage = frame[MLX_SUBPAGE];

    gather(frame, pattern, subpage, raw);
    kernel(&params->lanes[pattern][subpage], terms, raw, to);
    scatter(to, pattern, subpage, out);
}

mlx_to_kernel *mlx_to_kernel_for(tg_isa path)
{
#ifdef TG_HAVE_AVX2
    if (path == TG_ISA_AVX2 || path == TG_ISA_AVX512)
        return mlx_to_avx2;
#endif
    (void)path;
    return mlx_to_generic;
}
