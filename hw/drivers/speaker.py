"""A loudspeaker that says one thing at a time: a newer sound ends the one that plays. A thread of its own does this.

Whatever the sound card does, nobody waits for it; a card that is missing or hangs is told once, and tried again with
each sound.
"""

from __future__ import annotations

import logging
import math
import threading
from typing import TYPE_CHECKING, Final

from hw.errors import DeviceError, DeviceTimeout

if TYPE_CHECKING:
    from collections.abc import Callable

    from hw.bus import Playing, SoundPlayer
    from hw.clock import Clock

LOOK_EVERY: Final = 0.05
"""Seconds between two looks whether a sound is over."""
LONGEST: Final = 30.0
"""Seconds after which a sound that is not over hangs in the sound card's driver."""

_log = logging.getLogger(__name__)


class SpeakerDriver:
    """`hw.output_ports.Speaker` on a player.

    Args:
        player: the sound card.
        clock: whose time a hanging card is found by.
    """

    def __init__(self, player: SoundPlayer, clock: Clock) -> None:
        self._player = player
        self._clock = clock
        self._wake = threading.Event()
        self._next: bytes | None = None
        self._open = False
        self._thread: threading.Thread | None = None
        self._on_state: Callable[[str | None], None] = lambda _text: None
        self._trouble: str | None = None

    def open(self, on_state: Callable[[str | None], None]) -> None:
        """Start the thread. `on_state` is told of each change: what is wrong, or None."""
        self._on_state = on_state
        self._open = True
        self._thread = self._clock.spawn(self._work, "speaker")

    def play(self, sound: bytes) -> None:
        """Begin `sound`, a WAV file, in place of what sounds."""
        self._next = sound
        self._wake.set()

    def close(self) -> None:
        """Silence, and end the thread."""
        self._open = False
        self._wake.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()

    def _work(self) -> None:
        playing: Playing | None = None
        begun = 0.0
        while True:
            self._clock.wait(self._wake, math.inf if playing is None else LOOK_EVERY)
            self._wake.clear()
            sound, self._next = self._next, None
            if playing is not None and (sound is not None or not self._open):
                playing.stop()
                playing = None
            if not self._open:
                return
            try:
                if sound is not None:
                    playing, begun = self._player.start(sound), self._clock.monotonic()
                elif playing is not None and self._over(playing, begun):
                    playing = None
                    self._tell(None)
            except DeviceError as error:
                playing = None
                self._tell(f"{self._player.name}: {error}")

    def _over(self, playing: Playing, begun: float) -> bool:
        if playing.ended():
            return True
        if self._clock.monotonic() - begun < LONGEST:
            return False
        playing.stop()
        raise DeviceTimeout(f"a sound did not end within {LONGEST:g} s; the sound card hangs")

    def _tell(self, trouble: str | None) -> None:
        """Say what is wrong once, however many sounds fail by it."""
        if (trouble is None) == (self._trouble is None):
            return
        self._trouble = trouble
        try:
            self._on_state(trouble)
        except Exception:  # noqa: BLE001 - this thread must outlive whoever listens
            _log.exception("the speaker's state could not be told")
