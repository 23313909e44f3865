"""Nothing personal and nothing secret gets into a log: names, pictures, embeddings, passwords.

The rule is by key and by type, applied to every line, so that a mistake elsewhere shows as `[redacted]` and not as a
child's face in a log file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping

PERSONAL = frozenset({
    "name", "names", "full_name", "first_name", "last_name", "surname", "birthday", "phone", "address", "photo",
    "picture", "image", "pixels", "face", "crop", "embedding", "embeddings", "template", "templates", "probe",
    "temperatures", "landmarks",
})  # fmt: skip
SECRET = frozenset({"password", "passphrase", "secret", "token", "credentials", "authorization", "private_key"})
_SECRET_ENDINGS = ("_password", "_secret", "_token", "_passphrase")

REDACTED = "[redacted]"
_DEPTH = 4
_ITEMS = 50
_PLAIN = (str, int, float, bool, type(None))


def redact(_logger: object, _method: str, event: MutableMapping[str, object]) -> MutableMapping[str, object]:
    """A structlog processor: the line with everything personal, secret or binary taken out."""
    for key, value in event.items():
        event[key] = _clean(key, value, _DEPTH)
    return event


def _clean(key: str, value: object, depth: int) -> object:
    lowered = key.lower()
    if lowered in PERSONAL or lowered in SECRET or lowered.endswith(_SECRET_ENDINGS):
        return REDACTED
    if isinstance(value, _PLAIN) or key.startswith("_") or key == "exc_info":  # structlog's own keys pass as they are
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    if hasattr(value, "__array__"):
        return _scalar_or_shape(value)
    if depth == 0:
        return f"[{type(value).__name__}]"
    if isinstance(value, Mapping):
        return {str(name): _clean(str(name), item, depth - 1) for name, item in list(value.items())[:_ITEMS]}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean("", item, depth - 1) for item in list(value)[:_ITEMS]]
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {value}"
    # An object's repr may hold anything, a face among it.
    return getattr(value, "value", None) if isinstance(getattr(value, "value", None), str) else _shown(value)


def _scalar_or_shape(value: object) -> object:
    shape = getattr(value, "shape", ())
    if shape == () and callable(item := getattr(value, "item", None)):
        return item()
    return f"[array {'x'.join(map(str, shape))}]"


def _shown(value: object) -> str:
    """Paths and addresses as their text; any other object as its type only."""
    return str(value) if hasattr(value, "__fspath__") else f"[{type(value).__name__}]"
