"""Faults of an exchange on a live account: orders whose fate is unknown, fills of every kind, stops that get lost.

Each run plays on a scene of its own (`faults.exchange`); the guardian is the product's own process, and so is the
trader that sends orders as a cycle does.
"""

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ledger import live_accounts
from ledger.models import Account
from markets.tests.fake_exchange import trading

from .exchange import SYMBOL, Scene, scenes
from .inspection import reliably
from .recovery import Result
from .servers import wait_until
from .stage import Stage

ORDER, ALGO = "/fapi/v1/order", "/fapi/v1/algoOrder"
TIMED_OUT = '{"code":-1007,"msg":"Timeout waiting for response from backend server. Send status unknown."}'
UNSURE = '{"code":-1000,"msg":"Unknown error, please check your request or try again later."}'
NO_STOPS = '{"code":-4120,"msg":"Order type not supported for this endpoint."}'
# What becomes of the answer to an order; the last one never arrives.
LOST_ANSWERS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("answer dropped", "drop", {}), ("answer late", "delay", {"seconds": 3}), ("half an answer", "half", {}),
    ("-1007", "status", {"status": 408, "body": TIMED_OUT, "after": True}),
    ("503 unknown", "status", {"status": 503, "body": UNSURE, "after": True}),
    ("never arrived", "drop_before", {}),
)  # fmt: skip


