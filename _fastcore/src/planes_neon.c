/* Operations on planes for aarch64: tables of 16 entries, 4 bits a lookup; inner products without and with SDOT. */
#include "planes.h"

#if defined(__aarch64__) && !defined(TG_PORTABLE)
#define TG_WIDTH 4
#define TG_LOW_BITS 4
#include "query_kernel.h"
#include "planes_nibble.h"

#include <arm_neon.h>

#define INLINE static inline __attribute__((always_inline))

enum { QUARTERS = 4, QUARTER = TG_GROUP / QUARTERS };

static void tables(const uint16_t *weights, size_t bytes, uint8_t *out)
{
    tg_nibble_tables(weights, bytes, out);
}

/* The two lookups of a byte row: over 2, rounded up. */
INLINE uint8x16_t look_at_one(const uint8_t *plane, uint8x16_t low, uint8x16_t high)
{
    const uint8x16_t codes = vld1q_u8(plane);
    return vrhaddq_u8(vqtbl1q_u8(low, vandq_u8(codes, vdupq_n_u8(0x0F))), vqtbl1q_u8(high, vshrq_n_u8(codes, 4)));
}

/* `even` takes whole 16-bit words, its upper byte's share is taken off again at the end. */
INLINE void add(uint16x8_t *even, uint16x8_t *odd, uint8x16_t value)
{
    *even = vaddq_u16(*even, vreinterpretq_u16_u8(value));
    *odd = vsraq_n_u16(*odd, vreinterpretq_u16_u8(value), 8);
}

/* A group of a block: its sums stay in registers. */
INLINE void sum_group(const uint8_t *group, size_t bytes, const uint8_t *t, uint16_t *out)
{
    uint16x8_t even[QUARTERS], odd[QUARTERS];
    size_t p = 0;
    for (int h = 0; h < QUARTERS; h++)
        even[h] = odd[h] = vdupq_n_u16(0);
    for (; p + 2 <= bytes; p += 2, t += 4 * TG_NIBBLE_TABLE, group += 2 * TG_BLOCK) {
        const uint8x16_t a = vld1q_u8(t), b = vld1q_u8(t + TG_NIBBLE_TABLE), c = vld1q_u8(t + 2 * TG_NIBBLE_TABLE),
                         d = vld1q_u8(t + 3 * TG_NIBBLE_TABLE);
        for (int h = 0; h < QUARTERS; h++) {
            const uint8_t *codes = group + QUARTER * h;
            add(&even[h], &odd[h], vaddq_u8(look_at_one(codes, a, b), look_at_one(codes + TG_BLOCK, c, d)));
        }
    }
    for (int h = 0; h < QUARTERS; h++) {
        if (p < bytes)
            add(&even[h], &odd[h], look_at_one(group + QUARTER * h, vld1q_u8(t), vld1q_u8(t + TG_NIBBLE_TABLE)));
        vst1q_u16(out + QUARTER / 2 * h, vsubq_u16(even[h], vshlq_n_u16(odd[h], 8)));
        vst1q_u16(out + TG_GROUP / 2 + QUARTER / 2 * h, odd[h]);
    }
}

static void sums(const uint8_t *plane, size_t bytes, const uint8_t *table, size_t blocks, uint16_t *out)
{
    for (size_t b = 0; b < blocks; b++, plane += bytes * TG_BLOCK, out += TG_BLOCK)
        for (size_t at = 0; at < TG_BLOCK; at += TG_GROUP)
            sum_group(plane + at, bytes, table, out + at);
}

INLINE uint32x4_t words_at(const uint16_t *words)
{
    return vmovl_u16(vld1_u16(words));
}

