/* MLX90640 thermal array: parameters of its EEPROM, terms of a frame, object temperatures, defects.
 *
 * Section numbers in the sources are those of the Melexis data sheet, revision 12. Nothing here allocates or locks;
 * a filled mlx_params is read-only and may be shared by threads.
 */
#ifndef THERMOGATE_MLX90640_H
#define THERMOGATE_MLX90640_H

#include "isa.h"

#include <stddef.h>
#include <stdint.h>

enum {
    MLX_ROWS = 24,
    MLX_COLUMNS = 32,
    MLX_PIXELS = MLX_ROWS * MLX_COLUMNS,
    MLX_LANES = MLX_PIXELS / 2, /* pixels of one subpage */
    MLX_HALF = MLX_COLUMNS / 2, /* pixels of a half row */
    MLX_HALF_ROWS = MLX_LANES / MLX_HALF,
    MLX_EEPROM_WORDS = 832,
    MLX_FRAME_WORDS = 834, /* 832 words of RAM, control register 1, subpage */
    MLX_EEPROM_START = 0x2400,
    MLX_EEPROM_PIXELS = 0x2440,
    MLX_RAM_START = 0x0400,
    MLX_CONTROL = 832,
    MLX_SUBPAGE = 833,
    MLX_RANGES = 4
};

#define MLX_KELVIN 273.15
#define MLX_EE(ee, address) ((ee)[(address) - MLX_EEPROM_START])

typedef enum { MLX_INTERLEAVED = 0, MLX_CHESS = 1, MLX_PATTERNS } mlx_pattern;

/* What is wrong and in which word; `what` is a static string, NULL when all is well. */
typedef struct {
    const char *what;
    unsigned address;
} mlx_fault;

/* The pixels of one subpage in one readout pattern, half row by half row, so that a frame is one dense loop. A half row's
 * Kv is one value, and its readout correction two in turn. */
typedef struct {
    _Alignas(64) float offset[MLX_LANES];
    _Alignas(64) float offset_kta[MLX_LANES];
    _Alignas(64) float inverse_alpha[MLX_LANES]; /* 1/α less the gradient's share; NaN where a defect has no positive α */
    double kv[2];            /* by the half row's index, even and odd */
    double correction[2][2]; /* IL_CHESS; 0 in the calibrated pattern */
} mlx_lanes;

/* αcorr · (1 + KsTo · (To - CT)) in kelvin: base + slope · T + bend[0] · min(T, corner[0]) + bend[1] · max(T, corner[1]) ... */
typedef struct {
    float base, slope;
    float corner[MLX_RANGES - 1], bend[MLX_RANGES - 1];
} mlx_line;

typedef struct {
    unsigned broken_count, outlier_count;
    uint16_t broken[MLX_PIXELS], outliers[MLX_PIXELS]; /* pixel indices, ascending */
    uint8_t defective[MLX_PIXELS];
    int code; /* 0, or -3 .. -6 as the vendor's library */
} mlx_defects;

typedef struct {
    mlx_lanes lanes[MLX_PATTERNS][2];
    mlx_defects defects;
    int resolution;
    int calibrated_pattern;
    double k_vdd, per_k_vdd, vdd25;
    double kv_ptat, kt_ptat, per_kt_ptat, v_ptat25, alpha_ptat;
    double gain, tgc, ks_ta;
    double ks_to[MLX_RANGES], corner[MLX_RANGES], range_correction[MLX_RANGES];
    double cp_alpha[2], cp_offset[2], cp_kv, cp_kta;
    double il_chess[3];
    mlx_line line;
} mlx_params;

/* The words of a frame that all its pixels share, each read once: another thread may be writing the frame. */
typedef struct {
    int supply, ptat, vbe, gain, compensation[2];
    unsigned control, subpage;
} mlx_shared;

/* What all pixels of a frame share, as the per-pixel kernel takes it. */
typedef struct {
    mlx_pattern pattern;
    int subpage;
    float delta_ta;
    float gain;        /* this and the next two hold 1 / (ε · (1 + KsTa · (Ta - 25))) */
    float factor[2];          /* 1 + Kv · ΔV, by the half row's index, even and odd */
    float shift[2][MLX_HALF]; /* readout correction - TGC · pix_OS_CP, of a half row's lanes */
    float background;  /* T_ar, K^4 */
    float slope, base; /* 1 + KsTo2 · (T - 273.15 K) = base + slope · T */
    mlx_line line;
} mlx_terms;

