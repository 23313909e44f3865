"""Compile each C file of the fast core with warnings as errors, by every compiler at hand, in every shape it can have.

Run as `python tests/fastcore/check_c.py [COMPILER]...`. The flags are setup.py's and stricter ones; `-Werror` stands
here and not there, since a newer compiler's opinion must not break an installation. The shapes are the native build,
the baseline only (TG_BASELINE_ONLY) and the baseline without intrinsics (TG_PORTABLE as well).
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setup import FLOATS, LANGUAGE

ROOT = Path(__file__).resolve().parents[2]
COMPILERS = ("gcc", "clang", "aarch64-linux-gnu-gcc")
STRICT = ["-Wconversion", "-Werror"]
SHAPES = {
    "native": [],
    "baseline only": ["-DTG_BASELINE_ONLY"],
    "portable": ["-DTG_BASELINE_ONLY", "-DTG_PORTABLE"],
}


def _complaint(compiler: str, shape: str, source: Path) -> str:
    """What the compiler says against a file; optimised, since some warnings need the analysis."""
    flags = ["-O3", *LANGUAGE, *FLOATS, *STRICT, *SHAPES[shape]]
    command = [compiler, *flags, "-c", str(source.relative_to(ROOT)), "-o", os.devnull]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    return f"{source.name}, {compiler}, {shape}:\n{said}" if done.returncode or said else ""


def main() -> int:
    """Compile everything by the compilers named, or by all that are here; 1 where one complains or is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("compilers", nargs="*", help=f"must be here; else those of {', '.join(COMPILERS)} that are")
    wanted = parser.parse_args().compilers
    missing = [compiler for compiler in wanted or COMPILERS if shutil.which(compiler) is None]
    present = [compiler for compiler in wanted or COMPILERS if compiler not in missing]
    if missing and (wanted or not present):
        print(f"check-c: missing: {', '.join(missing)}", file=sys.stderr)
        return 1
    sources = sorted((ROOT / "_fastcore" / "src").glob("*.c"))
    jobs = list(itertools.product(present, SHAPES, sources))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        complaints = [said for said in pool.map(lambda job: _complaint(*job), jobs) if said]
    print("\n".join(complaints), end="")
    by = ", ".join(present) + (f" (not here: {', '.join(missing)})" if missing else "")
    print(f"check-c: {len(sources)} files in {len(SHAPES)} shapes by {by}: {len(complaints)} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
