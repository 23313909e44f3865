"""The C extensions of the fast core; everything else is in pyproject.toml."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

# THERMOGATE_SANITIZE=1: ASan and UBSan. THERMOGATE_BOUNDS=1: bounds-checked indexing in the Cython code.
# THERMOGATE_FUZZ=1: for atheris, by clang alone. ASan, UBSan and the coverage that steers libFuzzer.
# THERMOGATE_PORTABLE=1: what a processor we have no path for gets, the baseline in plain C without intrinsics.
SANITIZE = os.environ.get("THERMOGATE_SANITIZE") == "1"
FUZZ = os.environ.get("THERMOGATE_FUZZ") == "1"
BOUNDS = os.environ.get("THERMOGATE_BOUNDS") == "1" or SANITIZE or FUZZ
PORTABLE = os.environ.get("THERMOGATE_PORTABLE") == "1"
BUILD = os.environ.get("THERMOGATE_BUILD", "build/cython")

# Never -march=native: what is shipped runs on any processor of its kind. No -ffast-math: NaN marks a dead pixel.
# -ffp-contract=off: every path of a kernel gives the same bits, with or without fused multiply-add in the processor.
FLOATS = ["-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
# Never -Werror here: a newer compiler's opinion must not break an installation. tests/fastcore/check_c.py has it.
LANGUAGE = ["-std=c11", "-Wall", "-Wextra", "-Wno-unused-parameter"]
# Some Pythons ask for debugging information, which is four times the code.
COMPILE = ["-O3", "-g0", *LANGUAGE, *FLOATS]
MACROS: list[tuple[str, str | None]] = [("TG_BASELINE_ONLY", None), ("TG_PORTABLE", None)] if PORTABLE else []
LINK: list[str] = []
INSTRUMENTED = ["-O1", "-g", "-std=c11", "-fno-omit-frame-pointer", *FLOATS, "-fno-sanitize-recover=all"]
if SANITIZE:
    COMPILE = [*INSTRUMENTED, "-fsanitize=address,undefined"]
    LINK = ["-fsanitize=address,undefined"]
elif FUZZ:
    # Linked without: the runtime is the one that atheris brings and preloads. It lacks the check of function types.
    COMPILE = [*INSTRUMENTED, "-fsanitize=address,undefined,fuzzer-no-link", "-fno-sanitize=function"]

KERNELS = {
    "pulses": ["pulses"],
    "thermal": [
        "isa",
        "mlx90640_params",
        "mlx90640_pixels",
        "mlx90640_defects",
        "mlx90640_frame",
        "mlx90640_merge",
        "mlx90640_to",
        "mlx90640_to_generic",
        "mlx90640_to_avx2",
        "mlx90640_to_avx512",
    ],
    "match": [
        "isa",
        "dot_generic",
        "dot_avx2",
        "dot_avx512",
        "length",
        "topk",
        "memory",
        "rotate",
        "quantise",
        "planes",
        "planes_avx2",
        "planes_avx512",
        "planes_neon",
        "query",
        "store",
        "search",
    ],
}

extensions = [
    Extension(
        f"_fastcore.{name}",
        [f"_fastcore/{name}.pyx", *(f"_fastcore/src/{source}.c" for source in sources)],
        depends=[str(header) for header in Path("_fastcore/src").glob("*.h")],
        include_dirs=["_fastcore/src"],
        define_macros=MACROS,
        libraries=["m"] if sys.platform != "win32" else [],
        extra_compile_args=COMPILE,
        extra_link_args=LINK,
    )
    for name, sources in KERNELS.items()
]

if __name__ == "__main__":  # the flags above are also imported: by tests/fastcore/check_c.py
    setup(
        ext_modules=cythonize(  # type: ignore[no-untyped-call]  # Cython types only part of itself
            extensions,
            build_dir=BUILD,
            compiler_directives={
                "language_level": 3,
                "boundscheck": BOUNDS,
                "wraparound": False,
                "initializedcheck": BOUNDS,
                "cdivision": True,
                "freethreading_compatible": False,
            },
        ),
    )
