/* The run-time probe behind isa.h. */
#include "isa.h"

#ifdef TG_HAVE_DOTPROD
#include <sys/auxv.h>
#ifndef HWCAP_ASIMDDP
#define HWCAP_ASIMDDP (1u << 20)
#endif
#endif

int tg_isa_available(tg_isa isa)
{
    switch (isa) {
    case TG_ISA_GENERIC:
        return 1;
#ifdef TG_HAVE_AVX2
    case TG_ISA_AVX2:
        __builtin_cpu_init();
        return __builtin_cpu_supports("avx2") != 0;
#endif
#ifdef TG_HAVE_AVX512
    case TG_ISA_AVX512:
        __builtin_cpu_init();
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni");
#endif
#ifdef TG_HAVE_DOTPROD
    case TG_ISA_DOTPROD:
        return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#endif
    default:
        return 0;
    }
}

const char *tg_isa_name(tg_isa isa)
{
    static const char *const names[TG_ISA_COUNT] = {"c-generic", "c-avx2", "c-avx512", "c-dotprod"};
    return names[isa];
}
