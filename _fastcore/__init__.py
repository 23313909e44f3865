"""Kernels in C behind Cython: thermal-frame calibration and exact embedding search; and pulses that need the processor.

Each kernel is built for the architecture's baseline and for the instruction sets worth having; the fastest that the
processor has is taken at import. Every path gives the same bits. `THERMOGATE_ISA=baseline` forces the baseline.
"""

from __future__ import annotations

import os

__all__ = ["available_backends", "backend", "requested_backend", "select_backend"]

BASELINE = "c-generic"


def available_backends() -> tuple[str, ...]:
    """Names of the kernel paths that this build and processor have, the baseline first, the fastest last."""
    from _fastcore import thermal  # noqa: PLC0415 - the oracle must import where no extension is built

    return thermal.available_backends()


def backend() -> str:
    """The kernel path in use, such as "c-generic" or "c-avx2"."""
    from _fastcore import thermal  # noqa: PLC0415 - as above

    return thermal.backend()


def select_backend(name: str) -> None:
    """Take another path from now on, in both kernels: for tests and benchmarks. Raises ValueError for no such one."""
    from _fastcore import match, thermal  # noqa: PLC0415 - as above

    thermal.select_backend(name)
    match.select_backend(name)


def requested_backend(available: tuple[str, ...]) -> str:
    """The path that the environment asks for: the fastest when THERMOGATE_ISA is unset, else "baseline" or a name.

    Raises ValueError when it asks for one that is not among `available`.
    """
    wanted = os.environ.get("THERMOGATE_ISA", "")
    if not wanted:
        return available[-1]
    name = BASELINE if wanted == "baseline" else wanted
    if name not in available:
        raise ValueError(f"THERMOGATE_ISA={wanted}: there are baseline, {', '.join(available)} here")
    return name
