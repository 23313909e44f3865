"""The C extensions of the fast core; everything else is in pyproject.toml."""

from __future__ import annotations

import os
import sys

from Cython.Build import cythonize
from setuptools import Extension, setup

# THERMOGATE_SANITIZE=1: ASan and UBSan. THERMOGATE_BOUNDS=1: bounds-checked indexing in the Cython code.
SANITIZE = os.environ.get("THERMOGATE_SANITIZE") == "1"
BOUNDS = os.environ.get("THERMOGATE_BOUNDS") == "1" or SANITIZE

# Never -march=native: what is shipped runs on any processor of its architecture. No -ffast-math: NaN marks a dead pixel.
COMPILE = ["-O3", "-std=c11", "-Wall", "-Wextra", "-Wno-unused-parameter", "-fno-math-errno", "-fno-trapping-math"]
LINK: list[str] = []
if SANITIZE:
    COMPILE = [
        "-O1",
        "-g",
        "-std=c11",
        "-fno-omit-frame-pointer",
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover",
    ]
    LINK = ["-fsanitize=address,undefined"]

KERNELS = {
    "thermal": ["_fastcore/src/mlx90640_params.c", "_fastcore/src/mlx90640_to.c"],
    "match": ["_fastcore/src/dot.c", "_fastcore/src/topk.c"],
}

extensions = [
    Extension(
        f"_fastcore.{name}",
        [f"_fastcore/{name}.pyx", *sources],
        include_dirs=["_fastcore/src"],
        libraries=["m"] if sys.platform != "win32" else [],
        extra_compile_args=COMPILE,
        extra_link_args=LINK,
    )
    for name, sources in KERNELS.items()
]

setup(
    ext_modules=cythonize(
        extensions,
        build_dir="build/cython",
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
