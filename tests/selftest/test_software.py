"""The self-test of what needs no device: a disk that is too slow, one that can't be written, and the whole as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from controller.cli.main import main
from controller.selftest import software
from controller.selftest.finding import Finding, passed

if TYPE_CHECKING:
    from pathlib import Path


def test_a_disk_is_timed_and_has_a_limit(tmp_path: Path) -> None:
    found = software.disk(tmp_path, bound=30.0)
    assert found.figures["n"] == software.COMMITS
    assert 0 < found.figures["median_ms"] <= found.figures["worst_ms"]
    slow = software.disk(tmp_path, bound=0.0)
    assert slow.status == "wrong"
    assert "A1 or A2" in slow.fix
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    found = software.disk(tmp_path / "not" / "there", bound=2.0)
    assert found.status == "wrong"
    assert "cannot be written: No such file or directory" in found.text


@pytest.mark.parametrize(
    ("severity", "well", "fit"),
    [("wrong", False, False), ("warning", False, True), ("absent", False, True), ("wrong", True, True)],
)
def test_only_what_a_lane_needs_keeps_it_from_running(severity: str, well: bool, fit: bool) -> None:  # noqa: FBT001
    assert passed([Finding("one", well, "text", severity=severity)]) is fit  # type: ignore[arg-type]


def test_a_board_is_told_as_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    config = tmp_path / "gate.toml"
    config.write_text(f"[store]\nfolder = '{tmp_path}'\n[thermal]\nbus = '/dev/i2c-99'\n", encoding="utf-8")
    assert main(["selftest", str(config), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["passed"] is False
    findings = {finding["name"]: finding for finding in told["findings"]}
    assert {"thermal kernel", "journal disk", "I2C bus", "I2C speed", "clock", "disk space", "watchdog"} <= set(
        findings
    )
    assert findings["I2C bus"]["status"] == "wrong"
    assert "dtparam=i2c_arm=on" in findings["I2C bus"]["fix"]
    assert findings["disk space"]["figures"]["free_mb"] > 0
