"""`thermogate-hub gate revoke`, `acl`, `crl` and `drop`: a gate that was stolen is shut out of people and broker."""

from __future__ import annotations

import asyncio
import datetime as dt
import getpass
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from campus.cli.admin import here, work
from campus.config import load
from campus.errors import HubConfigError, HubError
from campus.gates import keys as gate_keys
from campus.gates.shutout import DAYS, STAY, access_list, end_session, read_authority, replace_file, revocation_list
from campus.people.records import People

if TYPE_CHECKING:
    import argparse

    from campus.cli.orders import Subparsers
    from campus.config import HubConfig

REVOKE = """\
A gate was stolen. It is given nothing more, and the content key changes for the others. With the options also, in this
order: its certificate goes on the authority's revocation list (--crl, --ca, --ca-key, --certificate), it goes off the
broker's access list (--acl), the broker reads both anew (--broker-pid), and its session is ended (--drop). What was
done already does not hinder: run it again after a step that failed.
"""


def add_actions(gate: Subparsers[argparse.ArgumentParser]) -> None:
    """Add them to `gate`."""
    revoke = gate.add_parser("revoke", help="a gate was stolen: shut it out", description=REVOKE)
    revoke.add_argument("name")
    revoke.add_argument("--acl", type=Path, metavar="FILE", help="write the broker's access list without it")
    revoke.add_argument("--broker-pid", type=Path, metavar="FILE", help="mosquitto's pid_file: it is sent SIGHUP")
    revoke.add_argument("--drop", action="store_true", help="end its session at the broker, by [broker] of hub.toml")
    revoke.set_defaults(run=_revoke)
    acl = gate.add_parser("acl", help="print mosquitto's access list for the gates that count, and this hub")
    acl.add_argument("--out", type=Path, metavar="FILE", help="write it there, in place of what was there")
    acl.set_defaults(run=_acl)
    crl = gate.add_parser("crl", help="put certificates on the authority's revocation list, or renew it as it is")
    crl.set_defaults(run=_crl)
    drop = gate.add_parser("drop", help="end a gate's session at the broker, and see that it does not come back")
    drop.add_argument("name")
    drop.set_defaults(run=_drop)
    for parser in (revoke, acl, drop):
        parser.add_argument("--config", required=True, type=Path, metavar="FILE", help="hub.toml")
    for parser in (revoke, crl):
        needed = parser is crl
        parser.add_argument(
            "--crl", type=Path, metavar="FILE", required=needed, help="the list (PEM), made or replaced"
        )
        parser.add_argument("--ca", type=Path, metavar="FILE", required=needed, help="the authority (PEM)")
        parser.add_argument("--ca-key", type=Path, metavar="FILE", required=needed, help="its private key")
        parser.add_argument(
            "--certificate",
            type=Path,
            metavar="FILE",
            action="append",
            default=[],
            help="to be revoked; may be repeated",
        )
        parser.add_argument("--days", type=int, default=DAYS, metavar="N", help=f"for which the list counts ({DAYS})")


def _revoke(options: argparse.Namespace) -> int:
    config = load(options.config)
    if options.crl is not None and not options.certificate:
        raise HubConfigError("--crl: needs --certificate, the gate's own")
    content = None if options.crl is None else _list_of(options)  # before anything is done: the key may be wrong
    people = People(config.people)
    done = work(options, lambda query: gate_keys.revoke(query, here(), people, options.name, now=time.time()))
    steps = [one for one in (options.crl, options.acl, options.broker_pid, options.drop or None) if one is not None]
    if not done and not (steps and _was_revoked(options)):
        raise HubConfigError(f"{options.name}: is no gate that is given people")
    print(f"{options.name}: is told nothing more{'' if done else ', as before'}.")
    if content is not None:
        replace_file(options.crl, content)
        print(f"{options.crl}: has its certificate.")
    if options.acl is not None:
        replace_file(options.acl, _access_list(options, config).encode())
        print(f"{options.acl}: has it no more.")
    if options.broker_pid is not None:
        _reread(options.broker_pid)
        print("The broker reads both anew.")
    if options.drop:
        _end(options, config)
    if not steps:
        print(
            "It is not shut out of the broker yet: --acl, --crl, --broker-pid and --drop, or by hand (docs/roster.md)."
        )
    print("If card numbers or templates may have been read: docs/roster.md.")
    return 0


def _acl(options: argparse.Namespace) -> int:
    text = _access_list(options, load(options.config))
    if options.out is None:
        sys.stdout.write(text)
    else:
        replace_file(options.out, text.encode())
    return 0


def _crl(options: argparse.Namespace) -> int:
    replace_file(options.crl, _list_of(options))
    return 0


def _drop(options: argparse.Namespace) -> int:
    _end(options, load(options.config))
    return 0


def _end(options: argparse.Namespace, config: HubConfig) -> None:
    if config.broker is None:
        raise HubConfigError(f"{options.config}: there is no [broker]")
    asyncio.run(end_session(config.broker.broker(), config.campus, options.name, STAY))
    print(f"{options.name}: has no session at the broker, and does not come back.")


def _access_list(options: argparse.Namespace, config: HubConfig) -> str:
    counting = [gate.gate for gate in work(options, gate_keys.gates) if gate.revoked is None]
    return access_list(config.campus, counting)


def _was_revoked(options: argparse.Namespace) -> bool:
    return any(one.gate == options.name and one.revoked is not None for one in work(options, gate_keys.gates))


def _list_of(options: argparse.Namespace) -> bytes:
    if options.ca is None or options.ca_key is None:
        raise HubConfigError("--crl: needs --ca and --ca-key")
    authority = read_authority(options.ca, options.ca_key, getpass.getpass)
    return revocation_list(authority, options.crl, options.certificate, now=dt.datetime.now(dt.UTC), days=options.days)


def _reread(path: Path) -> None:
    try:
        os.kill(int(path.read_text(encoding="ascii")), signal.SIGHUP)
    except (OSError, ValueError) as error:
        raise HubError(f"--broker-pid: {path}: the broker could not be told: {error}") from error
