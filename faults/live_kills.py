"""Kills on the way of an order to an exchange and back: F1 on a live account.

Several kills on one account, one after the other, so that each meets what the one before it has left. The guardian
looks as often as it does for users; only patience is divided here.
"""

import random
import time
from collections.abc import Iterator
from dataclasses import replace

from .exchange import Scene, scenes
from .points import shares
from .recovery import Result
from .servers import wait_until
from .stage import Stage

LIVE_POINTS = (
    "live: entry accepted", "live: exit accepted", "live: cancelling", "live: target leaves", "live: exit leaves",
    "live: stop leaves", "live: stop accepted", "live: entry leaves", "live: verifying", "entry claimed",
    "before booking", "booking", "filled", "stop planned",
)  # fmt: skip
FRESH_EVERY = 14


def killed_on_the_way(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F1 on an exchange: a process dies at each point between a decision and a protected position, and back out."""
    points = list(shares(LIVE_POINTS, runs).elements())
    lots.shuffle(points)
    begun = range(0, runs, FRESH_EVERY)
    for number, scene in scenes(stage, len(begun), looks=1.0):
        for point in points[begun[number] : begun[number] + FRESH_EVERY]:
            yield killed(scene, point)
            if stage.lost:
                break


def killed(scene: Scene, point: str) -> Result:
    """Have a trade made of which somebody dies at the point, and wait until all is well again."""
    stage, leaving = scene.stage, "exit" in point or "cancelling" in point
    if leaving != bool(scene.held):
        reach(scene, held=leaving)
    stage.arm(point, "kill")
    scene.trade("close" if leaving else "open", wait=False)
    died = stage.killed([point])
    note = f"{died[point].name} killed at «{point}»"
    return replace(scene.settled(time.monotonic(), note), points=(point,))


def reach(scene: Scene, *, held: bool) -> None:
    """What a kill begins with: a position with its stop, or nothing at all."""
    scene.trade("open" if held else "close")
    if held:
        scene.covered()
    else:
        wait_until(lambda: not scene.held and not any(scene.customer.live_algos()), "nothing is held", 60)
