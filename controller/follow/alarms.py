"""What a restart remembers of alarms: those that nobody has acknowledged."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from controller.errors import StoreError
from controller.observe.log import get_logger
from controller.record.alarms import standing_alarms

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from pathlib import Path

log = get_logger("alarms")


async def alarms_of_before(path: Path, reader: Executor) -> tuple[str, ...]:
    """Their reasons, as the journal at `path` has them; none where it cannot be read. `reader`: runs what blocks."""
    try:
        found = await asyncio.get_running_loop().run_in_executor(reader, standing_alarms, path)
    except StoreError as error:
        log.warning("the alarms of before are not known", error=str(error))
        return ()
    if found:
        log.warning("alarms that nobody has acknowledged", alarms=list(found))
    return found
