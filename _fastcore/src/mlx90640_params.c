/* EEPROM words to the parameters all pixels share (section 11.1), refusing what no sensor could hold. */
#include "mlx90640.h"

#include <math.h>

static const mlx_fault NO_FAULT = {NULL, 0};

static mlx_fault fault(unsigned address, const char *what)
{
    return (mlx_fault){what, address};
}

/* A bus that reads as one level, or an erased chip. The vendor's extraction loops for ever on all 0 and all FFFF. */
static int is_blank(const uint16_t *ee)
{
    for (int i = 1; i < MLX_EEPROM_WORDS; i++)
        if (ee[i] != ee[0])
            return 0;
    return 1;
}

/* 11.1.1, 11.1.2, 11.1.7, 11.1.8, 11.1.16, 11.1.17 */
static void extract_sensor(const uint16_t *ee, mlx_params *p)
{
    p->resolution = mlx_bits(MLX_EE(ee, 0x2438), 13, 12);
    p->calibrated_pattern = MLX_EE(ee, 0x240A) & 0x0800 ? MLX_INTERLEAVED : MLX_CHESS;
    p->k_vdd = mlx_signed_bits(MLX_EE(ee, 0x2433), 15, 8) * 32.0;
    p->vdd25 = (mlx_bits(MLX_EE(ee, 0x2433), 7, 0) - 256) * 32.0 - 8192.0;
    p->kv_ptat = mlx_signed_bits(MLX_EE(ee, 0x2432), 15, 10) / 4096.0;
    p->kt_ptat = mlx_signed_bits(MLX_EE(ee, 0x2432), 9, 0) / 8.0;
    p->v_ptat25 = (int16_t)MLX_EE(ee, 0x2431);
    p->alpha_ptat = mlx_bits(MLX_EE(ee, 0x2410), 15, 12) / 4.0 + 8.0;
    p->gain = (int16_t)MLX_EE(ee, 0x2430);
    p->tgc = mlx_signed_bits(MLX_EE(ee, 0x243C), 7, 0) / 32.0;
    p->ks_ta = mlx_signed_bits(MLX_EE(ee, 0x243C), 15, 8) / 8192.0;
    p->il_chess[0] = mlx_signed_bits(MLX_EE(ee, 0x2435), 5, 0) / 16.0;
    p->il_chess[1] = mlx_signed_bits(MLX_EE(ee, 0x2435), 10, 6) / 2.0;
    p->il_chess[2] = mlx_signed_bits(MLX_EE(ee, 0x2435), 15, 11) / 8.0;
}

static mlx_fault check_sensor(const mlx_params *p)
{
    if (p->gain <= 0)
        return fault(0x2430, "the gain is not positive");
    if (p->v_ptat25 <= 0)
        return fault(0x2431, "V_PTAT25 is not positive");
    if (p->kt_ptat <= 0)
        return fault(0x2432, "KtPTAT is not positive");
    if (p->k_vdd == 0)
        return fault(0x2433, "KVdd is 0");
    return NO_FAULT;
}

/* 11.1.12 to 11.1.15: the two compensation pixels. */
static void extract_compensation_pixels(const uint16_t *ee, mlx_params *p)
{
    const unsigned alpha = MLX_EE(ee, 0x2439), offset = MLX_EE(ee, 0x243A), drift = MLX_EE(ee, 0x243B);
    const unsigned scales = MLX_EE(ee, 0x2438);

    p->cp_alpha[0] = ldexp(mlx_signed_bits(alpha, 9, 0), -(mlx_bits(MLX_EE(ee, 0x2420), 15, 12) + 27));
    p->cp_alpha[1] = p->cp_alpha[0] * (1.0 + mlx_signed_bits(alpha, 15, 10) / 128.0);
    p->cp_offset[0] = mlx_signed_bits(offset, 9, 0);
    p->cp_offset[1] = p->cp_offset[0] + mlx_signed_bits(offset, 15, 10);
    p->cp_kv = ldexp(mlx_signed_bits(drift, 15, 8), -mlx_bits(scales, 11, 8));
    p->cp_kta = ldexp(mlx_signed_bits(drift, 7, 0), -(mlx_bits(scales, 7, 4) + 8));
}

