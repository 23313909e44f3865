/* Dot products and reads for AVX-512 (sixteen floats a vector), without FMA so that the bits are the baseline's. */
#include "isa.h"

#ifdef TG_HAVE_AVX512
#define TG_WIDTH 16
#include "dot_kernel.h"

TG_TARGET_AVX512 void tg_dot_avx512(const float *rows, size_t stride, size_t count, const float *probe, float *scores)
{
    dot_rows(rows, stride, count, probe, scores);
}

TG_TARGET_AVX512 uint64_t tg_read_avx512(const void *memory, size_t bytes)
{
    return read_all(memory, bytes);
}
#else
typedef int tg_no_avx512_here; /* ISO C wants a declaration in every unit */
#endif