def answer_lost(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F2: an order is accepted and its answer lost, or it never arrives. It is looked up and never sent again."""
    for number, scene in scenes(stage, runs):
        note, kind, how = LOST_ANSWERS[number % len(LOST_ANSWERS)]
        scene.fake.faults.add(kind, ORDER, method="POST", **how)
        sent = scene.fake.log.count(ORDER, method="POST")
        fault = time.monotonic()
        scene.trade()
        result = scene.settled(fault, note)
        again = scene.fake.log.count(ORDER, method="POST") - sent
        more = (f"The entry was sent {again} times.",) if again != 1 and scene.held else ()
        yield Result(result.seconds, (*result.lost, *more), note)


def shown_late(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F3: the exchange has the order and shows it only after so many looks."""
    for _, scene in scenes(stage, runs):
        looks = lots.randint(3, 12)
        scene.customer.hide_next = looks
        scene.fake.faults.add("drop", ORDER, method="POST")
        fault = time.monotonic()
        scene.trade()
        yield scene.settled(fault, f"hidden for {looks} looks")


def partly_filled(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F16: a part fills and the rest ends, in entries and in exits; the stop covers what was filled."""
    for _, scene in scenes(stage, runs):
        share = lots.randint(1, 9)
        scene.customer.share = Decimal(share) / 10
        fault = time.monotonic()
        scene.trade()
        first = scene.settled(fault, f"{share}0 % of the entry filled")
        scene.trade("close", f"{scene.held}")
        scene.customer.share = Decimal(1)
        yield scene.settled(fault, first.note, list(first.lost))


def fills_in_disorder(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F17: executions are told shuffled and repeatedly, and one order fills beyond its quantity."""
    for _, scene in scenes(stage, runs):
        scene.customer.disorder = random.Random(lots.random())
        fault = time.monotonic()
        scene.trade()
        scene.trade("add", "0.05")
        order = next(iter(scene.customer.orders.values()))
        with scene.customer.lock:
            trading.fill(scene.customer, order, Decimal("0.01"), Decimal("50010"))
        scene.trade("reduce", "0.04")
        yield scene.settled(fault, "shuffled, repeated, overfilled by 0.01")


def imprecise(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F18: quantities and triggers off the exchange's steps, some below its minimum: rounded or refused, no loop."""
    for _, scene in scenes(stage, runs):
        quantity = f"{lots.uniform(0.0001, 0.1):.7f}"
        before = scene.fake.log.count("rder", method="POST")
        fault = time.monotonic()
        scene.trade(quantity=quantity, stop=f"{lots.uniform(48_000, 49_500):.5f}", target="52999.99999")
        result = scene.settled(fault, f"{quantity} asked, {scene.held} held")
        sent = scene.fake.log.count("rder", method="POST") - before
        more = (f"{sent} orders were sent for one wish.",) if sent > 8 else ()
        yield Result(result.seconds, (*result.lost, *more), result.note)


def stop_orphaned(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F25: somebody closes the position by hand; stop and target must not outlive it."""
    for _, scene in scenes(stage, runs):
        held(scene)
        fault = time.monotonic()
        trading.outsider(scene.customer, SYMBOL, "SELL", scene.held)
        yield scene.settled(fault, "closed by hand", flat=True)


def stop_lost(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F26: the exchange drops the stop without a word."""
    for _, scene in scenes(stage, runs):
        held(scene)
        fault = time.monotonic()
        with scene.customer.lock:
            for stop in scene.stops():
                stop.status = "EXPIRED"
        yield scene.settled(fault, "the stop dropped")


def stop_not_replaced(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F27: the stop is to move and the new one is refused or its answer lost; the old one stays until then."""
    ways: tuple[tuple[str, dict[str, Any]], ...] = (
        ("drop", {}),
        ("drop_before", {}),
        ("status", {"status": 400, "body": '{"code":-4045,"msg":"Reach max stop order limit."}'}),
    )
    for number, scene in scenes(stage, runs):
        held(scene)
        kind, how = ways[number % len(ways)]
        fault = time.monotonic()
        uncovered: list[str] = []
        scene.fake.faults.add(kind, ALGO, method="POST", **how)
        scene.trade("adjust_exits", "0", stop="49500", wait=False)
        until = time.monotonic() + 3
        while time.monotonic() < until:
            with scene.customer.lock:
                if scene.held and not scene.stops() and not uncovered:
                    uncovered.append("For a moment no stop rested.")
            time.sleep(0.02)
        yield scene.settled(fault, f"the second call: {kind}", uncovered)


def stops_refused(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F28: from one day to the next the exchange takes no conditional orders any more. Bracket or flat; the account
    enters nothing until a person has looked, and its exits go out.
    """
    for number, scene in scenes(stage, runs):
        holding = number % 2 == 1
        if holding:
            held(scene)
        scene.fake.faults.add("status", ALGO, method="POST", times=None, status=400, body=NO_STOPS)
        fault = time.monotonic()
        told = scene.trade("adjust_exits", "0", stop="49500") if holding else scene.trade()
        more = [told["error"]] if told["error"] else []
        how: dict[str, Any] = {"halted": True, "told": frozenset({"venue_changed"})}
        more += scene.settled(fault, "", flat=not holding, **how).lost
        more += _only_exits(scene)
        result = scene.settled(fault, "with a stop resting" if holding else "at the first stop", more, flat=True, **how)
        scene.fake.faults.clear()
        yield Result(result.seconds, (*result.lost, *_resumed(scene)), f"-4120 on every stop, {result.note}")


def _only_exits(scene: Scene) -> list[str]:
    """New exposure is denied before it is sent, and whatever is held can be closed."""
    sent, more = scene.entries(), []
    scene.trade("add" if scene.held else "open", "0.05")
    if scene.entries() != sent:
        more.append("An entry went out although the exchange has changed.")
    if scene.held:
        scene.trade("close", f"{scene.held}")
        if scene.held:
            more.append("The position could not be closed.")
    return more


def _resumed(scene: Scene) -> list[str]:
    """A person has looked, and the account trades again."""
    account = reliably(lambda: Account.objects.get(pk=scene.account.pk))
    reliably(lambda: live_accounts.resume(account=account, by=scene.account.owner, wall=datetime.now(UTC)))
    scene.trade()
    more = [] if scene.held else ["After a person resumed it nothing is entered."]
    return [*more, *scene.settled(time.monotonic(), "").lost]


def held(scene: Scene) -> None:
    """Open a position and wait for its bracket."""
    scene.trade()
    scene.covered()
    wait_until(lambda: not scene.settled(time.monotonic(), "").lost, "everything agrees", 60)
