"""Predict what the kernels' inner loops cost on a Raspberry Pi, from the code that was compiled for it.

Run as `python -m benchmarks.predict_arm`; prints a Markdown table. These are predictions, not measurements: llvm-mca
plays the innermost loop of each function on LLVM's model of the processor, as if every load hit the first cache and
every branch were foreseen. What one iteration covers follows from the bytes it moves, so it need not be known how far
the compiler unrolled. LLVM takes the Cortex-A72 for a Cortex-A57, its predecessor, and so would it the Cortex-A76;
instead of that the Neoverse N1's model is taken, which is the Cortex-A76 for servers.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from image import aarch64

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSIONS = ("22", "21", "20", "19", "18", "17")
"""LLVM's, newest first; older ones take both processors for a Cortex-A57."""
ITERATIONS = 1000
WIDTHS = {"q": 16, "d": 8, "x": 8, "s": 4, "w": 4, "h": 2, "b": 1}


@dataclass(frozen=True)
class Loop:
    """A function whose largest innermost loop is to be played."""

    source: str
    function: str
    unit: str
    loaded: int = 0
    """Bytes read for a unit, constants that stay in registers left aside, or 0 to go by what is written."""
    stored: int = 0
    whole: str = ""
    count: int = 1
    """So many units are a `whole`."""


LOOPS = (
    Loop("mlx90640_to_generic", "mlx_to_generic", "pixel", stored=4, whole="subpage", count=384),
    Loop("dot_generic", "tg_dot_generic", "element", loaded=8, whole="template of 512", count=512),
)


@dataclass(frozen=True)
class Processor:
    """A board's processor, by the model that LLVM has of it."""

    board: str
    model: str
    ghz: float


PROCESSORS = (
    Processor("Raspberry Pi 4, Cortex-A72", "cortex-a72", 1.8),
    Processor("Raspberry Pi 5, Cortex-A76", "neoverse-n1", 2.4),
)


@dataclass(frozen=True)
class Instruction:
    """A line of a disassembly."""

    address: int
    text: str
    target: int | None
    """Where it may branch to."""


def _tool(name: str) -> str:
    for version in VERSIONS:
        if shutil.which(f"{name}-{version}"):
            return f"{name}-{version}"
    raise SystemExit(f"predict_arm: no {name} of LLVM {VERSIONS[-1]} or later; try: sh .ci/system-packages predict")


def _output(*command: str, given: str = "") -> str:
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise SystemExit(f"predict_arm: {' '.join(command)}: {done.stderr}")
    return done.stdout


def _instructions(loop: Loop) -> Iterator[Instruction]:
    path = aarch64.CACHE / "objects" / "_fastcore" / "src" / f"{loop.source}.o"
    options = ["-d", "--no-show-raw-insn", "--no-print-imm-hex", f"--disassemble-symbols={loop.function}"]
    for line in _output(_tool("llvm-objdump"), *options, str(path)).splitlines():
        found = re.match(r"\s*([0-9a-f]+):\s+([a-z][\w.]*\b.*)", line)
        if found:
            text = found[2].split("//")[0].strip()
            branch = re.match(r"(?:b|b\.\w+|cbn?z|tbn?z)\s.*?(0x[0-9a-f]+) <", text)
            # llvm-mca reads one loop alone: a branch goes to its head or out of it, which is all the same to it.
            text = re.sub(r"(0x[0-9a-f]+|\d+) <.*>", "head" if branch else "0", text)
            yield Instruction(int(found[1], 16), text, int(branch[1], 16) if branch else None)


def _largest_innermost(code: list[Instruction]) -> list[Instruction]:
    """Backward branches make loops; of those that hold no other the one with the most instructions."""
    spans = [(each.target, each.address) for each in code if each.target is not None and each.target < each.address]
    inner = [
        (start, end)
        for start, end in spans
        if not any((start, end) != (a, b) and start <= a and b <= end for a, b in spans)
    ]
    if not inner:
        raise SystemExit("predict_arm: no loop in the function")
    start, end = max(inner, key=lambda span: span[1] - span[0])
    return [each for each in code if start <= each.address <= end]


def _moved(body: list[Instruction], kind: str) -> int:
    """Bytes that an iteration reads ("ld") or writes ("st"), spilled registers left aside."""
    moved = 0
    for each in body:
        operation, _, operands = each.text.replace("\t", " ").partition(" ")
        registers, _, place = operands.partition("[")
        if not operation.startswith(kind) or place.startswith("sp"):
            continue
        if "{" in registers:  # ld1 and st1, of whole vectors
            moved += sum(
                8 if lanes.startswith(("8b", "4h", "2s", "1d")) else 16 for lanes in re.findall(r"\.(\w+)", registers)
            )
        else:
            names = [name.strip() for name in registers.split(",") if name.strip()]
            narrow = {"ldrb": 1, "ldrh": 2, "ldrsh": 2, "strb": 1, "strh": 2, "ldrsw": 4}.get(operation)
            moved += sum(narrow or WIDTHS[name[0]] for name in names)
    return moved


def _cycles(body: list[Instruction], processor: Processor) -> float:
    """Of one iteration among many."""
    lines = ["head:", *(each.text for each in body)]
    options = ["-mtriple=aarch64-linux-gnu", f"-mcpu={processor.model}", f"-iterations={ITERATIONS}", "--json"]
    report = json.loads(_output(_tool("llvm-mca"), *options, given="\n".join(lines) + "\n"))
    return float(report["CodeRegions"][0]["SummaryView"]["TotalCycles"]) / ITERATIONS


def _row(loop: Loop) -> str:
    body = _largest_innermost(list(_instructions(loop)))
    moved, bytes_each = (_moved(body, "ld"), loop.loaded) if loop.loaded else (_moved(body, "st"), loop.stored)
    if not moved or moved % bytes_each:
        raise SystemExit(f"predict_arm: {loop.function}: {moved} bytes an iteration are no whole {loop.unit}s")
    units = moved // bytes_each
    cells = [f"`{loop.function}`", f"{len(body)} for {units} {loop.unit}s", f"{len(body) / units:.2f}"]
    for processor in PROCESSORS:
        each = _cycles(body, processor) / units
        whole = each * loop.count
        cells.append(f"{each:.2f}, {whole:,.0f} a {loop.whole}: {whole / processor.ghz / 1000:.2f} µs")
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Build for aarch64 and print the table."""
    aarch64.prepare()
    aarch64.build()
    llvm = re.search(r"LLVM version (\S+)", _output(_tool("llvm-mca"), "--version"))
    boards = [f"{each.board} at {each.ghz} GHz, cycles" for each in PROCESSORS]
    compiler = _output(aarch64.COMPILER, "--version").splitlines()[0]
    rows = [_row(loop) for loop in LOOPS]
    models = ", ".join(each.model for each in PROCESSORS)
    print(f"Predicted by llvm-mca {llvm[1] if llvm else '?'} ({models}) for code by {compiler}; not measured.\n")
    print(f"| inner loop | instructions an iteration | for each | {' | '.join(boards)} |")
    print("|---|---|---|" + "---|" * len(PROCESSORS))
    print("\n".join(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
