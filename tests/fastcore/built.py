"""Build the kernels in another way into a folder of their own and run the kernel tests, or fuzz, on that build.

Run as `python tests/fastcore/built.py sanitize|bounds|portable [pytest arguments]` or `... fuzz [harness [libFuzzer
arguments]]` with the project's Python:

- sanitize: ASan and UBSan, and bounds-checked indexing in the Cython code. The exit status is 0 only when every test
  passed and neither sanitizer ended the run. Python's own leaks are not looked at (leak detection is off);
  test_build.py looks for ours.
- bounds: bounds-checked indexing alone, optimised as what is shipped.
- portable: the baseline in plain C without intrinsics, as on a processor that we have no path for.
- fuzz: by clang, with the sanitizers and libFuzzer's coverage. Each harness (fuzz_NAME.py) runs for FUZZ_SECONDS (60)
  on what build/fuzz/NAME holds from earlier runs. An input that ends one is kept beside; `fuzz NAME FILE` repeats it.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LEFT_OUT = ["--ignore-glob=tests/fastcore/test_benchmark*.py"]
"""Times of such a build say nothing."""
SWITCHES = {
    "sanitize": "THERMOGATE_SANITIZE",
    "bounds": "THERMOGATE_BOUNDS",
    "portable": "THERMOGATE_PORTABLE",
    "fuzz": "THERMOGATE_FUZZ",
}
"""What setup.py is told, by kind."""
CHECKED = "__Pyx_RaiseBufferIndexError"
"""What Cython's generated code calls where an index is out of bounds."""


def build(folder: Path, kind: str) -> Path:
    """The package in folder/lib, with extensions of this kind."""
    library, generated = folder / "lib", folder / "cython"
    environment = {name: value for name, value in os.environ.items() if name not in SWITCHES.values()}
    environment |= {SWITCHES[kind]: "1", "THERMOGATE_BUILD": str(generated)}
    if kind == "fuzz":
        environment.setdefault("CC", "clang")
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


def _fuzzers_runtime() -> str:
    """ASan's and UBSan's runtime with libFuzzer in it, from atheris: clang's own would meet atheris' libFuzzer."""
    found = importlib.util.find_spec("atheris")
    if found is None or found.origin is None:
        raise SystemExit("fuzz: atheris is not installed (the extra `fuzz`)")
    return str(Path(found.origin).parents[1] / "asan_with_fuzzer.so")


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
    elif kind == "fuzz":
        variables |= {
            "LD_PRELOAD": _fuzzers_runtime(),
            "ASAN_OPTIONS": "detect_leaks=0",
            "UBSAN_OPTIONS": "print_stacktrace=1",
        }
    return variables


def _fuzz(library: Path, arguments: list[str]) -> int:
    """All harnesses for some time, or one with libFuzzer's arguments; the first that finds something ends it."""
    names = arguments[:1] or [path.stem.removeprefix("fuzz_") for path in sorted(HERE.glob("fuzz_*.py"))]
    for name in names:
        corpus = ROOT / "build" / "fuzz" / name
        corpus.mkdir(parents=True, exist_ok=True)
        timed = [
            f"-max_total_time={os.environ.get('FUZZ_SECONDS', '60')}",
            "-max_len=2048",
            "-len_control=0",
            str(corpus),
        ]
        options = [f"-artifact_prefix={corpus}-", "-verbosity=0", "-print_final_stats=1", *(arguments[1:] or timed)]
        print(f"fuzz: {name}: {' '.join(options)}", flush=True)
        command = [sys.executable, str(HERE / f"fuzz_{name}.py"), *options]
        if subprocess.run(command, cwd=ROOT, env=environment(library, "fuzz"), check=False).returncode:
            print(f"fuzz: {name} found something; see {corpus}-*", flush=True)
            return 1
    return 0


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
        library = build(Path(name), kind)
        return _fuzz(library, arguments) if kind == "fuzz" else _test(library, kind, arguments)


if __name__ == "__main__":
    sys.exit(main())
