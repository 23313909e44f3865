"""Who may ask what: every operation by every role, written down here apart from the code that decides.

That the hub answers so is `test_openapi`'s business; this says whether it should. A new operation is to be added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from campus.api.app import PREFIX, make_app
from campus.auth.roles import PERMISSIONS, Permission, Role
from campus.database import Database

if TYPE_CHECKING:
    from pathlib import Path

MAY = """
GET    /audit                            auditor
GET    /changes                          guard doctor admin auditor reader
GET    /documents/{sha256}               -
GET    /events                           guard doctor admin auditor
GET    /gates                            guard doctor enrolment admin auditor reader
GET    /gates/{gate}                     guard doctor enrolment admin auditor reader
GET    /gates/{gate}/gaps                guard doctor enrolment admin auditor reader
POST   /gates/{gate}/orders              guard admin
GET    /muster                           guard doctor admin auditor
GET    /muster.html                      guard doctor admin auditor
GET    /occupancy                        guard doctor admin auditor
GET    /people                           doctor enrolment admin
GET    /people/{who}                     doctor enrolment admin
PUT    /people/{who}                     enrolment
DELETE /people/{who}                     enrolment
DELETE /people/{who}/consent             enrolment
GET    /people/{who}/lookalikes          doctor enrolment admin
PUT    /people/{who}/lookalikes/{other}  admin
DELETE /people/{who}/lookalikes/{other}  admin
POST   /people/{who}/photographs         enrolment
PUT    /people/{who}/photographs         enrolment
PUT    /people/{who}/templates           enrolment
GET    /policy                           guard enrolment admin auditor
PATCH  /policy                           admin
GET    /policy/explain                   guard enrolment admin auditor
GET    /policy/{section}                 guard enrolment admin auditor
GET    /tickets                          doctor
GET    /tickets/{number}                 doctor
POST   /tickets/{number}/close           doctor
POST   /tickets/{number}/measurements    doctor
POST   /tickets/{number}/reopen          doctor
GET    /tokens                           admin
POST   /tokens                           admin
DELETE /tokens/{identifier}              admin
GET    /visitors                         guard enrolment admin auditor
PUT    /visitors/{person}                enrolment
DELETE /visitors/{person}                enrolment
GET    /webhooks                         admin
POST   /webhooks                         admin
DELETE /webhooks/{identifier}            admin
POST   /webhooks/{identifier}/enable     admin
"""
"""`-`: a gate, by what it makes of its content key."""


def test_each_operation_is_for_these_roles_and_no_others(tmp_path: Path) -> None:
    document = make_app(Database(str(tmp_path / "hub.sqlite3"), "school")).openapi()
    found = {}
    for path, methods in document["paths"].items():
        if not path.startswith(PREFIX):
            assert path in {"/health", "/ready"}
            continue
        for method, operation in methods.items():
            needs = [(scheme, scopes) for need in operation.get("security", ()) for scheme, scopes in need.items()]
            assert len(needs) == 1, (method, path)
            (scheme, scopes) = needs[0]
            roles = [role.value for role in Role if {Permission(one) for one in scopes} <= PERMISSIONS[role]]
            found[method.upper(), path.removeprefix(PREFIX)] = ["-"] if scheme == "HTTPBasic" else roles
    lines = (line.split() for line in MAY.strip().splitlines())
    wanted = {(method, path): sorted(roles) for method, path, *roles in lines}
    assert {place: sorted(roles) for place, roles in found.items()} == wanted
