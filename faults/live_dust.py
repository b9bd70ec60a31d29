"""Remainders that are smaller than an order may be, on a live account: F19."""

import random
import time
from collections.abc import Iterator
from decimal import Decimal

from ledger.models import BookKind, Order, Position
from markets.tests.fake_exchange import trading

from .exchange import SYMBOL, Scene, scenes
from .inspection import reliably
from .live_broken import held
from .live_limits import falls_due
from .recovery import Result
from .stage import Stage

MOST_ROWS, MOST_EXITS, MOST_STOPS = 14, 3, 8
WAYS = ("less than a step", "less than the exchange's new minimum")


def dust(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F19: what is left is less than an order may be. The position ends, the dust is kept apart, and nobody insists."""
    for number, scene in scenes(stage, runs):
        note = WAYS[number % len(WAYS)]
        held(scene)
        fault, more = time.monotonic(), list[str]()
        if number % len(WAYS):
            scene.fake.world.listed[SYMBOL].min_quantity = "0.01"
            left = Decimal("0.001")  # ours to know as a size, and worth less than an order may be
        else:
            left = Decimal(lots.randint(1, 9)) / 10_000
        trading.outsider(scene.customer, SYMBOL, "SELL", scene.held - left)
        time.sleep(3)  # the stop cannot be made smaller: what rests covers it, and nobody insists
        if (stops := scene.fake.log.count("algoOrder", method="POST")) > MOST_STOPS:
            more.append(f"{stops} stops and targets were sent.")
        falls_due()
        result = scene.settled(fault, note, told=frozenset({"dust"}))
        more += [*result.lost, *_kept_apart(left)]
        time.sleep(3)  # whoever insists does it now
        rows = reliably(lambda: Order.objects.count())
        if rows > MOST_ROWS or scene.exits() > MOST_EXITS:
            more.append(f"{scene.exits()} exits were sent, {rows} orders made.")
        more += _swept_up(scene)
        yield Result(result.seconds, tuple(more), note)


def _kept_apart(left: Decimal) -> list[str]:
    ended = reliably(lambda: list(Position.objects.closed().values_list("exit_reason", flat=True)))
    unassigned = Position.objects.open().filter(book__kind=BookKind.UNASSIGNED)
    kept = reliably(lambda: list(unassigned.values_list("quantity", flat=True)))
    return [] if ended == ["dust"] and kept == [left] else [f"It ended as {ended}, and {kept} is kept apart."]


def _swept_up(scene: Scene) -> list[str]:
    """A person closes the dust at the exchange: then the instrument is free again."""
    trading.outsider(scene.customer, SYMBOL, "SELL", scene.held)
    more = list(scene.settled(time.monotonic(), "", flat=True).lost)
    scene.fake.world.listed[SYMBOL].min_quantity = ""
    scene.quote_all()
    told = scene.decide("open_long", risk_share=0.1)
    if not scene.held:
        more.append(f"Nothing can be entered there any more: {told}.")
    return [*more, *scene.settled(time.monotonic(), "").lost]
