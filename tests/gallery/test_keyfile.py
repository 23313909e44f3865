"""The key: 32 bytes that only their owner may read, made once and never replaced."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from controller.errors import GalleryError
from controller.gallery.keyfile import KEY_BYTES, create_key, read_key

DESCRIPTORS = Path("/proc/self/fd")


def write(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_new_key_is_random_for_its_owner_alone_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "gallery.key"
    key = create_key(path)
    assert len(key) == KEY_BYTES
    assert read_key(path) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["gallery.key"]
    assert create_key(tmp_path / "other.key") != key


def test_a_key_that_is_there_is_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "gallery.key", bytes(range(KEY_BYTES)))
    assert create_key(path) == bytes(range(KEY_BYTES))
    assert [file.name for file in tmp_path.iterdir()] == ["gallery.key"]


def test_makers_at_the_same_time_agree_on_one_key(tmp_path: Path) -> None:
    path = tmp_path / "gallery.key"
    start = threading.Barrier(8)
    keys: list[bytes] = []

    def make() -> None:
        start.wait()
        keys.append(create_key(path))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert set(keys) == {read_key(path)}


@pytest.mark.parametrize("content", [b"", b"short\n", bytes(KEY_BYTES - 1), bytes(KEY_BYTES + 1)])
def test_a_file_that_holds_no_key_is_named_and_kept(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path / "gallery.key", content)
    for attempt in (read_key, create_key):
        with pytest.raises(GalleryError, match=r"gallery\.key: is not a gallery key"):
            attempt(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o602])
def test_a_key_others_may_use_is_refused_with_the_way_out(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "gallery.key", bytes(KEY_BYTES), mode)
    with pytest.raises(GalleryError, match=rf"mode {mode:04o}\); `chmod 600 "):
        read_key(path)


def test_an_absent_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match=r"gallery\.key: the gallery's key is missing"):
        read_key(tmp_path / "gallery.key")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    folder, pipe, link = tmp_path / "folder", tmp_path / "pipe", tmp_path / "link"
    folder.mkdir(0o700)
    os.mkfifo(pipe, 0o600)
    link.symlink_to(write(tmp_path / "gallery.key", bytes(KEY_BYTES)))
    for path in (folder, pipe):
        with pytest.raises(GalleryError, match=f"{path.name}: the gallery's key is not a regular file"):
            read_key(path)
    with pytest.raises(GalleryError, match="link: the gallery's key cannot be read"):
        read_key(link)


def test_refusing_leaves_nothing_open(tmp_path: Path) -> None:
    before = len(list(DESCRIPTORS.iterdir()))
    for path in (tmp_path, write(tmp_path / "short", b"x")):
        with pytest.raises(GalleryError):
            read_key(path)
    assert len(list(DESCRIPTORS.iterdir())) == before


def test_a_place_where_no_key_can_be_made_is_named(tmp_path: Path) -> None:
    write(tmp_path / "file", b"")
    with pytest.raises(GalleryError, match=r"gallery\.key: the gallery's key cannot be made"):
        create_key(tmp_path / "file" / "gallery.key")
