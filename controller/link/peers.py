"""News of other gates' passages, signed by the hub for one gate and one moment: nobody else can have people refused.

Signed with the hub's roster key, as `cfg/desired` is; the signed part stands beside the plain one, which gates that pin
no key read. Both sides use this file, so it knows no board and no clock.
"""

from __future__ import annotations

import base64
import secrets
from collections import defaultdict
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from controller.errors import MessageError
from controller.link import signing
from controller.link.commands import Name
from controller.link.messages import PAYLOAD_LIMIT, Passed, Peers
from controller.link.signing import Signed  # noqa: TC001 - msgspec reads it

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PREFIX: Final = b"thermogate peers 1\0"
LIFETIME: Final = 60.0
"""Seconds after which news is old. It is kept by nobody on its way: what comes later was held back."""
SKEW: Final = 5.0
"""Seconds by which two clocks may differ."""

Stream = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$", max_length=16)]
Seq = Annotated[int, msgspec.Meta(ge=1, le=2**62)]


class News(msgspec.Struct, frozen=True, kw_only=True):
    """What the hub signs: news for one gate."""

    campus: Name
    gate: Name
    issued: float
    """Unix seconds."""
    stream: Stream
    """Random: one run of a hub's program."""
    seq: Seq
    """Counts what this stream tells this gate, upwards."""
    passed: Annotated[list[Passed], msgspec.Meta(max_length=200)]


class PeersMessage(Peers, frozen=True, kw_only=True, omit_defaults=True):
    """`peers`: what other gates have just seen, for anti-passback. QoS 1, never retained.

    A help and no more: it may come late, twice or never, and then anti-passback is the softer for it.
    """

    signed: Signed | None = None
    """`News`, which alone counts for a gate that pins the hub's key. Since 1.2; None: this hub has no key."""


class PeersRefusedError(MessageError):
    """News that is not taken.

    Args:
        reason: one word, for a counter.
        text: what it is about.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(f"peers: {text}")
        self.reason = f"peers_{reason}"


_messages = msgspec.json.Decoder(PeersMessage)
_news = msgspec.json.Decoder(News)


class PeersSigner:
    """Makes a hub's messages.

    Args:
        campus: its name in topics.
        key: the roster key; None: there is none, and they are not signed.
    """

    def __init__(self, campus: str, key: Ed25519PrivateKey | None) -> None:
        self._campus, self._key = campus, key
        self._stream = secrets.token_hex(8)
        self._told: defaultdict[str, int] = defaultdict(int)

    def messages(self, gate: str, passed: Sequence[Passed], now: float) -> list[bytes]:
        """What is to be published for `gate`, in this order; as many as it takes. `now`: Unix seconds."""
        told = list(passed)
        if not told:
            return []
        if self._key is None:
            return [msgspec.json.encode(PeersMessage(passed=told))]
        self._told[gate] += 1
        news = News(campus=self._campus, gate=gate, issued=now, stream=self._stream, seq=self._told[gate], passed=told)
        body = msgspec.json.encode(news)
        if len(base64.b64encode(body)) > signing.LONGEST and len(told) > 1:
            half = len(told) // 2
            return self.messages(gate, told[:half], now) + self.messages(gate, told[half:], now)
        signed = signing.read_signed("peers", signing.sign(self._key, PREFIX, body))
        return [msgspec.json.encode(PeersMessage(passed=told, signed=signed))]


class PeersGuard:
    """Takes one gate's news, or refuses it.

    Args:
        campus, gate: who this is.
        hub: the hub's key; None: none is pinned, and what anybody writes there is taken.
        started: monotonic seconds at which this program started: what is older may have been heard before that.
    """

    def __init__(self, campus: str, gate: str, hub: Ed25519PublicKey | None, *, started: float) -> None:
        self._campus, self._gate, self._hub, self._started = campus, gate, hub, started
        self._streams: dict[str, tuple[int, float]] = {}
        """The last number of each stream, and when it was issued."""

    def take(self, payload: bytes, *, unix: float | None, monotonic: float) -> Peers:
        """The news. Empty without a clock that is right (`unix` is None): times say nothing then.

        Raises `PeersRefusedError`; nothing is remembered of a message that was refused.
        """
        message = _read(payload)
        if self._hub is None:
            return Peers(passed=message.passed if unix is not None else [])
        news = self._verified(message)
        if unix is None:
            return Peers(passed=[])
        began = unix - (monotonic - self._started)
        # NaN is refused as well.
        if not max(unix - LIFETIME, began) <= news.issued <= unix + SKEW:
            raise PeersRefusedError("stale", f"issued {unix - news.issued:.0f} s ago")
        self._forget(unix)
        last, _ = self._streams.get(news.stream, (0, 0.0))
        if news.seq <= last:
            raise PeersRefusedError("replayed", f"number {news.seq} of {news.stream} comes after {last}")
        self._streams[news.stream] = news.seq, news.issued
        return Peers(passed=news.passed)

    def _verified(self, message: PeersMessage) -> News:
        if message.signed is None or self._hub is None:
            raise PeersRefusedError("unsigned", "is not signed, and [roster] hub_key is pinned here")
        try:
            body = signing.verify("peers", message.signed, self._hub, PREFIX)
        except MessageError as error:
            raise PeersRefusedError("bad_signature", str(error)) from error
        try:
            news = _news.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise PeersRefusedError("malformed", str(error)) from error
        if (news.campus, news.gate) != (self._campus, self._gate):
            raise PeersRefusedError("other_gate", f"is for {news.campus}/{news.gate}")
        return news

    def _forget(self, unix: float) -> None:
        """Streams whose last word would be refused as old anyway."""
        old = [stream for stream, (_, issued) in self._streams.items() if issued < unix - LIFETIME - SKEW]
        for stream in old:
            del self._streams[stream]


def _read(payload: bytes) -> PeersMessage:
    if len(payload) > PAYLOAD_LIMIT:
        raise PeersRefusedError("malformed", f"{len(payload)} bytes are more than {PAYLOAD_LIMIT}")
    try:
        return _messages.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PeersRefusedError("malformed", str(error)) from error
