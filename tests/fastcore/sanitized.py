"""Build the kernels with ASan and UBSan into a folder of their own and run the kernel tests on that build.

Run as `python tests/fastcore/sanitized.py [pytest arguments]`, with the project's Python. The exit status is pytest's, or 1 when a
sanitizer has something to say.
Python's own leaks are not looked at (leak detection is off); test_build.py looks for ours.
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


def _test(library: Path, reports: Path, arguments: list[str]) -> int:
    """Pytest's exit status, or 1 when a sanitizer ended it or has reported anything."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(library),
        "PYTHONSAFEPATH": "1",
        "PYTHONMALLOC": "malloc",
        "THERMOGATE_EXPECT_BUILD": str(library),
        # libstdc++ too, or ASan cannot follow the exceptions of C++ libraries that are loaded later.
        "LD_PRELOAD": " ".join(_runtime(name) for name in ("libasan.so", "libubsan.so", "libstdc++.so")),
        # To files, since pytest holds the output of a test that never returns.
        "ASAN_OPTIONS": f"detect_leaks=0:detect_stack_use_after_return=1:log_path={reports / 'asan'}",
        "UBSAN_OPTIONS": f"print_stacktrace=1:halt_on_error=1:log_path={reports / 'ubsan'}",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/fastcore", *LEFT_OUT, *arguments]
    status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    found = sorted(reports.iterdir())
    for report in found:
        sys.stderr.write(report.read_text(encoding="utf-8", errors="replace"))
    return 1 if found or status < 0 else status


def main() -> int:
    """Build, test, and remove the build."""
    with tempfile.TemporaryDirectory(prefix="thermogate-sanitized-") as name:
        folder = Path(name)
        _build(folder)
        reports = folder / "reports"
        reports.mkdir()
        return _test(folder / "lib", reports, sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
