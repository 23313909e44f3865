"""Build the kernels in another way into a folder of their own and run the kernel tests on that build.

Run as `python tests/fastcore/built.py sanitize|bounds|portable [pytest arguments]` with the project's Python:

- sanitize: ASan and UBSan, and bounds-checked indexing in the Cython code. The exit status is 0 only when every test
  passed and neither sanitizer ended the run. Python's own leaks are not looked at (leak detection is off);
  test_build.py looks for ours.
- bounds: bounds-checked indexing alone, optimised as what is shipped.
- portable: the baseline in plain C without intrinsics, as on a processor that we have no path for.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = ["--ignore=tests/fastcore/test_benchmark.py"]
"""Times of such a build say nothing."""
SWITCHES = {"sanitize": "THERMOGATE_SANITIZE", "bounds": "THERMOGATE_BOUNDS", "portable": "THERMOGATE_PORTABLE"}
"""What setup.py is told, by kind."""
CHECKED = "__Pyx_RaiseBufferIndexError"
"""What Cython's generated code calls where an index is out of bounds."""


def build(folder: Path, kind: str) -> Path:
    """The package in folder/lib, with extensions of this kind."""
    library, generated = folder / "lib", folder / "cython"
    environment = {name: value for name, value in os.environ.items() if name not in SWITCHES.values()}
    environment |= {SWITCHES[kind]: "1", "THERMOGATE_BUILD": str(generated)}
    arguments = ["--build-lib", str(library), "--build-temp", str(folder / "objects"), "--force"]
    subprocess.run([sys.executable, "setup.py", "-q", "build_ext", *arguments], cwd=ROOT, env=environment, check=True)
    for module in (ROOT / "_fastcore").glob("*.py"):
        shutil.copy(module, library / "_fastcore")
    checked = any(CHECKED in code.read_text() for code in (generated / "_fastcore").glob("*.c"))
    if checked != (kind != "portable"):
        raise SystemExit(f"{kind}: Cython's bounds checks are {'on' if checked else 'off'}")
    return library


def _runtime(name: str) -> str:
    """The path of a sanitizer's runtime, which must be loaded before Python."""
    compiler = os.environ.get("CC", "gcc")
    found = subprocess.run(
        [compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if not Path(found).is_absolute():
        raise SystemExit(f"{compiler} has no {name}")
    return found


def environment(library: Path, kind: str) -> dict[str, str]:
    """What a Python that is to import this build needs; a sanitizer's report ends it."""
    variables = {
        **os.environ,
        "PYTHONPATH": str(library),
        "PYTHONSAFEPATH": "1",
        "THERMOGATE_EXPECT_BUILD": str(library),
        "THERMOGATE_EXPECT_KIND": kind,
    }
    if kind == "sanitize":
        variables |= {
            "PYTHONMALLOC": "malloc",
            # libstdc++ too, or ASan cannot follow the exceptions of C++ libraries that are loaded later.
            "LD_PRELOAD": " ".join(_runtime(name) for name in ("libasan.so", "libubsan.so", "libstdc++.so")),
            "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=1",
            "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
        }
    return variables


def _test(library: Path, kind: str, arguments: list[str]) -> int:
    # Nothing captured: pytest would take a sanitizer's report down with it.
    options = ["-q", "-p", "no:cacheprovider", "--capture=no", *LEFT_OUT]
    command = [sys.executable, "-m", "pytest", *options, "tests/fastcore", *arguments]
    status = subprocess.run(command, cwd=ROOT, env=environment(library, kind), check=False).returncode
    return 1 if status < 0 else status


def main() -> int:
    """Build, test, and remove the build."""
    if len(sys.argv) < 2 or sys.argv[1] not in SWITCHES:
        raise SystemExit(__doc__)
    kind, *arguments = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix=f"thermogate-{kind}-") as name:
        return _test(build(Path(name), kind), kind, arguments)


if __name__ == "__main__":
    sys.exit(main())
