"""Keys of signatures as files."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

import pytest

from controller.errors import ConfigError
from controller.link import signing

if TYPE_CHECKING:
    from pathlib import Path


def test_a_key_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    """A gate whose disk fills at its first start, or whose power goes, has to start again, which half a key forbids."""
    path = tmp_path / "reply.key"
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, most))
    try:
        with pytest.raises(ConfigError, match=r"reply\.key: the key cannot be made: File too large"):
            signing.create_private(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert list(tmp_path.iterdir()) == []
    assert signing.key_id(signing.create_private(path).public_key())
    assert list(tmp_path.iterdir()) == [path]
