"""`thermogate models`: what weight files there are, fetching, checking and converting them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from controller.models import registry as models

if TYPE_CHECKING:
    from controller.cli.types import Subparsers
    from controller.models.registry import FileReport

DESCRIPTION = f"""\
The engines `opencv` and `tflite` need weight files that are not part of this program. This command fetches them from
their publishers and checks each against the hash in the program's registry; a file with another hash is refused.

The folder is --models, else ${models.ENVIRONMENT}, else $XDG_DATA_HOME/thermogate/models (~/.local/share by default).
The `demo` engine needs no files, and is for rehearsals only.
"""

EPILOG = """\
For a board:      thermogate models pull --engine tflite      (on a workstation, see convert)
                  thermogate models convert                   (on a workstation; copy the folder to the board)
Without TFLite:   thermogate models pull --engine opencv
"""

MARKS = {"ok": "ok", "converted": "ok (converted here)", "missing": "missing", "wrong": "WRONG"}


def add_parser(commands: Subparsers) -> None:
    """Add `models` with its four actions."""
    parser = commands.add_parser(
        "models",
        help="list, fetch, check and convert the weight files of the engines",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="every known file: use, licence, source, and whether it is here")
    listing.set_defaults(run=_list)
    pull = actions.add_parser("pull", help="fetch files over https; what is right already stays untouched")
    pull.add_argument("names", nargs="*", metavar="NAME", help="names as `list` shows them")
    pull.add_argument(
        "--engine",
        choices=("opencv", "tflite"),
        help="all files of this engine (for tflite with the source that `convert` needs); default: opencv, if no NAME",
    )
    pull.set_defaults(run=_pull)
    verify = actions.add_parser("verify", help="hash the files that are here; exit status 1 if one is wrong")
    verify.add_argument("names", nargs="*", metavar="NAME", help="only these; a missing one is a failure then")
    verify.set_defaults(run=_verify)
    convert = actions.add_parser(
        "convert",
        help="make the TFLite embedder from the pulled ONNX file",
        description="Makes mobilefacenet_fp16.tflite from mobilefacenet.onnx and keeps it only if the two agree. Needs "
        "`pip install 'thermogate[convert]'` (TensorFlow, about 2 GB on disk), on a workstation rather than a board.",
    )
    convert.set_defaults(run=_convert)
    for action in (listing, pull, verify, convert):
        action.add_argument("--models", "--folder", dest="folder", type=Path, metavar="DIR", help="models folder")


def engine_files(engine: str) -> list[str]:
    """Registry names that `pull` fetches for an engine: its files, or the source of one that is made here."""
    return [models.entry(name).made_from or name for name in models.ENGINE_MODELS[engine]]


def _list(arguments: argparse.Namespace) -> int:
    folder = models.models_dir(arguments.folder)
    print(f"folder: {folder}")
    for report in models.verify(folder):
        model = report.model
        print(f"\n{model.name}: {MARKS[report.state]}")
        for label, text in (
            ("use", model.use),
            ("file", f"{model.file} ({model.size:,} bytes)"),
            ("sha256", model.sha256),
            ("from", model.url or f"made from {model.made_from}"),
            ("licence", model.licence),
            ("input", model.input),
            ("output", model.output),
            ("note", model.note),
        ):
            if text:
                print(f"  {label:8}{text}")
    return 0


def _pull(arguments: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from controller.models.pull import pull

    names = [*arguments.names]
    if arguments.engine or not names:
        names += engine_files(arguments.engine or "opencv")
    names = list(dict.fromkeys(names))
    folder = models.models_dir(arguments.folder)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks = {name: bars.add_task(name, total=models.entry(name).size) for name in names}
        done = pull(names, folder, progress=lambda model, size: bars.update(tasks[model.name], completed=size))
    for pulled in done:
        print(f"{pulled.model.name}: {'fetched' if pulled.fetched else 'was there'}: {pulled.path}")
        if pulled.fetched and pulled.model.note:
            print(f"  note: {pulled.model.note}")
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    folder = models.models_dir(arguments.folder)
    reports = models.verify(folder, arguments.names or None)
    print(f"folder: {folder}")
    for report in reports:
        print(f"{MARKS[report.state]:20} {report.model.name}" + (f": {report.reason}" if not report.usable else ""))
    return int(any(_fails(report, named=bool(arguments.names)) for report in reports))


def _fails(report: FileReport, *, named: bool) -> bool:
    """Nobody needs every file, so a missing one fails only where it was asked for."""
    return report.state == "wrong" or (named and report.state == "missing")


def _convert(arguments: argparse.Namespace) -> int:
    from controller.perception.convert import convert

    folder = models.models_dir(arguments.folder)
    made = convert(folder)
    path = folder / models.entry("mobilefacenet-fp16").file
    print(f"{path}\n  sha256        {made.sha256}\n  least cosine  {made.least_cosine:.6f} over {made.inputs} inputs")
    return 0
