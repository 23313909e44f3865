/* One subpage's readings into an average (mlx90640_merge.h has the formulae); included once for each instruction set. */
#ifndef THERMOGATE_MLX90640_MERGE_KERNEL_H
#define THERMOGATE_MLX90640_MERGE_KERNEL_H

#include "mlx90640_merge.h"
#include "mlx90640_vector.h"

/* The state of MLX_WIDTH lanes after their readings `to`; a reading that is no number leaves it as it was. */
MLX_INLINE void update_lanes(mlx_average *restrict average, int subpage, int lane, reals to)
{
    float *const mean = &average->mean[subpage][lane], *const spread = &average->spread[subpage][lane];
    float *const overlap = &average->overlap[subpage][lane], *const count = &average->count[subpage][lane];
    const ints valid = to < all(INFINITY);
    const reals number = MLX_LESSER(load(count) + 1.0f, all(average->frames));
    const reals gain = 1.0f / number, keep = 1.0f - gain, distance = to - load(mean);

    store(mean, either(valid, load(mean) + gain * distance, load(mean)));
    store(spread, either(valid, keep * (load(spread) + gain * (distance * distance)), load(spread)));
    store(overlap, either(valid, keep * keep * load(overlap) + gain * gain, load(overlap)));
    store(count, either(valid, number, load(count)));
}

/* Both readings of the state: the mean, NaN before the first reading, and the noise. */
MLX_INLINE void read_average(const mlx_average *restrict average, int subpage, float *restrict mean,
                             float *restrict noise)
{
    for (int lane = 0; lane < MLX_LANES; lane += MLX_WIDTH) {
        const ints unread = load(&average->count[subpage][lane]) < all(1.0f);
        store(mean + lane, spoiled(unread, load(&average->mean[subpage][lane])));
        store(noise + lane, load(&average->spread[subpage][lane]) / (1.0f - load(&average->overlap[subpage][lane])));
    }
    /* The compiler has no root of its own vectors, but makes one of this loop. */
    for (int lane = 0; lane < MLX_LANES; lane++)
        noise[lane] = sqrtf(noise[lane]);
}

#endif
