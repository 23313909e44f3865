"""gate.toml after a calibration: the new values, everything else as it was, and a whole file whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from controller.calibrate.rewrite import Change, edited, plan, replace
from controller.config import load
from controller.errors import ConfigError

EXAMPLE = Path(__file__).parents[2] / "image" / "gate.toml"
MATRIX = (1.02, -0.01, 0.02, 0.03, 1.25, -0.15, 0.001, -0.02, 1.0)
REGISTRATION = Change(
    "perception.registration",
    {"homography": MATRIX, "homography_distance": 0.5, "offset_x": 0.01},
    "2026-11-26: 0.1 px",
)
EMISSIVITY = Change("thermal", {"emissivity": 0.95}, "2026-11-26: ±0.01")


def copied(tmp_path: Path, text: str | None = None) -> Path:
    path = tmp_path / "gate.toml"
    path.write_bytes(EXAMPLE.read_bytes() if text is None else text.encode())
    return path


def test_only_what_was_measured_changes(tmp_path: Path) -> None:
    path = copied(tmp_path)
    before = path.read_text(encoding="utf-8").splitlines()
    rewrite = plan(path, (REGISTRATION, EMISSIVITY))
    assert path.read_text(encoding="utf-8").splitlines() == before
    assert "+[perception.registration]" in rewrite.difference
    backup = replace(rewrite)
    after = path.read_text(encoding="utf-8").splitlines()
    assert backup.read_text(encoding="utf-8").splitlines() == before
    gone = [line for line in before if line not in after]
    assert gone == ["emissivity = 0.98           # human skin"]
    assert "emissivity = 0.95           # human skin" in after
    config = load(path)
    assert config.perception.registration.homography == MATRIX
    assert config.thermal.emissivity == 0.95
    assert not list(tmp_path.glob(".*"))


def test_its_own_remark_is_renewed_and_the_users_is_kept() -> None:
    once = edited("[thermal]\nbus = '/dev/i2c-1' # left\n", (EMISSIVITY,), where="x")
    assert "emissivity = 0.95 # calibrated 2026-11-26: ±0.01" in once
    twice = edited(once, (Change("thermal", {"emissivity": 0.93}, "2027-01-02: ±0.02"),), where="x")
    assert "emissivity = 0.93 # calibrated 2027-01-02: ±0.02" in twice
    assert "# left" in twice


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a remark",
        "[perception]\nengine = 'auto'",
        "[perception.registration]\ncamera_fov = 61.0 # mine\n\n[site]\nname = 'a'\n",
        "[perception.screening]\nalarm = 37.4\n[thermal]\nemissivity=0.9 # mine\n[perception]\nengine='auto'\n",
        "perception = { engine = 'auto' } # small\n",
        "perception.registration.camera_fov = 61.0 # mine\nthermal.emissivity = 0.97\n",
        (
            "[perception.registration]\nhomography = [1.0,0.0,0.0, 0.0,1.0,0.0, 0.0,0.0,1.0] # "
            "old\n[lane]\nunlock_pulse=0.3\n"
        ),
        "[thermal]\r\nemissivity = 0.9 # \u4eba\r\n\r\n[site]\r\nname = 'a'\r\n",
    ],
)
def test_every_layout_keeps_its_remarks_and_keys(text: str) -> None:
    new = edited(text, (REGISTRATION, EMISSIVITY), where="x")
    assert [line.partition("#")[2] for line in text.splitlines() if "#" in line] == [
        line.partition("#")[2] for line in new.splitlines() if "#" in line and "calibrated" not in line
    ]
    old, now = tomllib.loads(text), tomllib.loads(new)
    assert now["perception"]["registration"]["homography"] == list(MATRIX)
    for section, keys in old.items():
        for key, value in keys.items():
            if not isinstance(value, dict) and (section, key) != ("thermal", "emissivity"):
                assert now[section][key] == value
    assert ("\r\n" in new) == ("\r\n" in text)
    assert "\r" not in new.replace("\r\n", "")
    assert edited(new, (REGISTRATION, EMISSIVITY), where="x") == new


name = st.sampled_from(["site", "lane", "store", "camera", "observe"])
value = st.one_of(
    st.integers(-5, 5), st.floats(allow_nan=False, allow_infinity=False), st.text("ab#\u4e2d'\"", max_size=4)
)
remark = st.text("ab\u4e2d []=.", max_size=8)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(name, st.tuples(st.dictionaries(st.sampled_from("klmn"), value, max_size=3), remark), max_size=5)
)
def test_whatever_else_is_there_stays(sections: dict[str, tuple[dict[str, object], str]]) -> None:
    lines = []
    for section, (keys, words) in sections.items():
        lines += [f"[{section}] # {words}".rstrip()]
        lines += [f"{key} = {_toml(content)} # {words}".rstrip() for key, content in keys.items()]
    text = "\n".join(lines) + "\n"
    new = edited(text, (REGISTRATION,), where="x")
    assert tomllib.loads(new) == {**tomllib.loads(text), "perception": tomllib.loads(new)["perception"]}
    assert [line for line in lines if line not in new.splitlines()] == []


def _toml(content: object) -> str:
    if isinstance(content, str):
        return '"' + content.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(content)


def test_what_the_gate_would_refuse_is_never_written(tmp_path: Path) -> None:
    path = copied(tmp_path)
    with pytest.raises(ConfigError, match=r"as it would become.*emissivity"):
        plan(path, (Change("thermal", {"emissivity": 1.5}),))
    with pytest.raises(ConfigError, match="unknown field"):
        plan(path, (Change("thermal", {"emissivty": 0.9}),))
    (tmp_path / "bad.toml").write_text("[gate]\nunlock = 4\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"bad\.toml: \[gate\]"):
        plan(tmp_path / "bad.toml", (EMISSIVITY,))
    with pytest.raises(ConfigError, match="cannot be read"):
        plan(tmp_path / "none.toml", (EMISSIVITY,))
    assert path.read_bytes() == EXAMPLE.read_bytes()


def test_a_layout_that_cannot_take_it_says_what_to_put_in_by_hand(tmp_path: Path) -> None:
    path = copied(tmp_path, "perception.engine = 'auto'\n[thermal]\nemissivity = 0.98\n")
    try:
        rewrite = plan(path, (REGISTRATION,))
    except ConfigError as error:
        assert "put this in by hand:\n[perception.registration]" in str(error)  # noqa: PT017 - either is right
    else:
        assert tomllib.loads(rewrite.after.decode())["perception"]["registration"]["offset_x"] == 0.01


def test_what_somebody_else_wrote_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    path = copied(tmp_path)
    rewrite = plan(path, (EMISSIVITY,))
    path.write_bytes(EXAMPLE.read_bytes() + b"# more\n")
    with pytest.raises(ConfigError, match="changed by somebody else"):
        replace(rewrite)
    assert path.read_bytes().endswith(b"# more\n")


def test_a_link_stays_a_link_and_rights_stay(tmp_path: Path) -> None:
    real = copied(tmp_path)
    real.chmod(0o640)
    link = tmp_path / "link.toml"
    link.symlink_to(real)
    replace(plan(link, (EMISSIVITY,)))
    assert link.is_symlink()
    assert load(link).thermal.emissivity == 0.95
    assert real.stat().st_mode & 0o777 == 0o640


def test_a_folder_that_takes_no_file_leaves_the_old_one(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    path = copied(tmp_path)
    rewrite = plan(path, (EMISSIVITY,))
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(ConfigError, match="it is as it was"):
            replace(rewrite)
    finally:
        tmp_path.chmod(0o700)
    assert path.read_bytes() == EXAMPLE.read_bytes()


WRITER = """
import sys
from pathlib import Path
from controller.calibrate.rewrite import Change, plan, replace
path, number = Path(sys.argv[1]), int(sys.argv[2])
while True:
    number += 1
    replace(plan(path, (Change("thermal", {"emissivity": 0.9 + number % 100 / 1000}, f"{number}"),)))
    # The first one is done: from here on it is killed at any moment of the next ones.
    print("ready", flush=True)
"""


def test_killed_at_any_moment_it_leaves_a_good_file(tmp_path: Path) -> None:
    path = copied(tmp_path)
    written = set()
    for round_number in range(8):
        command = [sys.executable, "-c", WRITER, str(path), str(11 * round_number)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            time.sleep(0.02 + 0.013 * round_number)
            writer.send_signal(signal.SIGKILL)
        config = load(path)
        written.add(config.thermal.emissivity)
        assert load(path.with_name("gate.toml.bak")).site.name == "gate-1"
        assert path.read_text(encoding="utf-8").count("#") == EXAMPLE.read_text(encoding="utf-8").count("#")
    assert len(written) > 2
