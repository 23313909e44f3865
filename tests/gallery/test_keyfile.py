"""The key: 32 bytes that only their owner may read, made once and never replaced."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from controller.errors import GalleryError
from controller.gallery import keyfile
from controller.gallery.keyfile import (
    CREDENTIALS,
    KEY_BYTES,
    create_key,
    described,
    key_id,
    key_place,
    read_key,
    read_ring,
    successor,
)

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


@pytest.fixture
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for what systemd makes of LoadCredentialEncrypted=, with or without a TPM behind it."""
    folder = tmp_path / "credentials"
    folder.mkdir(0o700)
    monkeypatch.setenv(CREDENTIALS, str(folder))
    return folder


def test_a_credential_comes_before_the_file_beside_the_gallery_and_after_a_configured_one(
    tmp_path: Path, credentials: Path
) -> None:
    configured = tmp_path / "elsewhere.key"
    assert key_place(tmp_path) == tmp_path / "gallery.key"
    write(credentials / "gallery.key", bytes(KEY_BYTES), 0o400)
    assert key_place(tmp_path) == credentials / "gallery.key"
    assert key_place(tmp_path, configured) == configured
    assert read_key(key_place(tmp_path)) == bytes(KEY_BYTES)
    assert described(key_place(tmp_path)).endswith("a systemd credential")
    assert "a file" in described(configured)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root owns what systemd gives by an ACL")
def test_the_mask_of_systemds_acl_is_not_taken_for_the_group(tmp_path: Path, credentials: Path) -> None:
    assert read_key(write(credentials / "gallery.key", bytes(KEY_BYTES), 0o440)) == bytes(KEY_BYTES)
    for path, mode in ((credentials / "gallery.key", 0o444), (tmp_path / "gallery.key", 0o440)):
        write(path, bytes(KEY_BYTES), mode)
        with pytest.raises(GalleryError, match=f"mode {mode:04o}"):
            read_key(path)


def test_a_key_and_its_successor_are_both_at_hand(tmp_path: Path) -> None:
    path = tmp_path / "gallery.key"
    old = create_key(path)
    assert list(read_ring(path).keys.values()) == [old]
    new = create_key(successor(path))
    ring = read_ring(path)
    assert list(ring.keys.values()) == [old, new]
    assert ring.first == key_id(old) != key_id(new)
    successor(path).chmod(0o644)
    with pytest.raises(GalleryError, match=r"gallery\.key\.next: others may read"):
        read_ring(path)


def test_a_tpm_that_is_not_used_is_pointed_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = tmp_path / "tpm0"
    monkeypatch.setattr(keyfile, "TPM", stand_in)
    assert "TPM" not in described(tmp_path / "gallery.key")
    stand_in.mkdir()
    assert "this board has a TPM" in described(tmp_path / "gallery.key")


@pytest.mark.skipif(shutil.which("systemd-creds") is None, reason="systemd-creds is not installed")
def test_what_systemd_creds_decrypts_is_the_key(
    tmp_path: Path, credentials: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The steps of docs/templates-at-rest.md, with a host key of this test's own."""
    monkeypatch.setenv("SYSTEMD_CREDENTIAL_SECRET", str(tmp_path / "host-secret"))
    key = create_key(tmp_path / "gallery.key")
    sealed = tmp_path / "gallery.key.cred"

    def creds(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(["systemd-creds", *arguments], check=False, capture_output=True)

    made = creds("encrypt", "--with-key=host", "--name=gallery.key", tmp_path / "gallery.key", sealed)
    if made.returncode:
        pytest.skip(f"systemd-creds: {made.stderr.decode(errors='replace').strip()}")
    assert key not in sealed.read_bytes()
    opened = creds("decrypt", "--name=gallery.key", sealed, "-")
    assert read_key(write(credentials / "gallery.key", opened.stdout, 0o400)) == key
    assert creds("decrypt", "--name=gallery.key.next", sealed, "-").returncode, "a credential is bound to its name"
