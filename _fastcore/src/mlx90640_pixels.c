/* EEPROM words to the parameters of each pixel (11.1.3 to 11.1.6), at the resolution of the vendor's driver.
 *
 * The driver that the sensor's accuracy is specified with keeps Kta and Kv as 8-bit and 1/α as 16-bit integers, each
 * under one power of two for the whole array. We round the same way, so that readings agree with it to float's limit,
 * and keep the rounded values as float, which holds them exactly.
 */
#include "mlx90640.h"

#include <math.h>

static const double COEFFICIENT_TARGET = 63.4; /* the largest of 8 bits falls in 63.4 .. 126.8 */
static const double ALPHA_TARGET = 32767.4;    /* the largest of 16 bits falls in 32767.4 .. 65534.8 */
static const double ALPHA_UNIT = 1e-6;

typedef struct {
    float offset[MLX_PIXELS], kta[MLX_PIXELS], inverse_alpha[MLX_PIXELS];
    float kv[4]; /* by 2 · (row & 1) + (column & 1) */
} pixel_table;

/* The power of two that brings `largest` to at least `target`. It ends for 0 and NaN too. */
static int shift_to(double largest, double target)
{
    int shift = 0;
    if (!(largest > 0) || isinf(largest))
        return 0;
    while (ldexp(largest, shift) < target)
        shift++;
    return shift;
}

/* Round half away from zero to a multiple of 2^-shift. */
static float rounded(double value, int shift)
{
    return (float)ldexp(trunc(ldexp(value, shift) + (value < 0 ? -0.5 : 0.5)), -shift);
}

static void round_all(float *values, int count, double target)
{
    double largest = 0;
    /* Not fmax, for which GCC 12 on aarch64 stops with an internal error. NaN is passed over either way. */
    for (int i = 0; i < count; i++)
        if (fabs((double)values[i]) > largest)
            largest = fabs((double)values[i]);
    const int shift = shift_to(largest, target);
    for (int i = 0; i < count; i++)
        values[i] = rounded(values[i], shift);
}

/* Row r of six, or column c of eight words: signed nibbles, lowest first. */
static int correction(const uint16_t *ee, unsigned first, int index)
{
    const int low = 4 * (index % 4);
    return mlx_signed_bits(MLX_EE(ee, first + (unsigned)index / 4), low + 3, low);
}

static void extract_offsets(const uint16_t *ee, float *offset)
{
    const unsigned scales = MLX_EE(ee, 0x2410);
    const int row_unit = 1 << mlx_bits(scales, 11, 8), column_unit = 1 << mlx_bits(scales, 7, 4);
    const int unit = 1 << mlx_bits(scales, 3, 0), average = (int16_t)MLX_EE(ee, 0x2411);

    for (int i = 0; i < MLX_PIXELS; i++) {
        const int row = i / MLX_COLUMNS, column = i % MLX_COLUMNS;
        offset[i] = (float)(average + correction(ee, 0x2412, row) * row_unit +
                            correction(ee, 0x2418, column) * column_unit +
                            mlx_signed_bits(MLX_EE(ee, MLX_EEPROM_PIXELS + (unsigned)i), 15, 10) * unit);
    }
}

/* 1e-6/α, in float where the vendor's driver is: where α falls between two integers, double may round the other way. */
static void extract_inverse_alpha(const uint16_t *ee, const mlx_params *p, float *inverse_alpha)
{
    const unsigned scales = MLX_EE(ee, 0x2420);
    const int row_unit = 1 << mlx_bits(scales, 11, 8), column_unit = 1 << mlx_bits(scales, 7, 4);
    const int unit = 1 << mlx_bits(scales, 3, 0), scale = mlx_bits(scales, 15, 12) + 30;
    const float gradient = (float)p->tgc * ((float)p->cp_alpha[0] + (float)p->cp_alpha[1]) / 2.0f;

    for (int i = 0; i < MLX_PIXELS; i++) {
        const int row = i / MLX_COLUMNS, column = i % MLX_COLUMNS;
        const int steps = MLX_EE(ee, 0x2421) + correction(ee, 0x2422, row) * row_unit +
                          correction(ee, 0x2428, column) * column_unit +
                          mlx_signed_bits(MLX_EE(ee, MLX_EEPROM_PIXELS + (unsigned)i), 9, 4) * unit;
        const float alpha = ldexpf((float)steps, -scale) - gradient;
        inverse_alpha[i] = alpha > 0 ? (float)(ALPHA_UNIT / (double)alpha) : NAN;
    }
}

