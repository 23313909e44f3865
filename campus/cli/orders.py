"""`thermogate-hub order` and `new-key`: a guard's or an office's word to one gate."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from campus.gates.orders import Sender, give
from controller.link import commands, signing

if TYPE_CHECKING:
    from collections.abc import Callable

    from campus.broker import Broker

Subparsers = argparse._SubParsersAction  # noqa: SLF001 - argparse has no public name for it

DESCRIPTION = """\
Gives a gate one order and waits for its signed reply: exit status 0 when it was carried out, 1 when not. The gate
checks who may order what by its own list (docs/commands.md); the order counts for ten seconds and for no other gate.
"""


def add_parsers(
    parsers: Subparsers[argparse.ArgumentParser],
    add_broker: Callable[[argparse.ArgumentParser], None],
    read_broker: Callable[[argparse.Namespace], Broker],
) -> None:
    """Add both. `add_broker` adds the options by which a broker is reached, `read_broker` reads them."""
    order = parsers.add_parser("order", help="give a gate an order", description=DESCRIPTION)
    add_broker(order)
    order.add_argument("--gate", required=True, metavar="NAME")
    order.add_argument("--sign-with", required=True, type=Path, metavar="FILE", help="private key, as new-key makes it")
    order.add_argument("--gate-key", metavar="BASE64", help="the gate's reply key; else the one it announces")
    order.add_argument("--actor", required=True, metavar="WHO", help="who orders it, as the gate's list has them")
    order.add_argument("--reason", required=True, metavar="TEXT", help="why; it is recorded")
    actions = order.add_subparsers(required=True, metavar="ACTION")
    once = actions.add_parser("open-once", help="let one person pass")
    once.add_argument("direction", choices=("entry", "exit"))
    once.add_argument("--temperature", type=float, metavar="CELSIUS", help="taken by hand, of whoever waits for it")
    once.set_defaults(action=lambda o: commands.OpenOnce(direction=o.direction, temperature=o.temperature))
    free = actions.add_parser("set-free", help="free passage in the ways named; none: back to normal")
    free.add_argument("--entry", action="store_true")
    free.add_argument("--exit", action="store_true")
    free.set_defaults(action=lambda o: commands.SetFree(entry=o.entry, exit=o.exit))
    for name, kind, told in (
        ("lockdown", commands.Lockdown, "no entry; egress stays free"),
        ("maintenance", commands.Maintenance, "out of service on purpose"),
    ):
        switch = actions.add_parser(name, help=told)
        switch.add_argument("active", choices=("on", "off"))
        switch.set_defaults(action=lambda o, kind=kind: kind(active=o.active == "on"))
    for name, made, told in (
        ("reset", commands.Reset(), "end a latched emergency opening or fault"),
        ("acknowledge", commands.Acknowledge(), "silence the alarms there are"),
        ("reread", commands.Reread(), "look now whether the gallery has changed"),
        (
            "self-test",
            commands.SelfTest(),
            "measure while people pass; tell how lane and devices are",
        ),
        ("restart", commands.Restart(), "end the program; the service manager starts it anew"),
        ("reboot", commands.Reboot(), "restart the machine"),
    ):
        actions.add_parser(name, help=told).set_defaults(action=lambda _, made=made: made)
    order.set_defaults(run=lambda options: _order(options, read_broker(options)))
    fresh = parsers.add_parser("new-key", help="make a key for giving orders, and print what a gate's list needs")
    fresh.add_argument("file", type=Path, metavar="FILE")
    fresh.set_defaults(run=_new_key)


def _order(options: argparse.Namespace, broker: Broker) -> int:
    gate_key = None if options.gate_key is None else signing.read_public("--gate-key", options.gate_key)
    sender = Sender(signing.read_private(options.sign_with), options.actor, options.reason, gate_key)
    reply = asyncio.run(give(broker, options.campus, options.gate, options.action(options), sender))
    if not reply.accepted:
        print(f"thermogate-hub: {reply.gate} refuses: {reply.refused}; it is {reply.lane}", file=sys.stderr)
        return 1
    print(f"{reply.gate} is {reply.lane}")
    if reply.detail:
        print(json.dumps(reply.detail))
    return 0


def _new_key(options: argparse.Namespace) -> int:
    private = signing.create_private(options.file)
    print(f"# {options.file} is made; keep it where only its user reads it. For the gates' list of commanders:")
    print("[[commander]]")
    print(f'public = "{signing.public_text(private.public_key())}"  # {signing.key_id(private.public_key())}')
    print("[commander.actors]")
    print('guard = ["open_once", "acknowledge", "self_test"]')
    return 0
