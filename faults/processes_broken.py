"""Processes that end, freeze, sleep or stay away: F1, F8, F9, F10 and F38.

A scenario yields one result for each time it broke something. What it waits for must come by itself: dead processes
are started again, as a service manager does it, and otherwise it keeps its hands off.
"""

import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from .inspection import heart, newest_cycle, query, reliably
from .points import shares
from .recovery import Result, look, recovered, settled
from .rounds import ORDINARY, rounds
from .stage import Stage

# Each point of the path from an intent to a protected position, and back out. Those that matter most come first.
F1_POINTS = (
    "entry accepted", "stop claimed", "market: booking", "entry claimed", "before booking", "filled", "entry planned",
    "answered", "committing", "booking", "stop planned", "stop accepted", "exit planned", "exit claimed",
    "exit accepted", "cancelling", "market: stepping", "market: claiming", "market: stop planned",
    "market: stop claimed", "market: stop accepted", "market: cancelling",
)  # fmt: skip
F8_POINTS = (
    "entry claimed", "booking", "answered", "entry planned", "committing", "filled", "stop claimed", "exit claimed",
    "venue booking", "market: stepping", "market: claiming", "market: booking", "market: stop claimed", "settling",
    "valuing",
)  # fmt: skip
# Longer than it takes until messages that were sent before have expired.
UNHEARD_SECONDS = 3.0
ARMED = 3
FRESH_EVERY = 50  # kills on one database: the invariants are checked over all of its history each time


def killed_between_send_and_ack(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F1: a process dies at each named point, as often at each; of the few that are armed, at the first one reached."""
    left = shares(F1_POINTS, runs)
    for _ in rounds(stage, runs, *ORDINARY, fresh=FRESH_EVERY, busy_only=True):
        points = sorted(lots.sample(F1_POINTS, len(F1_POINTS)), key=lambda point: -left[point])[:ARMED]
        for point in points:
            stage.arm(point, "kill")
        died = stage.killed(points)
        fault, since = time.monotonic(), reliably(newest_cycle)
        left -= Counter(died.keys())
        note = ", ".join(f"{process.name} killed at «{point}»" for point, process in died.items())
        yield replace(settled(stage, since, fault, note), points=tuple(died))


def paused_past_lease(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F8: a worker is frozen past its lease, the other one goes on, and the first one wakes up."""
    for number in rounds(stage, runs, *ORDINARY, "market-2"):
        point = F8_POINTS[number % len(F8_POINTS)]
        stage.arm(point, "freeze")
        process = stage.taken(point)
        since, frozen = newest_cycle(), time.monotonic()
        # Everybody else has to go on while the frozen one holds whatever it holds.
        seconds, found = recovered(stage, since, frozen)
        process.signal(signal.SIGCONT)
        since, woken = newest_cycle(), time.monotonic()
        time.sleep(1)
        again, later = recovered(stage, since, woken)
        note = f"{process.name} frozen at «{point}», {again:.1f} s after it woke"
        yield Result(seconds, (*found, *later), note)


def slow_decider(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F9: a decider sleeps far past its next slots. The market waits for the deadline, and the late answer is void."""
    nap = stage.deadline + 6
    for _ in rounds(stage, runs, "worker-1", "market-1", "beat-1", "guardian-1"):
        before = out_of_time()
        stage.arm("deciding", f"wait {nap}")
        stage.taken("deciding")
        since, asleep = newest_cycle(), time.monotonic()
        seconds, found = recovered(stage, since, asleep)
        time.sleep(max(0.0, asleep + nap + 1 - time.monotonic()))
        found += look(stage)
        if not out_of_time() - before:
            found.append("No cycle ran out of time.")
        yield Result(seconds, tuple(found), f"slept {nap:g} s")


def out_of_time() -> set[int]:
    """Cycles that were ended by their deadline without a decision."""
    found = query(
        "select id from bots_cycle c where status = 'failed' and error like 'The deadline%'"
        " and not exists (select 1 from bots_decision where cycle_id = c.id)"
    )
    return {int(row[0]) for row in found}


def beat_stopped_or_double(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F10: no beat for a while, which everybody can see, then one, then two."""
    for _ in rounds(stage, runs, "worker-1", "market-1", "beat-1", "beat-2", "guardian-1"):
        for name in ("beat-1", "beat-2"):
            stage.processes[name].kill()
        unseen = unnoticed()
        since, back = newest_cycle(), time.monotonic()
        if lots.random() < 0.5:
            stage.start_again(["beat-1"])
            time.sleep(1)
        stage.start_again()
        yield settled(stage, since, back, "no beat, then two", unseen)


def unnoticed(seconds: float = 60.0) -> list[str]:
    """Wait until the dispatcher's silence shows in its heartbeat."""
    until = time.monotonic() + seconds
    while time.time() - heart("dispatcher") < UNHEARD_SECONDS:
        if time.monotonic() > until:
            return ["Without a beat the dispatcher still gives signs of life."]
        time.sleep(0.1)
    return []


def ended_at_random(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F38: SIGTERM and SIGKILL at random moments, to any process."""
    for number in rounds(stage, runs, *ORDINARY):
        time.sleep(lots.uniform(0, 2))
        process = stage.processes[lots.choice(ORDINARY)]
        since, fault, lost = reliably(newest_cycle), time.monotonic(), []
        if number % 2:
            process.kill()
        elif not process.stop():
            lost.append(f"{process.name} did not end after SIGTERM.")
        deed = "killed" if number % 2 else f"ended in {time.monotonic() - fault:.1f} s"
        yield settled(stage, since, fault, f"{process.name} {deed}", lost)
