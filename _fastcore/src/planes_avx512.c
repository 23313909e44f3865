/* Operations on planes for AVX-512 with VBMI and VNNI: tables of 64 entries, 6 bits a lookup. */
#include "planes.h"

#ifdef TG_HAVE_AVX512
#define TG_WIDTH 16
#define TG_LOW_BITS 6
#include "query_kernel.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline)) TG_TARGET_AVX512

enum { TABLE = 64, GROUPS = TG_BLOCK / TG_GROUP };

/* A table of six weights: bit t of an index adds weight t; less the negative ones, over 256, rounded up. */
INLINE __m512i table_of(const uint16_t *w0, const uint16_t *w1, const uint16_t *w2)
{
    const uint16_t w[6] = {w0[0], w0[1], w1[0], w1[1], w2[0], w2[1]};
    static const uint32_t with_bit[5] = {0xAAAAAAAAu, 0xCCCCCCCCu, 0xF0F0F0F0u, 0xFF00FF00u, 0xFFFF0000u};
    unsigned base = 255;
    for (int t = 0; t < 6; t++)
        base -= (int16_t)w[t] < 0 ? (unsigned)(int16_t)w[t] : 0u;
    __m512i low = _mm512_set1_epi16((short)base);
    for (int t = 0; t < 5; t++)
        low = _mm512_mask_add_epi16(low, with_bit[t], low, _mm512_set1_epi16((short)w[t]));
    const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16((short)w[5]));
    const __m256i first = _mm512_cvtepi16_epi8(_mm512_srli_epi16(low, 8));
    const __m256i second = _mm512_cvtepi16_epi8(_mm512_srli_epi16(high, 8));
    return _mm512_inserti64x4(_mm512_castsi256_si512(first), second, 1);
}

/* Three bytes' lower six bits have a table each, their upper two one together. */
TG_TARGET_AVX512 static void tables(const uint16_t *weights, size_t bytes, uint8_t *out)
{
    static const uint16_t none[8];
    for (size_t p = 0; p < bytes; p += 3) {
        const size_t count = bytes - p < 3 ? bytes - p : 3;
        const uint16_t *w[3] = {none, none, none};
        for (size_t j = 0; j < count; j++, out += TABLE) {
            w[j] = weights + 8 * (p + j);
            _mm512_store_si512(out, table_of(w[j], w[j] + 2, w[j] + 4));
        }
        _mm512_store_si512(out, table_of(w[0] + 6, w[1] + 6, w[2] + 6));
        out += TABLE;
    }
}

INLINE __m512i pick(__m512i mask, __m512i yes, __m512i no)
{
    return _mm512_ternarylogic_epi64(mask, yes, no, 0xCA);
}

INLINE __m512i look(const uint8_t *table, __m512i index)
{
    return _mm512_permutexvar_epi8(index, _mm512_load_si512(table));
}

/* The four lookups of three bytes: over 2, rounded up. The weights leave room for it. */
INLINE __m512i look_at_three(__m512i a, __m512i b, __m512i c, const uint8_t *table)
{
    const __m512i ab = pick(_mm512_set1_epi8(0x03), _mm512_srli_epi16(a, 6), _mm512_srli_epi16(b, 4));
    const __m512i rest = pick(_mm512_set1_epi8(0x0F), ab, _mm512_srli_epi16(c, 2));
    return _mm512_add_epi8(_mm512_avg_epu8(look(table, a), look(table + TABLE, b)),
                           _mm512_avg_epu8(look(table + 2 * TABLE, c), look(table + 3 * TABLE, rest)));
}

/* Three rows of a block, in the order of their addresses: what the processor fetches ahead by. */
INLINE void load_in_order(const uint8_t *rows, __m512i *codes)
{
    for (int i = 0; i < 3 * GROUPS; i++) {
        codes[i] = _mm512_load_si512(rows + i * TG_GROUP);
        __asm__ volatile("" : "+v"(codes[i]));
    }
}

/* One or two byte rows at the end. Bits that do not belong to them have weight 0. */
INLINE __m512i look_at_rest(const uint8_t *plane, const uint8_t *table, size_t count)
{
    const __m512i a = _mm512_load_si512(plane);
    if (count == 1)
        return _mm512_avg_epu8(look(table, a), look(table + TABLE, _mm512_srli_epi16(a, 6)));
    const __m512i b = _mm512_load_si512(plane + TG_BLOCK);
    const __m512i ab = pick(_mm512_set1_epi8(0x03), _mm512_srli_epi16(a, 6), _mm512_srli_epi16(b, 4));
    return _mm512_add_epi8(_mm512_avg_epu8(look(table, a), look(table + TABLE, b)),
                           _mm512_avg_epu8(look(table + 2 * TABLE, ab), _mm512_setzero_si512()));
}

/* `even` takes whole 16-bit words, its upper byte's share is taken off again at the end. */
INLINE void add(__m512i *even, __m512i *odd, __m512i value)
{
    *even = _mm512_add_epi16(*even, value);
    *odd = _mm512_add_epi16(*odd, _mm512_srli_epi16(value, 8));
}

