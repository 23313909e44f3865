"""Speaks the lane's prompts: the newest wins, none is repeated at once, and the lane never waits for a word."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from controller.lane.effects import Prompt
from controller.observe.log import get_logger
from controller.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from controller.watch import Step
    from hw.clock import Clock
    from hw.output_ports import Speaker

URGENT: Final = frozenset({Prompt.EMERGENCY, Prompt.ALARM})
"""Spoken in quiet hours too."""
EMERGENCY_EVERY: Final = 10.0
"""Seconds between two announcements of an emergency, for as long as it stands."""

log = get_logger("indicators")


class Announcer:
    """Decides what is said.

    Args:
        spoken: prompts that have a sound.
        repeat: seconds in which the same prompt is not said again.
    """

    def __init__(self, spoken: frozenset[Prompt], repeat: float) -> None:
        self._spoken = spoken
        self._repeat = repeat
        self._shown: Prompt | None = None
        self._said: dict[Prompt, float] = {}

    def shown(self, prompt: Prompt, now: float, *, quiet: bool) -> Prompt | None:
        """What to say as the sign turns to `prompt`."""
        self._shown = prompt
        return self._say(prompt, now, self._repeat, quiet=quiet)

    def tick(self, now: float) -> Prompt | None:
        """What to say again although the sign has not changed: an emergency alone."""
        if self._shown is not Prompt.EMERGENCY:
            return None
        return self._say(Prompt.EMERGENCY, now, EMERGENCY_EVERY, quiet=False)

    def _say(self, prompt: Prompt, now: float, repeat: float, *, quiet: bool) -> Prompt | None:
        last = self._said.get(prompt)
        if prompt not in self._spoken or (quiet and prompt not in URGENT) or (last is not None and now - last < repeat):
            return None
        self._said[prompt] = now
        return prompt


class Speech(Watch):
    """Watches the sign and speaks; also a service of the app, which repeats an emergency.

    Args:
        speaker: not yet open.
        sounds: a WAV file for each prompt that is spoken.
        sign: what the lane shows at present.
        repeat: seconds in which the same prompt is not said again.
        quiet: whether only alarms and emergencies are spoken now.
        clock: the board's.
    """

    def __init__(
        self,
        speaker: Speaker,
        sounds: Mapping[Prompt, bytes],
        *,
        sign: Callable[[], Prompt],
        repeat: float,
        quiet: Callable[[], bool],
        clock: Clock,
    ) -> None:
        self._speaker = speaker
        self._sounds = sounds
        self._announcer = Announcer(frozenset(sounds), repeat)
        self._sign = sign
        self._last: Prompt | None = None
        self._quiet = quiet
        self._clock = clock

    def on_step(self, step: Step) -> None:
        """Say what the sign has turned to. What it shows was performed, whatever became of the step's records."""
        del step
        prompt = self._sign()
        if prompt is not self._last:
            self._last = prompt
            self._play(self._announcer.shown(prompt, self._clock.monotonic(), quiet=self._quiet()))

    async def run(self) -> None:
        """Start the speaker; announce an emergency for as long as it stands."""
        self._speaker.open(_told)
        while True:
            await asyncio.sleep(1.0)
            self._play(self._announcer.tick(self._clock.monotonic()))

    def close(self) -> None:
        """Silence. Blocks for a moment: not before the gate is closed."""
        self._speaker.close()

    def _play(self, prompt: Prompt | None) -> None:
        if prompt is not None:
            self._speaker.play(self._sounds[prompt])


def _told(trouble: str | None) -> None:
    if trouble is None:
        log.info("speaker works again")
    else:
        log.warning("speaker does not play; the lane goes on without words", error=trouble)