static void extract_coefficients(const uint16_t *ee, pixel_table *table)
{
    const unsigned scales = MLX_EE(ee, 0x2438), kv = MLX_EE(ee, 0x2434);
    const int kta_scale = mlx_bits(scales, 7, 4) + 8, kta_unit = 1 << mlx_bits(scales, 3, 0);
    /* The data sheet counts rows and columns from 1: its odd is our even. */
    const int kta[4] = {
        mlx_signed_bits(MLX_EE(ee, 0x2436), 15, 8), mlx_signed_bits(MLX_EE(ee, 0x2437), 15, 8),
        mlx_signed_bits(MLX_EE(ee, 0x2436), 7, 0), mlx_signed_bits(MLX_EE(ee, 0x2437), 7, 0)};
    const int kv_high[4] = {15, 7, 11, 3};

    for (int i = 0; i < MLX_PIXELS; i++) {
        const int parity = 2 * (i / MLX_COLUMNS & 1) + (i & 1);
        const int rest = mlx_signed_bits(MLX_EE(ee, MLX_EEPROM_PIXELS + (unsigned)i), 3, 1);
        table->kta[i] = ldexpf((float)(kta[parity] + rest * kta_unit), -kta_scale);
    }
    for (int parity = 0; parity < 4; parity++)
        table->kv[parity] =
            ldexpf((float)mlx_signed_bits(kv, kv_high[parity], kv_high[parity] - 3), -mlx_bits(scales, 11, 8));
}

/* 10.6, 11.2.2.5.3: what a pixel reads differently in the pattern it was not calibrated in. */
static double pattern_correction(const mlx_params *p, mlx_pattern pattern, int row, int column)
{
    static const int wave[4] = {0, -1, 0, 1};
    const int odd = 2 * (row & 1) - 1;
    if ((int)pattern == p->calibrated_pattern)
        return 0;
    return p->il_chess[2] * odd + p->il_chess[1] * wave[column % 4] * odd;
}

static void fill_half_row(const pixel_table *table, const mlx_params *p, mlx_pattern pattern, int subpage, int half,
                          mlx_lanes *lanes)
{
    const int row = mlx_half_row(pattern, subpage, half), odd = mlx_half_row_odd(pattern, subpage, half);
    for (int i = 0; i < MLX_HALF; i++) {
        const int lane = half * MLX_HALF + i, pixel = row * MLX_COLUMNS + 2 * i + odd;
        lanes->offset[lane] = table->offset[pixel];
        lanes->offset_kta[lane] = table->offset[pixel] * table->kta[pixel];
        lanes->inverse_alpha[lane] = table->inverse_alpha[pixel];
    }
    lanes->kv[half & 1] = table->kv[2 * (row & 1) + odd];
    for (int i = 0; i < 2; i++)
        lanes->correction[half & 1][i] = pattern_correction(p, pattern, row, 2 * i + odd);
}

static void fill_lanes(const pixel_table *table, mlx_params *p)
{
    for (int pattern = 0; pattern < MLX_PATTERNS; pattern++)
        for (int subpage = 0; subpage < 2; subpage++)
            for (int half = 0; half < MLX_HALF_ROWS; half++)
                fill_half_row(table, p, (mlx_pattern)pattern, subpage, half, &p->lanes[pattern][subpage]);
}

/* A pixel that is not marked as a defect must have a sensitivity, and one within 2^16 of the least sensitive. */
static mlx_fault check_sensitivity(const pixel_table *table, const mlx_defects *defects)
{
    for (int i = 0; i < MLX_PIXELS; i++)
        if (!defects->defective[i] && !(table->inverse_alpha[i] > 0))
            return (mlx_fault){"the sensitivity of a pixel that is not marked as a defect is not positive",
                               MLX_EEPROM_PIXELS + (unsigned)i};
    return (mlx_fault){NULL, 0};
}

mlx_fault mlx_extract_pixels(const uint16_t *eeprom, mlx_params *params)
{
    pixel_table table;
    extract_offsets(eeprom, table.offset);
    extract_inverse_alpha(eeprom, params, table.inverse_alpha);
    extract_coefficients(eeprom, &table);
    round_all(table.kta, MLX_PIXELS, COEFFICIENT_TARGET);
    round_all(table.kv, 4, COEFFICIENT_TARGET);
    round_all(table.inverse_alpha, MLX_PIXELS, ALPHA_TARGET);
    for (int i = 0; i < MLX_PIXELS; i++)
        table.inverse_alpha[i] = (float)(table.inverse_alpha[i] / ALPHA_UNIT);
    const mlx_fault found = check_sensitivity(&table, &params->defects);
    if (!found.what)
        fill_lanes(&table, params);
    return found;
}
