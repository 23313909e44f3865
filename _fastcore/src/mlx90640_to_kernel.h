/* Object temperature of a subpage's pixels (11.2.2.5 to 11.2.2.9.1); included once for each instruction set.
 *
 * With r = V_IR/α, the data sheet's Sx is KsTo2 · α · fourth_root(r + T_ar), and α drops out of both of its formulae:
 *   To  = fourth_root(r / (1 + KsTo2 · (q - 273.15)) + T_ar),  q = fourth_root(r + T_ar)   (kelvin)
 *   To' = fourth_root(r / (αcorr · (1 + KsTo · (To - CT))) + T_ar)
 * That leaves two divisions, and no power of α that could leave float's range. A negative radicand gives NaN.
 *
 * A loop for each step over the subpage's lanes, rather than one loop: a root is a chain of operations that wait for
 * each other, and short loops leave room for several chains at once.
 */
#ifndef THERMOGATE_MLX90640_TO_KERNEL_H
#define THERMOGATE_MLX90640_TO_KERNEL_H

#include "mlx90640_merge_kernel.h"
#include "mlx90640_root.h"

/* r of every lane. With `extras`, words of the saturated value become NaN and are counted. */
MLX_INLINE void read_lanes(const mlx_lanes *restrict lanes, const mlx_terms *restrict terms,
                           const uint16_t *restrict frame, mlx_extras *restrict extras, float *restrict r)
{
    ints saturated = {0};
    for (int half = 0; half < MLX_HALF_ROWS; half++) {
        const int odd = mlx_half_row_odd(terms->pattern, terms->subpage, half);
        const uint16_t *row = frame + mlx_half_row(terms->pattern, terms->subpage, half) * MLX_COLUMNS;
        for (int i = 0; i < MLX_HALF; i += MLX_WIDTH) {
            const int lane = half * MLX_HALF + i;
            const ints raw = load_half(row + 2 * i, odd, extras && extras->swapped);
            const reals drift = load(lanes->offset + lane) + load(lanes->offset_kta + lane) * terms->delta_ta;
            const reals gained = __builtin_convertvector(raw, reals) * terms->gain + load(terms->shift[half & 1] + i);
            reals value = (gained - drift * terms->factor[half & 1]) * load(lanes->inverse_alpha + lane);
            if (extras) {
                const ints over = raw == extras->saturation;
                saturated -= over;
                value = spoiled(over, value);
            }
            store(r + lane, value);
        }
    }
    if (extras)
        extras->saturated = (unsigned)sum(saturated);
}

/* r to the radicand of To, K^4. */
MLX_INLINE void basic_radicands(const mlx_terms *restrict terms, const float *restrict r, float *restrict radicands)
{
    for (int lane = 0; lane < MLX_LANES; lane += MLX_STEP) {
        const block value = load_block(r + lane);
        block sum = value;
        EACH(j) sum.v[j] = sum.v[j] + terms->background;
        block q = fair_root(sum);
        EACH(j) q.v[j] = terms->base + terms->slope * q.v[j];
        EACH(j) q.v[j] = value.v[j] / q.v[j] + terms->background;
        store_block(radicands + lane, q);
    }
}

/* αcorr · (1 + KsTo · (To - CT)) of all four ranges: a continuous line with a bend at each corner. */
MLX_INLINE reals sensitivity(const mlx_line *line, reals kelvin)
{
    const reals straight = line->base + line->slope * kelvin;
    const reals first = MLX_LESSER(kelvin, all(line->corner[0])) * line->bend[0];
    const reals second = MLX_GREATER(kelvin, all(line->corner[1])) * line->bend[1];
    const reals third = MLX_GREATER(kelvin, all(line->corner[2])) * line->bend[2];
    return (straight + first) + (second + third);
}

/* The radicand of To to that of To', in place. */
MLX_INLINE void extended_radicands(const mlx_terms *restrict terms, const float *restrict r, float *restrict radicands)
{
    for (int lane = 0; lane < MLX_LANES; lane += MLX_STEP) {
        block to = exact_root(load_block(radicands + lane));
        EACH(j) to.v[j] = sensitivity(&terms->line, to.v[j]);
        EACH(j) to.v[j] = load(r + lane + j * MLX_WIDTH) / to.v[j] + terms->background;
        store_block(radicands + lane, to);
    }
}

/* The radicand of To' to °C, in place. */
MLX_INLINE void celsius(float *radicands)
{
    for (int lane = 0; lane < MLX_LANES; lane += MLX_STEP) {
        block to = exact_root(load_block(radicands + lane));
        EACH(j) to.v[j] = to.v[j] - (float)MLX_KELVIN;
        store_block(radicands + lane, to);
    }
}

/* Write the lanes into the picture. With `extras`, the largest of those that count is kept. */
MLX_INLINE void write_lanes(const mlx_terms *restrict terms, const float *restrict to, float *restrict out,
                            mlx_extras *restrict extras)
{
    reals hottest = all(-INFINITY);
    for (int half = 0; half < MLX_HALF_ROWS; half++) {
        const int odd = mlx_half_row_odd(terms->pattern, terms->subpage, half);
        float *row = out + mlx_half_row(terms->pattern, terms->subpage, half) * MLX_COLUMNS;
        for (int i = 0; i < MLX_HALF; i += MLX_WIDTH) {
            const int lane = half * MLX_HALF + i;
            const reals value = load(to + lane);
            store_half(row + 2 * i, odd, value);
            if (extras && extras->counted)
                hottest = either((value > hottest) & load_ints(extras->counted + lane), value, hottest);
        }
    }
    if (extras)
        extras->hottest = largest(hottest);
}

/* The lanes into an average and its pictures. */
MLX_INLINE void merge_lanes(const mlx_terms *restrict terms, const float *restrict to, mlx_average *restrict average)
{
    _Alignas(64) float mean[MLX_LANES], noise[MLX_LANES];
    for (int lane = 0; lane < MLX_LANES; lane += MLX_WIDTH)
        update_lanes(average, terms->subpage, lane, load(to + lane));
    read_average(average, terms->subpage, mean, noise);
    write_lanes(terms, to, average->latest_picture, NULL);
    write_lanes(terms, mean, average->mean_picture, NULL);
    write_lanes(terms, noise, average->noise_picture, NULL);
}

MLX_INLINE void convert(const mlx_params *params, const mlx_terms *terms, const uint16_t *frame, float *out,
                        mlx_extras *extras)
{
    _Alignas(64) float r[MLX_LANES], to[MLX_LANES];
    read_lanes(&params->lanes[terms->pattern][terms->subpage], terms, frame, extras, r);
    basic_radicands(terms, r, to);
    extended_radicands(terms, r, to);
    celsius(to);
    if (extras && extras->average)
        merge_lanes(terms, to, extras->average);
    else
        write_lanes(terms, to, out, extras);
}

/* Both kinds of call from one text: without extras, nothing of them is left in the loops. */
MLX_INLINE void to_subpage(const mlx_params *params, const mlx_terms *terms, const uint16_t *frame, float *out,
                           mlx_extras *extras)
{
    if (extras)
        convert(params, terms, frame, out, extras);
    else
        convert(params, terms, frame, out, NULL);
}

#endif
