"""Faults of a live account that others bring about: hands, the exchange's own acts, keys and modes."""

import random
import time
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

from django.db.models import F

from ledger.models import Account, Order, OrderState, Position
from markets.tests.fake_exchange import trading

from .exchange import PRICE, SYMBOL, Scene, scenes
from .inspection import reliably
from .live_broken import held
from .recovery import Result
from .stage import Stage

AHEAD, STEPS = (-3600.0, 0.8, 3600.0, -2.0), (3600.0, -3600.0, 0.9, -0.7, 40.0)
RATES = ("0.0001", "-0.00031", "0.000057", "0.0001", "-0.000013")


def traded_by_hand(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F29: somebody trades on the account, beside our position or where we have none. It is recorded, not managed."""
    for number, scene in scenes(stage, runs):
        beside = number % 2 == 0
        if beside:
            held(scene)
        fault = time.monotonic()
        trading.outsider(scene.customer, SYMBOL, "BUY", "0.02")
        result = scene.settled(fault, "beside ours" if beside else "where nothing was held")
        more = []
        orders = reliably(lambda: Order.objects.count())
        if not beside and (scene.stops() or orders):
            more.append("What is not ours was managed.")
        yield Result(result.seconds, (*result.lost, *more), result.note)


def funded(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F30: funding of both signs while its history is read again and again: once each, to the last unit."""
    for _, scene in scenes(stage, runs):
        held(scene)
        fault = time.monotonic()
        for rate in RATES:
            trading.fund(scene.customer, SYMBOL, rate, Decimal(str(lots.uniform(49_000, 51_000))[:9]))
            time.sleep(lots.random() / 2)
        scene.customer.move("TRANSFER", Decimal("-55.5"))
        yield scene.settled(fault, f"{len(RATES)} payments and a transfer")


def closed_by_the_exchange(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F31: liquidation, deleveraging and settlement are adopted as exits, with their reason and price."""
    acts = (("liquidation", trading.liquidate), ("adl", trading.adl), ("settlement", trading.settle))
    for number, scene in scenes(stage, runs):
        why, act = acts[number % len(acts)]
        held(scene)
        fault = time.monotonic()
        act(scene.customer, SYMBOL, Decimal("50123.4"))
        result = scene.settled(fault, why, flat=True)
        said = reliably(lambda: list(Position.objects.closed().values_list("exit_reason", flat=True)))
        more = () if said == [why] else (f"The reason given is {said}.",)
        yield Result(result.seconds, (*result.lost, *more), why)


def key_revoked(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F35: the key stops working with a position open: the account is halted, a person told. Later it works again."""
    for _, scene in scenes(stage, runs):
        held(scene)
        fault = time.monotonic()
        scene.customer.revoked = True
        stopped = scene.settled(fault, "revoked", halted=True, told=frozenset({"key"}))
        scene.customer.revoked = False
        again = scene.settled(time.monotonic(), "")
        note = f"revoked, {again.seconds:.1f} s after it worked again"
        yield Result(stopped.seconds, (*stopped.lost, *again.lost), note)


def modes_changed(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F39: leverage, margin or position mode is changed outside; no entry goes out under it, and it says why."""
    for number, scene in scenes(stage, runs):
        held(scene)
        quantity = scene.held
        what = ("leverage", "margin type", "hedge mode")[number % 3]
        fault = time.monotonic()
        with scene.customer.lock:
            setting = scene.customer.setting(SYMBOL)
            if what == "leverage":
                setting.leverage = 20
            elif what == "margin type":
                setting.margin_type = "CROSSED"
            else:
                scene.customer.hedge = True
        scene.trade("add", "0.05")
        more = [] if scene.held == quantity else ["The entry went out all the same."]
        refused = reliably(lambda: list(Order.objects.filter(role="entry", state=OrderState.REFUSED)))
        if not any(order.reason for order in refused):
            more.append("The refusal does not say why.")
        yield scene.settled(fault, f"{what} changed", more)


def away(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F12: the exchange is under maintenance, or nobody answers on its address, while a position is open."""
    for number, scene in scenes(stage, runs):
        held(scene)
        what = ("maintenance", "nobody there")[number % 2]
        seconds = lots.uniform(2, 6)
        scene.fake.world.maintenance = what == "maintenance"
        if what == "nobody there":
            scene.fake.stop()
        scene.trade("add", "0.05", wait=False)
        time.sleep(seconds)
        with scene.customer.lock:
            trading.outsider(scene.customer, SYMBOL, "SELL", "0.03")  # what happens meanwhile is learnt afterwards
        scene.fake.world.maintenance = False
        fault = time.monotonic()
        if what == "nobody there":
            scene.fake.start()
        yield scene.settled(fault, f"{what} for {seconds:.1f} s")


def clock_wrong(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F15: the exchange's clock and ours are apart, and with a position open one of them steps, by up to an hour."""
    for number, scene in scenes(stage, runs, ahead=AHEAD):
        _older(scene, timedelta(hours=2))  # than any step: what comes afterwards is of its time
        held(scene)
        step, fault, stops = STEPS[number % len(STEPS)], time.monotonic(), scene.stops()
        with scene.customer.lock:  # the price is where it was, whatever the time
            scene.fake.world.advance(step)
            scene.price(PRICE)
        trading.fund(scene.customer, SYMBOL, "0.0001")
        more = list(scene.settled(time.monotonic(), "").lost)
        if not scene.held or scene.stops() != stops:
            more.append(f"The step moved what protects: {scene.held} held, {len(scene.stops())} stops.")
        scene.trade("add", "0.05")
        result = scene.settled(fault, f"{AHEAD[number % len(AHEAD)]:+g} s, then {step:+g} s", more)
        scene.price("48900")  # and the stop at the exchange still does what it is there for
        again = scene.settled(time.monotonic(), "", flat=True)
        yield Result(result.seconds, (*result.lost, *again.lost), result.note)


def _older(scene: Scene, by: timedelta) -> None:
    """The account's books were opened so much earlier."""
    older = {"books_from": F("books_from") - by}
    reliably(lambda: Account.objects.filter(pk=scene.account.pk).update(**older))
