"""Checks of thermogate-hub.service under a real systemd, with PostgreSQL and mosquitto as Debian ships them.

The unit is the shipped one, installed by the commands of docs/hub.md, its line for a key taken in.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Final

from image.proof.claims import duration
from image.proof.inside import manager
from image.proof.inside.check import CannotTry, Check, need, tell

UNIT: Final = "thermogate-hub.service"
HUB: Final = "/opt/thermogate/bin/thermogate-hub"
CONFIG: Final = Path("/etc/thermogate-hub/hub.toml")
KEY: Final = Path("/etc/thermogate-hub/orders.key")
SEALED: Final = Path("/etc/thermogate-hub/orders.key.cred")
POSTGRESQL: Final = "postgresql@15-main.service"
TEXT: Final = """\
campus = "school"
database = "postgresql:///thermogate"
[broker]
[orders]
key = "/run/credentials/thermogate-hub.service/orders.key"
"""
LINE: Final = "#LoadCredentialEncrypted=orders.key"
STARTS: Final = 300.0
POLL: Final = 8.0
"""Seconds of a request that is under way when the hub is stopped."""
GRACE: Final = 35.0
"""TimeoutStopSec of the unit."""
CALM: Final = 20.0


class _Scene:
    """What outlasts a check: whether it is installed, and an office's token."""

    token = ""


SCENE: Final = _Scene()


def _ask(path: str, *, timeout: float = 60.0) -> tuple[int, object]:
    """Ask the hub; its status and what it said. Raises OSError where nobody answers."""
    line = http.client.HTTPConnection("127.0.0.1", 8480, timeout=timeout)
    try:
        line.request("GET", path, headers={"Authorization": f"Bearer {SCENE.token}"} if SCENE.token else {})
        answer = line.getresponse()
        return answer.status, json.loads(answer.read() or b"null")
    finally:
        line.close()


def _ready() -> tuple[int, object]:
    try:
        return _ask("/ready")
    except OSError as error:
        return 0, str(error)


def _is_ready() -> bool:
    status, said = _ready()
    return status == 200 and isinstance(said, dict) and said.get("broker") != "away"


def _running() -> int:
    if manager.state(UNIT) != "active":
        raise CannotTry("the hub does not run: see the claims before this one")
    return manager.pid(UNIT)


def _starts() -> str:
    manager.done("systemctl", "start", POSTGRESQL, "mosquitto.service", seconds=120)
    tell("PostgreSQL and mosquitto run")
    Path("hub.toml").write_text(TEXT)
    own = ("enable --now", "token issue")
    ran = manager.install("hub.md", "image/thermogate-hub.service", lambda line: any(word in line for word in own))
    tell(f"{ran} commands of docs/hub.md installed it")
    manager.done(HUB, "new-key", str(KEY))
    manager.done("systemd-creds", "encrypt", "--name=orders.key", str(KEY), str(SEALED))
    KEY.unlink()
    unit = Path("/etc/systemd/system") / UNIT
    text = unit.read_text()
    need(LINE in text, f"the unit has no line {LINE}")
    unit.write_text(text.replace(LINE, LINE.removeprefix("#")))
    manager.done("systemctl", "daemon-reload")
    began = time.monotonic()
    manager.command("systemctl", "enable", "--now", UNIT, seconds=STARTS)
    need(manager.state(UNIT) == "active", f"it is {manager.state(UNIT)}: {manager.log(UNIT)[-1500:]}")
    status, said = _ready()
    need(status == 200, f"systemctl start returned, and /ready said {status} {said}")
    manager.until(
        lambda: "broker connected" in manager.show(UNIT, "StatusText")["StatusText"],
        30,
        lambda: f"systemctl status says {manager.show(UNIT, 'StatusText')}",
    )
    told = manager.show(UNIT, "StatusText", "NRestarts")
    need(told["NRestarts"] == "0", f"started {told['NRestarts']} times more: {manager.log(UNIT)[-1500:]}")
    line = f"sudo -u thermogate-hub {HUB} token issue office --role admin --config {CONFIG}"
    SCENE.token = manager.done("sh", "-c", line, seconds=120).split()[-1]
    status, gates = _ask("/api/v1/gates")
    need(status == 200, f"/api/v1/gates: {status} {gates}")
    return f"database made, active and ready after {duration(manager.since(UNIT) - began)}; “{told['StatusText']}”"


