"""`thermogate models`: the weight files that the engines need."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from controller.cli_types import Subparsers

DESCRIPTION = """\
The engines `opencv` and `tflite` need weight files; the `demo` engine of the rehearsal needs none. This program ships
none either: it knows where each is published, its size and its SHA-256, and uses no file that differs.

The folder is --models, else what THERMOGATE_MODELS names, else ~/.local/share/thermogate/models.
"""

EPILOG = """\
examples:
  thermogate models list
  thermogate models pull                  everything that the engines need and that is published
  thermogate models convert               the tflite embedder from the pulled ONNX (on a workstation)
  thermogate models verify                exit status 1 when an engine's file is missing or wrong
"""


def add_parser(commands: Subparsers) -> None:
    """Add `models` and its own commands."""
    command = commands.add_parser(
        "models",
        help="list, pull, verify and convert the engines' weight files",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = command.add_subparsers(title="commands", metavar="COMMAND", required=True)
    folder = argparse.ArgumentParser(add_help=False)
    folder.add_argument("--models", type=Path, metavar="DIR", help="folder of the model files")
    names = argparse.ArgumentParser(add_help=False)
    names.add_argument(
        "names", nargs="*", metavar="NAME", help="names as `list` prints them (default: all that engines use)"
    )
    one = actions.add_parser("list", parents=[folder], help="print what is known of each file, and whether it is there")
    one.set_defaults(run=list_all)
    one = actions.add_parser("pull", parents=[folder, names], help="fetch files; each is checked before it is kept")
    one.set_defaults(run=pull)
    one = actions.add_parser("verify", parents=[folder, names], help="hash the files that are there")
    one.set_defaults(run=verify)
    text = "make the tflite embedder from the pulled ONNX file; needs pip install 'thermogate[convert]'"
    one = actions.add_parser("convert", parents=[folder], help=text, description=text)
    one.set_defaults(run=convert)


def _wanted(names: list[str], *, published: bool = False) -> list[str]:
    """The named models, or all that engines use; `published`: only those that can be fetched."""
    from controller import models

    if names:
        return names
    used = {name for needed in models.ENGINE_MODELS.values() for name in needed}
    return [model.name for model in models.REGISTRY if model.name in used and (model.url or not published)]


def list_all(arguments: argparse.Namespace) -> int:
    """Print the registry with the state of each file."""
    from controller import models

    folder = models.models_dir(arguments.models)
    print(f"folder: {folder}")
    for report in models.verify(folder):
        model = report.model
        print(f"\n{model.name}  [{report.state}]  {model.use}")
        print(f"  file     {model.file}, {model.size:,} bytes")
        print(f"  sha256   {model.sha256}")
        print(f"  from     {model.url or 'made here from ' + str(model.made_from)}")
        print(f"  licence  {model.licence}")
        print(f"  input    {model.input}")
        print(f"  output   {model.output}")
        if model.note:
            print(f"  note     {model.note}")
    return 0


def pull(arguments: argparse.Namespace) -> int:
    """Fetch."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from controller import models
    from controller.models_pull import pull as fetch

    folder = models.models_dir(arguments.models)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks = {}

        def progress(model: models.ModelFile, arrived: int) -> None:
            if model.name not in tasks:
                tasks[model.name] = bar.add_task(model.name, total=model.size)
            bar.update(tasks[model.name], completed=arrived)

        for pulled in fetch(_wanted(arguments.names, published=True), folder, progress=progress):
            print(f"{pulled.model.name}: {'fetched to' if pulled.fetched else 'is there already:'} {pulled.path}")
    return 0


def verify(arguments: argparse.Namespace) -> int:
    """Hash and print; 1 when something is missing or wrong."""
    from controller import models

    reports = models.verify(models.models_dir(arguments.models), _wanted(arguments.names))
    for report in reports:
        print(
            f"{report.state:<9} {report.model.name}: {report.path}" + (f" ({report.reason})" if report.reason else "")
        )
    return 0 if all(report.usable for report in reports) else 1


def convert(arguments: argparse.Namespace) -> int:
    """Make the TFLite embedder."""
    from controller import models
    from controller.perception.convert import convert as make

    folder = models.models_dir(arguments.models)
    provenance = make(folder)
    path = folder / models.entry("mobilefacenet-fp16").file
    print(f"{path}: sha256 {provenance.sha256}")
    print(
        f"least cosine to its source {provenance.least_cosine:.6f} over {provenance.inputs} inputs, {provenance.toolchain}"
    )
    return 0
