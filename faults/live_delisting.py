"""An instrument that the exchange halts, delists and settles while a position is open: F21."""

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from ledger.models import Account, Position
from markets.models import Instrument
from markets.tests.fake_exchange import trading

from .exchange import EXCHANGE, SYMBOL, WITH_PRICES, Scene, scenes
from .inspection import reliably
from .live_haste import RULES_SECONDS
from .live_limits import falls_due
from .live_prices import LITTLE, opened
from .recovery import Result
from .servers import wait_until
from .stage import Stage

OTHER = "ETH/USDT:USDT"
WAYS = ("announced and settled", "halted with an exit due, then traded again", "settled with an exit due")
MOST_EXITS = 8  # in a time in which one that is refused is due again after 2, 4, 8 … seconds
SETTLED_AT = Decimal("49876.5")


def delisted(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F21: first it may only be reduced, then nothing is taken any more, then it is settled and gone."""
    for number, scene in scenes(stage, runs, names=WITH_PRICES):
        note = WAYS[number % len(WAYS)]
        scene.hire(OTHER, scene.spare(Decimal(2_000)))
        opened(scene)
        yield _halted(scene, note) if number % len(WAYS) == 1 else _settled(scene, note, due=number % len(WAYS) == 2)


def _settled(scene: Scene, note: str, *, due: bool) -> Result:
    listed, more = scene.fake.world.listed[SYMBOL], []
    listed.delists_at = scene.fake.world.now() + 3_600_000
    _known_as(scene, "leaving")
    more += _only_reduced(scene)
    more += scene.settled(time.monotonic(), "").lost
    listed.status, listed.delists_at = "delisted", scene.fake.world.now()
    if due:
        falls_due()
    time.sleep(10)  # nobody takes an order any more, and nothing is settled yet
    if (exits := scene.exits()) > MOST_EXITS:
        more.append(f"{exits} exits were sent although nothing is taken any more.")
    fault = time.monotonic()
    with scene.customer.lock:
        for stop in list(scene.customer.live_algos(SYMBOL)):
            trading.end_algo(scene.customer, stop, "EXPIRED")
        trading.settle(scene.customer, SYMBOL, SETTLED_AT)
    alerts = frozenset({"exit_refused"}) if due else frozenset()
    result = scene.settled(fault, note, more, flat=True, halted=None if due else False, told=alerts)
    more = list(result.lost)
    said = reliably(lambda: list(Position.objects.closed().values_list("exit_reason", flat=True)))
    if said != ["settlement"]:
        more.append(f"The reason given is {said}.")
    with scene.customer.lock:
        del scene.fake.world.listed[SYMBOL]
    return Result(result.seconds, (*more, *_goes_on(scene)), note)


def _halted(scene: Scene, note: str) -> Result:
    """Even exits are refused for a while: few are tried, and the position is closed as soon as one is taken."""
    listed, more = scene.fake.world.listed[SYMBOL], []
    listed.status = "delisted"
    falls_due()
    time.sleep(10)
    if not 1 <= (exits := scene.exits()) <= MOST_EXITS:
        more.append(f"{exits} exits were sent while none is taken.")
    if not scene.held or not scene.stops():
        more.append("What is held lost its stop.")
    listed.status = "trading"
    fault = time.monotonic()
    result = scene.settled(fault, note, more, flat=True, halted=True, told=frozenset({"exit_refused"}))
    return Result(result.seconds, (*result.lost, *_goes_on(scene)), note)


def _only_reduced(scene: Scene) -> list[str]:
    more, sent, size = [], scene.entries(), scene.held
    told = scene.decide("add", risk_share=LITTLE)
    denied = {code for cycle in told for item in cycle["items"] for code in item["denied"]}
    if scene.entries() != sent or "instrument_blocked" not in denied:
        more.append(f"An entry was not refused although it is being delisted: {told}.")
    told = scene.decide("reduce", reduce_share=0.4, bots=scene.bots[:1])
    if not abs(scene.held) < abs(size):
        more.append(f"It could not be reduced: {told}.")
    return more


def _goes_on(scene: Scene) -> list[str]:
    """What is gone from the exchange's list must not hold up the account: it is compared, and trades elsewhere."""
    since = datetime.now(UTC) + timedelta(seconds=2 * RULES_SECONDS)
    compared = Account.objects.filter(pk=scene.account.pk, reconciled_at__gt=since, trouble="", silent_since=None)
    try:
        wait_until(lambda: reliably(compared.exists), "the account agrees once more", 60)
    except TimeoutError as never:
        account = Account.objects.get(pk=scene.account.pk)
        return [f"{never}: {account.trouble or account.silent_since}."]
    scene.decide("hold", bots=scene.bots[1:])  # who has not decided for minutes is brought no prices, and asks for them
    time.sleep(RULES_SECONDS)
    told = scene.decide("open_long", bots=scene.bots[1:], risk_share=LITTLE)
    if not scene.customer.position(OTHER).quantity:
        return [f"In {OTHER} nothing can be entered any more: {told}."]
    return list(scene.settled(time.monotonic(), "", halted=None).lost)


def _known_as(scene: Scene, status: str) -> None:
    row = Instrument.objects.filter(exchange=EXCHANGE, symbol=SYMBOL, status=status)
    wait_until(lambda: reliably(row.exists), f"the product knows it as {status}", 60)
