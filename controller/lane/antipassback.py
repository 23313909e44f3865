"""Anti-passback: one entry per person within a time. Reserved at the grant, committed at the passage, else released.

One object may serve all lanes of a bank, so that a grant at one lane is a reservation at all of them.
"""

from __future__ import annotations


class AntiPassback:
    """Remembers who entered lately and who is about to.

    Args:
        seconds: time in which the same person may not enter again; 0 switches it off.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._reserved: dict[str, str] = {}
        self._entered: dict[str, float] = {}

    def blocks(self, person: str, now: float) -> bool:
        """Whether `person` may not enter at `now` (monotonic seconds)."""
        if self._seconds <= 0:
            return False
        entered = self._entered.get(person)
        return person in self._reserved or (entered is not None and now - entered < self._seconds)

    def reserve(self, person: str, grant_id: str) -> None:
        """Note that `person` holds a grant."""
        self._reserved[person] = grant_id

    def commit(self, person: str, grant_id: str, now: float) -> None:
        """Note that `person` used that grant at `now`."""
        self.release(person, grant_id)
        # Reinserted at the end: the dict stays in order of time, and what has run out is at its front.
        self._entered.pop(person, None)
        self._entered[person] = now
        self._forget(now)

    def release(self, person: str, grant_id: str) -> None:
        """Note that `person` did not use that grant. Another grant's reservation stands."""
        if self._reserved.get(person) == grant_id:
            del self._reserved[person]

    def _forget(self, now: float) -> None:
        while self._entered:
            person, entered = next(iter(self._entered.items()))
            if now - entered < self._seconds:
                return
            del self._entered[person]

    def __len__(self) -> int:
        """People it remembers."""
        return len(self._reserved.keys() | self._entered.keys())
