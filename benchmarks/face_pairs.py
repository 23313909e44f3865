"""How well the real engines tell people apart: `python -m benchmarks.face_pairs FACES [--models DIR] [--json OUT]`.

FACES holds `lfw/`, `pairs_dev.txt` (verification) and `gallery_dev.txt` (identification). One to one: every pair once.
One to N, open set: the first half of the gallery's people is enrolled with two pictures each; their other pictures
should find them, and all pictures of the second half should find nobody. Rates have Wilson intervals (95 %). Pictures
of one person are not independent, so the intervals of the open set are somewhat too narrow.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from controller.drill.figures import Rate, rate
from controller.models import models_dir
from controller.perception.engines import open_engine

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from controller.perception.types import FaceEngine

    Embeddings = dict[str, NDArray[np.float32]]

ENGINES = ("opencv", "tflite")
THRESHOLDS = (0.35, 0.40, 0.45, 0.50)
ENROLLED = 2


@dataclass(frozen=True)
class Pair:
    """Two pictures, `person/person_0001`, and whether they show one person."""

    first: str
    second: str
    same: bool


def main(argv: list[str] | None = None) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Verification and open-set identification with the real engines.")
    parser.add_argument("faces", type=Path, help="folder with lfw/, pairs_dev.txt and gallery_dev.txt")
    parser.add_argument("--models", type=Path, help="models folder")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    arguments = parser.parse_args(argv)
    pairs = read_pairs(arguments.faces / "pairs_dev.txt")
    people = gallery_people(arguments.faces)
    wanted = {name for pair in pairs for name in (pair.first, pair.second)}
    pictures = sorted(wanted.union(*people.values()))
    found = {
        name: embed_all(open_engine(name, models_dir(arguments.models)), arguments.faces, pictures) for name in ENGINES
    }
    figures = {name: _report(name, found[name], found[name], pairs, people) for name in ENGINES}
    figures["opencv x tflite"] = _report("opencv x tflite", found["opencv"], found["tflite"], pairs, people)
    both = sorted(found["opencv"].keys() & found["tflite"].keys())
    agreement = [float(found["opencv"][name] @ found["tflite"][name]) for name in both]
    quantiles = {str(p): round(float(np.quantile(agreement, p)), 3) for p in (0.01, 0.05, 0.5)}
    print(f"\nthe same picture through both engines, n = {len(both)}: cosine quantiles {quantiles}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"engines": figures, "agreement": quantiles}, indent=1), encoding="utf-8")
    return 0


def read_pairs(path: Path) -> list[Pair]:
    """Lines `name i j` (same) or `name i name2 j`."""
    pairs = []
    for line in path.read_text(encoding="utf-8").splitlines():
        match line.split("\t"):
            case [name, i, j]:
                pairs.append(Pair(_picture(name, int(i)), _picture(name, int(j)), same=True))
            case [name, i, other, j]:
                pairs.append(Pair(_picture(name, int(i)), _picture(other, int(j)), same=False))
            case _:
                raise ValueError(f"{path}: {line!r} is no pair")
    return pairs


def _picture(name: str, number: int) -> str:
    return f"{name}/{name}_{number:04d}"


def gallery_people(faces: Path) -> dict[str, list[str]]:
    """The pictures of each of the gallery's people."""
    names = (faces / "gallery_dev.txt").read_text(encoding="utf-8").split()
    return {name: [f"{name}/{path.stem}" for path in sorted((faces / "lfw" / name).glob("*.jpg"))] for name in names}


def embed_all(engine: FaceEngine, faces: Path, pictures: list[str]) -> Embeddings:
    """Every picture whose middle face the engine finds."""
    found: Embeddings = {}
    started = time.perf_counter()
    for name in pictures:
        pixels = cv2.imread(str(faces / "lfw" / f"{name}.jpg"))
        if pixels is None:
            raise ValueError(f"{name}.jpg cannot be read")
        middle = np.array(pixels.shape[1::-1]) / 2
        candidates = engine.detect(np.asarray(pixels, dtype=np.uint8))
        if candidates:
            # Of several people in a picture, LFW means the one in the middle.
            face = min(candidates, key=lambda face: float(np.hypot(*(np.array(face.box.centre) - middle))))
            found[name] = engine.embed(np.asarray(pixels, dtype=np.uint8), face)
    each = (time.perf_counter() - started) / len(pictures)
    print(
        f"{engine.name}: face found in {_text(rate(len(found), len(pictures)))}; {1e3 * each:.1f} ms a picture, all in"
    )
    return found


def _report(
    title: str, probes: Embeddings, templates: Embeddings, pairs: list[Pair], people: dict[str, list[str]]
) -> dict[str, object]:
    """Verification and open set; a face that was not found counts as not recognised."""
    scores = [(_score(probes, templates, pair), pair.same) for pair in pairs]
    genuine = np.array([score for score, same in scores if same])
    impostor = np.array([score for score, same in scores if not same])
    right, strangers = _open_set(probes, templates, people)
    print(f"\n{title}: cosine genuine {_spread(genuine)}, impostor {_spread(impostor)}")
    print(f"{'t':>5}  {'TAR 1:1':>28}  {'FAR 1:1':>28}  {'TPIR 1:N':>28}  {'FPIR 1:N':>28}")
    rows: dict[str, object] = {}
    for limit in THRESHOLDS:
        cells = [
            rate(int((genuine >= limit).sum()), len(genuine)),
            rate(int((impostor >= limit).sum()), len(impostor)),
            rate(sum(score >= limit and hit for score, hit in right), len(right)),
            rate(sum(score >= limit for score in strangers), len(strangers)),
        ]
        print(f"{limit:5.2f}  " + "  ".join(f"{_text(cell):>28}" for cell in cells))
        rows[f"{limit:.2f}"] = [(cell.hits, cell.n, cell.low, cell.high) for cell in cells]
    return rows


def _score(probes: Embeddings, templates: Embeddings, pair: Pair) -> float:
    if pair.first not in templates or pair.second not in probes:
        return -1.0
    return float(templates[pair.first] @ probes[pair.second])


def _open_set(
    probes: Embeddings, templates: Embeddings, people: dict[str, list[str]]
) -> tuple[list[tuple[float, bool]], list[float]]:
    """((best score, whether it is the right person) of each enrolled person's probe, best score of each stranger's)."""
    names = list(people)
    enrolled, strangers = names[: len(names) // 2], names[len(names) // 2 :]
    keys = [(person, name) for person in enrolled for name in people[person][:ENROLLED] if name in templates]
    matrix = np.stack([templates[name] for _, name in keys])

    def best(name: str) -> tuple[float, str]:
        if name not in probes:
            return -1.0, ""
        scores = matrix @ probes[name]
        place = int(np.argmax(scores))
        return float(scores[place]), keys[place][0]

    right = []
    for person in enrolled:
        for name in people[person][ENROLLED:]:
            score, who = best(name)
            right.append((score, who == person))
    return right, [best(name)[0] for person in strangers for name in people[person]]


def _spread(values: NDArray[np.float64]) -> str:
    seen = values[values > -1]
    return f"{seen.mean():.2f} ± {seen.std():.2f} (n = {len(seen)})"


def _text(share: Rate) -> str:
    return f"{share.hits}/{share.n} ({share.low:.3f}-{share.high:.3f})"


if __name__ == "__main__":
    raise SystemExit(main())
