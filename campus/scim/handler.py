"""Serves SCIM by scim2-server, but for members who join or leave a group: those go past the group's other members.

A provider puts a school into a group some at a time. To read all members, change one and write all would take as long
as the square of their number; at 20,000 it would be seconds of a processor for each.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from scim2_models import PatchOperation
from scim2_server.handler import AsyncScimHandler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scim2_models import PatchOp, Resource, ResourceType
    from scim2_server.conditions import Conditions
    from scim2_server.service import ScimService

    from campus.scim.storage import Storage

_ONE = re.compile(r'members\[value eq "(?P<who>[^"\\]+)"\]', re.IGNORECASE)


class Membership(NamedTuple):
    """People who join or leave a group."""

    do: Literal["join", "leave"]
    people: frozenset[str]


class Handler(AsyncScimHandler):
    """One request's.

    Args:
        service: the protocol.
        storage: the hub's people, for this request.
        shown: whether the answer to a change has the resource; else members need not be read.
    """

    def __init__(self, service: ScimService, storage: Storage, *, shown: bool) -> None:
        super().__init__(service, storage)
        self._people = storage
        self._shown = shown

    async def patch_resource(
        self, resource_type: ResourceType, resource_id: str, patch_op: PatchOp[Any], conditions: Conditions
    ) -> Resource[Any]:
        """Change somebody or a group."""
        steps = None if self._shown or resource_type.name != "Group" else memberships(patch_op.operations or ())
        if steps is None:
            return await super().patch_resource(resource_type, resource_id, patch_op, conditions)
        current = await self._people.bare_group(resource_id)
        self.service.check_preconditions(current, "PATCH", conditions)
        return await self._people.change_members(resource_id, steps)


def memberships(operations: Sequence[PatchOperation[Any]]) -> list[Membership] | None:
    """Operations that let people join or leave, and do nothing else; None: they do."""
    steps = []
    for one in operations:
        path = "" if one.path is None else str(one.path)
        found = _ONE.fullmatch(path)
        if found is not None and one.op is PatchOperation.Op.remove and one.value is None:
            steps.append(Membership("leave", frozenset({found["who"]})))
            continue
        people = _people(one.value)
        if path.casefold() != "members" or people is None or one.op is PatchOperation.Op.replace_:
            return None
        steps.append(Membership("join" if one.op is PatchOperation.Op.add else "leave", people))
    return steps


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and value != "" and value.isprintable()


def _people(value: Any) -> frozenset[str] | None:
    """Ids of members as an operation's value has them; None where it is none of the common forms."""
    members = value if isinstance(value, list) else [value]
    ids = [str(one["value"]) for one in members if isinstance(one, dict) and _is_id(one.get("value"))]
    return frozenset(ids) if ids and len(ids) == len(members) else None