/* Bits high..low of a word, unsigned and two's complement. */
static inline int mlx_bits(unsigned word, int high, int low)
{
    return (int)((word >> low) & ((1u << (high - low + 1)) - 1u));
}

static inline int mlx_signed_bits(unsigned word, int high, int low)
{
    const int value = mlx_bits(word, high, low), half = 1 << (high - low);
    return value >= half ? value - 2 * half : value;
}

static inline mlx_pattern mlx_pattern_of(unsigned control)
{
    return control & 0x1000 ? MLX_CHESS : MLX_INTERLEAVED;
}

/* A subpage is 24 half rows, 16 pixels each that are two columns apart, in either pattern: the sensor's row of one ... */
static inline int mlx_half_row(mlx_pattern pattern, int subpage, int half)
{
    return pattern == MLX_CHESS ? half : (half & ~1) + subpage;
}

/* ... and whether it is made of the row's odd columns, counted from 0. */
static inline int mlx_half_row_odd(mlx_pattern pattern, int subpage, int half)
{
    return (pattern == MLX_CHESS ? half + subpage : half) & 1;
}

/* Fill `params` from an EEPROM of MLX_EEPROM_WORDS words. On a fault the parameters must not be used. */
mlx_fault mlx_extract(const uint16_t *eeprom, mlx_params *params);

/* The per-pixel part of mlx_extract. */
mlx_fault mlx_extract_pixels(const uint16_t *eeprom, mlx_params *params);

/* List the pixels that the EEPROM marks, and judge them as the vendor's library does. */
void mlx_find_defects(const uint16_t *eeprom, mlx_defects *defects);

/* Replace each defect pixel of `to` (float[768], °C) from good neighbours of the same subpage, else by NaN. */
void mlx_repair(const mlx_defects *defects, mlx_pattern pattern, float *to);

/* The shared words of a frame in the processor's byte order, or `swapped`. */
mlx_shared mlx_read_shared(const uint16_t *frame, int swapped);

/* Supply voltage in V. */
double mlx_supply_voltage(const mlx_params *params, const mlx_shared *words);

/* Ambient (die) temperature in °C; the fault names the word that makes it impossible. */
mlx_fault mlx_ambient_temperature(const mlx_params *params, const mlx_shared *words, double *ta);

/* The frame's shared terms. `reflected` in °C, NaN for Ta - 8. The subpage word must be 0 or 1. */
mlx_fault mlx_shared_terms(const mlx_params *params, const mlx_shared *words, double emissivity, double reflected,
                           mlx_terms *terms);

/* mlx_shared_terms of a frame in the processor's byte order. */
mlx_fault mlx_frame_terms(const mlx_params *params, const uint16_t *frame, double emissivity, double reflected,
                          mlx_terms *terms);

typedef struct mlx_average mlx_average;

/* What a pass may do beside, and what it then finds. */
typedef struct {
    int swapped;            /* the frame's words are not in the processor's byte order */
    int saturation;         /* a pixel's word that is no reading, sign extended; beyond int16 for none */
    const int32_t *counted; /* by lane, all ones where the pixel counts for `hottest`; NULL for none */
    mlx_average *average;   /* takes the readings instead of `out`, which may be NULL then; NULL for none */
    unsigned saturated;     /* found: pixels with that word, now NaN */
    float hottest;          /* found: the largest To that counts, NaN for none */
} mlx_extras;

/* `counted` for the terms' pattern and subpage from a picture in which a pixel counts or not; defects never do. */
typedef int32_t mlx_counted[MLX_PATTERNS][2][MLX_LANES];
void mlx_count(const mlx_defects *defects, const uint8_t *picture, mlx_counted counted);

/* To in °C of the terms' subpage, from a frame's words into out (float[768]); `extras` may be NULL. One function a path. */
typedef void mlx_to_kernel(const mlx_params *params, const mlx_terms *terms, const uint16_t *frame, float *out,
                           mlx_extras *extras);
mlx_to_kernel mlx_to_generic, mlx_to_avx2, mlx_to_avx512;

/* The kernel of a path that is available. */
mlx_to_kernel *mlx_to_kernel_for(tg_isa path);

/* A kernel's plain call, without extras. */
void mlx_object_temperatures(const mlx_params *params, const mlx_terms *terms, const uint16_t *frame,
                             mlx_to_kernel *kernel, float *out);

#endif