def _rights() -> str:
    about = manager.identity(_running())
    need(about["Uid"][0] != "0" and set(about["Uid"]) == {about["Uid"][0]}, f"it runs as {about['Uid']}")
    need(len(set(about["Groups"]) | {about["Gid"][0]}) == 1, f"its groups are {about['Groups']}")
    need(not any(int(about[name][0], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")), "it has capabilities")
    need(about["NoNewPrivs"] == ["1"] and about["Seccomp"] == ["2"], "it may gain rights, or calls are not filtered")
    state = Path("/var/lib/thermogate-hub").stat()
    need((state.st_uid, state.st_mode & 0o777) == (int(about["Uid"][0]), 0o700), f"its state is {state}")
    key = Path("/run/credentials/thermogate-hub.service/orders.key").stat()
    need(key.st_mode & 0o7 == 0 and not KEY.exists(), f"the key is readable by others: {key}")
    told = manager.exposure(UNIT)
    return f"thermogate-hub, no capability, calls filtered, the key as a credential only; exposure {told}"


def _killed() -> str:
    process = _running()
    before, killed = manager.restarts(UNIT), time.monotonic()
    os.kill(process, signal.SIGKILL)
    manager.until(lambda: manager.pid(UNIT) not in (0, process), 30, lambda: manager.log(UNIT)[-800:])
    manager.until_active(UNIT, STARTS)
    back = manager.since(UNIT) - killed
    need(manager.restarts(UNIT) == before + 1, f"started {manager.restarts(UNIT) - before} times")
    status, said = _ask("/api/v1/gates")
    need(status == 200, f"the token does not count any more: {status} {said}")
    return f"active again, and the token counts, after {duration(back)}; n = 1"


def _hangs() -> str:
    process = _running()
    after, before, stopped = manager.mark(), manager.restarts(UNIT), time.monotonic()
    os.kill(process, signal.SIGSTOP)
    manager.until(lambda: manager.pid(UNIT) not in (0, process), 90, lambda: manager.log(UNIT, after)[-800:])
    ended = time.monotonic() - stopped
    manager.until_active(UNIT, STARTS)
    said = manager.log(UNIT, after)
    need("Watchdog timeout" in said, said[:800])
    need(manager.restarts(UNIT) == before + 1, f"started {manager.restarts(UNIT) - before} times")
    return f"started anew {duration(ended)} after SIGSTOP; n = 1"


def _database() -> str:
    process = _running()
    manager.done("systemctl", "stop", POSTGRESQL)
    gone = time.monotonic()
    manager.until(lambda: _ready()[0] != 200, 30, lambda: "/ready says 200 without PostgreSQL")
    noticed = time.monotonic() - gone
    status, _ = _ready()
    time.sleep(CALM)
    manager.done("systemctl", "start", POSTGRESQL, seconds=120)
    back = manager.until(_is_ready, STARTS, lambda: f"{_ready()}: {manager.log(UNIT)[-1500:]}")
    same = "the same process" if manager.pid(UNIT) == process else f"{manager.restarts(UNIT)} new starts"
    answered = f"/ready {status}" if status else "no answer"
    return f"{answered} after {duration(noticed)}; ready {duration(back)} after PostgreSQL was back, {same}"


def _stopped() -> str:
    _running()
    came: list[tuple[int, float]] = []
    status, page = _ask("/api/v1/changes")
    need(status == 200 and isinstance(page, dict), f"/api/v1/changes: {status} {page}")

    def poll() -> None:
        came.append((_ask(f"/api/v1/changes?after={page['next']}&wait={POLL:g}")[0], time.monotonic()))  # type: ignore[index]

    request = threading.Thread(target=poll)
    request.start()
    time.sleep(1)
    began = time.monotonic()
    manager.done("systemctl", "stop", UNIT, seconds=2 * GRACE)
    took = time.monotonic() - began
    request.join(5)
    need(came and came[0][0] == 200, f"the request under way came to {came or 'nothing'}: {manager.log(UNIT)[-800:]}")
    found = manager.show(UNIT, "ActiveState", "Result", "ExecMainStatus")
    need(found == {"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"}, f"{found}")
    need(took < GRACE, f"it took {took:.1f} s")
    return (
        f"a request of {POLL:g} s was answered {came[0][0]}, then it ended: {duration(took)} after the order, status 0"
    )


def _without() -> str:
    manager.done("systemctl", "stop", POSTGRESQL)
    manager.command("systemctl", "start", "--no-block", UNIT)
    manager.until(lambda: manager.restarts(UNIT) >= 1, 180, lambda: manager.log(UNIT)[-800:])
    said = manager.log(UNIT)[-1500:]
    need("postgresql:///thermogate" in said or "database" in said, said)
    manager.done("systemctl", "start", POSTGRESQL, seconds=120)
    began = time.monotonic()
    manager.until(_is_ready, STARTS, lambda: f"{_ready()}: {manager.log(UNIT)[-1500:]}")
    return f"tried again until PostgreSQL was there, ready {duration(time.monotonic() - began)} later"


def _misconfigured() -> str:
    right = CONFIG.read_text()
    manager.done("systemctl", "stop", UNIT, seconds=2 * GRACE)
    CONFIG.write_text(right.replace("[broker]\n", '[broker]\nhorst = "x"\n'))
    after = manager.mark()
    try:
        need(manager.command("systemctl", "start", UNIT).returncode != 0, "systemctl start called it a success")
        time.sleep(CALM)
        found = manager.show(UNIT, "ActiveState", "ExecMainStatus")
        said = manager.log(UNIT, after)
        lines = [line for line in said.splitlines() if "horst" in line and str(CONFIG) in line]
        need(found["ActiveState"] == "failed" and lines and said.count("Main process exited") == 1, f"{found}: {said}")
    finally:
        CONFIG.write_text(right)
    manager.done("systemctl", "start", UNIT, seconds=STARTS)
    manager.done("systemctl", "stop", UNIT, POSTGRESQL, "mosquitto.service", seconds=2 * GRACE)
    return (
        f"“{lines[0]}” once, status {found['ExecMainStatus']}, one start in {CALM:.0f} s; with the right file it starts"
    )


CHECKS: Final = (
    Check(
        "thermogate-hub.service is active when it answers",
        "by the commands of docs/hub.md, with Debian's PostgreSQL and mosquitto; `/ready` after `systemctl start`",
        _starts,
        600,
    ),
    Check(
        "The hub runs as a user of its own, its key a credential",
        "/proc; systemd-creds; `systemd-analyze security`",
        _rights,
    ),
    Check("kill -9 of the hub", "systemd's NRestarts; a request with a token from before", _killed, 400),
    Check("A hub that hangs", "SIGSTOP; WatchdogSec=30 does the rest", _hangs, 400),
    Check("PostgreSQL is stopped under the hub, and started", "`/ready` meanwhile", _database, 400),
    Check("`systemctl stop` of the hub lets a request end", "a long poll under way", _stopped, 120),
    Check("The hub starts before PostgreSQL does", "its service is stopped; then started", _without, 500),
    Check("A wrong hub.toml is named in the journal, and tried once", "a key that does not exist", _misconfigured, 500),
)
