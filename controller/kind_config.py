"""What gate.toml may say about each kind of lane: foreign keys are refused, a kind's own defaults are filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from controller.perception.presence import SEATED

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS: Final = ("turnstile", "door", "barrier")

SECTIONS: Final = {"gate": "turnstile", "door": "door", "barrier": "barrier"}
"""Sections that belong to one kind: its wiring."""

KEYS: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("lane", "door"): ("door",),
    ("lane", "barrier"): ("barrier",),
    ("lane", "unlock_pulse"): ("turnstile",),
    ("lane", "pass_stuck"): ("turnstile",),
    ("lane", "not_home"): ("turnstile",),
    ("lane", "passage_time"): ("turnstile", "barrier"),
    ("lane", "tailgate_window"): ("turnstile", "door"),
    ("site", "entry"): ("turnstile",),
}
"""Keys that do not belong to every kind, by section and key."""

DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "turnstile": {},
    "door": {},
    "barrier": {
        "lane": {"passage_wait": 15.0, "passage_time": 20.0},
        "perception": {"presence": SEATED, "attempt": {"companions": True}},
    },
}
"""What a kind has otherwise where gate.toml says nothing: cars are slow, and drivers sit."""


def refuse_foreign(raw: Mapping[str, Any]) -> None:
    """Raise ValueError, with the key's path, for what does not belong to the lane's kind."""
    kind = _kind(raw)
    for section, owner in SECTIONS.items():
        if section in raw and owner != kind:
            raise ValueError(f"[{section}]: belongs to {_named((owner,))}, and [lane] kind is {kind!r}")
    for (section, key), owners in KEYS.items():
        within = raw.get(section)
        if isinstance(within, dict) and key in within and kind not in owners:
            path = f"[{section}.{key}]" if isinstance(within[key], dict) else f"[{section}] {key}"
            raise ValueError(f"{path}: belongs to {_named(owners)}, and [lane] kind is {kind!r}")


def with_defaults(raw: Mapping[str, Any]) -> dict[str, Any]:
    """`raw` with the kind's own defaults below what is said."""
    return _below(raw, DEFAULTS.get(_kind(raw), {}))


def _kind(raw: Mapping[str, Any]) -> str:
    lane = raw.get("lane")
    kind = lane.get("kind", KINDS[0]) if isinstance(lane, dict) else KINDS[0]
    # One that is none of them is refused with everything else that is wrong.
    return kind if kind in KINDS else KINDS[0]


def _named(kinds: tuple[str, ...]) -> str:
    return " and ".join(f"kind = {kind!r}" for kind in kinds)


def _below(said: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(said)
    for key, value in defaults.items():
        if key not in merged:
            merged[key] = value
        elif isinstance(value, dict) and isinstance(merged[key], dict):
            merged[key] = _below(merged[key], value)
    return merged
