/* A rotated template to its levels, scales and distances (planes.h). */
#include "planes.h"

#include <math.h>
#include <string.h>

/* The step of the 16 levels in standard deviations. A Gaussian's 16 levels alone want .335, its upper 4 alone .996 / 4;
 * .28 costs the distance of the readings .001, .001 and .011 (of .35, .19 and .12) against each one's best. */
static const double STEP = 0.28;

/* The length of the best multiple of each reading's levels for a Gaussian, in units of half a step. */
const double tg_reading_gain[TG_READINGS] = {4 * 0.951, 2 * 1.0096, 1.0213};

static const int READING_SHIFT[TG_READINGS] = {2, 1, 0};

tg_shape tg_shape_of(size_t dim)
{
    const size_t padded = (dim + 7) / 8 * 8;
    return (tg_shape){
        .dim = dim,
        .stride = (dim + 31) / 32 * 32,
        .padded = padded,
        .first_bytes = padded / 4,
        .other_bytes = padded / 8,
        .fine_stride = (dim + 63) / 64 * 64,
    };
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Nearest is enough for a scale: distances are measured with the scale as stored. Positive values. */
static uint16_t bfloat16_near(double value)
{
    return (uint16_t)((bits_of((float)value) + 0x8000u) >> 16);
}

static uint16_t bfloat16_up(double value)
{
    float single = (float)value;
    if ((double)single < value)
        single = nextafterf(single, INFINITY);
    return (uint16_t)((bits_of(single) + 0xFFFFu) >> 16);
}

static double reading_distance(const tg_shape *shape, const float *rotated, const uint8_t *codes, double scale, int r)
{
    const int shift = READING_SHIFT[r], middle = (16 >> shift) - 1;
    const float unit = (float)(scale * tg_reading_gain[r]);
    double parts[4] = {0};
    for (size_t i = 0; i < shape->dim; i++) {
        const double rest = (double)rotated[i] - (double)unit * (2 * (codes[i] >> shift) - middle);
        parts[i & 3] += rest * rest;
    }
    return sqrt(parts[0] + parts[1] + parts[2] + parts[3]);
}

static void quantise_fine(const tg_shape *shape, const float *rotated, double rotation_error, tg_quantised *out)
{
    float largest = 0;
    double square = 0;
    for (size_t i = 0; i < shape->dim; i++)
        largest = fmaxf(largest, fabsf(rotated[i]));
    const float scale = largest / 127;
    const float inverse = scale > 0 ? 1 / scale : 0;
    memset(out->fine, TG_FINE_OFFSET, shape->fine_stride);
    for (size_t i = 0; i < shape->dim; i++) {
        float level = rintf(rotated[i] * inverse);
        level = level > 127 ? 127 : level < -127 ? -127 : level;
        out->fine[i] = (uint8_t)((int)level + TG_FINE_OFFSET);
        const double rest = (double)rotated[i] - (double)scale * (double)level;
        square += rest * rest;
    }
    out->fine_scale = scale;
    out->fine_distance = nextafterf((float)((sqrt(square) + rotation_error) * (1 + 1e-9)), INFINITY);
}

void tg_quantise(const tg_shape *shape, const float *rotated, double rotation_error, tg_quantised *out)
{
    double square = 0;
    for (size_t i = 0; i < shape->dim; i++)
        square += (double)rotated[i] * (double)rotated[i];
    out->scale = bfloat16_near(STEP / 2 * sqrt(square / (double)shape->dim));
    const double scale = (double)tg_from_bfloat16(out->scale);
    const float inverse = (float)(1 / (2 * scale));
    for (size_t i = 0; i < shape->dim; i++) {
        const float level = floorf(rotated[i] * inverse) + 8;
        out->codes[i] = (uint8_t)(level < 0 ? 0 : level > 15 ? 15 : level);
    }
    memset(out->codes + shape->dim, 0, shape->padded - shape->dim);
    for (int r = 0; r < TG_READINGS; r++) {
        const double distance = reading_distance(shape, rotated, out->codes, scale, r);
        out->distance[r] = bfloat16_up((distance + rotation_error) * (1 + 1e-9));
    }
    quantise_fine(shape, rotated, rotation_error, out);
}

void tg_put_lane(uint8_t *block, const uint8_t *codes, size_t bytes, size_t lane, int reading)
{
    for (size_t p = 0; p < bytes; p++) {
        unsigned packed = 0;
        if (reading == 0)
            for (unsigned i = 0; i < 4; i++)
                packed |= (unsigned)(codes[4 * p + i] >> 2) << (2 * i);
        else
            for (unsigned i = 0; i < 8; i++)
                packed |= (codes[8 * p + i] >> (2 - reading) & 1u) << i;
        block[p * TG_BLOCK + lane] = (uint8_t)packed;
    }
}

void tg_move_lane(uint8_t *to, size_t to_lane, const uint8_t *from, size_t from_lane, size_t bytes)
{
    for (size_t p = 0; p < bytes; p++)
        to[p * TG_BLOCK + to_lane] = from[p * TG_BLOCK + from_lane];
}

void tg_clear_lane(uint8_t *block, size_t bytes, size_t lane)
{
    for (size_t p = 0; p < bytes; p++)
        block[p * TG_BLOCK + lane] = 0;
}
