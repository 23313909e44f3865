"""Everybody's templates of one model in memory, as the database has them: to see whether a face is here already.

What changed is told by numbers that only grow (`faces_changed`), so it does not matter which of several hub processes
changed it, or whether a command did.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa
import structlog

from campus.people.records import CHUNK
from campus.people.tables import person
from controller.gallery.index import GalleryIndex
from controller.gallery.model import Person
from controller.perception.thresholds import FALSE_ACCEPT, rule, shipped

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sqlalchemy.ext.asyncio import AsyncConnection

    from campus.database import Database
    from campus.people.records import People
    from controller.perception.types import FaceEngine

log = structlog.stdlib.get_logger("photographs")


class _News(NamedTuple):
    """Of somebody whose templates changed."""

    who: str
    embeddings: list[NDArray[np.float32]]
    """Those of this model; none: not to be found any more."""


class Faces:
    """The templates of `engine`'s model.

    Args:
        people: whose they are.
        engine: whose templates compare.
    """

    def __init__(self, people: People, engine: FaceEngine) -> None:
        measured = rule(shipped(), engine.name, engine.template_model, FALSE_ACCEPT)
        threshold = engine.threshold if measured is None else measured.at
        self.index = GalleryIndex(engine.dim, engine.template_model, threshold=threshold, margin=engine.margin)
        """To search in."""
        self._people = people
        self._seen = (-1, "")
        """Number and id of the last change that was taken over."""

    async def catch_up(self, database: Database) -> None:
        """Take over what changed, in short transactions: nobody waits for it. Raises `HubStoreError`."""
        while True:
            async with database.transaction() as query:
                rows, news = await self._read(query)
            await asyncio.to_thread(self._take, news)
            self._note(rows)
            if len(rows) < CHUNK:
                return

    async def refresh(self, query: AsyncConnection) -> None:
        """Take over the rest within a transaction that nobody else's can overtake, before it writes by itself."""
        while True:
            rows, news = await self._read(query)
            self._take(news)
            self._note(rows)
            if len(rows) < CHUNK:
                return

    async def _read(self, query: AsyncConnection) -> tuple[list[Any], list[_News]]:
        place = sa.tuple_(person.c.faces_changed, person.c.id)
        wanted = sa.select(person.c.id, person.c.faces_changed).where(place > self._seen)
        ordered = wanted.order_by(person.c.faces_changed, person.c.id).limit(CHUNK)
        rows = list((await query.execute(ordered)).all())
        found = await self._people.templates(query, [row.id for row in rows])
        return rows, [_News(who, self._fitting(who, templates)) for who, templates in found.items()]

    def _fitting(self, who: str, templates: list[Any]) -> list[NDArray[np.float32]]:
        mine = [one.embedding for one in templates if one.model == self.index.template_model]
        fitting = [embedding for embedding in mine if embedding.shape == (self.index.dim,)]
        if len(fitting) < len(mine):
            log.warning("templates are not of their model's length", person=who, count=len(mine) - len(fitting))
        return fitting

    def _take(self, news: list[_News]) -> None:
        for who, embeddings in news:
            if embeddings:
                self.index.add(Person(who), embeddings)
            elif who in self.index:
                self.index.remove(who)

    def _note(self, rows: list[Any]) -> None:
        if rows:
            self._seen = (rows[-1].faces_changed, rows[-1].id)
