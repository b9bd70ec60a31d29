"""Money that is not there, limits that many want at once, and plans without a stop: F20, F23, F40."""

import math
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from bots import locking
from ledger.models import Account, Lock, Order, Role
from markets.tests.fake_exchange import Listed
from markets.tests.fake_exchange.account import Placed

from .exchange import CAPITAL, PRICE, SYMBOL, Scene, scenes
from .inspection import reliably
from .recovery import Result
from .servers import wait_until
from .stage import Stage

TRIES = 5
REFUSALS = 2  # after so many the product asks no more
COUSINS = ("ETH/USDT:USDT", "SOL/USDT:USDT", "XRP/USDT:USDT", "BNB/USDT:USDT")
CROWD = 50
COINS = tuple(Listed(f"C{number:02}", 100, "0.01", "0.01") for number in range(CROWD))
CAP = Decimal("0.3")  # of the account's equity, over all its books


def not_enough(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F20: the exchange refuses entries for want of margin. Two refusals lock the instrument and tell a person."""
    for number, scene in scenes(stage, runs):
        yield _many_at_once(scene) if number % 2 else _again_and_again(scene)


def _again_and_again(scene: Scene) -> Result:
    """An order that somebody placed by hand holds the margin: the ledger has the money, the exchange does not."""
    scene.quote_all()
    for action in ("open_long", "close"):  # leverage and margin mode cannot be set beside an order that rests
        scene.decide(action)
    _agreed(scene)
    blocker, before = _resting_by_hand(scene), scene.entries()
    fault, told = time.monotonic(), []
    for _ in range(TRIES):
        scene.quote_all()
        told += scene.decide("open_long")
    sent = scene.entries() - before
    more = [] if sent == REFUSALS else [f"{sent} entries were sent: {told}."]
    if "locked" not in [code for cycle in told for item in cycle["items"] for code in item["denied"]]:
        more.append(f"The instrument was not locked: {told}.")
    result = scene.settled(fault, "an order by hand holds the margin", more, flat=True, told=frozenset({"lock"}))
    with scene.customer.lock:
        blocker.status = "CANCELED"
    more = list(result.lost) + _lifted(scene)
    scene.quote_all()
    scene.decide("open_long")
    if not scene.held:
        more.append("Once the margin was free and the lock lifted nothing was entered.")
    again = scene.settled(time.monotonic(), "", more)
    return Result(result.seconds, again.lost, result.note)


def _resting_by_hand(scene: Scene) -> Placed:
    """A bid far below the market, for nearly all that the account has."""
    with scene.customer.lock:
        now, leverage = scene.fake.world.now(), scene.customer.setting(SYMBOL).leverage
        price = Decimal(30_000)
        quantity = (scene.customer.available() * Decimal("0.99") * leverage / price).quantize(Decimal("0.001"))
        number = scene.customer.number()
        order = Placed(
            number, f"web_{number}", SYMBOL, "BUY", "LIMIT", quantity, price, "GTC", False, now, now
        )  # fmt: skip
        scene.customer.orders[number] = order
    return order


def _lifted(scene: Scene) -> list[str]:
    """A person lifts the lock, as the page lets them."""
    lock = reliably(lambda: Lock.objects.filter(lifted_at__isnull=True).select_related("book").first())
    if lock is None:
        return ["There is no lock to lift."]
    reliably(lambda: locking.lift(lock=lock, by=scene.account.owner, now=datetime.now(UTC)))
    return []


def _many_at_once(scene: Scene) -> Result:
    """Bots of one account enter at once, again and again, on a wallet from which somebody has taken nearly all."""
    scene.spare(Decimal(8_000))
    for symbol in COUSINS:
        scene.hire(symbol, Decimal(2_000))
    scene.customer.move("TRANSFER", Decimal(-16_000))
    _agreed(scene)
    fault = time.monotonic()
    for _ in range(TRIES - 1):
        scene.quote_all()
        scene.decide("open_long", bots=scene.bots)
    more = []
    names = [symbol.replace("/USDT:USDT", "USDT") for symbol in (SYMBOL, *COUSINS)]
    sent = {name: scene.entries(name) for name in names}
    if looping := {name: times for name, times in sent.items() if times > REFUSALS}:
        more.append(f"So many entries were sent: {looping}.")
    filled = sum(bool(held.quantity) for held in scene.customer.held.values())
    if not filled or filled == len(sent):
        more.append(f"{filled} of {len(sent)} entries filled: the balance was not thin.")
    note = f"{len(sent)} bots at once, {filled} could pay"
    return scene.settled(fault, note, more, told=frozenset({"lock"}))


def _agreed(scene: Scene) -> None:
    wait_until(lambda: not scene.settled(time.monotonic(), "").lost, "everything agrees", 60)


def too_many(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F40: fifty bots of one account enter at once, and together they want far more than the account may hold."""
    for _, scene in scenes(stage, runs, listing=COINS):
        scene.spare(CAPITAL)
        for coin in COINS:
            scene.hire(coin.symbol, CAPITAL / CROWD)
        Account.objects.filter(pk=scene.account.pk).update(max_exposure=CAP)
        scene.quote_all()
        fault = time.monotonic()
        told = scene.decide("open_long", bots=scene.bots[1:])
        with scene.customer.lock:
            held = {symbol: held for symbol, held in scene.customer.held.items() if held.quantity}
            exposure = sum(one.quantity * one.entry for one in held.values())
            share = exposure / sum(scene.customer.wallet.values())
        more = []
        if share > CAP:
            more.append(f"The account holds {share:.3f} of its equity, more than {CAP}.")
        if share < CAP / 2:
            more.append(f"Only {share:.3f} of the account's equity was used: {told[:5]}.")
        if unended := [cycle for cycle in told if cycle["status"] != "done"]:
            more.append(f"{len(unended)} cycles did not end well: {unended[:3]}.")
        yield scene.settled(fault, f"{CROWD} bots at once, {len(held)} entered {share:.3f} of equity", more)


def no_sound_stop(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F23: proposals without a stop, with one on the wrong side, beyond liquidation or of no number at all."""
    for _, scene in scenes(stage, runs):
        more, fault = [], time.monotonic()
        for _ in range(12):
            action = lots.choice(("open_long", "open_short"))
            stop, leverage = _unsound(lots, action)
            scene.quote_all()
            told = scene.decide(action, stop=stop, leverage=leverage, target=None)
            if scene.entries():
                more.append(f"{action} with the stop {stop} at leverage {leverage} went out: {told}.")
                break
        scene.quote_all()
        scene.decide("open_long")
        if not scene.held or not scene.stops():
            more.append("A sound plan was not carried out.")
        protected = reliably(lambda: Order.objects.filter(role=Role.STOP).exists())
        if not protected:
            more.append("No stop of ours is known.")
        yield scene.settled(fault, "12 plans without a sound stop", more)


def _unsound(lots: random.Random, action: str) -> tuple[Any, int | None]:
    """A stop that no entry may have, with the leverage at which it is none."""
    beyond = lots.uniform(1.001, 3)
    wrong = float(PRICE) * (beyond if action == "open_long" else 1 / beyond)
    far = float(PRICE) * (lots.uniform(0.05, 0.6) if action == "open_long" else lots.uniform(1.5, 5))
    return lots.choice(
        ((None, None), (wrong, None), (far, 50), (0, None), (-wrong, None), (math.nan, None), ("a stop", None),
         (float(PRICE), None), (1e30, None))
    )  # fmt: skip
