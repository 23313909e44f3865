/* Operations on planes for AVX2: tables of 16 entries, 4 bits a lookup. */
#include "planes.h"

#ifdef TG_HAVE_AVX2
#define TG_WIDTH 8
#define TG_LOW_BITS 4
#include "query_kernel.h"
#include "planes_nibble.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline)) TG_TARGET_AVX2

enum { VECTORS = 4, VECTOR = 32, AT_ONCE = VECTORS * VECTOR };

TG_TARGET_AVX2 static void tables(const uint16_t *weights, size_t bytes, uint8_t *out)
{
    tg_nibble_tables(weights, bytes, out);
}

INLINE __m256i table_at(const uint8_t *table)
{
    return _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)table));
}

/* The two lookups of a byte row: over 2, rounded up. */
INLINE __m256i look_at_one(const uint8_t *plane, const uint8_t *table)
{
    const __m256i mask = _mm256_set1_epi8(0x0F), codes = _mm256_load_si256((const __m256i *)plane);
    const __m256i low = _mm256_shuffle_epi8(table_at(table), _mm256_and_si256(codes, mask));
    const __m256i high = _mm256_shuffle_epi8(table_at(table + TG_NIBBLE_TABLE),
                                             _mm256_and_si256(_mm256_srli_epi16(codes, 4), mask));
    return _mm256_avg_epu8(low, high);
}

/* `even` takes whole 16-bit words, its upper byte's share is taken off again at the end. */
INLINE void add(__m256i *even, __m256i *odd, __m256i value)
{
    *even = _mm256_add_epi16(*even, value);
    *odd = _mm256_add_epi16(*odd, _mm256_srli_epi16(value, 8));
}

/* Half a block: its sums stay in registers. */
INLINE void sum_half(const uint8_t *half, size_t bytes, const uint8_t *table, uint16_t *out)
{
    __m256i even[VECTORS], odd[VECTORS];
    size_t p = 0;
    for (int v = 0; v < VECTORS; v++)
        even[v] = odd[v] = _mm256_setzero_si256();
    for (; p + 2 <= bytes; p += 2, table += 4 * TG_NIBBLE_TABLE, half += 2 * TG_BLOCK)
        for (int v = 0; v < VECTORS; v++)
            add(&even[v], &odd[v],
                _mm256_add_epi8(look_at_one(half + VECTOR * v, table),
                                look_at_one(half + TG_BLOCK + VECTOR * v, table + 2 * TG_NIBBLE_TABLE)));
    for (int v = 0; v < VECTORS; v++) {
        uint16_t *to = out + v / 2 * TG_GROUP + v % 2 * VECTOR / 2;
        if (p < bytes)
            add(&even[v], &odd[v], look_at_one(half + VECTOR * v, table));
        _mm256_storeu_si256((__m256i *)to, _mm256_sub_epi16(even[v], _mm256_slli_epi16(odd[v], 8)));
        _mm256_storeu_si256((__m256i *)(to + TG_GROUP / 2), odd[v]);
    }
}

TG_TARGET_AVX2 static void sums(const uint8_t *plane, size_t bytes, const uint8_t *table, size_t blocks, uint16_t *out)
{
    for (size_t b = 0; b < blocks; b++, plane += bytes * TG_BLOCK, out += TG_BLOCK)
        for (size_t at = 0; at < TG_BLOCK; at += AT_ONCE)
            sum_half(plane + at, bytes, table, out + at);
}

INLINE __m256i words_at(const uint16_t *words)
{
    return _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)words));
}

TG_TARGET_AVX2 static uint64_t over(const tg_bound_terms *terms, const tg_group_bounds *bounds,
                                    const uint16_t *const from[TG_READINGS], float least)
{
    const uint16_t *distances = bounds->distance[terms->planes - 1];
    uint64_t found = 0;
    for (int at = 0; at < TG_GROUP; at += 8) {
        __m256 total = _mm256_set1_ps(terms->base);
        for (int r = 0; r < terms->planes; r++)
            total = _mm256_add_ps(total, _mm256_mul_ps(_mm256_cvtepi32_ps(words_at(from[r] + at)),
                                                       _mm256_set1_ps(terms->weight[r])));
        const __m256 scale = _mm256_castsi256_ps(_mm256_slli_epi32(words_at(bounds->scale + at), 16));
        const __m256 distance = _mm256_castsi256_ps(_mm256_slli_epi32(words_at(distances + at), 16));
        const __m256 bound =
            _mm256_add_ps(_mm256_mul_ps(total, scale), _mm256_mul_ps(distance, _mm256_set1_ps(terms->norm)));
        const int mask = _mm256_movemask_ps(_mm256_cmp_ps(bound, _mm256_set1_ps(least), _CMP_GE_OQ));
        found |= (uint64_t)(unsigned)mask << at;
    }
    return found;
}

/* By way of 16 bits: the 8-bit multiply-add saturates. */
INLINE int32_t dot(const uint8_t *fine, const int8_t *query, size_t stride)
{
    __m256i total[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    for (size_t i = 0; i < stride; i += 32)
        for (size_t j = 0; j < 2; j++) {
            const __m256i row = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(fine + i + 16 * j)));
            const __m256i probe = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(query + i + 16 * j)));
            total[j] = _mm256_add_epi32(total[j], _mm256_madd_epi16(row, probe));
        }
    const __m256i sum = _mm256_add_epi32(total[0], total[1]);
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
    return _mm_cvtsi128_si32(_mm_add_epi32(four, _mm_shuffle_epi32(four, 0xB1)));
}

TG_TARGET_AVX2 static void dots(const uint8_t *const *rows, size_t count, const int8_t *query, size_t stride,
                                int32_t offset, int32_t *out)
{
    for (size_t r = 0; r < count; r++)
        out[r] = dot(rows[r], query, stride) - offset;
}

TG_TARGET_AVX2 static void prepare_probe(tg_query *query, const tg_rotation *rotation, const float *probe)
{
    prepare(query, rotation, probe);
}

TG_TARGET_AVX2 static void weigh_plane(tg_query *query, int which)
{
    weigh(query, which);
}

const tg_plane_kernels tg_planes_avx2 = {
    .room = 2 * TG_NIBBLE_TABLE,
    .lookup_cost = 0.085,
    .fine_cost = 0.06,
    .far_cost = 0.2,
    .fine_call = 10,
    .near_pick = 20,
    .far_pick = 60,
    .prepare = prepare_probe,
    .weigh = weigh_plane,
    .tables = tables,
    .sums = sums,
    .over = over,
    .dots = dots,
};
#else
typedef int tg_no_avx2_here; /* ISO C wants a declaration in every unit */
#endif
