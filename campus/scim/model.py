"""What the hub keeps of SCIM's users and groups, and so announces: names, ids, groups; no addresses, no pictures.

The rest of what a provider sends is ignored, as are its deviations that scim2-models knows: Microsoft Entra ID sends
`"False"` for false, and the members to remove as a value.
"""

from typing import Annotated, Any

from pydantic import Field
from scim2_models import (
    AuthenticationScheme,
    Bulk,
    CaseExact,
    ChangePassword,
    ComplexAttribute,
    ETag,
    Extension,
    Filter,
    Mutability,
    Patch,
    Reference,
    Required,
    Resource,
    ResourceType,
    Returned,
    ScimPolicy,
    ScimProvider,
    ServiceProviderConfig,
    Sort,
    Uniqueness,
)
from scim2_models.resources.resource import AnyExtension
from scim2_models.urn import URN

MOST_RESULTS = 500
"""Of one page."""


class Name(ComplexAttribute):
    """The parts of a name."""

    formatted: str | None = None
    family_name: str | None = None
    given_name: str | None = None


class GroupOfUser(ComplexAttribute):
    """A group that somebody is in."""

    value: Annotated[str | None, Mutability.read_only, CaseExact.true] = None
    ref: Annotated[Reference["Group"] | None, Mutability.read_only] = Field(
        default=None, serialization_alias="$ref", validation_alias="$ref"
    )
    display: Annotated[str | None, Mutability.read_only] = None


class EnterpriseUser(Extension):
    """What the hub can use of the enterprise extension."""

    __schema__ = URN("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User")

    employee_number: str | None = None
    department: str | None = None


class GateUser(Extension):
    """What a gate wants to know and SCIM has no attribute for."""

    __schema__ = URN("urn:ietf:params:scim:schemas:extension:thermogate:2.0:User")

    kind: str | None = Field(default=None, examples=["student", "staff", "visitor"])
    cards: Annotated[list[str] | None, Returned.never, CaseExact.true] = None
    """Numbers of cards, which open gates: they are taken and never shown."""
    valid_from: str | None = None
    """First day: a date, or a date and time, of which the day in the hub's time zone counts."""
    valid_until: str | None = None
    """Last day."""


class User(Resource[AnyExtension]):
    """Somebody."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:User")

    user_name: Annotated[str | None, Required.true, Uniqueness.server] = None
    name: Name | None = None
    display_name: str | None = None
    user_type: str | None = None
    active: bool | None = None
    groups: Annotated[list[GroupOfUser] | None, Mutability.read_only] = None


class Member(ComplexAttribute):
    """Somebody who is in a group."""

    value: Annotated[str | None, Mutability.immutable, CaseExact.true] = None
    ref: Annotated[Reference["User"] | None, Mutability.immutable] = Field(  # type: ignore[type-arg]
        default=None, serialization_alias="$ref", validation_alias="$ref"
    )


class Group(Resource[Any]):
    """People who may pass where and when the access policy says."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:Group")

    display_name: Annotated[str | None, Required.true] = None
    members: list[Member] | None = None


FullUser = User[EnterpriseUser | GateUser]
"""With both extensions."""

PROVIDER = ScimProvider(
    models=[User, EnterpriseUser, GateUser, Group],
    resource_types=[ResourceType.from_resource(FullUser), ResourceType.from_resource(Group)],
    config=ServiceProviderConfig(
        patch=Patch(supported=True),
        bulk=Bulk(supported=False, max_operations=0, max_payload_size=0),
        filter=Filter(supported=True, max_results=MOST_RESULTS),
        change_password=ChangePassword(supported=False),
        sort=Sort(supported=False),
        etag=ETag(supported=True),
        authentication_schemes=[
            AuthenticationScheme(
                type=AuthenticationScheme.Type.oauthbearertoken,
                name="Bearer token",
                description="A token of `thermogate-hub token issue ... --role provisioning`.",
                primary=True,
            )
        ],
    ),
    policy=ScimPolicy(
        unknown=ScimPolicy.Unknown.ignore,
        remove_value_as_filter=ScimPolicy.RemoveValue.apply,
        unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
    ),
)
