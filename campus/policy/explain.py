"""Why somebody may pass, or not: the gates' own decision, asked with what the hub knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from campus.errors import HubConfigError
from campus.policy import versions as policies
from campus.policy.muster import board_of, passages
from controller.lane.access.decision import Question, decide
from controller.lane.access.policy import Policy
from controller.lane.access.times import Moment, local, unix_of
from controller.lane.access.whereabouts import Whereabouts

if TYPE_CHECKING:
    import datetime as dt

    from sqlalchemy.ext.asyncio import AsyncConnection

    from campus.people.records import People
    from controller.lane.access.decision import Decision
    from controller.lane.model import Direction


async def explain(
    query: AsyncConnection,
    people: People,
    *,
    person: str,
    point: str,
    direction: Direction,
    when: dt.datetime | None,
    now: float,
) -> Decision:
    """Whether `person` may pass; `when`: by the policy's time zone, None: now.

    Who passed where and when is as the gates have told until now. Raises `HubConfigError` where there is no policy or
    no such point.
    """
    document = await policies.read(query)
    if document is None:
        raise HubConfigError("there is no access policy yet")
    if point not in document.points:
        raise HubConfigError(f"point: there is none of the name {point!r} ({', '.join(sorted(document.points))})")
    policy = Policy(document)
    moment = Moment(now if when is None else unix_of(when, policy.zone), known=True)
    whereabouts, openers = Whereabouts(await board_of(query, point)), {}
    today = local(moment.unix, policy.zone).date()
    async for one in passages(query, policy, now=now):
        whereabouts.passed(one.person, one.begin, one.end, one.time)
        entered = one.end == document.points[one.point].to
        if one.person is not None and one.point == point and entered and local(one.time, policy.zone).date() == today:
            openers[one.person] = one.time
    visit = document.visitors.get(person)
    asked = {person, *openers, *(() if visit is None else (visit.host,))}
    known = {one.id: one for one in await people.some(query, sorted(asked)) if one.active}
    for opener, at in openers.items():
        if opener in known:
            whereabouts.came_first(point, known[opener].groups, at)
    return decide(
        Question(
            policy=policy,
            point=point,
            direction=direction,
            person=person,
            find=known.get,
            moment=moment,
            now=moment.unix,
            whereabouts=whereabouts,
        )
    )
