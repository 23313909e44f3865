/* The arithmetic of a probe's preparation; included once for each instruction set with TG_WIDTH its vector. */
#ifndef THERMOGATE_QUERY_KERNEL_H
#define THERMOGATE_QUERY_KERNEL_H

#include "query.h"
#include "rotate_kernel.h"

/* A table's entries, and half the entries of the bytes that are added up in 8 bits, are 8 bits over 256: the widest range,
 * and the largest weight, that leave room for rounding up. */
#define TG_WIDEST_TABLE 64000.0f
#define TG_WIDEST_WEIGHT 32700.0f

typedef int8_t tg_lane_bytes __attribute__((vector_size(TG_WIDTH), aligned(1), may_alias));

TG_INLINE double total_of(const tg_lanes *lanes)
{
    float parts[TG_WIDTH];
    double total = 0;
    memcpy(parts, lanes, sizeof parts);
    for (int j = 0; j < TG_WIDTH; j++)
        total += (double)parts[j];
    return total;
}

/* Of floats without sign, as bits. */
TG_INLINE float largest_lane(const tg_lane_numbers *bits)
{
    float parts[TG_WIDTH], largest = 0;
    memcpy(parts, bits, sizeof parts);
    for (int j = 0; j < TG_WIDTH; j++)
        largest = parts[j] > largest ? parts[j] : largest;
    return largest;
}

TG_INLINE float largest_of(const float *values, size_t count)
{
    const tg_lane_numbers no_sign = (tg_lane_numbers){0} + INT32_MAX;
    tg_lane_numbers most = {0};
    /* The bits of floats without sign are in the order of the floats. */
    for (size_t i = 0; i < count; i += TG_WIDTH) {
        const tg_lane_numbers bits = (tg_lane_numbers)(*(const tg_lanes *)(values + i)) & no_sign;
        const tg_lane_numbers more = bits > most;
        most = (bits & more) | (most & ~more);
    }
    return largest_lane(&most);
}

/* Rotate, measure, and round to 8 bits. Sums in float err by less than stride / TG_WIDTH + 2 roundings: `sure` covers
 * them. */
TG_INLINE void prepare(tg_query *q, const tg_rotation *rotation, const float *probe)
{
    const size_t stride = q->shape.fine_stride;
    const double sure = 1 + ((double)stride / TG_WIDTH + 8) * 0x1p-24;
    const tg_lane_numbers sign = (tg_lane_numbers){0} + INT32_MIN, half = (tg_lane_numbers)((tg_lanes){0} + 0.5f);
    rotate(rotation, probe, q->rotated, stride);
    const float largest = largest_of(q->rotated, stride), inverse = 127 / largest, unit = largest / 127;
    tg_lanes square = {0}, level_square = {0}, rest = {0};
    tg_lane_numbers levels = {0};
    for (size_t i = 0; i < stride; i += TG_WIDTH) {
        const tg_lanes x = *(const tg_lanes *)(q->rotated + i), scaled = x * inverse;
        const tg_lanes rounding = (tg_lanes)(((tg_lane_numbers)scaled & sign) | half);
        const tg_lane_numbers level = __builtin_convertvector(scaled + rounding, tg_lane_numbers);
        const tg_lanes back = __builtin_convertvector(level, tg_lanes), left = x - unit * back;
        *(tg_lane_bytes *)(q->fine + i) = __builtin_convertvector(level, tg_lane_bytes);
        levels += level;
        square += x * x;
        level_square += back * back;
        rest += left * left;
    }
    int32_t sum = 0;
    for (int j = 0; j < TG_WIDTH; j++)
        sum += levels[j];
    q->largest = largest;
    q->norm = sqrt(total_of(&square) * sure);
    q->fine_offset = TG_FINE_OFFSET * sum;
    q->fine_unit = (double)unit;
    q->fine_norm = (double)unit * sqrt(total_of(&level_square) * sure);
    /* `left` itself is rounded by up to two roundings of the largest element. */
    q->fine_rest = sqrt(total_of(&rest) * sure) + 0x1p-22 * (double)largest * sqrt((double)stride);
}

TG_INLINE void add_other(tg_lanes *to, const tg_lanes *from, int distance)
{
    tg_lanes other = {0};
    partners(&other, from, distance);
    *to += other;
}