INLINE void sum_block(const uint8_t *block, size_t bytes, const uint8_t *table, uint16_t *sums)
{
    const size_t whole = bytes / 3 * 3;
    __m512i even[GROUPS], odd[GROUPS];
    for (int g = 0; g < GROUPS; g++)
        even[g] = odd[g] = _mm512_setzero_si512();
    for (size_t p = 0; p < whole; p += 3, table += 4 * TABLE, block += 3 * TG_BLOCK) {
        __m512i codes[3 * GROUPS];
        load_in_order(block, codes);
        for (int g = 0; g < GROUPS; g++)
            add(&even[g], &odd[g], look_at_three(codes[g], codes[GROUPS + g], codes[2 * GROUPS + g], table));
    }
    if (whole < bytes)
        for (int g = 0; g < GROUPS; g++)
            add(&even[g], &odd[g], look_at_rest(block + g * TG_GROUP, table, bytes - whole));
    for (int g = 0; g < GROUPS; g++) {
        _mm512_storeu_si512(sums + g * TG_GROUP, _mm512_sub_epi16(even[g], _mm512_slli_epi16(odd[g], 8)));
        _mm512_storeu_si512(sums + g * TG_GROUP + TG_GROUP / 2, odd[g]);
    }
}

TG_TARGET_AVX512 static void sums(const uint8_t *plane, size_t bytes, const uint8_t *table, size_t blocks, uint16_t *out)
{
    for (size_t b = 0; b < blocks; b++)
        sum_block(plane + b * bytes * TG_BLOCK, bytes, table, out + b * TG_BLOCK);
}

INLINE __m512 from_bfloat16(const uint16_t *bits)
{
    const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)bits));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

INLINE __m512 from_sums(const uint16_t *sums)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)sums)));
}

TG_TARGET_AVX512 static uint64_t over(const tg_bound_terms *terms, const tg_group_bounds *bounds,
                                      const uint16_t *const from[TG_READINGS], float least)
{
    const uint16_t *distance = bounds->distance[terms->planes - 1];
    uint64_t found = 0;
    for (int at = 0; at < TG_GROUP; at += 16) {
        __m512 total = _mm512_set1_ps(terms->base);
        for (int r = 0; r < terms->planes; r++)
            total = _mm512_add_ps(total, _mm512_mul_ps(from_sums(from[r] + at), _mm512_set1_ps(terms->weight[r])));
        const __m512 bound = _mm512_add_ps(_mm512_mul_ps(total, from_bfloat16(bounds->scale + at)),
                                           _mm512_mul_ps(from_bfloat16(distance + at), _mm512_set1_ps(terms->norm)));
        const __mmask16 mask = _mm512_cmp_ps_mask(bound, _mm512_set1_ps(least), _CMP_GE_OQ);
        found |= (uint64_t)_cvtmask16_u32(mask) << at;
    }
    return found;
}

INLINE void dot_several(const uint8_t *const *rows, size_t count, const int8_t *query, size_t stride, __m512i *total)
{
    for (size_t r = 0; r < count; r++)
        total[r] = _mm512_setzero_si512();
    for (size_t i = 0; i < stride; i += 64) {
        const __m512i q = _mm512_loadu_si512(query + i);
        for (size_t r = 0; r < count; r++)
            total[r] = _mm512_dpbusd_epi32(total[r], _mm512_loadu_si512(rows[r] + i), q);
    }
}

INLINE __m128i quarter(__m512i total)
{
    const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(total), _mm512_extracti64x4_epi64(total, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

TG_TARGET_AVX512 static void dots(const uint8_t *const *rows, size_t count, const int8_t *query, size_t stride,
                                  int32_t offset, int32_t *out)
{
    __m512i total[TG_TOGETHER];
    if (count == TG_TOGETHER) {
        dot_several(rows, TG_TOGETHER, query, stride, total);
        const __m128i ab = _mm_hadd_epi32(quarter(total[0]), quarter(total[1]));
        const __m128i cd = _mm_hadd_epi32(quarter(total[2]), quarter(total[3]));
        _mm_storeu_si128((__m128i *)out, _mm_sub_epi32(_mm_hadd_epi32(ab, cd), _mm_set1_epi32(offset)));
        return;
    }
    for (size_t r = 0; r < count; r++) {
        dot_several(rows + r, 1, query, stride, total);
        out[r] = _mm512_reduce_add_epi32(total[0]) - offset;
    }
}

TG_TARGET_AVX512 static void prepare_probe(tg_query *query, const tg_rotation *rotation, const float *probe)
{
    prepare(query, rotation, probe);
}

TG_TARGET_AVX512 static void weigh_plane(tg_query *query, int which)
{
    weigh(query, which);
}

const tg_plane_kernels tg_planes_avx512 = {
    .room = 2 * TABLE,
    .lookup_cost = 0.037,
    .fine_cost = 0.035,
    .far_cost = 0.2,
    .fine_call = 4,
    .near_pick = 18,
    .far_pick = 60,
    .prepare = prepare_probe,
    .weigh = weigh_plane,
    .tables = tables,
    .sums = sums,
    .over = over,
    .dots = dots,
};
#else
typedef int tg_no_avx512_here; /* ISO C wants a declaration in every unit */
#endif
