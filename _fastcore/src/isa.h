/* Which instruction-set path the kernels take: built for all, chosen at run time.
 *
 * Every path of a kernel gives the same bits: the order of operations is written down, nothing is contracted
 * (-ffp-contract=off), and no path uses fused multiply-add. A decision can be replayed on another machine.
 */
#ifndef THERMOGATE_ISA_H
#define THERMOGATE_ISA_H

typedef enum { TG_ISA_GENERIC = 0, TG_ISA_AVX2 = 1, TG_ISA_COUNT } tg_isa;

/* TG_BASELINE_ONLY leaves the other paths out, as an architecture without them does. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(TG_BASELINE_ONLY)
#define TG_HAVE_AVX2 1
#endif

/* Whether this build and this processor have the path. */
int tg_isa_available(tg_isa isa);

/* The name that `_fastcore.backend()` reports. */
const char *tg_isa_name(tg_isa isa);

#endif
