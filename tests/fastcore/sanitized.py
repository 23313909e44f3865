"""Build the kernels with ASan and UBSan into a folder of their own and run the kernel tests on that build.

Run as `python tests/fastcore/sanitized.py [pytest arguments]` with the project's Python. The exit status is 0 only when
every test passed and neither sanitizer ended the run. Python's own leaks are not looked at (leak detection is off);
test_build.py looks for ours.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = [f"--ignore=tests/fastcore/{name}.py" for name in ("test_benchmark", "test_benchmark_runs")]
"""Times of an instrumented build say nothing."""


def _build(folder: Path) -> None:
    """The package with instrumented extensions, in folder/lib."""
    library = folder / "lib"
    environment = {**os.environ, "THERMOGATE_SANITIZE": "1", "THERMOGATE_BUILD": str(folder / "cython")}
    arguments = ["--build-lib", str(library), "--build-temp", str(folder / "objects"), "--force"]
    subprocess.run([sys.executable, "setup.py", "-q", "build_ext", *arguments], cwd=ROOT, env=environment, check=True)
    for module in (ROOT / "_fastcore").glob("*.py"):
        shutil.copy(module, library / "_fastcore")


def _runtime(name: str) -> str:
    """The path of a sanitizer's runtime, which must be loaded before Python."""
    compiler = os.environ.get("CC", "gcc")
    found = subprocess.run(
        [compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if not Path(found).is_absolute():
        raise SystemExit(f"{compiler} has no {name}")
    return found


def _test(library: Path, arguments: list[str]) -> int:
    environment = {
        **os.environ,
        "PYTHONPATH": str(library),
        "PYTHONSAFEPATH": "1",
        "PYTHONMALLOC": "malloc",
        "THERMOGATE_EXPECT_BUILD": str(library),
        # libstdc++ too, or ASan cannot follow the exceptions of C++ libraries that are loaded later.
        "LD_PRELOAD": " ".join(_runtime(name) for name in ("libasan.so", "libubsan.so", "libstdc++.so")),
        "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=1",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    }
    # Nothing captured: pytest would take a sanitizer's report down with it.
    options = ["-q", "-p", "no:cacheprovider", "--capture=no", *LEFT_OUT]
    command = [sys.executable, "-m", "pytest", *options, "tests/fastcore", *arguments]
    status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    return 1 if status < 0 else status


def main() -> int:
    """Build, test, and remove the build."""
    with tempfile.TemporaryDirectory(prefix="thermogate-sanitized-") as name:
        folder = Path(name)
        _build(folder)
        return _test(folder / "lib", sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