static uint64_t over(const tg_bound_terms *terms, const tg_group_bounds *bounds, const uint16_t *const from[TG_READINGS],
                     float least)
{
    static const uint32_t bit[4] = {1, 2, 4, 8};
    const uint16_t *distances = bounds->distance[terms->planes - 1];
    uint64_t found = 0;
    for (int at = 0; at < TG_GROUP; at += 4) {
        float32x4_t total = vdupq_n_f32(terms->base);
        for (int r = 0; r < terms->planes; r++)
            total = vaddq_f32(total, vmulq_n_f32(vcvtq_f32_u32(words_at(from[r] + at)), terms->weight[r]));
        const float32x4_t scale = vreinterpretq_f32_u32(vshlq_n_u32(words_at(bounds->scale + at), 16));
        const float32x4_t distance = vreinterpretq_f32_u32(vshlq_n_u32(words_at(distances + at), 16));
        const float32x4_t bound = vaddq_f32(vmulq_f32(total, scale), vmulq_n_f32(distance, terms->norm));
        const uint32x4_t mask = vcgeq_f32(bound, vdupq_n_f32(least));
        found |= (uint64_t)vaddvq_u32(vandq_u32(mask, vld1q_u32(bit))) << at;
    }
    return found;
}

INLINE int8x16_t levels_at(const uint8_t *fine)
{
    return vreinterpretq_s8_u8(veorq_u8(vld1q_u8(fine), vdupq_n_u8(TG_FINE_OFFSET)));
}

/* Two products of at most 127 · 127 fit 16 bits. */
INLINE int32_t dot(const uint8_t *fine, const int8_t *query, size_t stride)
{
    int32x4_t total[2] = {vdupq_n_s32(0), vdupq_n_s32(0)};
    for (size_t i = 0; i < stride; i += 32)
        for (size_t j = 0; j < 2; j++) {
            const int8x16_t row = levels_at(fine + i + 16 * j), probe = vld1q_s8(query + i + 16 * j);
            const int16x8_t pairs =
                vmlal_high_s8(vmull_s8(vget_low_s8(row), vget_low_s8(probe)), row, probe);
            total[j] = vpadalq_s16(total[j], pairs);
        }
    return vaddvq_s32(vaddq_s32(total[0], total[1]));
}

static void dots(const uint8_t *const *rows, size_t count, const int8_t *query, size_t stride,
                 int32_t offset, int32_t *out)
{
    (void)offset; /* for instructions that take unsigned rows */
    for (size_t r = 0; r < count; r++)
        out[r] = dot(rows[r], query, stride);
}

static void prepare_probe(tg_query *query, const tg_rotation *rotation, const float *probe)
{
    prepare(query, rotation, probe);
}

static void weigh_plane(tg_query *query, int which)
{
    weigh(query, which);
}

const tg_plane_kernels tg_planes_neon = {
    .room = 2 * TG_NIBBLE_TABLE,
    .lookup_cost = 0.28,
    .fine_cost = 0.25,
    .far_cost = 0.6,
    .fine_call = 20,
    .near_pick = 40,
    .far_pick = 100,
    .prepare = prepare_probe,
    .weigh = weigh_plane,
    .tables = tables,
    .sums = sums,
    .over = over,
    .dots = dots,
};

#ifdef TG_HAVE_DOTPROD
TG_TARGET_DOTPROD static inline int32_t sdot(const uint8_t *fine, const int8_t *query, size_t stride)
{
    int32x4_t total[4] = {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};
    for (size_t i = 0; i < stride; i += 64)
        for (size_t j = 0; j < 4; j++)
            total[j] = vdotq_s32(total[j], levels_at(fine + i + 16 * j), vld1q_s8(query + i + 16 * j));
    return vaddvq_s32(vaddq_s32(vaddq_s32(total[0], total[1]), vaddq_s32(total[2], total[3])));
}

TG_TARGET_DOTPROD static void sdots(const uint8_t *const *rows, size_t count, const int8_t *query, size_t stride,
                 int32_t offset, int32_t *out)
{
    (void)offset; /* for instructions that take unsigned rows */
    for (size_t r = 0; r < count; r++)
        out[r] = sdot(rows[r], query, stride);
}

const tg_plane_kernels tg_planes_dotprod = {
    .room = 2 * TG_NIBBLE_TABLE,
    .lookup_cost = 0.2,
    .fine_cost = 0.07,
    .far_cost = 0.6,
    .fine_call = 15,
    .near_pick = 40,
    .far_pick = 100,
    .prepare = prepare_probe,
    .weigh = weigh_plane,
    .tables = tables,
    .sums = sums,
    .over = over,
    .dots = sdots,
};
#endif
#else
typedef int tg_no_neon_here; /* ISO C wants a declaration in every unit */
#endif
