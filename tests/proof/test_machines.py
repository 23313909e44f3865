"""What the machines are made of, and what is concluded from them: RAM disk, modules, the kernel's log, pins."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from image.proof.__main__ import claims, was_restarted
from image.proof.contents import PYTHON, _linked
from image.proof.cpio import Archive
from image.proof.inside import unit_reboot, units
from image.proof.inside.groups import GROUPS
from image.proof.inside.manager import documented
from image.proof.inside.pins import Setting, parse_trace
from image.proof.kernels import _load_after
from image.proof.machine import Said
from image.proof.raspberry import Heard, judge
from image.proof.raspberry_inside import GRANTS
from image.proof.tree import Tree

TRACE = """\
# tracer: nop
 python3-97      [001] d..1.    41.000125: gpio_value: 1013 set 1
 python3-97      [001] .....    41.000200: gpio_direction: 1013 out (0)
 python3-97      [001] d..1.    41.300125: gpio_value: 1013 set 0
 python3-97      [001] d..1.    41.400000: gpio_value: 1001 get 1
"""


def test_the_kernels_log_is_read() -> None:
    assert parse_trace(TRACE, 996) == [Setting(41.000125, 17, level=True), Setting(41.300125, 17, level=False)]


def unpacked(data: bytes) -> dict[str, tuple[int, bytes]]:
    found: dict[str, tuple[int, bytes]] = {}
    at = 0
    while True:
        assert data[at : at + 6] == b"070701"
        fields = [int(data[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        size, length = fields[6], fields[11]
        name = data[at + 110 : at + 110 + length - 1].decode()
        at += (110 + length + 3) // 4 * 4
        if name == "TRAILER!!!":
            assert at == len(data)
            return found
        found[name] = (fields[1], data[at : at + size])
        at += (size + 3) // 4 * 4


def test_a_ram_disk_is_what_the_kernel_unpacks(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "run").write_bytes(b"odd")
    (tmp_path / "inner" / "run").chmod(0o755)
    (tmp_path / "inner" / "link").symlink_to("run")
    (tmp_path / "left.out").touch()
    disk = Archive()
    disk.tree(tmp_path, "usr", skip=lambda path: path.suffix == ".out")
    disk.device("console", 5, 1)
    assert unpacked(disk.packed()) == {
        "usr": (0o40755, b""),
        "usr/inner": (0o40755, b""),
        "usr/inner/link": (0o120777, b"run"),
        "usr/inner/run": (0o100755, b"odd"),
        "console": (0o20600, b""),
    }


def test_a_containers_root_is_filled_as_a_disk_is(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "inner").mkdir(parents=True)
    (source / "inner" / "run").write_text("new")
    (source / "inner" / "left.out").touch()
    root = tmp_path / "root"
    (root / "opt" / "inner").mkdir(parents=True)
    (root / "opt" / "inner" / "of-before").touch()
    (root / "init").symlink_to("/nowhere")
    disk = Tree(root)
    disk.folder("opt")
    disk.tree(source, "opt", skip=lambda path: path.suffix == ".out")
    disk.file("init", b"#!", 0o755, 5.0)
    disk.link("bin", "usr/bin")
    disk.link("bin", "usr/sbin")
    assert sorted(path.name for path in (root / "opt").rglob("*")) == ["inner", "run"]
    about = (root / "init").lstat()
    assert (about.st_mode, about.st_mtime) == (0o100755, 5.0)
    assert (root / "bin").readlink() == Path("usr/sbin")


def test_a_disk_takes_a_tar_archive_with_its_owners(tmp_path: Path) -> None:
    """PostgreSQL refuses a cluster that is root's, and sudo, dbus and polkit need their bits."""
    tar = tmp_path / "root.tar"
    with tarfile.open(tar, "w") as archive:
        for name, kind, mode in (("./", tarfile.DIRTYPE, 0o755), ("./var", tarfile.DIRTYPE, 0o1777)):
            member = tarfile.TarInfo(name)
            member.type, member.mode = kind, mode
            archive.addfile(member)
        helper = tarfile.TarInfo("./var/helper")
        helper.mode, helper.uid, helper.gid, helper.size, helper.mtime = 0o4754, 101, 102, 3, 7
        archive.addfile(helper, io.BytesIO(b"abc"))
        for name, kind in (
            ("./var/hard", tarfile.LNKTYPE),
            ("./var/soft", tarfile.SYMTYPE),
            ("./var/null", tarfile.CHRTYPE),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "./var/helper" if kind == tarfile.LNKTYPE else "helper"
            archive.addfile(member)
        left = tarfile.TarInfo("./var/left.out")
        archive.addfile(left)
    disk = Archive()
    disk.tar(tar, skip=lambda name: name.endswith(".out"))
    disk.folder("var")
    packed = disk.packed()
    assert unpacked(packed) == {
        "var": (0o41777, b""),
        "var/helper": (0o104754, b"abc"),
        "var/hard": (0o100644, b"abc"),
        "var/soft": (0o120777, b"helper"),
    }
    header = packed[packed.index(b"var/helper") - 110 :]
    assert [int(header[6 + 8 * n : 14 + 8 * n], 16) for n in (2, 3, 5)] == [101, 102, 7]


def test_a_module_is_loaded_behind_what_it_needs(tmp_path: Path) -> None:
    needs = {"gpio_sim": "configfs,irq_sim", "irq_sim": "", "configfs": "", "loop": "gpio-sim,built_in"}
    modules = {}
    for name, others in needs.items():
        modules[name] = tmp_path / f"{name}.ko"
        modules[name].write_bytes(b"\x7fELF\0name=x\0depends=" + others.encode() + b"\0more")
    order: list[str] = []
    _load_after("loop", modules, order)
    assert order == ["configfs", "irq_sim", "gpio_sim", "loop"]


def test_a_disk_knows_when_a_file_was_changed_and_has_a_folder_once(tmp_path: Path) -> None:
    """By the first Python knows what it has compiled; the kernel takes a folder that comes again for a fault."""
    source = tmp_path / "module.py"
    source.touch()
    os.utime(source, (1e9, 1e9))
    disk = Archive()
    disk.tree(tmp_path, "site")
    disk.folder("site")
    packed = disk.packed()
    assert packed.count(b"site\0") == 1
    assert int(packed[packed.index(b"site/module.py") - 110 :][46:54], 16) == 1e9


def test_what_a_program_is_linked_with_comes_along() -> None:
    found = _linked([PYTHON], [])
    assert any(path.name.startswith("libc.so") for path in found)
    assert all(path.is_file() for path in found)
    assert _linked([PYTHON], [Path("/")]) == []


def test_no_claim_is_made_twice() -> None:
    made = claims()
    assert {check.claim for checks in (*GROUPS.values(), *units.GROUPS.values()) for check in checks} < set(made)
    assert len(made) == len(set(made))
    assert not set(GROUPS) & set(units.GROUPS)


ORDERED = f"3.1 s: {unit_reboot.ACCEPTED}\n"


@pytest.mark.parametrize(
    ("events", "console", "shown"),
    [
        (("SHUTDOWN guest-reset",), ORDERED, True),
        (("SHUTDOWN guest-reset",), "", False),
        (("SHUTDOWN guest-shutdown",), ORDERED, False),
        (("WATCHDOG", "SHUTDOWN guest-reset"), ORDERED, False),
        (("SHUTDOWN guest-reset",), f"{ORDERED}Kernel panic - not syncing\n", False),
    ],
)
def test_a_machine_that_ended_otherwise_was_not_restarted_by_an_order(
    events: tuple[str, ...], console: str, *, shown: bool
) -> None:
    assert was_restarted(Said("", console, events, 1.0, ended=True)) is shown


def test_the_commands_of_a_page_are_those_of_one_block(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "image/a\n```toml\nkey = 1\n```\n1. so:\n\n   ```\n   sudo cp image/a /b   # there\n\n   sudo c\n   ```\n"
    )
    assert documented(page, "image/a") == ["sudo cp image/a /b", "sudo c"]
    with pytest.raises(LookupError, match=r"page\.md has 0 blocks"):
        documented(page, "image/z")


def board(*, pulses: int = GRANTS, early: bool = False, function: int = 0, spare: int = 0) -> Heard:
    heard = Heard()
    if early:
        heard.pins += [(1.0, 17, True), (1.01, 17, False)]
    for number in range(GRANTS):
        heard.said.append((10.0 + number, "order"))
    for number in range(pulses):
        heard.pins += [(10.1 + number, 17, True), (10.4 + number, 17, False)]
    heard.said += [(20.0, "lane locked, 0 impossible events"), (30.0, "held"), (40.0, "killed")]
    heard.said += [(41.0, "spare becomes an input, told pinctrl-bcm2835"), (42.0, "done")]
    heard.pins += [(29.0, 17, True)]
    heard.registers = {"held": (1 << 21, 1 << 17), "killed": (function << 21, 0)}
    heard.registers |= {"spare driven": (1 << 3, 0), "spare released": (spare << 3, 0)}
    return heard


def test_pulses_that_were_seen_outside_are_shown() -> None:
    found = judge(board(), "")
    assert [evidence.status for evidence in found] == ["shown"] * 4
    assert "300 ms, 300 ms, 300 ms" in found[0].figure


@pytest.mark.parametrize(
    ("heard", "statuses"),
    [
        (board(pulses=2), ["FAILED", "shown", "shown", "shown"]),
        (board(early=True), ["shown", "FAILED", "shown", "shown"]),
        (board(function=1), ["shown", "shown", "FAILED", "shown"]),
        (board(spare=1), ["shown", "shown", "shown", "FAILED"]),
        (Heard(), ["FAILED"] * 4),
    ],
)
def test_what_was_not_seen_is_not_shown(heard: Heard, statuses: list[str]) -> None:
    assert [evidence.status for evidence in judge(heard, "Kernel panic")] == statuses
