"""A copy of the gallery for another gate: encrypted with a key of its own, and never a template without its consent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.errors import GalleryError
from controller.gallery.consent import refusal
from controller.gallery.store import DATABASE, GalleryStore

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from controller.gallery.audit import AuditLog
    from controller.gallery.model import Enrolment

NAMED = 20


def export(
    gallery: GalleryStore, target: Path, *, today: dt.date, scope: str, audit: AuditLog, leave_out: bool = False
) -> tuple[int, list[str]]:
    """Copy everybody into a new gallery in the folder `target`; how many went, and why each other did not.

    Their consent records go with them; cards, photographs, and who is known without a face stay. Unless `leave_out`,
    one person without a record that holds today keeps everybody here. Raises `GalleryError` that names them, or a
    target that has a gallery already.
    """
    leaving, staying = permitted(gallery.enrolments(), today=today, scope=scope)
    if staying and not leave_out:
        more = f"\nand {len(staying) - NAMED} more" if len(staying) > NAMED else ""
        raise GalleryError("nothing was exported:\n" + "\n".join(staying[:NAMED]) + more)
    if (target / DATABASE).exists():
        raise GalleryError(f"{target / DATABASE}: there is a gallery already; export into an empty folder")
    for enrolment in leaving:
        audit.append("exported", who=enrolment.person.person, counts={"templates": len(enrolment.templates)})
    with GalleryStore.open(target, create=True) as copy:
        copy.write(leaving)
    return len(leaving), staying


def permitted(enrolments: list[Enrolment], *, today: dt.date, scope: str) -> tuple[list[Enrolment], list[str]]:
    """Those whose templates may leave, and `id: reason` of all others."""
    # Who is known without a face has no template that could leave.
    faces = [one for one in enrolments if not one.person.no_face]
    reasons = {one.person.person: refusal(one.origin.consent, today, scope) for one in faces}
    leaving = [one for one in faces if not reasons[one.person.person]]
    return leaving, [f"{person}: {reason}" for person, reason in reasons.items() if reason]
