"""Consent records: read from a table, and judged. Without one that holds today, no template is made and none leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.errors import GalleryError
from controller.gallery.model import Consent, check_person_id
from controller.gallery.table import Mistakes, read_table

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from controller.gallery.table import Row

CONSENT = "consent"
COLUMNS = ("consent_date", "consent_by", "consent_scope", "consent_expires")
NO_RECORD = "no consent record (consent columns, --consent-file, or --legal-basis)"
LONGEST = 200
"""Characters of a field or of a legal basis."""


def consent_of(row: Row, mistakes: Mistakes) -> Consent | None:
    """The record in a row's consent columns; None where all are empty. What is wrong is noted in `mistakes`."""
    if not any(row.get(column) for column in COLUMNS):
        return None
    before = len(mistakes.found)
    given, expires = row.day("consent_date", mistakes), row.day("consent_expires", mistakes)
    for column in COLUMNS[:3]:
        if not row.get(column):
            mistakes.add(row.line, column, "is empty, in a row that records a consent")
        elif len(row.get(column)) > LONGEST or not row.get(column).isprintable():
            mistakes.add(row.line, column, f"is not up to {LONGEST} printable characters")
    if given is None or len(mistakes.found) > before:
        return None
    return Consent(CONSENT, given, row.get("consent_by"), row.get("consent_scope"), expires)


def read_consents(path: Path) -> dict[str, Consent]:
    """A CSV file with person_id and the consent columns. Raises `GalleryError` naming every wrong row and column."""
    table = read_table(path)
    mistakes = Mistakes(path)
    for column in ("person_id", *COLUMNS[:3]):
        if column not in table.columns:
            mistakes.add(1, column, "column is missing")
    mistakes.raise_any()
    found: dict[str, Consent] = {}
    lines: dict[str, int] = {}
    for row in table.rows:
        person = row.get("person_id")
        try:
            check_person_id(person)
        except GalleryError as error:
            mistakes.add(row.line, "person_id", str(error))
            continue
        if person in lines:
            mistakes.add(row.line, "person_id", f"{person} stands in row {lines[person]} as well")
        lines[person] = row.line
        consent = consent_of(row, mistakes)
        if consent is not None:
            found[person] = consent
    mistakes.raise_any()
    return found


def legal_basis(text: str, today: dt.date) -> Consent:
    """A basis other than consent, in the school's words. Raises `GalleryError` for no words, or too many."""
    words = " ".join(text.split())
    if not words or len(words) > LONGEST or not words.isprintable() or words == CONSENT:
        raise GalleryError(f"a legal basis is stated in 1 to {LONGEST} characters, such as the law and its paragraph")
    return Consent(words, today)


def refusal(consent: Consent | None, today: dt.date, scope: str) -> str:
    """Why no template may be made, or leave, under this record today; empty when it may."""
    if consent is None:
        return NO_RECORD
    if consent.date > today:
        return f"the consent is dated {consent.date}, which is to come"
    if consent.expires is not None and consent.expires < today:
        return f"the consent ended on {consent.expires}"
    if consent.basis == CONSENT and scope not in consent.scope.split():
        return f"the consent's scope {consent.scope!r} does not contain {scope!r}"
    return ""
