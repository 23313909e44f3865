/* Dot products and reads for AVX2 (eight floats a vector), without FMA so that the bits are the baseline's. */
#include "isa.h"

#ifdef TG_HAVE_AVX2
#define TG_WIDTH 8
#include "dot_kernel.h"

TG_TARGET_AVX2 void tg_dot_avx2(const float *rows, size_t stride, size_t count, const float *probe, float *scores)
{
    dot_rows(rows, stride, count, probe, scores);
}

TG_TARGET_AVX2 uint64_t tg_read_avx2(const void *memory, size_t bytes)
{
    return read_all(memory, bytes);
}
#else
typedef int tg_no_avx2_here; /* ISO C wants a declaration in every unit */
#endif
