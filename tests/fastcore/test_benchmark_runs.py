"""Whole runs of the benchmark, small and quick: with the peers that are there, without any, and with broken ones."""

from __future__ import annotations

import importlib.util
import json
import platform
import shutil
import socket
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import pytest

from benchmarks import harness, markdown, search
from benchmarks.peers import libraries
from benchmarks.peers.base import Peer, View

ROOT = Path(__file__).parents[2]
MODULES = ("adafruit_mlx90640", "faiss", "hnswlib", "matplotlib", "numkong", "simsimd", "sqlite_vec", "usearch")
SMALL = ["--quick", "--dims=16", "--k=1,5", "--thresholds=none,0.45", "--case-seconds=0.02"]
HAS_MATPLOTLIB = importlib.util.find_spec("matplotlib") is not None

BLOCKER = f"""
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {MODULES!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
"""


@dataclass(frozen=True)
class Run:
    """What a run said and wrote."""

    status: int
    said: str
    report: dict[str, Any]

    def names(self, search: dict[str, Any]) -> list[str]:
        return [each["name"] for each in search["timings"]]

    def left_out(self, gallery: str | None = None) -> dict[str, str]:
        """Reasons by name; those that count for one gallery, or all."""
        there = ("everything", gallery)
        return {
            each["who"]: each["reason"] for each in self.report["left_out"] if gallery is None or each["where"] in there
        }


def _run(folder: Path, capfd: pytest.CaptureFixture[str], *given: str) -> Run:
    written = folder / "bench.json"
    status = harness.main([*SMALL, f"--json={written}", *given])
    said = capfd.readouterr().out
    return Run(status, said, json.loads(written.read_text(encoding="utf-8")))


def _check_timings(timings: list[dict[str, Any]]) -> None:
    assert timings[0]["name"] == "thermogate"
    assert timings[0]["ratio"] == {"median": 1.0, "low": 1.0, "high": 1.0}
    for each in timings:
        for interval in (each["seconds"], each["ratio"]):
            assert 0 < interval["low"] <= interval["median"] <= interval["high"]
        calls = each["calls"]
        assert calls["n"] >= each["n"]
        assert calls["p2"] is None or calls["p2"] <= calls["p50"] <= calls["p98"]


