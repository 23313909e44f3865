/* The run-time probe behind isa.h. */
#include "isa.h"

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
    default:
        return 0;
    }
}

const char *tg_isa_name(tg_isa isa)
{
    static const char *const names[TG_ISA_COUNT] = {"c-generic", "c-avx2"};
    return names[isa];
}
