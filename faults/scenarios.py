"""The faults, each produced on purpose: what breaks, and from when on recovery counts.

A scenario yields one result for each time it broke something. What it waits for must come by itself: the scenario
starts dead processes again, as a service manager does, and otherwise keeps its hands off.
"""

import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .stage import Stage, query, reliably

ORDINARY = ("worker-1", "worker-2", "market-1", "beat-1")
DOUBLED = ("worker-1", "worker-2", "market-1", "market-2", "beat-1", "beat-2")
LEASE_SECONDS = 10.0  # of a feed; a process that drives it and dies is missed for so long

# Each point of the path from an intent to a protected position, and back out.
F1_POINTS = (
    "entry planned", "entry claimed", "entry accepted", "before booking", "filled", "answered", "committing",
    "booking", "stop planned", "stop claimed", "stop accepted", "exit planned", "exit claimed", "exit accepted",
    "cancelling", "market: stepping", "market: claiming", "market: booking", "market: stop planned",
    "market: stop claimed", "market: stop accepted", "market: cancelling",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Result:
    """One fault produced: seconds until all was well again, and what was lost."""

    seconds: float
    lost: tuple[str, ...] = ()
    note: str = ""


Scenario = Callable[[Stage, int, random.Random], Iterator[Result]]


def settled(stage: Stage, since: int, fault: float, note: str, more: list[str] | None = None) -> Result:
    seconds, found = stage.recovered(since, fault)
    return Result(seconds, (*found, *(more or [])), note)


def rounds(stage: Stage, runs: int, *names: str, copies: int = 0) -> Iterator[int]:
    """Number the runs, all of them on one stage; after a loss the next one begins on a fresh one."""
    number = 0
    while number < runs:
        with stage.playing(*names, copies=copies):
            warm(stage)
            while number < runs and not stage.lost:
                yield number
                number += 1


def warm(stage: Stage) -> None:
    """Wait until the product runs; what is wrong before anything was broken is an error of the laboratory."""
    _, found = stage.recovered(0, time.monotonic() + 60)
    if found:
        raise RuntimeError(f"The product did not run before the fault: {found}")


def killed_between_send_and_ack(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F1: a process dies at each named point in turn."""
    for number in rounds(stage, runs, *ORDINARY):
        point = F1_POINTS[number % len(F1_POINTS)]
        stage.arm(point, "kill")
        process = stage.taken(point)
        fault, since = time.monotonic(), reliably(stage.newest_cycle)
        yield settled(stage, since, fault, f"{process.name} killed at «{point}»")


def broker_lost(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F4: Redis is flushed, or dies and comes back empty, while a cycle is under way."""
    for number in rounds(stage, runs, *ORDINARY):
        stage.arm("answered", "wait 1")
        stage.taken("answered")
        since = stage.newest_cycle()
        if number % 2:
            stage.redis.flush()
        else:
            stage.redis.kill()
            stage.redis.start()
        yield settled(stage, since, time.monotonic(), "flushed" if number % 2 else "restarted")


F5_POINTS = ("committing", "entry planned", "entry claimed", "venue booking", "booking", "stepping", "stop claimed")


def database_lost(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F5: PostgreSQL cuts its connections, restarts or crashes, in the middle of a transaction or between two."""
    breaks: tuple[Callable[[], object], ...] = (
        lambda: stage.postgres.terminate("lab"),
        stage.postgres.restart,
        lambda: (stage.postgres.crash(), stage.postgres.start()),
    )
    names = ("connections cut", "restarted", "crashed")
    for number in rounds(stage, runs, *ORDINARY):
        point = F5_POINTS[number % len(F5_POINTS)]
        stage.arm(point, "wait 2")
        stage.taken(point)
        since = reliably(stage.newest_cycle)
        how = number % len(breaks)
        breaks[how]()
        yield settled(stage, since, time.monotonic(), f"{names[how]} at «{point}»")


def delivered_again(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F7: every message is delivered two to five times at once, from two beats to two workers of each kind."""
    for _ in rounds(stage, runs, *DOUBLED, copies=5):
        since, begun = stage.newest_cycle(), time.monotonic()
        time.sleep(3)
        yield settled(stage, since, begun + 3, "3 s of messages in two to five copies")


F8_POINTS = (
    "answered", "entry planned", "entry claimed", "committing", "filled", "stop claimed", "booking", "exit claimed",
    "venue booking", "market: stepping", "market: claiming", "market: booking", "market: stop claimed",
)  # fmt: skip


def paused_past_lease(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F8: a worker is frozen past its lease, the other one goes on, and the first one wakes up."""
    for number in rounds(stage, runs, *ORDINARY, "market-2"):
        point = F8_POINTS[number % len(F8_POINTS)]
        stage.arm(point, "freeze")
        process = stage.taken(point)
        since, frozen = stage.newest_cycle(), time.monotonic()
        # Everybody else has to go on while the frozen one holds whatever it holds.
        seconds, found = stage.recovered(since, frozen)
        process.signal(signal.SIGCONT)
        since, woken = stage.newest_cycle(), time.monotonic()
        time.sleep(1)
        again, later = stage.recovered(since, woken)
        yield Result(seconds, (*found, *later), f"{process.name} frozen at «{point}», {again:.1f} s after it woke")


def slow_decider(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F9: a decider sleeps far past its next slots. The market waits for the deadline, and the late answer is void."""
    nap = stage.deadline + 6
    for _ in rounds(stage, runs, "worker-1", "market-1", "beat-1"):
        before = stage.newest_cycle()
        stage.arm("deciding", f"wait {nap}")
        stage.taken("deciding")
        since, asleep = stage.newest_cycle(), time.monotonic()
        seconds, found = stage.recovered(since, asleep)
        time.sleep(max(0.0, asleep + nap + 1 - time.monotonic()))
        found += stage.look()
        found += overslept(before)
        if seconds > stage.deadline + LEASE_SECONDS:
            found.append(f"The market stood still for {seconds:.1f} s with a deadline of {stage.deadline:g} s.")
        yield Result(seconds, tuple(found), f"slept {nap:g} s")


def overslept(since: int) -> list[str]:
    """One cycle has run out of time, or two where another bot of the account waited for it; none has decided."""
    failed = f"select id from bots_cycle where status = 'failed' and id > {since} - 10 and error like 'The deadline%'"
    ended = len(query(failed))
    decided = len(query(f"select id from bots_decision where cycle_id in ({failed})"))
    if ended in (1, 2) and not decided:
        return []
    return [f"{ended} cycles ran out of time, and {decided} of them decided all the same."]


def beat_stopped_or_double(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F10: no beat for a while, then one, then two."""
    for _ in rounds(stage, runs, "worker-1", "market-1", "beat-1", "beat-2"):
        for name in ("beat-1", "beat-2"):
            stage.processes[name].kill()
        time.sleep(4)
        since, back = stage.newest_cycle(), time.monotonic()
        if lots.random() < 0.5:
            stage.start_again(["beat-1"])
            time.sleep(1)
        stage.start_again()
        yield settled(stage, since, back, "4 s without beat, then two")


def redis_down(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F36: Redis is gone or frozen for some seconds. Positions stay protected, and cycles come back by themselves."""
    for number in rounds(stage, runs, *ORDINARY):
        time.sleep(lots.uniform(0, 2))
        since, frozen = stage.newest_cycle(), bool(number % 2)
        if frozen:
            stage.redis.freeze()
        else:
            stage.redis.kill()
        time.sleep(6)
        bare = stage.unprotected()
        if frozen:
            stage.redis.thaw()
        else:
            stage.redis.start()
        yield settled(stage, since, time.monotonic(), "frozen for 6 s" if frozen else "gone for 6 s", bare)


def ended_at_random(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F38: SIGTERM and SIGKILL at random moments, to any process."""
    for number in rounds(stage, runs, *ORDINARY):
        time.sleep(lots.uniform(0, 2))
        process = stage.processes[lots.choice(ORDINARY)]
        since, fault, lost = reliably(stage.newest_cycle), time.monotonic(), []
        if number % 2:
            process.kill()
        elif not process.stop():
            lost.append(f"{process.name} did not end within 30 s of SIGTERM.")
        deed = "killed" if number % 2 else f"ended in {time.monotonic() - fault:.1f} s"
        yield settled(stage, since, fault, f"{process.name} {deed}", lost)


def storm(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """Everything at once: all processes twice, every message up to five times, ten kills for each run."""
    for _ in rounds(stage, runs, *DOUBLED, copies=5):
        for _ in range(10):
            time.sleep(lots.uniform(0, 1.5))
            process = stage.processes[lots.choice(DOUBLED)]
            process.kill()
            process.start()
        since = reliably(stage.newest_cycle)
        yield settled(stage, since, time.monotonic(), "after ten more kills")
