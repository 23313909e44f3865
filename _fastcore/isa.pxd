"""The C side's instruction-set paths (src/isa.h)."""

cdef extern from "isa.h":
    ctypedef enum tg_isa:
        TG_ISA_GENERIC
        TG_ISA_AVX2
        TG_ISA_AVX512
        TG_ISA_DOTPROD
        TG_ISA_COUNT
    bint tg_isa_available(tg_isa isa)
    const char *tg_isa_name(tg_isa isa)


cdef inline list available_names():
    """Names of the paths this build and processor have, slowest first."""
    return [tg_isa_name(<tg_isa> i).decode() for i in range(<int> TG_ISA_COUNT) if tg_isa_available(<tg_isa> i)]


cdef inline tg_isa by_name(str name) except *:
    """The path of a name. Raises ValueError for one that is unknown or not available here."""
    cdef int i
    for i in range(<int> TG_ISA_COUNT):
        if tg_isa_name(<tg_isa> i).decode() == name and tg_isa_available(<tg_isa> i):
            return <tg_isa> i
    raise ValueError(f"no kernel path {name!r} here; there are {', '.join(available_names())}")
