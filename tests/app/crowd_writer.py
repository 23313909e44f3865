"""Saves a crowd's state over and over, each time of one more person, and says how many; until it is killed.

python crowd_writer.py FILE
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from controller.footing_state import CrowdFile
from controller.perception.crowd import CrowdBaseline, Passer


def main(path: Path) -> None:
    file, baseline = CrowdFile(path), CrowdBaseline()
    for number in range(1_000_000):
        baseline.observe(Passer(float(number), 24.0, 12.0, 0.2, flagged=False))
        file.save(baseline.state)
        os.write(1, f"{number + 1}\n".encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
