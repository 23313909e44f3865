"""Many people's photographs at once: a folder or a ZIP archive of files named by person id, or our own table.

Named as `thermogate enrol` takes them. Each person is one transaction: a run that was stopped goes on where it was when
it is started again, and a photograph that somebody is enrolled from is not looked at a second time.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import zipfile
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal, NamedTuple

from campus.errors import HubConfigError
from campus.people.enrolment import DuplicateFaceError
from controller.errors import GalleryError, ImageError
from controller.gallery.consent import CONSENT, refusal
from controller.gallery.judge import Code, Finding, PhotoRefusedError
from controller.gallery.model import check_person_id
from controller.gallery.roll import PICTURES, STRANGE, read_roll
from controller.perception.photo import LARGEST_BYTES, photo_bytes

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from campus.auth.roles import Actor
    from campus.database import Database
    from campus.people.enrolment import PhotographDesk
    from campus.people.records import People, Template
    from controller.gallery.model import Consent

Change = Literal["taken", "unchanged", "tried", "refused"]
MOST_FILES = 200_000
"""In an archive."""


class File(NamedTuple):
    """A photograph that is not read yet."""

    name: str
    read: Callable[[], bytes]
    """Raises `ImageError`. Blocks."""


class Somebody(NamedTuple):
    """Whose photographs these are."""

    id: str
    files: tuple[File, ...]
    consent: Consent | None = None
    """Which they bring."""


class FileResult(NamedTuple):
    """What became of one photograph."""

    name: str
    findings: tuple[Finding, ...]
    quality: float | None
    """0..1; None: not judged."""

    @property
    def reason(self) -> str:
        """Why it was refused; empty where it was not."""
        return next((one.reason for one in self.findings if one.refuses), "")


class Result(NamedTuple):
    """What became of one person's photographs."""

    id: str
    change: Change
    reason: str
    """Why nothing was enrolled; empty where it was."""
    files: tuple[FileResult, ...]
    alike: Mapping[str, float]
    """Scores of others who look so much alike that both are marked for a second factor."""


@contextlib.contextmanager
def opened(source: Path) -> Iterator[tuple[Somebody, ...]]:
    """Whom a folder, a `.zip` or a `.csv` of ours names, by id; its files can be read until the block is left.

    Raises `HubConfigError` that names the file, and every wrong name, row and column.
    """
    with contextlib.ExitStack() as stack:
        yield _opened(source, stack)


def _opened(source: Path, stack: contextlib.ExitStack) -> tuple[Somebody, ...]:
    try:
        if source.suffix.lower() == ".zip" and not source.is_dir():
            return _in_archive(source, stack.enter_context(zipfile.ZipFile(source)))
        roll = read_roll(source)
    except GalleryError as error:
        raise HubConfigError(str(error)) from error
    except (OSError, zipfile.BadZipFile, NotImplementedError) as error:
        raise HubConfigError(f"{source}: cannot be read: {error}") from error
    if roll.kind == "OneRoster":
        raise HubConfigError(f"{source}: is OneRoster's: `import` takes its people, and a folder their photographs")
    return tuple(Somebody(one.person.person, tuple(map(_on_disk, one.photos)), one.consent) for one in roll.candidates)


def _on_disk(path: Path) -> File:
    return File(str(path), functools.partial(photo_bytes, path))


def _in_archive(source: Path, archive: zipfile.ZipFile) -> tuple[Somebody, ...]:
    """`PERSON.jpg` and `PERSON/*.jpg`, as in a folder; nothing is unpacked to disk. Raises `GalleryError`."""
    if len(archive.infolist()) > MOST_FILES:
        raise GalleryError(f"{source}: has more than {MOST_FILES} files")
    found: dict[str, list[File]] = {}
    wrong = []
    for member in archive.infolist():
        place = PurePosixPath(_name(member))
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in place.parts)
        if member.is_dir() or hidden or place.suffix.lower() not in PICTURES | STRANGE:
            continue
        who = place.parent.name or place.stem
        try:
            check_person_id(who)
            if len(place.parts) > 2:
                raise GalleryError("lies deeper than PERSON_ID.jpg or PERSON_ID/*.jpg")  # noqa: TRY301 - one place
        except GalleryError as error:
            wrong.append(f"{source / place}: {error}")
            continue
        read = functools.partial(_read_member, archive, member)
        found.setdefault(who, []).append(File(str(source / place), read))
    if wrong:
        raise GalleryError("\n".join(wrong))
    if not found:
        raise GalleryError(f"{source}: has no photographs ({', '.join(sorted(PICTURES))})")
    return tuple(Somebody(who, tuple(sorted(found[who]))) for who in sorted(found))


