"""Give one gate one order, over the broker, and hear what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import aiomqtt
import msgspec
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from campus.broker import connect
from campus.errors import HubGateAwayError, HubNoAnswerError, HubOrderError
from controller.errors import ConfigError, MessageError
from controller.link import commands, messages, signing
from controller.link.connection import end_if_cancelled
from controller.link.messages import Online, State

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

    from campus.auth.roles import Actor
    from campus.broker import Broker
    from controller.link.brokers import Address

PATIENCE = 10.0
"""Seconds for the gate's state to come, and again for its reply: as long as a command counts."""
ELSEWHERE = 2.0
"""Seconds for a state to come from a broker when there are others to be asked: what is retained comes at once."""


class OrderSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[orders]`: orders over REST; without it there are none."""

    key: Path
    """What they are signed with: as `thermogate-hub new-key` makes it, of mode 0600."""
    actors: dict[str, commands.Name] = {}
    """By a token's name: who gives the order, as the gates' lists have them. Others go by their role's name."""
    patience: Annotated[float, msgspec.Meta(gt=0, le=PATIENCE)] = PATIENCE
    """Seconds for the gate's state to come, and again for its reply."""
    gate_keys: dict[commands.Name, str] = {}
    """By gate: the public key that its replies have to be signed with. Of others the one that they announce."""


class OrderDesk:
    """Gives orders for those who ask the hub to.

    Args:
        broker: where the gates are.
        campus: theirs.
        settings: whose key, and in whose name.

    Raises `ConfigError` for a key that cannot be used.
    """

    def __init__(self, broker: Broker, campus: str, settings: OrderSettings) -> None:
        self._broker, self._campus = broker, campus
        self._private = signing.read_private(settings.key)
        self._actors, self.patience = settings.actors, settings.patience
        self._gate_keys = {
            gate: signing.read_public(f"[orders] gate_keys.{gate}", text) for gate, text in settings.gate_keys.items()
        }

    def actor(self, by: Actor) -> str:
        """As whom somebody gives orders."""
        return self._actors.get(by.name, by.role.value)

    async def give(self, gate: str, action: commands.AnyAction, by: Actor, reason: str) -> commands.Reply:
        """Give the order and return the gate's reply, accepted or not. Raises `HubOrderError`, as `give` does."""
        sender = Sender(self._private, self.actor(by), reason, self._gate_keys.get(gate))
        return await give(self._broker, self._campus, gate, action, sender, patience=self.patience)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who gives the order, and how."""

    private: Ed25519PrivateKey
    actor: str
    reason: str
    gate_key: Ed25519PublicKey | None = None
    """The key that the gate's replies have to be signed with; None: the one that the gate announces."""


async def give(
    broker: Broker, campus: str, gate: str, action: commands.AnyAction, sender: Sender, *, patience: float = PATIENCE
) -> commands.Reply:
    """Give the order and return the gate's reply, accepted or not.

    Raises `HubOrderError`: the gate is not there, takes no commands, or did not answer. Then nobody knows whether the
    order was carried out; the gate's events say it.
    """
    async with contextlib.AsyncExitStack() as stack:
        talk, state = await _find(stack, broker, (campus, gate), sender, patience)
        try:
            key = sender.gate_key or _announced(gate, state)
            reply = await talk.order(action, (state.boot_id, state.challenge), key, patience)
            if reply.refused == "old_challenge" and reply.challenge:
                # It was renewed while this one was on its way.
                reply = await talk.order(action, (reply.boot_id, reply.challenge), key, patience)
        except aiomqtt.MqttError as error:
            raise HubOrderError(f"{talk.broker.host}: {error}") from error
        return reply


async def _find(
    stack: contextlib.AsyncExitStack, broker: Broker, whom: tuple[str, str], sender: Sender, patience: float
) -> tuple[_Talk, State]:
    """A talk with the gate `whom` (campus, name) for as long as `stack`, and its state: where a broker has it.

    Each is asked once, as they need not share what they retain, and a gate may be at another than this program. Nothing
    is sent to the gate yet. Raises `HubOrderError`.
    """
    trouble = HubOrderError("no broker was asked")
    addresses = broker.turn.in_turn
    for address in addresses:
        seconds = patience if address == addresses[-1] else min(patience, ELSEWHERE)
        try:
            async with contextlib.AsyncExitStack() as attempt:
                identifier = f"thermogate-order-{whom[0]}-{secrets.token_hex(4)}"
                client = await attempt.enter_async_context(connect(broker, identifier, address))
                for kind in ("online", "state", "cmd/reply"):
                    await client.subscribe(messages.topic(*whom, kind), qos=broker.subscribe_qos)
                end_if_cancelled()
                talk = _Talk(client, address, whom, sender)
                state = await talk.state(seconds)
                await stack.enter_async_context(attempt.pop_all())
                return talk, state
        except HubGateAwayError as error:
            trouble = error
        except aiomqtt.MqttError as error:
            if not isinstance(trouble, HubGateAwayError):  # which says more
                trouble = HubOrderError(f"{address.host}: {error}")
    raise trouble


def _announced(gate: str, state: State) -> Ed25519PublicKey:
    try:
        return signing.read_public(f"{gate}'s state: reply_key", state.reply_key)
    except ConfigError as error:
        raise HubOrderError(str(error)) from error


class _Talk:
    """One conversation with one gate, `whom` (campus, name), by way of one broker."""

    def __init__(self, client: aiomqtt.Client, broker: Address, whom: tuple[str, str], sender: Sender) -> None:
        self.broker = broker
        self._client = client
        self._campus, self._gate = whom
        self._sender = sender

    async def state(self, patience: float) -> State:
        """The gate's state, with a challenge."""
        try:
            async with asyncio.timeout(patience):
                async for message in self._client.messages:
                    _, _, kind = messages.parse_topic(str(message.topic))
                    if kind == "online" and not messages.decode("online", bytes(message.payload), Online).online:
                        raise HubGateAwayError(f"{self._gate} is not online")
                    if kind == "state":
                        return self._with_challenge(messages.decode("state", bytes(message.payload), State))
        except TimeoutError:
            pass
        except MessageError as error:
            raise HubOrderError(f"{self._gate} says what cannot be read: {error}") from error
        raise HubGateAwayError(f"nothing is known of {self._gate}: no state within {patience:g} s")

    def _with_challenge(self, state: State) -> State:
        if not state.challenge:
            raise HubGateAwayError(f"{self._gate} takes no commands: its [link] commanders is not set")
        return state

    async def order(
        self, action: commands.AnyAction, to: tuple[str, str], key: Ed25519PublicKey, patience: float
    ) -> commands.Reply:
        """Send the order and wait for its reply. `to`: the gate's boot_id and challenge; `key` verifies the reply."""
        boot_id, challenge = to
        command = commands.Command(
            cmd_id=secrets.token_hex(16),
            campus=self._campus,
            gate=self._gate,
            boot_id=boot_id,
            challenge=challenge,
            expires=time.time() + commands.LIFETIME,
            actor=self._sender.actor,
            reason=self._sender.reason,
            action=action,
        )
        # What the gate would refuse as malformed should not leave here.
        body = commands.encode(command)
        commands.read_command("order", body)
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # paho's own
        properties.MessageExpiryInterval = int(commands.LIFETIME)
        payload = signing.sign(self._sender.private, signing.COMMAND, body)
        topic = messages.topic(self._campus, self._gate, "cmd")
        await self._client.publish(topic, payload, qos=1, retain=False, properties=properties)
        try:
            async with asyncio.timeout(patience):
                async for message in self._client.messages:
                    reply = self._reply_to(command, message, key)
                    if reply is not None:
                        return reply
        except TimeoutError:
            pass
        raise HubNoAnswerError(
            f"{self._gate} did not answer within {patience:g} s: it does not know this key, or is not there any more"
        )

    def _reply_to(
        self, command: commands.Command, message: aiomqtt.Message, key: Ed25519PublicKey
    ) -> commands.Reply | None:
        """The reply, where this is the one."""
        if messages.parse_topic(str(message.topic)).kind != "cmd/reply":
            return None
        try:
            signed = signing.read_signed("cmd/reply", bytes(message.payload))
            reply = commands.read_reply("cmd/reply", signing.verify("cmd/reply", signed, key, signing.REPLY))
        except MessageError as error:
            raise HubOrderError(f"{self._gate}'s reply: {error}") from error
        return reply if reply.cmd_id == command.cmd_id and reply.gate == self._gate else None
