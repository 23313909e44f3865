"""Where a camera's password comes from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from hw.errors import DeviceDenied
from hw.linux.password import read_password

if TYPE_CHECKING:
    from pathlib import Path


def test_the_first_line_of_a_file_or_a_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "password"
    file.write_text("señor x\r\nmore\n")
    file.chmod(0o640)
    assert read_password(file, "camera.password") == "señor x"
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert read_password(None, "camera.password") is None
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_password(None, "camera.password") is None
    (tmp_path / "camera.password").write_text("hunter2")
    assert read_password(None, "camera.password") == "hunter2"
    assert read_password(file, "camera.password") == "señor x"


def test_what_is_no_password(tmp_path: Path) -> None:
    file = tmp_path / "password"
    with pytest.raises(DeviceDenied, match="cannot be read"):
        read_password(file, "camera.password")
    file.write_text("hunter2")
    file.chmod(0o644)
    with pytest.raises(DeviceDenied, match="everybody may read"):
        read_password(file, "camera.password")
    file.chmod(0o600)
    file.write_bytes(b"\n")
    with pytest.raises(DeviceDenied, match="empty"):
        read_password(file, "camera.password")
    file.write_bytes(b"hunter\xff")
    with pytest.raises(DeviceDenied, match="not UTF-8") as caught:
        read_password(file, "camera.password")
    assert "hunter" not in str(caught.value)
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(DeviceDenied, match="regular file"):
        read_password(tmp_path / "pipe", "camera.password")
