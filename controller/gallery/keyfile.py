"""The gallery's key: 32 random bytes in a file that only its owner may read, or a systemd credential.

A credential (systemd.exec(5), LoadCredentialEncrypted=) is decrypted by the service manager into memory, with a key of
the machine and, where there is one, of its TPM: a stolen card opens nothing. Beside the key may lie its successor,
`<name>.next`: while the key is being changed, both open what they sealed (`controller.gallery.rotation`).
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from controller.errors import GalleryError

KEY = "gallery.key"
KEY_BYTES = 32
"""AES-256."""
KEY_ID_BYTES = 8
CREDENTIALS = "CREDENTIALS_DIRECTORY"
"""Where systemd puts a service's credentials (systemd.exec(5))."""
TPM = Path("/sys/class/tpm/tpm0")


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys at hand, by id; more than one only while the key is being changed."""

    path: Path
    keys: dict[str, bytes]
    """The key in force first, its successor after it."""

    @property
    def first(self) -> str:
        """Id of the key that lies under the key's own name."""
        return next(iter(self.keys))


def key_id(key: bytes) -> str:
    """A name for a key that tells nothing of it: 16 hex digits of its SHA-256 under a label."""
    return hashlib.sha256(b"thermogate key id\0" + key).hexdigest()[: 2 * KEY_ID_BYTES]


def credentials_folder() -> Path | None:
    """Where this service's credentials are; None where it has none."""
    folder = os.environ.get(CREDENTIALS)
    return Path(folder) if folder else None


def key_place(folder: Path, key: Path | None = None) -> Path:
    """Where the key of the gallery in `folder` is: the file `key`, else a systemd credential, else beside it."""
    if key is not None:
        return key
    credentials = credentials_folder()
    if credentials is not None and (credentials / KEY).exists():
        return credentials / KEY
    return folder / KEY


def successor(path: Path) -> Path:
    """Where the next key lies while the key is being changed."""
    return path.with_name(f"{path.name}.next")


def read_ring(path: Path) -> Keyring:
    """The key in `path` and, where there is one, its successor. Raises `GalleryError` as `read_key` does."""
    found = [read_key(path)]
    if successor(path).exists():
        found.append(read_key(successor(path)))
    return Keyring(path, {key_id(key): key for key in found})


def described(path: Path) -> str:
    """Where the key is and what guards it there, for an operator."""
    if is_credential(path):
        return f"{path}, a systemd credential"
    if TPM.exists():
        return f"{path}, a file; this board has a TPM that could guard it (docs/templates-at-rest.md)"
    return f"{path}, a file"


def is_credential(path: Path) -> bool:
    """Whether the service manager put it there: to be read, never written."""
    return path.parent == credentials_folder()


def read_key(path: Path) -> bytes:
    """The key in a file. Raises `GalleryError`: absent, readable by others, or not a key."""
    try:
        # O_NONBLOCK: a pipe under this name is refused, not waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            _check_mode(path, os.fstat(descriptor))
            key = os.read(descriptor, KEY_BYTES + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError as error:
        raise GalleryError(f"{path}: the gallery's key is missing; without it the templates cannot be read") from error
    except OSError as error:
        raise GalleryError(f"{path}: the gallery's key cannot be read: {error.strerror}") from error
    if len(key) != KEY_BYTES:
        raise GalleryError(f"{path}: is not a gallery key of {KEY_BYTES} bytes")
    return key


def _check_mode(path: Path, found: os.stat_result) -> None:
    mode = found.st_mode
    if not stat.S_ISREG(mode):
        raise GalleryError(f"{path}: the gallery's key is not a regular file")
    # systemd gives a credential to the service's user by an ACL, whose mask shows as the group's bits of a root's file.
    mask = 0o040 if is_credential(path) and found.st_uid == 0 else 0
    if mode & 0o077 & ~mask:
        raise GalleryError(
            f"{path}: others may read the gallery's key (mode {stat.S_IMODE(mode):04o}); `chmod 600 {path}`"
        )


def create_key(path: Path, like: Path | None = None) -> bytes:
    """Make a new key, mode 0600, whole or not at all; when another process was first, that one's.

    Made by root, it belongs to the owner of `like`, by default of its folder, who is to read it.

    Raises `GalleryError` where the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # mkstemp makes mode 0600; a link never replaces a key that is there, as a rename would.
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                give_to_owner(file.fileno(), like or path.parent)
                file.write(os.urandom(KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            os.link(name, path)
        except FileExistsError:
            return read_key(path)
        finally:
            os.unlink(name)  # noqa: PTH108 - mkstemp gives a name
        sync_folder(path.parent)
    except OSError as error:
        raise GalleryError(f"{path}: the gallery's key cannot be made: {error.strerror}") from error
    return read_key(path)


def make_file(path: Path) -> None:
    """Make an empty file of mode 0600, its folder's owner's; harmless where there is one. Raises OSError."""
    descriptor = os.open(path, os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        give_to_owner(descriptor, path.parent)
    finally:
        os.close(descriptor)


def give_to_owner(descriptor: int, of: Path) -> None:
    """Let a file that root makes belong to the owner of `of`: the service is somebody else. Raises OSError."""
    if os.geteuid() == 0:
        found = of.stat()
        os.fchown(descriptor, found.st_uid, found.st_gid)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
