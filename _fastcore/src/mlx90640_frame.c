/* The terms that all pixels of a frame share: supply, ambient, gain, compensation pixel (11.2.2.1 to 11.2.2.6). */
#include "mlx90640.h"

#include <math.h>

static const mlx_fault NO_FAULT = {NULL, 0};

/* degC; the sensor works from -40 to 85. Far enough outside to refuse only words that are no measurement. */
static const double DIE_COLDEST = -100, DIE_HOTTEST = 200;

static double ram(const uint16_t *frame, unsigned address)
{
    return (int16_t)frame[address - MLX_RAM_START];
}

double mlx_supply_voltage(const mlx_params *p, const uint16_t *frame)
{
    const double correction = ldexp(1.0, p->resolution - mlx_bits(frame[MLX_CONTROL], 11, 10));
    return (ram(frame, 0x072A) * correction - p->vdd25) / p->k_vdd + 3.3;
}

mlx_fault mlx_ambient_temperature(const mlx_params *p, const uint16_t *frame, double *ta)
{
    const double ptat = ram(frame, 0x0720), vbe = ram(frame, 0x0700);
    const double art = ptat / (ptat * p->alpha_ptat + vbe) * 262144.0;
    const double supply = 1 + p->kv_ptat * (mlx_supply_voltage(p, frame) - 3.3);

    *ta = (art / supply - p->v_ptat25) / p->kt_ptat + 25;
    if (!(*ta > DIE_COLDEST && *ta < DIE_HOTTEST))
        return (mlx_fault){"PTAT gives no possible ambient temperature", 0x0720};
    return NO_FAULT;
}

/* pix_OS_CP of the frame's subpage. */
static double compensation_pixel(const mlx_params *p, const uint16_t *frame, double gain, double ta, double vdd)
{
    const int subpage = frame[MLX_SUBPAGE];
    const int foreign = (int)mlx_frame_pattern(frame) != p->calibrated_pattern;
    const double offset = p->cp_offset[subpage] + (subpage && foreign ? p->il_chess[0] : 0);
    const double drift = (1 + p->cp_kta * (ta - 25)) * (1 + p->cp_kv * (vdd - 3.3));
    return ram(frame, subpage ? 0x0728 : 0x0708) * gain - offset * drift;
}

static double background(double ta, double tr, double emissivity)
{
    const double ta4 = pow(ta + MLX_KELVIN, 4), tr4 = pow(tr + MLX_KELVIN, 4);
    return tr4 - (tr4 - ta4) / emissivity;
}

static void range_terms(const mlx_params *p, mlx_terms *terms)
{
    terms->slope = (float)p->ks_to[1];
    terms->base = (float)(1 - p->ks_to[1] * MLX_KELVIN);
    for (int r = 0; r < MLX_RANGES; r++) {
        terms->range_start[r] = (float)p->corner[r];
        terms->range_slope[r] = (float)(p->range_correction[r] * p->ks_to[r]);
        terms->range_base[r] = (float)(p->range_correction[r] * (1 - p->ks_to[r] * p->corner[r]));
    }
}

mlx_fault mlx_frame_terms(const mlx_params *p, const uint16_t *frame, double emissivity, double reflected,
                          mlx_terms *terms)
{
    double ta;
    const double vdd = mlx_supply_voltage(p, frame);
    const mlx_fault found = mlx_ambient_temperature(p, frame, &ta);
    if (found.what)
        return found;
    if (ram(frame, 0x070A) <= 0)
        return (mlx_fault){"the gain is not positive", 0x070A};
    const double sensitivity = 1 + p->ks_ta * (ta - 25);
    if (!(sensitivity > 0))
        return (mlx_fault){"the ambient temperature leaves the calibration no sensitivity", 0x0720};

    const double gain = p->gain / ram(frame, 0x070A);
    terms->gain = (float)gain;
    terms->delta_ta = (float)(ta - 25);
    terms->delta_v = (float)(vdd - 3.3);
    terms->gradient = (float)(p->tgc * compensation_pixel(p, frame, gain, ta, vdd));
    terms->scale = (float)(1 / (emissivity * sensitivity));
    terms->background = (float)background(ta, isnan(reflected) ? ta - 8 : reflected, emissivity);
    range_terms(p, terms);
    return NO_FAULT;
}
