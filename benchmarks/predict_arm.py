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
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from image import aarch64
from setup import FLOATS, LANGUAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
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
    dotprod: bool = False
    """Whether a processor must have SDOT."""


LOOPS = (
    Loop("dot_generic", "tg_dot_generic", "element", loaded=8, whole="template of 512", count=512),
    # Tables come to half the bytes that are looked up.
    Loop("planes_neon", "sums", "plane byte pair", loaded=3, whole="template of 512, first plane", count=64),
    Loop("planes_neon", "dots", "element", loaded=2, whole="template of 512, 8 bits", count=512),
    Loop("planes_neon", "sdots", "element", loaded=2, whole="template of 512, 8 bits", count=512, dotprod=True),
)
PIXELS = 384
CONVERSION = (4, 4, 4, 4, 8)
"""Bytes written for a pixel by each loop of a conversion, in order; the last writes a neighbour back with each."""


@dataclass(frozen=True)
class Processor:
    """A board's processor, by the model that LLVM has of it."""

    board: str
    model: str
    ghz: float
    dotprod: bool


PROCESSORS = (
    Processor("Raspberry Pi 4, Cortex-A72", "cortex-a72", 1.8, dotprod=False),
    Processor("Raspberry Pi 5, Cortex-A76", "neoverse-n1", 2.4, dotprod=True),
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


def _object(source: str) -> Path:
    return aarch64.CACHE / "objects" / "_fastcore" / "src" / f"{source}.o"


def _instructions(path: Path, function: str) -> Iterator[Instruction]:
    options = ["-d", "--no-show-raw-insn", "--no-print-imm-hex", f"--disassemble-symbols={function}"]
    for line in _output(_tool("llvm-objdump"), *options, str(path)).splitlines():
        found = re.match(r"\s*([0-9a-f]+):\s+([a-z][\w.]*\b.*)", line)
        if found:
            text = found[2].split("//")[0].strip()
            branch = re.match(r"(?:b|b\.\w+|cbn?z|tbn?z)\s.*?(0x[0-9a-f]+) <", text)
            # llvm-mca reads one loop alone: a branch goes to its head or out of it, which is all the same to it.
            text = re.sub(r"(0x[0-9a-f]+|\d+) <.*>", "head" if branch else "0", text)
            yield Instruction(int(found[1], 16), text, int(branch[1], 16) if branch else None)


def _innermost(code: list[Instruction]) -> list[list[Instruction]]:
    """Backward branches make loops: those that hold no other."""
    spans = [(each.target, each.address) for each in code if each.target is not None and each.target < each.address]
    inner = [
        (start, end)
        for start, end in spans
        if not any((start, end) != (a, b) and start <= a and b <= end for a, b in spans)
    ]
    if not inner:
        raise SystemExit("predict_arm: no loop in the function")
    return [[each for each in code if start <= each.address <= end] for start, end in inner]


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
    body = max(_innermost(list(_instructions(_object(loop.source), loop.function))), key=len)
    moved, bytes_each = (_moved(body, "ld"), loop.loaded) if loop.loaded else (_moved(body, "st"), loop.stored)
    if not moved or moved % bytes_each:
        raise SystemExit(f"predict_arm: {loop.function}: {moved} bytes an iteration are no whole {loop.unit}s")
    units = moved // bytes_each
    cells = [f"`{loop.function}`", f"{len(body)} for {units} {loop.unit}s", f"{len(body) / units:.2f}"]
    for processor in PROCESSORS:
        if loop.dotprod and not processor.dotprod:
            cells.append("has none")
            continue
        cells.append(_cell(_cycles(body, processor) / units, loop.count, loop.whole, processor))
    return f"| {' | '.join(cells)} |"


def _cell(each: float, count: int, whole: str, processor: Processor) -> str:
    cycles = each * count
    return f"{each:.2f}, {cycles:,.0f} a {whole}: {cycles / processor.ghz / 1000:.3g} µs"


def _conversion() -> str:
    """A thermal conversion without extras: compiled alone, its loops follow each other, and all of them count."""
    source = (ROOT / "_fastcore" / "src" / "mlx90640_to_generic.c").read_text(encoding="utf-8")
    plain = source.replace("to_subpage(params, terms, frame, out, extras)", "convert(params, terms, frame, out, NULL)")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plain.o"
        flags = ["-O3", *LANGUAGE, *FLOATS, f"-I{ROOT / '_fastcore' / 'src'}", "-xc", "-c", "-", "-o", str(path)]
        _output(aarch64.COMPILER, *flags, given=plain)
        loops = _innermost(list(_instructions(path, "mlx_to_generic")))
    if plain == source or len(loops) != len(CONVERSION):
        raise SystemExit(f"predict_arm: {len(loops)} loops in a conversion, not the {len(CONVERSION)} it is made of")
    pixels = [_moved(body, "st") // each for body, each in zip(loops, CONVERSION, strict=True)]
    instructions = sum(len(body) / count for body, count in zip(loops, pixels, strict=True))
    cells = ["`mlx_to_generic`, all five loops", "", f"{instructions:.2f} a pixel"]
    for processor in PROCESSORS:
        each = sum(_cycles(body, processor) / count for body, count in zip(loops, pixels, strict=True))
        cells.append(_cell(each, PIXELS, "subpage", processor))
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Build for aarch64 and print the table."""
    aarch64.prepare()
    aarch64.build()
    llvm = re.search(r"LLVM version (\S+)", _output(_tool("llvm-mca"), "--version"))
    boards = [f"{each.board} at {each.ghz} GHz, cycles" for each in PROCESSORS]
    compiler = _output(aarch64.COMPILER, "--version").splitlines()[0]
    rows = [_conversion(), *map(_row, LOOPS)]
    models = ", ".join(each.model for each in PROCESSORS)
    print(f"Predicted by llvm-mca {llvm[1] if llvm else '?'} ({models}) for code by {compiler}; not measured.\n")
    print(f"| inner loop | instructions an iteration | for each | {' | '.join(boards)} |")
    print("|---|---|---|" + "---|" * len(PROCESSORS))
    print("\n".join(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
