"""Prices that stand still or are nonsense, while the product's own process brings them to a live account: F13, F14."""

import random
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from .exchange import PRICE, SYMBOL, WITH_PRICES, NotDone, Scene, scenes
from .recovery import Result
from .servers import wait_until
from .stage import Stage

OLD = 12.0  # seconds until a price is too old for the policy of the laboratory's bots
LITTLE = 0.02  # of the risk of a trade: many such entries fit
TICKERS = "/ticker/"


def stale(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F13: prices stand still while everything else goes on. Nothing is entered on them, and the stop stays."""
    ways: tuple[tuple[str, Callable[[Scene], None], Callable[[Scene], None]], ...] = (
        ("prices frozen", lambda scene: scene.fake.world.freeze(), lambda scene: scene.fake.world.freeze(False)),
        ("stream silent, prices not told", _hush, _speak),
    )
    for number, scene in scenes(stage, runs, names=WITH_PRICES):
        note, stop, go_on = ways[number % len(ways)]
        opened(scene)
        more = _entered(scene, "before")
        stop(scene)
        time.sleep(OLD)
        size, sent = scene.held, scene.entries()
        for action in ("add", "add"):
            denied = _denied(scene.decide(action, risk_share=LITTLE))
            if "stale_data" not in denied:
                more.append(f"An entry on an old price was not refused for it: {denied}.")
        if scene.entries() != sent or scene.held != size:
            more.append("An entry went out on an old price.")
        more += scene.settled(time.monotonic(), "").lost  # while it lasts the stop rests, and all agrees
        if number % len(ways):
            # Nobody tells us, and the stop at the exchange does what it is there for.
            scene.fake.world.set_price(SYMBOL, "48000")
            more += scene.settled(time.monotonic(), "", flat=True).lost
        go_on(scene)
        fault = time.monotonic()
        enters_again(scene)
        yield scene.settled(fault, note, more)


def opened(scene: Scene, **said: Any) -> None:
    """Let the bot open a position with room to grow, and wait for its bracket."""
    told = scene.decide("open_long", risk_share=0.1, **said)
    if not scene.held:
        raise NotDone(f"the bot opened nothing: {told}")
    scene.covered()
    wait_until(lambda: not scene.settled(time.monotonic(), "").lost, "everything agrees", 60)


WRONG: tuple[tuple[str, dict[str, str], int | None, str], ...] = (
    ("NaN", {"last": "NaN", "bid": "NaN", "ask": "NaN", "mark": "NaN", "candle": "NaN"}, None, "not_a_number"),
    ("zero", {"last": "0", "bid": "0", "ask": "0", "mark": "0", "candle": "0"}, None, "not_positive"),
    ("negative", {"last": "-50000", "bid": "-50000", "ask": "-1", "mark": "-50000", "candle": "-1"}, None,
     "not_positive"),
    ("inverted book", {"bid": "50100", "ask": "49900"}, None, "crossed"),
    ("a book 100 times too high, once", {"bid": "5000000", "ask": "5000010"}, 1, "jump"),
    ("a mark 100 times too high, once", {"mark": "5000000"}, 1, "jump"),
    ("all 100 times too low, once", {"last": "500", "bid": "499.9", "ask": "500.1", "mark": "500"}, 1, "jump"),
)  # fmt: skip
SANE = PRICE * Decimal("0.95"), PRICE * Decimal("1.05")


def nonsense(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F14: the exchange tells NaN, zero, less than nothing, an inverted book and a hundredfold price. Refused and
    counted, no order is sized from it, and a stop that trails stays where it is.
    """
    for number, scene in scenes(stage, runs, names=WITH_PRICES):
        note, figures, times, code = WRONG[number % len(WRONG)]
        opened(scene, trail=0.03)
        stops, before, size = _stops(scene), scene.refused_data().get(code, 0), scene.held
        more: list[str] = []
        fault = time.monotonic()
        scene.fake.world.misquote(SYMBOL, times, **figures)
        until = fault + 15  # a lone wrong price is told within moments, the others as long as this lasts
        while time.monotonic() < until and (times is None or scene.fake.world.misquotes(SYMBOL)):
            scene.decide("add", risk_share=LITTLE)
            more += _insane(scene)
            time.sleep(0.5)
        more += _insane(scene)
        scene.fake.world.misquote(SYMBOL)
        enters_again(scene)
        if scene.refused_data().get(code, 0) <= before:
            more.append(f"Nothing was refused as {code}: {scene.refused_data()}.")
        if scene.held < size or stops - _stops(scene):
            more.append(f"A price that was none moved what protects: {stops - _stops(scene)}, {scene.held} held.")
        sizes = [order.quantity for order in scene.customer.orders.values() if not order.reduce_only]
        if max(sizes) > 2 * size:
            more.append(f"Entries of {sizes} were sized from it.")
        yield scene.settled(fault, note, more)


def _stops(scene: Scene) -> set[Decimal]:
    """The triggers of the stops that rest."""
    return {stop.trigger for stop in scene.stops()}


def _insane(scene: Scene) -> list[str]:
    """What of the price that the product believes is none."""
    believed = scene.quoted()
    figures = {name: getattr(believed, name) for name in ("last", "bid", "ask", "mark")}
    return [f"It believes {name} to be {f}." for name, f in figures.items() if not SANE[0] < f < SANE[1]]


def _hush(scene: Scene) -> None:
    scene.fake.world.streams_silent = True
    scene.fake.faults.add("drop_before", TICKERS, times=None)


def _speak(scene: Scene) -> None:
    scene.fake.world.streams_silent = False
    scene.fake.faults.clear()


def enters_again(scene: Scene) -> None:
    wait_until(lambda: passes(scene), "an entry goes out again", 60)


def passes(scene: Scene) -> bool:
    sent = scene.entries()
    scene.decide("add" if scene.held else "open_long", risk_share=LITTLE)
    time.sleep(0.3)
    return scene.entries() > sent


def _entered(scene: Scene, when: str) -> list[str]:
    """An entry must be possible, or its refusal later on proves nothing."""
    size = scene.held
    told = scene.decide("add", risk_share=LITTLE)
    return [] if scene.held > size else [f"No entry went out {when}: {told}."]


def _denied(cycles: list[dict[str, object]]) -> set[str]:
    return {code for cycle in cycles for item in cycle["items"] for code in item["denied"]}  # type: ignore[attr-defined]
