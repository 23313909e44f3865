"""The rehearsal as you watch it: heat, sign, person, counts. A thread of its own draws, so the lane keeps time."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from rich import box
from rich.align import Align
from rich.console import Group
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.segment import Segments
from rich.table import Table
from rich.text import Text

from controller.drill.heatview import HeatView, scale_bar
from controller.prompts import LAMPS, PROMPTS, reason_text
from hw.ports import Lamp

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from controller.drill.scoreboard import Scoreboard

REFRESH: Final = 8
"""Pictures a second. More would cost the lane processor time on a small board."""
ROWS, COLUMNS = 24, 32
WIDE: Final = (112, 37)
"""Terminal size from which the heat picture is drawn twice as large."""

_LAMP_STYLES: Final = {
    Lamp.IDLE: ("dim", "○ idle"),
    Lamp.LOOK: ("bold white on blue", "◉ look"),
    Lamp.GO: ("bold black on green", "● go"),
    Lamp.STOP: ("bold white on red", "● stop"),
    Lamp.WAIT: ("bold black on yellow", "◐ wait"),
    Lamp.ALARM: ("bold white on red blink", "▲ alarm"),
}


class Board:
    """Draws a scoreboard to the size of the terminal, each time anew."""

    def __init__(self, scores: Scoreboard) -> None:
        self._scores = scores

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        del console
        height = options.height or options.size.height
        zoom = 2 if options.max_width >= WIDE[0] and height >= WIDE[1] else 1
        body_rows = ROWS * zoom // 2 + 3
        body = Layout(name="body", size=body_rows)
        body.split_row(
            Layout(self._heat(zoom), name="heat", size=COLUMNS * zoom + 2), Layout(self._person(), name="person")
        )
        page = Layout()
        page.split_column(
            Layout(Text(self._scores.title, style="bold", no_wrap=True, overflow="ellipsis"), size=1),
            body,
            Layout(self._lines(height - body_rows - 5), name="lines"),
            Layout(self._progress(), name="progress", size=2),
        )
        yield page

    def _heat(self, zoom: int) -> RenderableType:
        temperatures = self._scores.temperatures
        if temperatures is None:
            picture: RenderableType = Align.center(Text("\nno thermal picture", style="yellow"), vertical="middle")
            return Panel(picture, title="heat", box=box.ROUNDED, padding=0)
        # A finer array is shown as coarsely as the default one, so that it fits.
        shown = cv2.resize(temperatures, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA).astype(np.float32)
        content = Group(HeatView(shown, zoom), Segments(scale_bar(COLUMNS * zoom)))
        return Panel(content, title="heat", box=box.ROUNDED, padding=0)

    def _person(self) -> RenderableType:
        scores, sign = self._scores, self._scores.sign
        style, lamp = _LAMP_STYLES[LAMPS[sign.prompt]]
        prompt, reason = PROMPTS[sign.prompt], reason_text(sign.reason)
        facts = Table.grid(padding=(0, 1))
        facts.add_column(style="dim", no_wrap=True, min_width=7)
        facts.add_column(overflow="ellipsis", no_wrap=True)
        facts.add_row("lamp", Text(f" {lamp} ", style=style))
        facts.add_row("lane", scores.lane)
        facts.add_row("comes", "-" if scores.visit is None else f"{scores.visit.person}, {scores.visit.kind.value}")
        facts.add_row("seen as", self._match())
        facts.add_row("body", self._temperature())
        facts.add_row("heat", self._liveness())
        if scores.latencies:
            facts.add_row("answer", f"median {statistics.median(scores.latencies):.2f} s from the mark")
        texts = [Text(prompt.english, style="bold"), Text(prompt.chinese, style="bold")]
        # Always two lines, so that nothing below jumps.
        why = Text("" if reason is None else f"{reason.english}\n{reason.chinese}", style="yellow")
        content = Group(*texts, why, *([Text("\n")] if reason is None else []), facts)
        return Panel(content, title="sign", box=box.ROUNDED, padding=(0, 1))

    def _liveness(self) -> str:
        found = self._scores.assessment
        if found is None:
            return "-"
        return " ".join([found.liveness.value, *(reason.value for reason in found.liveness_reasons)])

    def _match(self) -> str:
        found = self._scores.assessment
        if found is None:
            return "-"
        if found.match is None:
            return "nobody registered"
        return f"{found.match.person}, score {found.match.score:.2f}" + (" (ambiguous)" if found.ambiguous else "")

    def _temperature(self) -> str:
        found = self._scores.assessment
        if found is None or found.screening.value is None:
            return "-" if found is None else found.screening.verdict.value
        screening = found.screening
        return f"{screening.value:.1f} ± {screening.uncertainty or 0:.1f} °C, {screening.verdict.value}"

    def _lines(self, rows: int) -> RenderableType:
        shown = list(self._scores.lines)[-max(1, rows) :]
        text = Text("\n".join(shown), no_wrap=True, overflow="ellipsis")
        return Panel(text, title="people", box=box.ROUNDED, padding=0)

    def _progress(self) -> RenderableType:
        scores = self._scores
        counts = ", ".join(f"{count} {ending.value}" for ending, count in scores.endings.most_common())
        other = scores.done - scores.as_expected
        total = f"{scores.done} of {scores.people} people" + (f", {other} not as expected" if other else "")
        bar = ProgressBar(total=scores.people, completed=scores.done)
        rows = Table.grid(expand=True)
        rows.add_row(bar)
        rows.add_row(Text(f"{total}: {counts}" if counts else total, no_wrap=True, overflow="ellipsis"))
        return rows


def live_view(scores: Scoreboard, console: Console) -> Live:
    """A context manager that draws `scores` until it is left; the last picture is wiped, as the report follows."""
    return Live(
        Board(scores), console=console, refresh_per_second=REFRESH, screen=True, redirect_stderr=False, transient=True
    )
