"""Kills a campus: `python -m benchmarks.hub.kills --kills 200`.

24 gates (journal and link of the board's program, on disk), mosquitto with certificates and the access list of
docs/mqtt.md, PostgreSQL, and `thermogate-hub serve` lose processes by SIGKILL, at random moments and at named points
around each commit, while the gates report as on a school's morning. Whatever died is started again. In the end every
event that a journal committed must be in the database once, as it was written, and nothing else.

The seed decides who is killed next and after what pause; when the processes are where, the machine decides.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from benchmarks.hub import deadly_hub, fleet, services
from benchmarks.hub.audit import Audit, audit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.hub.services import Process, School

GATES = 24
PROCESSES = 4
"""Processes that the gates live in."""
PEAK = 50.0
"""Events per second of 24 gates when school begins."""
PAUSES = (0.2, 2.0)
"""Seconds between two kills from outside, at random."""
AWAY = (0.0, 1.0)
"""Seconds that a broker or a database is away, at random."""
MIGRATION_KILLS = 4
"""Starts of the hub that end while it makes its tables."""
KILLED = -9
DRAIN_SECONDS = 300.0
"""In which everything must have arrived once the killing is over."""


class FailedError(RuntimeError):
    """A process ended by itself, or never did."""


@dataclass
class Campaign:
    """What was done, and what was found."""

    seed: int
    tuned: bool
    kills: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    drained: float = 0.0
    """Seconds from the last kill until every gate had its acknowledgements."""
    found: Audit = field(default_factory=Audit)


class Killer:
    """Starts what has ended, and ends what runs."""

    def __init__(self, school: School, campaign: Campaign) -> None:
        self._school = school
        self._campaign = campaign
        self._rng = random.Random(campaign.seed)
        self._fleets: list[Process | None] = [None] * PROCESSES
        self._fleet_points = [""] * PROCESSES
        self._hub: Process | None = None
        self._hub_point = ""
        self._hub_starts = 0
        self._database_down = 0.0

    def run(self, kills: int) -> None:
        """Kill so many, then let everything arrive."""
        end = self._campaign.kills
        while end.total() < kills:
            self._revive()
            time.sleep(self._rng.uniform(*PAUSES))
            self._collect()
            if end.total() < kills:
                self._strike()
        self._settle()

    def stop(self) -> None:
        """Leave nothing behind."""
        for process in (*self._fleets, self._hub):
            if process is not None:
                services.end(process)

    def _strike(self) -> None:
        victim = self._rng.choices(("gates", "hub", "broker", "database"), (4, 4, 2, 2))[0]
        if victim == "gates":
            process = self._fleets[self._rng.randrange(PROCESSES)]
            if process is not None:
                process.kill()
        elif victim == "hub" and self._hub is not None:
            self._hub.kill()
        elif victim == "broker":
            self._school.broker.kill()
            time.sleep(self._rng.uniform(*AWAY))
            self._school.broker.start()
            self._campaign.kills["broker, any moment"] += 1
        elif victim == "database":
            self._school.database.stop()
            time.sleep(self._rng.uniform(*AWAY))
            self._school.database.start()
            self._database_down = time.monotonic()
            self._campaign.kills["database, any moment"] += 1

    def _collect(self) -> None:
        """Count who has died, whether we killed it or it did at its point."""
        for index, process in enumerate(self._fleets):
            if process is not None and process.poll() is not None:
                self._count("gates", process, self._fleet_points[index])
                self._fleets[index] = None
        if self._hub is not None and self._hub.poll() is not None:
            self._count("hub", self._hub, self._hub_point)
            self._hub = None

    def _count(self, who: str, process: Process, point: str) -> None:
        # A hub that finds no database says so and ends; its service manager starts it again, as we do.
        if who == "hub" and process.returncode == 1 and time.monotonic() - self._database_down < DRAIN_SECONDS:
            return
        if process.returncode != KILLED:
            raise FailedError(f"{who}: ended with {process.returncode}, see the logs in {self._school.folder}")
        self._campaign.kills[f"{who}, {point or 'any moment'}"] += 1

    def _revive(self) -> None:
        """Start what does not run, with a point to die at for every second one."""
        for index, process in enumerate(self._fleets):
            if process is None:
                point = self._rng.choice(fleet.POINTS) if self._rng.random() < 0.5 else ""
                self._start_fleet(index, point)
        if self._hub is None:
            self._hub_starts += 1
            if self._hub_starts <= MIGRATION_KILLS:
                self._start_hub("migrating", self._rng.randint(1, 5 * self._hub_starts))
            elif self._rng.random() < 0.5:
                self._start_hub(self._rng.choice(deadly_hub.POINTS[1:]), self._rng.randint(1, 60))
            else:
                self._start_hub("", 0)

    def _start_fleet(self, index: int, point: str, seconds: float = fleet.FOR_EVER) -> None:
        school = self._school
        gates = list(school.gates[index::PROCESSES])
        plan = fleet.FleetPlan(
            folder=str(school.folder),
            gates=gates,
            hosts=["127.0.0.1"] * len(gates),
            port=school.broker.port,
            rate=PEAK / len(school.gates),
            seed=self._campaign.seed,
            seconds=seconds,
            point=point,
            number=self._rng.randint(1, 40),
        )
        file = school.folder / f"fleet-{index}.json"
        file.write_bytes(msgspec.json.encode(plan))
        self._fleet_points[index] = point
        command = [sys.executable, "-m", "benchmarks.hub.fleet", file]
        self._fleets[index] = services.start(command, school.folder / f"fleet-{index}.log")

    def _start_hub(self, point: str, number: int) -> None:
        school = self._school
        self._hub_point = point
        if not point:
            self._hub = school.start_hub()
            return
        command = [sys.executable, "-m", "benchmarks.hub.deadly_hub", point, number, "serve", "--config", school.config]
        self._hub = services.start(command, school.folder / "hub.log")

    def _settle(self) -> None:
        """End all processes, start them with neither a point to die at nor new passages, wait until all has arrived."""
        started = time.monotonic()
        self.stop()
        for index in range(PROCESSES):
            self._start_fleet(index, "", seconds=0.0)
        self._start_hub("", 0)
        running = [process for process in self._fleets if process is not None]
        while any(process.poll() is None for process in running):
            if self._hub is not None and self._hub.poll() is not None:
                self._count("hub", self._hub, "")
                self._start_hub("", 0)
            if time.monotonic() - started > DRAIN_SECONDS:
                raise FailedError(f"gates still wait for acknowledgements after {DRAIN_SECONDS:g} s")
            time.sleep(0.1)
        if any(process.returncode for process in running):
            raise FailedError(f"gates ended with {[process.returncode for process in running]}")
        self._campaign.drained = time.monotonic() - started


def run(kills: int, seed: int, *, tuned: bool, gates: int = GATES) -> Campaign:
    """One campaign. Raises `FailedError`, and `MissingError` where a service is not installed."""
    campaign = Campaign(seed, tuned)
    started = time.monotonic()
    with services.school(gates, tuned=tuned) as school:
        killer = Killer(school, campaign)
        try:
            killer.run(kills)
            campaign.found = asyncio.run(audit(school.folder, school.gates, school.database.address))
        except FailedError:
            for log in sorted(school.folder.glob("*.log")):
                print(f"--- {log.name}", *log.read_text(errors="replace").splitlines()[-15:], sep="\n", file=sys.stderr)
            raise
        finally:
            killer.stop()
    campaign.seconds = time.monotonic() - started
    return campaign


def show(campaign: Campaign) -> None:
    """Print what a campaign did and found."""
    found = campaign.found
    settings = "as docs/mqtt.md has it" if campaign.tuned else "with its defaults"
    print(f"seed {campaign.seed}, mosquitto {settings}: {campaign.kills.total()} kills in {campaign.seconds:.0f} s")
    for what, count in sorted(campaign.kills.items()):
        print(f"  {what:24} {count:4}")
    print(f"  journaled {found.journaled} (of them {found.promised} promised to a lane), in {found.epochs} epochs")
    print(f"  stored {found.stored}, conflicts {found.conflicts}, holes {found.holes}, waiting {found.waiting}")
    print(f"  all acknowledged {campaign.drained:.1f} s after the last kill")
    for trouble in found.troubles:
        print(f"  WRONG: {trouble}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both settings of the broker; 0 when nothing was lost, doubled or changed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hub.kills", description="Kill a campus.")
    parser.add_argument("--kills", type=int, default=200, metavar="N", help="with either configuration (default: 200)")
    parser.add_argument("--seed", type=int, default=1, help="of who is killed next (default: 1)")
    parser.add_argument("--broker", choices=("ours", "defaults", "both"), default="both", help="default: %(default)s")
    options = parser.parse_args(arguments)
    wrong = 0
    for name, tuned in (("ours", True), ("defaults", False)):
        if options.broker in (name, "both"):
            campaign = run(options.kills, options.seed, tuned=tuned)
            show(campaign)
            wrong += len(campaign.found.troubles)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
