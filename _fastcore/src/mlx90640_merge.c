/* The start of an average; its update is in mlx90640_merge_kernel.h. */
#include "mlx90640_merge.h"

#include <math.h>

static void forget(mlx_average *average)
{
    for (int subpage = 0; subpage < 2; subpage++)
        for (int lane = 0; lane < MLX_LANES; lane++) {
            average->mean[subpage][lane] = average->spread[subpage][lane] = average->count[subpage][lane] = 0;
            average->overlap[subpage][lane] = 1;
        }
    for (int pixel = 0; pixel < MLX_PIXELS; pixel++)
        average->latest_picture[pixel] = average->mean_picture[pixel] = average->noise_picture[pixel] = NAN;
}

void mlx_average_start(mlx_average *average, float frames, float *latest, float *mean, float *noise)
{
    average->frames = frames;
    average->pattern = -1;
    average->latest_picture = latest;
    average->mean_picture = mean;
    average->noise_picture = noise;
    forget(average);
}

void mlx_average_expect(mlx_average *average, mlx_pattern pattern)
{
    if (average->pattern >= 0 && average->pattern != (int)pattern)
        forget(average);
    average->pattern = (int)pattern;
}
