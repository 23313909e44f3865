"""Errors of the program. Each is also the standard library's kind; device errors are in `hw.errors`."""

from __future__ import annotations


class GateError(Exception):
    """Base of everything this program raises on purpose."""


class ConfigError(GateError, ValueError):
    """The configuration is wrong; the message names the file and the key's path."""


class ModelError(GateError, ValueError):
    """A model file is missing, damaged or not the one that was asked for."""


class EngineError(GateError, RuntimeError):
    """A perception engine cannot start or cannot serve here."""


class ImageError(GateError, ValueError):
    """A picture cannot be read or used; the message names it and the reason."""


class SoundError(GateError, ValueError):
    """A sound file cannot be played as a prompt, or not be made; the message names it and the reason."""


class StoreError(GateError, OSError):
    """A database on disk cannot be read or written."""


class GalleryError(GateError, ValueError):
    """Templates or enrolments are wrong: another model's, damaged, or no such person."""


class LinkError(GateError, ConnectionError):
    """The link to the campus failed."""


class MessageError(GateError, ValueError):
    """A message from the campus is not one we understand."""


class EvaluationError(GateError, ValueError):
    """Data of an evaluation, or its shipped figures, are wrong; the message names the file, and row and column."""


class PolicyError(GateError, ValueError):
    """An access policy is wrong; the message names the file and the key's path."""
