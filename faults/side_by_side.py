"""Several laboratories at once, each a process with servers, database and product of its own: most of a run is waiting.

Each gets its share of the runs and a seed of its own; what they produce is told as one.
"""

import argparse
import multiprocessing
from collections.abc import Callable, Iterator
from copy import copy
from multiprocessing.connection import Connection

from .report import Outcome
from .servers import NoServers

Laboratory = Callable[[argparse.Namespace], Iterator[Outcome]]


def produced(given: argparse.Namespace, laboratory: Laboratory) -> Iterator[Outcome]:
    """Every fault in the order of the plan, as soon as its last share has come. Raises NoServers."""
    context = multiprocessing.get_context("fork")  # nothing of the product is imported yet
    pipes, processes = [], []
    try:
        for number in range(given.stages):
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_play, args=(share(given, number), laboratory, theirs))
            process.start()
            theirs.close()
            pipes.append(ours)
            processes.append(process)
        for _ in given.plan:
            whole, *others = (_received(pipe) for pipe in pipes)
            for other in others:
                whole.join(other)
            yield whole
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()


def share(given: argparse.Namespace, number: int) -> argparse.Namespace:
    """What one of the laboratories is asked for."""
    own = copy(given)
    own.seed = given.seed + number
    own.plan = [(fault, runs // given.stages + (number < runs % given.stages)) for fault, runs in given.plan]
    own.logs = given.logs and given.logs / f"stage-{number + 1}"
    return own


def _play(given: argparse.Namespace, laboratory: Laboratory, pipe: Connection) -> None:
    try:
        for outcome in laboratory(given):
            pipe.send(outcome)
    except NoServers as missing:
        pipe.send(missing)


def _received(pipe: Connection) -> Outcome:
    got = pipe.recv()
    if isinstance(got, NoServers):
        raise got
    assert isinstance(got, Outcome)
    return got
