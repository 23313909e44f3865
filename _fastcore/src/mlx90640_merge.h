/* Both subpages in one picture, with the mean of the last readings of each pixel and the noise of a single one.
 *
 * A pixel's reading number n is taken into its mean with the weight g = 1/min(n, N): a plain mean of the first N
 * readings, then one in which a reading fades by 1 - 1/N with each that follows. So nothing has to be corrected for a
 * start at 0. With the reading's distance d from the mean before it,
 *   mean   += g · d
 *   spread  = (1 - g) · (spread + g · d²)           the weighted variance about the mean
 *   overlap = (1 - g)² · overlap + g²               the sum of the squared weights
 *   noise   = sqrt(spread / (1 - overlap))          without bias in its square, for readings independent of each other
 * A reading that is NaN changes nothing but `latest`. After one reading the noise is 0/0, NaN.
 */
#ifndef THERMOGATE_MLX90640_MERGE_H
#define THERMOGATE_MLX90640_MERGE_H

#include "mlx90640.h"

/* By subpage and lane, so that a reading is one dense loop; the lanes are those of `pattern`. */
struct mlx_average {
    _Alignas(64) float mean[2][MLX_LANES];
    _Alignas(64) float spread[2][MLX_LANES];
    _Alignas(64) float overlap[2][MLX_LANES];
    _Alignas(64) float count[2][MLX_LANES]; /* readings so far, at most `frames` */
    float frames;
    int pattern; /* that of the last frame; -1 before the first */
    float *latest_picture, *mean_picture, *noise_picture; /* float[768] each */
};

/* Begin anew, with `frames` the number N above (2 or more) and NaN in the pictures. */
void mlx_average_start(mlx_average *average, float frames, float *latest, float *mean, float *noise);

/* Before each frame: begin anew where the sensor now reads in another pattern, in which the lanes are other pixels. */
void mlx_average_expect(mlx_average *average, mlx_pattern pattern);

#endif