def test_a_run_with_the_peers_that_are_there(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    page, charts = tmp_path / "page.md", [tmp_path / "chart.svg", tmp_path / "chart.png"] if HAS_MATPLOTLIB else []
    page.write_text(f"before\n{markdown.BEGIN}\noutdated\n{markdown.END}\nafter\n", encoding="utf-8")
    given = ["--sizes=60,700", "--distribution=clustered", "--path=c-generic", "--seed=3", f"--markdown={page}"]
    run = _run(tmp_path, capfd, *given, *(f"--chart={each}" for each in charts))
    assert run.status == 0
    written = run.report
    assert written["machine"]["kernel path"].startswith("c-generic")
    assert written["settings"]["distribution"] == "clustered"
    assert written["clock_seconds"] > 0
    assert written["bandwidth"]["median"] > 0
    assert len(written["thermal"]) == 3
    assert len(written["searches"]) == 2 * 2 * 2 * 2  # sizes, kinds, k, thresholds
    for each in (*written["thermal"], *written["searches"]):
        _check_timings(each["timings"])
    _check_every_peer_is_accounted_for(run)
    _check_recalls(written)
    _check_page(page.read_text(encoding="utf-8"), run, tmp_path)
    if charts:
        _check_charts(*charts)


def _check_every_peer_is_accounted_for(run: Run) -> None:
    largest = run.report["searches"][-1]
    left_out, there = run.left_out("700 × 16"), run.names(largest)
    libraries_of = {peer.name: peer.library for peer in search.PEERS if isinstance(peer, Peer)}
    for peer in search.PEERS:
        built = peer.of if isinstance(peer, View) else peer.name
        reason = left_out.get(libraries_of[built]) or left_out.get(built)
        assert (peer.name in there) != (reason is not None), (peer.name, reason)
    for name, reason in left_out.items():
        assert f"left out: {name}" in run.said.replace("\n", " ")
        assert reason
    held = {each["peer"] for each in run.report["indexes"]}
    assert held >= set(there)
    assert all(each["bytes"] > 0 for each in run.report["indexes"])
    importable = {each["library"] for each in run.report["imports"] if each["failure"] is None}
    assert importable >= {"thermogate", "numpy"}


def _check_recalls(written: dict[str, Any]) -> None:
    exact = {peer.name for peer in search.PEERS if peer.exact}
    for each in written["recalls"]:
        share = each["share"]
        assert each["peer"] not in exact
        assert 0 <= share["low"] <= share["hits"] / share["n"] <= share["high"] <= 1


def _check_page(text: str, run: Run, folder: Path) -> None:
    assert text.startswith(f"before\n{markdown.BEGIN}\n")
    assert text.endswith(f"{markdown.END}\nafter\n")
    assert "outdated" not in text
    for heading in ("Machine", "Thermal calibration", "Search", "What an index costs", "What an import costs"):
        assert f"### {heading}" in text
    assert run.report["machine"]["processor"] in text
    assert "16 dimensions, genuine" in text
    glance = text.partition("At a glance")[2].partition("\n\n")[2].partition("\n\n")[0].splitlines()
    assert len(glance) == 2 + len(run.report["searches"])
    for secret in (socket.gethostname(), str(folder), str(ROOT), platform.release(), "load at start"):
        assert secret not in text
    tables = [block for block in text.split("\n\n") if block.lstrip().startswith("|")]
    assert tables
    for table in tables:
        assert len({line.count("|") for line in table.strip().splitlines()}) == 1, table


def _check_charts(drawn: Path, painted: Path) -> None:
    root = ET.parse(drawn).getroot()  # noqa: S314 - we drew it ourselves
    assert root.tag.endswith("svg")
    text = drawn.read_text(encoding="utf-8")
    for label in ("thermogate, no threshold", "thermogate, threshold 0.45", "NumPy", "memory: 4 bytes a dimension"):
        assert label in text
    picture = cv2.imread(str(painted))
    assert picture is not None
    assert min(picture.shape[:2]) > 400


def test_without_any_peer(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "sitecustomize.py").write_text(BLOCKER)
    monkeypatch.setenv("PYTHONPATH", str(blocked))
    page = tmp_path / "new.md"
    run = _run(tmp_path, capfd, "--sizes=50", f"--markdown={page}")
    assert run.status == 0
    assert set(run.left_out()) == {each.name for each in libraries.LIBRARIES} - {"thermogate", "numpy"}
    assert all("not installed" in reason for reason in run.left_out().values())
    assert "C++ compiler" in run.left_out()["hnswlib"]
    for each in run.report["searches"]:
        assert [name for name in run.names(each) if not name.startswith("thermogate")] == ["NumPy"]
    assert "faiss-cpu (everything): not installed" in page.read_text(encoding="utf-8")


def test_broken_and_wrong_peers_are_refused_by_name(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = tmp_path / "shelf"
    (shelf / "usearch").mkdir(parents=True)
    (shelf / "sitecustomize.py").write_text(
        BLOCKER.replace("'simsimd', ", "")
        .replace("'numkong', ", "")
        .replace("'faiss', ", "")
        .replace(", 'usearch'", "")
    )
    # Scores that are a little too high; an import that fails; one that kills its process; an index that fails.
    (shelf / "simsimd.py").write_text("def cdist(a, b, **_):\n    return a @ b.T + 1e-4\n")
    (shelf / "numkong.py").write_text("raise ImportError('libnumkong.so: wrong ELF class')\n")
    (shelf / "usearch" / "__init__.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n")
    (shelf / "faiss.py").write_text("def omp_set_num_threads(n):\n    raise RuntimeError('no threads here')\n")
    monkeypatch.setenv("PYTHONPATH", str(shelf))
    run = _run(tmp_path, capfd, "--sizes=50")
    assert run.status == 1
    reasons = run.left_out()
    assert reasons["simsimd cdist"] == "differs from the oracle's scores for a stranger"
    assert reasons["numkong"] == "its import failed: libnumkong.so: wrong ELF class"
    assert reasons["usearch"] == "its import ended with SIGTERM"
    assert reasons["faiss IndexFlatIP"] == "RuntimeError: no threads here"
    for each in run.report["searches"]:
        assert [name for name in run.names(each) if not name.startswith("thermogate")] == ["NumPy"]


def test_a_vendors_library_that_is_wrong_is_not_timed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    source, library = tmp_path / "vendor.c", tmp_path / "libvendor.so"
    source.write_text(
        "int MLX90640_ExtractParameters(void *e, void *p) { return 0; }\n"
        "void MLX90640_CalculateTo(void *f, void *p, float e, float t, float *out)"
        " { for (int i = 0; i < 768; i++) out[i] = 20; }\n"
    )
    subprocess.run([compiler, "-shared", "-fPIC", str(source), "-o", str(library)], check=True)
    run = _run(tmp_path, capfd, "--sizes=50", f"--vendor-lib={library}")
    assert run.status == 1
    assert "differs from the oracle by" in run.left_out()["vendor library"]
    assert all("vendor library" not in [each["name"] for each in task["timings"]] for task in run.report["thermal"])


@pytest.mark.skipif(HAS_MATPLOTLIB, reason="matplotlib is there")
def test_a_chart_needs_matplotlib(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert harness.main(["--quick", f"--chart={tmp_path / 'chart.svg'}"]) == 2
    assert "--chart needs matplotlib" in capsys.readouterr().err
