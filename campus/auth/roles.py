"""Who may do what at the hub."""

from __future__ import annotations

import enum
from typing import NamedTuple


class Permission(enum.StrEnum):
    """What an endpoint asks for."""

    GATES_READ = "gates:read"
    EVENTS_READ = "events:read"
    """Who passed where, and when."""
    CHANGES_READ = "changes:read"
    """The change feed: passages and alerts."""
    PEOPLE_READ = "people:read"
    PEOPLE_WRITE = "people:write"
    PEOPLE_OVERRULE = "people:overrule"
    """To say that two people whose faces are as one are two."""
    POLICY_READ = "policy:read"
    POLICY_WRITE = "policy:write"
    HEALTH_READ = "health:read"
    """Temperatures of persons and what became of them: the doctor's."""
    HEALTH_WRITE = "health:write"
    ORDERS = "orders"
    """Orders to gates."""
    AUDIT_READ = "audit:read"
    PROVISION = "provision"
    """To push people and groups by SCIM, and to see those that were."""
    ADMINISTER = "administer"
    """Tokens, webhooks, gates' keys."""


class Role(enum.StrEnum):
    """What a token is for. None includes another: a technician who administers does not read health."""

    GUARD = "guard"
    DOCTOR = "doctor"
    ENROLMENT = "enrolment"
    ADMIN = "admin"
    AUDITOR = "auditor"
    READER = "reader"
    """A program of the school's that follows passages and alerts."""
    PROVISIONING = "provisioning"
    """An identity provider that pushes people by SCIM."""


P = Permission
PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.GUARD: frozenset({P.GATES_READ, P.EVENTS_READ, P.CHANGES_READ, P.POLICY_READ, P.ORDERS}),
    Role.DOCTOR: frozenset({P.GATES_READ, P.EVENTS_READ, P.CHANGES_READ, P.PEOPLE_READ, P.HEALTH_READ, P.HEALTH_WRITE}),
    Role.ENROLMENT: frozenset({P.GATES_READ, P.PEOPLE_READ, P.PEOPLE_WRITE, P.POLICY_READ}),
    Role.ADMIN: frozenset(
        {
            P.GATES_READ,
            P.EVENTS_READ,
            P.CHANGES_READ,
            P.PEOPLE_READ,
            P.PEOPLE_OVERRULE,
            P.POLICY_READ,
            P.POLICY_WRITE,
            P.ORDERS,
            P.ADMINISTER,
        }
    ),
    Role.AUDITOR: frozenset({P.GATES_READ, P.EVENTS_READ, P.CHANGES_READ, P.POLICY_READ, P.AUDIT_READ}),
    Role.READER: frozenset({P.GATES_READ, P.CHANGES_READ}),
    Role.PROVISIONING: frozenset({P.PROVISION}),
}


class Actor(NamedTuple):
    """Who asks."""

    name: str
    role: Role

    def may(self, permission: Permission) -> bool:
        """Whether the actor's role has it."""
        return permission in PERMISSIONS[self.role]
