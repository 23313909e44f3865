"""Draws the README's picture of a rehearsal: `python -m benchmarks.drill_picture drill.svg`, then rsvg-convert.

It plays the default rehearsal, and keeps the terminal's picture of the moment when a given number of visits is over and
somebody is being let through.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
from pathlib import Path

from rich.console import Console

from controller.drill.enrolment import enrol
from controller.drill.live import Board
from controller.drill.rehearsal import Rehearsal
from controller.drill.scenario import draw
from controller.drill.scoreboard import Scoreboard
from controller.lane.effects import Prompt
from controller.observe.log import configure
from controller.observe.settings import ObserveSettings
from controller.perception.engines import open_engine

SIZE = (112, 37)
PACE = 8.0


def main(argv: list[str] | None = None) -> int:
    """Play, and write the picture."""
    parser = argparse.ArgumentParser(description="Draw a rehearsal's terminal as SVG.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--visits", type=int, default=7, help="how many visits are over (default: 7)")
    arguments = parser.parse_args(argv)
    engine, scenario = open_engine("demo"), draw(12, 1)
    scores = Scoreboard("Thermogate rehearsal: demo engine, seed 1", 12, None)
    pictures: list[str] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.02) and not pictures:
            if scores.done >= arguments.visits and scores.sign.prompt is Prompt.PASS and scores.visit is not None:
                pictures.append(_svg(scores))

    handle = configure(ObserveSettings(level="error"))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        gallery = enrol(scenario, engine, folder, lambda _: None)
        rehearsal = Rehearsal(
            scenario, speed=None, engine=engine, gallery=gallery, folder=folder, scores=scores, pace=PACE
        )
        threading.Thread(target=look, daemon=True).start()
        rehearsal.run()
        over.set()
    handle.close()
    if not pictures:
        return 1
    arguments.path.write_text(pictures[0], encoding="utf-8")
    return 0


def _svg(scores: Scoreboard) -> str:
    width, height = SIZE
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(
            record=True, width=width, height=height, force_terminal=True, color_system="truecolor", file=nowhere
        )
        console.print(Board(scores), height=SIZE[1])
        return console.export_svg(title="thermogate drill")


if __name__ == "__main__":
    raise SystemExit(main())
