"""Run the checks under systemd: `python -m image.proof.inside.managed unit hub`."""

from __future__ import annotations

import sys

from image.proof.inside.check import try_all
from image.proof.inside.units import GROUPS

if __name__ == "__main__":
    for name in sys.argv[1:]:
        try_all(GROUPS[name])
