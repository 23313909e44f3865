"""The end of every calibration: the picture, the figures, the difference, the question, the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from controller.calibrate.canvas import save
from controller.calibrate.dialogue import CONFIRM
from controller.calibrate.rewrite import plan, replace

if TYPE_CHECKING:
    from pathlib import Path

    from controller.calibrate.dialogue import Guide
    from controller.calibrate.session import Outcome

WRITTEN: Final = 0
NOT_WRITTEN: Final = 1


def finish(outcome: Outcome, config: Path, picture: Path, guide: Guide, *, dry_run: bool) -> int:
    """Show what was measured and write it when that is wanted; returns the exit status.

    Raises `ConfigError` when the file can't take it; it is then as it was.
    """
    for line in outcome.lines:
        guide.say(line)
    if outcome.image is not None:
        save(picture, outcome.image)
        guide.say(f"drawn: {picture}")
    rewrite = plan(config, outcome.changes)
    if not rewrite.difference:
        guide.say(f"{config}: says so already; nothing to write")
        return WRITTEN
    guide.say(rewrite.difference)
    if outcome.caution is not None:
        guide.say(outcome.caution)
    if dry_run:
        guide.say("dry run: nothing is written")
        return WRITTEN
    if not guide.confirm(CONFIRM):
        guide.say(f"{config}: nothing is written")
        return NOT_WRITTEN
    backup = replace(rewrite)
    guide.say(f"{config}: written; what it said before is in {backup.name}")
    return WRITTEN
