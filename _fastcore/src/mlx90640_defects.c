/* Defect pixels (section 9): which they are, whether a sensor may have them, and what is shown in their place. */
#include "mlx90640.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ALLOWED = 4, BROKEN_MANY = -3, OUTLIERS_MANY = -4, DEFECTS_MANY = -5, ADJACENT = -6 };

static int adjacent(int a, int b)
{
    return abs(a / MLX_COLUMNS - b / MLX_COLUMNS) <= 1 && abs(a % MLX_COLUMNS - b % MLX_COLUMNS) <= 1;
}

/* The vendor's count goes by pixel and stops at whichever kind reaches five first. */
static int reaches_limit_first(const uint16_t *pixels, unsigned count, const uint16_t *others, unsigned other_count)
{
    return count > ALLOWED && (other_count <= ALLOWED || pixels[ALLOWED] < others[ALLOWED]);
}

static int judge(const mlx_defects *d)
{
    uint16_t all[2 * ALLOWED];
    const unsigned count = d->broken_count + d->outlier_count;

    if (reaches_limit_first(d->broken, d->broken_count, d->outliers, d->outlier_count))
        return BROKEN_MANY;
    if (d->outlier_count > ALLOWED)
        return OUTLIERS_MANY;
    if (count > ALLOWED)
        return DEFECTS_MANY;
    memcpy(all, d->broken, d->broken_count * sizeof *all);
    memcpy(all + d->broken_count, d->outliers, d->outlier_count * sizeof *all);
    for (unsigned i = 0; i < count; i++)
        for (unsigned j = i + 1; j < count; j++)
            if (adjacent(all[i], all[j]))
                return ADJACENT;
    return 0;
}

void mlx_find_defects(const uint16_t *eeprom, mlx_defects *defects)
{
    memset(defects, 0, sizeof *defects);
    for (unsigned i = 0; i < MLX_PIXELS; i++) {
        const unsigned word = MLX_EE(eeprom, MLX_EEPROM_PIXELS + i);
        if (word == 0)
            defects->broken[defects->broken_count++] = (uint16_t)i;
        else if (word & 1)
            defects->outliers[defects->outlier_count++] = (uint16_t)i;
        defects->defective[i] = word == 0 || (word & 1);
    }
    defects->code = judge(defects);
}

/* A neighbour that may stand in: inside the array, no defect itself, and measured. */
static int usable(const mlx_defects *d, const float *to, int row, int column)
{
    if (row < 0 || row >= MLX_ROWS || column < 0 || column >= MLX_COLUMNS)
        return 0;
    const int pixel = row * MLX_COLUMNS + column;
    return !d->defective[pixel] && !isnan(to[pixel]);
}

/* The middle of up to four values: their median, the mean of the two middle ones when even. */
static float median(float *values, int count)
{
    for (int i = 1; i < count; i++)
        for (int j = i; j > 0 && values[j - 1] > values[j]; j--) {
            const float swap = values[j];
            values[j] = values[j - 1];
            values[j - 1] = swap;
        }
    if (count == 0)
        return NAN;
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

/* Chess readout renews the diagonal neighbours together with the pixel. */
static float from_diagonals(const mlx_defects *d, const float *to, int row, int column)
{
    float values[4];
    int count = 0;
    for (int i = -1; i <= 1; i += 2)
        for (int j = -1; j <= 1; j += 2)
            if (usable(d, to, row + i, column + j))
                values[count++] = to[(row + i) * MLX_COLUMNS + column + j];
    return median(values, count);
}

/* Interleaved readout renews whole rows: follow the flatter of the lines on either side. */
static float from_row(const mlx_defects *d, const float *to, int row, int column)
{
    const float *at = &to[row * MLX_COLUMNS + column];
    const int left = usable(d, to, row, column - 1), right = usable(d, to, row, column + 1);

    if (left && right && usable(d, to, row, column - 2) && usable(d, to, row, column + 2)) {
        const float left_slope = at[-1] - at[-2], right_slope = at[1] - at[2];
        return fabsf(right_slope) > fabsf(left_slope) ? at[-1] + left_slope : at[1] + right_slope;
    }
    if (left && right)
        return (at[-1] + at[1]) / 2;
    return left ? at[-1] : right ? at[1] : NAN;
}

static void repair_pixel(const mlx_defects *d, mlx_pattern pattern, int pixel, float *to)
{
    const int row = pixel / MLX_COLUMNS, column = pixel % MLX_COLUMNS;
    to[pixel] = pattern == MLX_CHESS ? from_diagonals(d, to, row, column) : from_row(d, to, row, column);
}

void mlx_repair(const mlx_defects *defects, mlx_pattern pattern, float *to)
{
    for (unsigned i = 0; i < defects->broken_count; i++)
        repair_pixel(defects, pattern, defects->broken[i], to);
    for (unsigned i = 0; i < defects->outlier_count; i++)
        repair_pixel(defects, pattern, defects->outliers[i], to);
}
