"""`[people.scim]` of hub.toml: what a push means here."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

IdAttribute = Literal["externalId", "userName", "employeeNumber"]
Group = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
LONGEST_GROUP = 64


class ScimSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[people.scim]`; where it is missing nothing is answered below `/scim/v2`."""

    id: IdAttribute = "externalId"
    """What becomes the person's id when somebody is first pushed. It stays, also when the attribute changes."""
    kinds: dict[str, Literal["student", "staff", "visitor"]] = {}
    """What a `userType` means, beside `student`, `staff` and `visitor` themselves; capitals do not matter."""
    groups: dict[str, Group] = {}
    """The access policy's name of a pushed group; others are called as they are pushed, spaces becoming dashes."""
    department_is_group: bool = False
    """The department is a group too, for a provider that pushes no groups."""
    removals: Annotated[int, msgspec.Meta(ge=0)] = 10
    """So many people may be shut out within the window, however few there are."""
    removal_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.05
    """Or this part of all that were pushed, if that is more; 1: nothing is held up."""
    removal_window: Annotated[float, msgspec.Meta(ge=60, le=604_800)] = 3600.0
    """Seconds."""


def group_name(names: dict[str, str], text: str) -> str:
    """What the access policy calls a group of this name."""
    return names.get(text) or "-".join(text.split())
