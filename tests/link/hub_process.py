"""The hub's intake as a process that kills itself between a COMMIT and its acknowledgement.

python hub_process.py DATABASE PORT NUMBER
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from campus.broker import Broker
from campus.database import Database
from campus.intake.ingest import Commit, Ingest
from campus.intake.store import HubStore


async def main(address: str, port: int, number: int) -> None:
    left = number

    def committed(commit: Commit) -> None:
        nonlocal left
        left -= len(commit.batch)
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    async with Database(address, "school") as database:
        await Ingest("school", Broker("127.0.0.1", port), HubStore(database), on_commit=[committed]).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
