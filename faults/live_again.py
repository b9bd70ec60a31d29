"""A guardian that is killed again and again while it takes stock of a live account at its start: F32."""

import random
import time
from collections.abc import Iterator
from decimal import Decimal

from markets.tests.fake_exchange import trading

from .exchange import SYMBOL, Scene, scenes
from .live_broken import held
from .recovery import Result
from .servers import wait_until
from .stage import Stage

KILLS = 6
POINTS = ("guardian: before booking", "guardian: booking", "guardian: stop planned", "guardian: live: stop leaves",
          "guardian: live: stop accepted", "guardian: live: cancelling")  # fmt: skip
LONGEST = 6.0  # seconds for which a point is waited for: not every start comes to every one


def restarted(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F32: trades, funding and a lost stop wait for the guardian, and it dies over them at point after point."""
    for _, scene in scenes(stage, runs):
        held(scene)
        guardian, died = stage.processes["guardian-1"], []
        for number in range(KILLS):
            guardian.kill()
            _changed(scene, number)
            point = POINTS[number]
            stage.arm(point, "kill")
            guardian.start()
            if _reached(scene, point):
                died.append(point.removeprefix("guardian: "))
            else:
                guardian.kill()
        fault = time.monotonic()
        yield scene.settled(fault, f"killed {KILLS} times at its start, at {', '.join(died)}")


def _changed(scene: Scene, number: int) -> None:
    """While no guardian runs: what the next one has to find out, a stop that is gone each time."""
    with scene.customer.lock:
        for stop in scene.stops():
            trading.end_algo(scene.customer, stop, "EXPIRED")
        if number % 2:
            trading.outsider(scene.customer, SYMBOL, "SELL", "0.01")
        trading.fund(scene.customer, SYMBOL, Decimal("0.0001"))


def _reached(scene: Scene, point: str) -> bool:
    guardian = scene.stage.processes["guardian-1"]
    try:
        wait_until(lambda: not guardian.alive, f"it dies at {point}", LONGEST)
    except TimeoutError:
        for armed in scene.stage.control.glob("guardian@*"):
            armed.unlink(missing_ok=True)
        return False
    return True
