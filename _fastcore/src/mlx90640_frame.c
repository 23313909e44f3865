/* The terms that all pixels of a frame share: supply, ambient, gain, compensation pixel (11.2.2.1 to 11.2.2.6). */
#include "mlx90640.h"

#include <math.h>

static const mlx_fault NO_FAULT = {NULL, 0};

/* degC; the sensor works from -40 to 85. Far enough outside to refuse only words that are no measurement. */
static const double DIE_COLDEST = -100, DIE_HOTTEST = 200;

/* 2 to the power of the EEPROM's resolution less the frame's, each 0 to 3. */
static const double RESOLUTION[7] = {0.125, 0.25, 0.5, 1, 2, 4, 8};

static unsigned word(const uint16_t *frame, unsigned index, int swapped)
{
    const unsigned value = frame[index];
    return swapped ? (value >> 8 | value << 8) & 0xFFFFu : value;
}

static int ram(const uint16_t *frame, unsigned address, int swapped)
{
    return (int16_t)word(frame, address - MLX_RAM_START, swapped);
}

mlx_shared mlx_read_shared(const uint16_t *frame, int swapped)
{
    return (mlx_shared){
        .supply = ram(frame, 0x072A, swapped),
        .ptat = ram(frame, 0x0720, swapped),
        .vbe = ram(frame, 0x0700, swapped),
        .gain = ram(frame, 0x070A, swapped),
        .compensation = {ram(frame, 0x0708, swapped), ram(frame, 0x0728, swapped)},
        .control = word(frame, MLX_CONTROL, swapped),
        .subpage = word(frame, MLX_SUBPAGE, swapped),
    };
}

double mlx_supply_voltage(const mlx_params *p, const mlx_shared *words)
{
    const double correction = RESOLUTION[p->resolution - mlx_bits(words->control, 11, 10) + 3];
    return (words->supply * correction - p->vdd25) * p->per_k_vdd + 3.3;
}

/* One division for V_art and for the supply's share in it. */
static mlx_fault ambient(const mlx_params *p, const mlx_shared *words, double delta_v, double *ta)
{
    const double art = words->ptat * p->alpha_ptat + words->vbe, supply = 1 + p->kv_ptat * delta_v;
    *ta = (words->ptat * 262144.0 / (art * supply) - p->v_ptat25) * p->per_kt_ptat + 25;
    if (!(*ta > DIE_COLDEST && *ta < DIE_HOTTEST))
        return (mlx_fault){"PTAT gives no possible ambient temperature", 0x0720};
    return NO_FAULT;
}

mlx_fault mlx_ambient_temperature(const mlx_params *p, const mlx_shared *words, double *ta)
{
    return ambient(p, words, mlx_supply_voltage(p, words) - 3.3, ta);
}

/* pix_OS_CP of the frame's subpage. */
static double compensation_pixel(const mlx_params *p, const mlx_shared *words, double gain, double delta_ta,
                                 double delta_v)
{
    const unsigned subpage = words->subpage;
    const int foreign = (int)mlx_pattern_of(words->control) != p->calibrated_pattern;
    const double offset = p->cp_offset[subpage] + (subpage && foreign ? p->il_chess[0] : 0);
    const double drift = (1 + p->cp_kta * delta_ta) * (1 + p->cp_kv * delta_v);
    return words->compensation[subpage] * gain - offset * drift;
}

static double fourth_power(double celsius)
{
    const double square = (celsius + MLX_KELVIN) * (celsius + MLX_KELVIN);
    return square * square;
}

static double background(double ta, double tr, double per_emissivity)
{
    const double ta4 = fourth_power(ta), tr4 = fourth_power(tr);
    return tr4 - (tr4 - ta4) * per_emissivity;
}

/* What differs between half rows: Kv and the readout correction, which comes two by two. */
static void half_row_terms(const mlx_lanes *lanes, double delta_v, double gradient, double scale, mlx_terms *terms)
{
    for (int half = 0; half < 2; half++) {
        terms->factor[half] = (float)((1 + lanes->kv[half] * delta_v) * scale);
        const float even = (float)((lanes->correction[half][0] - gradient) * scale);
        const float odd = (float)((lanes->correction[half][1] - gradient) * scale);
        for (int i = 0; i < MLX_HALF; i += 2) {
            terms->shift[half][i] = even;
            terms->shift[half][i + 1] = odd;
        }
    }
}

mlx_fault mlx_shared_terms(const mlx_params *p, const mlx_shared *words, double emissivity, double reflected,
                           mlx_terms *terms)
{
    double ta;
    const double delta_v = mlx_supply_voltage(p, words) - 3.3;
    const mlx_fault found = ambient(p, words, delta_v, &ta);
    if (found.what)
        return found;
    if (words->gain <= 0)
        return (mlx_fault){"the gain is not positive", 0x070A};
    const double delta_ta = ta - 25, sensitivity = 1 + p->ks_ta * delta_ta;
    if (!(sensitivity > 0))
        return (mlx_fault){"the ambient temperature leaves the calibration no sensitivity", 0x0720};

    /* The vendor's library takes float32. */
    const double epsilon = (float)emissivity;
    const double gain = p->gain / words->gain, scale = 1 / (epsilon * sensitivity);
    const double gradient = p->tgc * compensation_pixel(p, words, gain, delta_ta, delta_v);
    terms->pattern = mlx_pattern_of(words->control);
    terms->subpage = (int)words->subpage;
    terms->gain = (float)(gain * scale);
    terms->delta_ta = (float)delta_ta;
    terms->background = (float)background(ta, isnan(reflected) ? ta - 8 : reflected, 1 / epsilon);
    terms->slope = (float)p->ks_to[1];
    terms->base = (float)(1 - p->ks_to[1] * MLX_KELVIN);
    terms->line = p->line;
    half_row_terms(&p->lanes[terms->pattern][terms->subpage], delta_v, gradient, scale, terms);
    return NO_FAULT;
}

mlx_fault mlx_frame_terms(const mlx_params *p, const uint16_t *frame, double emissivity, double reflected,
                          mlx_terms *terms)
{
    const mlx_shared words = mlx_read_shared(frame, 0);
    return mlx_shared_terms(p, &words, emissivity, reflected, terms);
}
