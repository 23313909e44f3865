"""What the board knows of its time."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

from controller.record.boot import clock_state, read_boot_id, read_serial, stamp

if TYPE_CHECKING:
    from pathlib import Path


def test_the_boot_id_is_the_kernels(tmp_path: Path) -> None:
    assert read_boot_id() == read_boot_id()
    given = tmp_path / "boot_id"
    given.write_text("E33A479F-5684-4547-962d-1bf9e84fdd29\n")
    assert read_boot_id(given) == "e33a479f-5684-4547-962d-1bf9e84fdd29"


def test_without_a_kernel_that_tells_it_is_random(tmp_path: Path) -> None:
    missing, damaged = tmp_path / "missing", tmp_path / "damaged"
    damaged.write_bytes(b"\xffnonsense")
    for path in (missing, damaged):
        first, second = read_boot_id(path), read_boot_id(path)
        assert first != second
        assert str(uuid.UUID(first)) == first


def test_a_stamp_reads_the_clocks() -> None:
    before = time.monotonic()
    now = stamp()
    assert before <= now.monotonic <= time.monotonic()
    assert abs(now.wall - time.time()) < 60
    assert now.clock == clock_state()
    assert now.clock in ("synchronised", "unsynchronised", "unknown")


def test_the_serial_number_is_the_firmwares(tmp_path: Path) -> None:
    given = tmp_path / "serial-number"
    given.write_bytes(b"10000000a1b2c3d4\0")
    assert read_serial(given) == "10000000a1b2c3d4"
    given.write_bytes(b"\xff\xfe")
    assert read_serial(given) == ""
    assert read_serial(tmp_path / "none") == ""
