/* Dot products and reads for the architecture's baseline (SSE2, NEON: four floats a vector), and the choice of a path. */
#define TG_WIDTH 4
#include "dot_kernel.h"

void tg_dot_generic(const float *rows, size_t stride, size_t count, const float *probe, float *scores)
{
    dot_rows(rows, stride, count, probe, scores);
}

uint64_t tg_read_generic(const void *memory, size_t bytes)
{
    return read_all(memory, bytes);
}

tg_dot_kernel *tg_dot_kernel_for(tg_isa path)
{
#ifdef TG_HAVE_AVX512
    if (path == TG_ISA_AVX512)
        return tg_dot_avx512;
#endif
#ifdef TG_HAVE_AVX2
    if (path == TG_ISA_AVX2)
        return tg_dot_avx2;
#endif
    (void)path;
    return tg_dot_generic;
}

tg_read_kernel *tg_read_kernel_for(tg_isa path)
{
#ifdef TG_HAVE_AVX512
    if (path == TG_ISA_AVX512)
        return tg_read_avx512;
#endif
#ifdef TG_HAVE_AVX2
    if (path == TG_ISA_AVX2)
        return tg_read_avx2;
#endif
    (void)path;
    return tg_read_generic;
}
