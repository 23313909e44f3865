"""`/documents`: what gates fetch: sealed, and named by its hash, so that half of it can be fetched later."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from fastapi.responses import FileResponse
from fastapi.security import HTTPBasic, HTTPBasicCredentials

from campus.api import problems
from campus.api.auth import Data, HandedOut
from campus.api.people import Everybody
from campus.api.problems import Problem
from campus.gates import keys as gate_keys

router = APIRouter(prefix="/documents", tags=["documents"])

_basic = HTTPBasic(auto_error=False, description="A gate's name, and what it makes of its content key.")


@router.get("/{sha256}", responses=problems.responses(404), response_class=FileResponse)
async def read_document(
    database: Data,
    people: Everybody,
    handed_out: HandedOut,
    sha256: Annotated[str, Path(pattern="^[0-9a-f]{64}$", max_length=64)],
    who: Annotated[HTTPBasicCredentials | None, Depends(_basic)],
) -> FileResponse:
    """A sealed document, or the part of it that `Range` names. For gates that are given people."""
    known = False
    if who is not None:
        async with database.transaction() as query:
            known = await gate_keys.may_fetch(query, people, who.username, who.password, now=time.time())
    if not known:
        raise Problem(401, "no gate that is given people, or it does not know the key in force", _ASK)
    path = None if handed_out is None else handed_out.folder / sha256
    if path is None or not path.is_file():
        raise Problem(404, "there is no such document (any more)")
    headers = {"Cache-Control": "private, max-age=31536000, immutable"}
    return FileResponse(path, media_type="application/octet-stream", headers=headers)


_ASK = {"WWW-Authenticate": "Basic"}
