/* Which instruction-set path the kernels take: built for all, chosen at run time.
 *
 * Every path of a kernel gives the same bits: the order of operations is written down, nothing is contracted
 * (-ffp-contract=off), and no path uses fused multiply-add. A decision can be replayed on another machine.
 *
 * The baseline is what every processor of the architecture has: SSE2 on x86-64, NEON on aarch64 (ARMv8.0).
 */
#ifndef THERMOGATE_ISA_H
#define THERMOGATE_ISA_H

typedef enum {
    TG_ISA_GENERIC = 0, /* the architecture's baseline */
    TG_ISA_AVX2,
    TG_ISA_AVX512,  /* AVX-512 F, BW, DQ, VL, VBMI and VNNI: Ice Lake, Zen 4 and later */
    TG_ISA_DOTPROD, /* ARMv8.2 SDOT: Cortex-A76 (Raspberry Pi 5) and later */
    TG_ISA_COUNT
} tg_isa;

/* TG_BASELINE_ONLY leaves the other paths out, as an architecture without them does. */
#if defined(__GNUC__) && !defined(TG_BASELINE_ONLY)
#if defined(__x86_64__)
#define TG_HAVE_AVX2 1
#define TG_HAVE_AVX512 1
#elif defined(__aarch64__) && defined(__linux__)
#define TG_HAVE_DOTPROD 1
#endif
#endif

/* What a function of a path is compiled for, whatever the file is. */
#define TG_TARGET_AVX2 __attribute__((target("avx2")))
#define TG_FEATURES_AVX512 "avx2,avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vnni"
#ifdef __clang__ /* it knows no preference, and would ignore the whole attribute for it */
#define TG_TARGET_AVX512 __attribute__((target(TG_FEATURES_AVX512)))
#else
#define TG_TARGET_AVX512 __attribute__((target(TG_FEATURES_AVX512 ",prefer-vector-width=512")))
#endif
#define TG_TARGET_DOTPROD __attribute__((target("arch=armv8.2-a+dotprod")))

/* Whether this build and this processor have the path. */
int tg_isa_available(tg_isa isa);

/* The name that `_fastcore.backend()` reports. */
const char *tg_isa_name(tg_isa isa);

#endif