def _name(member: zipfile.ZipInfo) -> str:
    """A member's name. Windows in China writes GB18030 without saying so, and zipfile takes that for CP437."""
    if member.flag_bits & 0x800:
        return member.filename
    with contextlib.suppress(UnicodeError):
        raw = member.filename.encode("cp437")
        for encoding in ("utf-8", "gb18030"):
            with contextlib.suppress(UnicodeDecodeError):
                return raw.decode(encoding)
    return member.filename


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """A file of an archive; what it unpacks to is counted, not believed."""
    try:
        with archive.open(member) as file:
            data = file.read(LARGEST_BYTES + 1)
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise ImageError(f"cannot be read: {error}") from error
    if len(data) > LARGEST_BYTES:
        raise ImageError(f"is larger than {LARGEST_BYTES // 1_000_000} MB")
    return data


class Batch:
    """Enrols them, one after the other.

    Args:
        database: the hub's, open.
        people: everybody.
        desk: where their photographs go.
        by: who enrols.
        consents: records by person, which come before the source's own.
        basis: the right to keep templates of those who have no record that holds; None: they are refused.
        today: the date.
        dry_run: tell what would become of each, and change nothing.
    """

    def __init__(
        self,
        database: Database,
        people: People,
        desk: PhotographDesk,
        by: Actor,
        *,
        today: dt.date,
        consents: Mapping[str, Consent] | None = None,
        basis: Consent | None = None,
        scope: str = "face",
        dry_run: bool = False,
    ) -> None:
        self._database, self._people, self._desk, self._by = database, people, desk, by
        self._consents, self._basis = consents or {}, basis
        self._today, self._scope, self._dry_run = today, scope, dry_run

    async def run(self, everybody: tuple[Somebody, ...]) -> AsyncIterator[Result]:
        """What became of each, in order. Raises `HubEngineError`, `HubStoreError` for what stops all of it."""
        for one in everybody:
            yield await self._enrol(one)

    async def _enrol(self, one: Somebody) -> Result:
        async with self._database.transaction() as query:
            found = await self._people.get(query, one.id)
        if found is None:
            return _refused(one, "there is nobody of this id at the hub: import people first")
        consent = self._consent(one, found.consent)
        files: tuple[FileResult, ...] = ()
        try:
            # Before a photograph is even read.
            await self._desk.require(one.id, consent)
            templates, files = await self._judge(one)
            if not templates:
                return _refused(one, "no usable photograph", files)
            done = await self._desk.enrol(
                self._by, one.id, templates, replace=True, consent=consent, dry_run=self._dry_run
            )
        except PhotoRefusedError:
            return _refused(one, "the photographs show different people", files)
        except (HubConfigError, DuplicateFaceError) as error:
            return _refused(one, str(error).removeprefix(f"{one.id}: "), files)
        if done is None:
            return _refused(one, "was removed meanwhile", files)
        if done.change == "tried":
            await self._desk.pretend(one.id, templates)
        return Result(one.id, done.change, "", files, done.alike)

    def _consent(self, one: Somebody, stored: Consent | None) -> Consent | None:
        """The person's own record, else the hub's while it holds, else the stated basis; None: the hub's."""
        own = self._consents.get(one.id, one.consent)
        if own is not None or self._basis is None or not refusal(stored, self._today, self._scope):
            return own
        # The same basis stated on another day is the same basis.
        same = stored is not None and stored.basis == self._basis.basis != CONSENT and stored.expires is None
        return None if same else self._basis

    async def _judge(self, one: Somebody) -> tuple[list[Template], tuple[FileResult, ...]]:
        """Of the photographs that are good the templates, and of each what was found."""
        templates: list[Template] = []
        results: list[FileResult] = []
        for file in one.files:
            try:
                data = await asyncio.to_thread(file.read)
                (known,) = await self._desk.known(one.id, [data])
                if known is not None:
                    templates.append(known)
                    results.append(FileResult(file.name, (), known.quality))
                    continue
                template, judged = await self._desk.judge(data)
            except PhotoRefusedError as error:
                quality = None if error.quality is None else error.quality.overall
                results.append(FileResult(file.name, error.findings, quality))
            except ImageError as error:
                results.append(FileResult(file.name, (Finding(Code.UNREADABLE, True, str(error)),), None))
            else:
                templates.append(template)
                results.append(FileResult(file.name, judged.findings, judged.quality.overall))
        return templates, tuple(results)


def counts(results: list[Result]) -> dict[str, int]:
    """How many of each kind, and how many are marked for a second factor."""
    found = Counter(one.change for one in results)
    marked = {who for one in results if one.alike for who in (one.id, *one.alike)}
    return {**{name: found[name] for name in ("taken", "tried", "unchanged", "refused")}, "marked": len(marked)}


def _refused(one: Somebody, reason: str, files: tuple[FileResult, ...] = ()) -> Result:
    return Result(one.id, "refused", reason, files, {})
