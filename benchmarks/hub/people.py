"""What a first import of a whole school costs the hub: `python -m benchmarks.hub.people --people 20000`.

People by CSV and by OneRoster, into SQLite and into PostgreSQL with its defaults: a dry run, the import, the same once
more, and one where a tenth has changed class. Each is `thermogate-hub import` as a process.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.hub import services

if TYPE_CHECKING:
    from collections.abc import Sequence

CLASS = 40
"""People of one."""
STEPS = ("dry run", "first import", "again, nothing new", "a tenth in another class")


def csv(path: Path, people: int, moved: int = 0) -> Path:
    """A people.csv; the first `moved` of them are in another class."""
    rows = ["person_id,name,kind,groups,card"]
    for number in range(people):
        group = f"class-{number // CLASS}{'-b' if number < moved else ''}"
        rows.append(f"p{number:06},Pupil {number},student,{group},{4_000_000_000 + number}")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def oneroster(path: Path, people: int, moved: int = 0) -> Path:
    """A OneRoster 1.2 bundle of the same people, each in a class and a school."""
    users = ["sourcedId,status,dateLastModified,enabledUser,username,givenName,familyName"]
    roles = ["sourcedId,status,dateLastModified,userSourcedId,roleType,role,orgSourcedId"]
    enrolled = ["sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role"]
    classes = ["sourcedId,status,dateLastModified,title,classType,courseSourcedId,schoolSourcedId,termSourcedIds"]
    for number in range(people):
        users.append(f"p{number:06},,,true,u{number},Pupil,{number}")
        roles.append(f"r{number},,,p{number:06},primary,student,school")
        place = number // CLASS + (people if number < moved else 0)
        enrolled.append(f"e{number},,,c{place},school,p{number:06},student")
        if number % CLASS == 0:
            classes.append(f"c{place},,,Class {place},homeroom,course,school,term")
    files = {"users": users, "roles": roles, "classes": classes, "enrollments": enrolled}
    manifest = ["propertyName,value", "manifest.version,1.0", "oneroster.version,1.2"]
    manifest += [f"file.{name},{'bulk' if name in files else 'absent'}" for name in files]
    with zipfile.ZipFile(path, "w") as bundle:
        for name, lines in {"manifest": manifest, **files}.items():
            bundle.writestr(f"{name}.csv", "\n".join(lines) + "\n")
    return path


def measure(folder: Path, database: str, files: Sequence[Path]) -> list[tuple[float, float]]:
    """Seconds, and the hub's CPU seconds, of each of `STEPS`; `files`: the people, and with a tenth moved."""
    config = folder / "hub.toml"
    config.write_text(f'campus = "school"\ndatabase = "{database}"\n[people]\nkey = "{folder / "people.key"}"\n')
    first, moved = files
    found = []
    for file, more in ((first, ["--dry-run"]), (first, []), (first, []), (moved, [])):
        command = [sys.executable, "-m", "campus", "import", file, "--config", config, *more]
        began, used = time.monotonic(), _cpu()
        subprocess.run(list(map(str, command)), cwd=services.ROOT, check=True, stdout=subprocess.DEVNULL)
        found.append((time.monotonic() - began, _cpu() - used))
    return found


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hub.people", description=__doc__)
    parser.add_argument("--people", type=int, default=20_000, metavar="N")
    options = parser.parse_args(arguments)
    print(f"| {options.people:,} people | database | " + " | ".join(f"{step}, s (CPU s)" for step in STEPS) + " |")
    print("|---|---|" + "---:|" * len(STEPS))
    server = services.PostgreSQL()
    try:
        server.start()
        for kind, make in (("CSV", csv), ("OneRoster", oneroster)):
            for name in ("SQLite", "PostgreSQL"):
                with tempfile.TemporaryDirectory(prefix="thermogate-people-") as place:
                    folder = Path(place)
                    ending = "csv" if kind == "CSV" else "zip"
                    files = [make(folder / f"people.{ending}", options.people)]
                    (folder / "moved").mkdir()
                    files.append(make(folder / "moved" / f"people.{ending}", options.people, options.people // 10))
                    database = str(folder / "hub.sqlite3") if name == "SQLite" else _fresh(server, kind.lower())
                    cells = [f"{taken:.1f} ({cpu:.1f})" for taken, cpu in measure(folder, database, files)]
                    print(f"| {kind} | {name} | {' | '.join(cells)} |", flush=True)
    finally:
        server.remove()
    return 0


def _fresh(server: services.PostgreSQL, name: str) -> str:
    server.create(name)
    return server.address_of(name)


if __name__ == "__main__":
    raise SystemExit(main())
