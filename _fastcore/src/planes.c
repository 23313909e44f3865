/* Which path has which operations on planes. */
#include "planes.h"

const tg_plane_kernels *tg_plane_kernels_for(tg_isa path)
{
    switch (path) {
#ifdef TG_HAVE_AVX2
    case TG_ISA_AVX2:
        return &tg_planes_avx2;
#endif
#ifdef TG_HAVE_AVX512
    case TG_ISA_AVX512:
        return &tg_planes_avx512;
#endif
#if defined(__aarch64__) && !defined(TG_PORTABLE)
    case TG_ISA_GENERIC:
        return &tg_planes_neon;
#endif
#ifdef TG_HAVE_DOTPROD
    case TG_ISA_DOTPROD:
        return &tg_planes_dotprod;
#endif
    default:
        /* SSE2 has no byte shuffle; lookups one by one are slower than reading the templates. */
        return NULL;
    }
}