/* The largest sum of |rotated| over the elements of a byte's first table, `each` (4 or 8) of them in a byte. */
TG_INLINE float widest_first(const tg_query *q, size_t bytes, size_t each)
{
    const tg_lane_numbers no_sign = (tg_lane_numbers){0} + INT32_MAX;
    tg_lane_numbers lane, most = {0};
    memcpy(&lane, TG_LANE, sizeof lane);
    /* Where a sum over distances 1, 2 (and 4) is that of the lower three quarters of a byte; any lane, of halves. */
    const tg_lane_numbers here = TG_LOW_BITS == 6 ? (lane & (int32_t)(each - 1)) == 0 : lane >= 0;
    for (size_t i = 0; i < bytes * each; i += TG_WIDTH) {
        const tg_lanes x = (tg_lanes)((tg_lane_numbers)(*(const tg_lanes *)(q->rotated + i)) & no_sign);
        tg_lanes pair = x;
        add_other(&pair, &x, 1);
        tg_lanes sum = pair;
        if (TG_LOW_BITS == 6 && each == 4) {
            add_other(&sum, &x, 2);
        } else if (each == 8) {
            add_other(&sum, &pair, 2);
            if (TG_LOW_BITS == 6)
                add_other(&sum, &pair, 4);
        }
        const tg_lane_numbers bits = (tg_lane_numbers)sum & here, more = bits > most;
        most = (bits & more) | (most & ~more);
    }
    return largest_lane(&most);
}

/* The largest of half the sums of |rotated| over the bytes that are added up in 8 bits, and of the sums over the upper
 * quarters of three bytes, which share a table. */
TG_INLINE float widest_together(const tg_query *q, size_t bytes, size_t each)
{
    const size_t together = TG_LOW_BITS == 6 ? 3 : 2;
    float widest = 0;
    for (size_t p = 0; p < bytes; p += together) {
        const size_t end = bytes - p < together ? bytes : p + together;
        float parts[4] = {0}, all, upper;
        for (size_t i = each * p; i < each * end; i += 4)
            for (size_t j = 0; j < 4; j++)
                parts[j] += fabsf(q->rotated[i + j]);
        all = ((parts[0] + parts[1]) + (parts[2] + parts[3])) / 2;
        widest = all > widest ? all : widest;
        upper = each == 4 ? parts[3] : 0;
        for (size_t i = each * p; TG_LOW_BITS == 6 && each == 8 && i < each * end; i += 8)
            upper += fabsf(q->rotated[i + 6]) + fabsf(q->rotated[i + 7]);
        if (TG_LOW_BITS == 6)
            widest = upper > widest ? upper : widest;
    }
    return widest;
}

TG_INLINE float widest(const tg_query *q, size_t bytes, size_t each)
{
    const float first = widest_first(q, bytes, each), together = widest_together(q, bytes, each);
    return first > together ? first : together;
}

typedef uint16_t tg_lane_words __attribute__((vector_size(TG_WIDTH * sizeof(uint16_t)), aligned(2), may_alias));
typedef int32_t tg_lane_pairs __attribute__((vector_size(TG_WIDTH * sizeof(int32_t)), aligned(2), may_alias));

/* The weights of a plane's bits: elements by a factor, rounded up; in the first plane two bits an element, the second
 * twice the first. */
TG_INLINE void weigh(tg_query *q, int which)
{
    const size_t bytes = which == 0 ? q->shape.first_bytes : q->shape.other_bytes, each = which == 0 ? 4 : 8;
    const float times = which == 0 ? 3 : 1, most = which == 0 ? 2 : 1;
    const float by_table = TG_WIDEST_TABLE / (times * widest(q, bytes, each));
    const float by_weight = TG_WIDEST_WEIGHT / (most * q->largest);
    const float factor = by_table < by_weight ? by_table : by_weight;
    tg_lane_numbers negative = {0};
    int64_t total = 0;
    for (size_t i = 0; i < bytes * each; i += TG_WIDTH) {
        /* Truncation takes off less than 1, rounding the product less than .01: never less than the exact one. */
        const tg_lanes exact = *(const tg_lanes *)(q->rotated + i) * factor + 1.01f;
        const tg_lane_numbers weights = __builtin_convertvector(exact, tg_lane_numbers);
        negative += weights & (weights < 0);
        if (which == 0)
            *(tg_lane_pairs *)(q->weights + 2 * i) = (tg_lane_pairs)((weights & 0xFFFF) | (weights << 17));
        else
            *(tg_lane_words *)(q->weights + i) = __builtin_convertvector(weights, tg_lane_words);
    }
    for (int j = 0; j < TG_WIDTH; j++)
        total += negative[j];
    q->unit[which] = 2 * 256 / (double)factor;
    q->least[which] = (double)times * (double)total / (double)factor;
}

#endif
