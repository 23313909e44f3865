from typing import TypeAlias

__all__ = ["lock_memory", "play_lines", "play_ports"]

_Pulses: TypeAlias = list[tuple[int, int, int, int]]

def play_lines(
    request: int, bits: tuple[int, int], order: bytes, *, width: int, spacing: int, longest: int
) -> _Pulses: ...
def play_ports(first: int, second: int, order: bytes, *, mark: int, width: int, spacing: int) -> _Pulses: ...
def lock_memory() -> None: ...