/* 11.1.9 to 11.1.11: corner temperatures, slopes and sensitivity at the start of each range. */
static void extract_ranges(const uint16_t *ee, mlx_params *p)
{
    const unsigned corners = MLX_EE(ee, 0x243F);
    const int step = 10 * mlx_bits(corners, 13, 12), scale = mlx_bits(corners, 3, 0) + 8;

    p->corner[0] = -40;
    p->corner[1] = 0;
    p->corner[2] = mlx_bits(corners, 7, 4) * step;
    p->corner[3] = p->corner[2] + mlx_bits(corners, 11, 8) * step;
    for (int r = 0; r < MLX_RANGES; r++) {
        const int high = r % 2 ? 15 : 7;
        p->ks_to[r] = ldexp(mlx_signed_bits(MLX_EE(ee, 0x243D + r / 2), high, high - 7), -scale);
    }
    p->range_correction[0] = 1 / (1 + p->ks_to[0] * 40);
    p->range_correction[1] = 1;
    p->range_correction[2] = 1 + p->ks_to[1] * p->corner[2];
    p->range_correction[3] = p->range_correction[2] * (1 + p->ks_to[2] * (p->corner[3] - p->corner[2]));
}

/* The four ranges' lines meet at the corners, so they are one line that bends there; in kelvin, as the roots are. */
static void extract_line(mlx_params *p)
{
    double slope[MLX_RANGES], base = 1 - p->ks_to[1] * MLX_KELVIN;
    for (int r = 0; r < MLX_RANGES; r++)
        slope[r] = p->range_correction[r] * p->ks_to[r];
    const double bend[MLX_RANGES - 1] = {slope[0] - slope[1], slope[2] - slope[1], slope[3] - slope[2]};
    for (int i = 0; i < MLX_RANGES - 1; i++) {
        const double corner = p->corner[i + 1] + MLX_KELVIN;
        base -= bend[i] * corner;
        p->line.corner[i] = (float)corner;
        p->line.bend[i] = (float)bend[i];
    }
    p->line.base = (float)base;
    p->line.slope = (float)slope[1];
}

static mlx_fault check_ranges(const mlx_params *p)
{
    if (!(p->range_correction[0] > 0) || !isfinite(p->range_correction[0]))
        return fault(0x243D, "KsTo1 leaves no sensitivity at -40 degC");
    if (!(p->range_correction[2] > 0))
        return fault(0x243D, "KsTo2 leaves no sensitivity at the third corner temperature");
    if (!(p->range_correction[3] > 0))
        return fault(0x243E, "KsTo3 leaves no sensitivity at the fourth corner temperature");
    return NO_FAULT;
}

mlx_fault mlx_extract(const uint16_t *eeprom, mlx_params *params)
{
    if (is_blank(eeprom))
        return fault(MLX_EEPROM_START, "all words are the same: a dead bus or an erased chip");
    extract_sensor(eeprom, params);
    mlx_fault found = check_sensor(params);
    if (found.what)
        return found;
    params->per_k_vdd = 1 / params->k_vdd;
    params->per_kt_ptat = 1 / params->kt_ptat;
    extract_ranges(eeprom, params);
    found = check_ranges(params);
    if (found.what)
        return found;
    extract_line(params);
    extract_compensation_pixels(eeprom, params);
    mlx_find_defects(eeprom, &params->defects);
    if (params->defects.broken_count + params->defects.outlier_count == MLX_PIXELS)
        return fault(MLX_EEPROM_PIXELS, "every pixel is marked as a defect");
    return mlx_extract_pixels(eeprom, params);
}
