/* Dot products for the architecture's baseline (SSE2, NEON: four floats a vector). */
#define TG_WIDTH 4
#include "dot_kernel.h"

void tg_dot_generic(const float *rows, size_t stride, size_t count, const float *probe, float *scores)
{
    dot_rows(rows, stride, count, probe, scores);
}

tg_dot_kernel *tg_dot_kernel_for(tg_isa path)
{
#ifdef TG_HAVE_AVX2
    if (path == TG_ISA_AVX2 || path == TG_ISA_AVX512)
        return tg_dot_avx2;
#endif
    (void)path;
    return tg_dot_generic;
}
