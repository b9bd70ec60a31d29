"""An exchange that limits or bans us, and a minute whose budget somebody else has used up: F11."""

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from ledger.models import Position
from markets.exchanges.budget import ACCOUNT_SHARE
from markets.models import ExchangeState
from markets.tests.fake_exchange.call_log import Call

from .exchange import EXCHANGE, WITH_PRICES, Scene, scenes
from .inspection import reliably
from .live_prices import LITTLE, enters_again, opened
from .recovery import Result
from .servers import wait_until
from .stage import Stage

MINUTE_SECONDS, BAN_SECONDS = 15, 12
UNDER_WAY = 1.0  # seconds for which requests may arrive that had left before the first one was refused
CAPACITY = 1200  # the weight of a minute, as ccxt knows it of this exchange
WAYS = ("429 with Retry-After", "banned with 418", "the minute used up by others")


def limited(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F11: Retry-After is obeyed by all processes, and in a ban nothing is sent at all. An exit that falls due
    meanwhile goes out as early as it may, nothing is entered, and everything resumes by itself.
    """
    for number in range(runs):
        note = WAYS[number % len(WAYS)]
        counted = note == WAYS[2]
        for _, scene in scenes(stage, 1, names=WITH_PRICES, FAULTS_BUDGET="1" if counted else ""):
            yield _used_up(scene) if counted else _refused(scene, note, ban=note == WAYS[1])


def _refused(scene: Scene, note: str, *, ban: bool) -> Result:
    opened(scene)
    limits, log = scene.fake.limits, scene.fake.log
    limits.minute_ms = MINUTE_SECONDS * 1000
    if not ban:  # most of this minute is to come
        wait_until(lambda: scene.fake.world.now() % limits.minute_ms < 3000, "a minute of the exchange begins", 20)
    number, fault = log.last, time.monotonic()
    if ban:
        limits.ban(scene.fake.world.now(), BAN_SECONDS)
    else:
        limits.limit = 0
    wait_until(lambda: any(call.status in (418, 429) for call in log.calls[number:]), "a request is refused", 30)
    begins = scene.fake.world.now()
    ends = limits.banned_until if ban else (begins // limits.minute_ms + 1) * limits.minute_ms
    falls_due()
    sent, more = scene.entries(), []
    while scene.fake.world.now() < ends - 1500:
        scene.decide("add", risk_share=LITTLE)
        time.sleep(0.5)
    if scene.entries() != sent:
        more.append(f"{scene.entries() - sent} entries were sent meanwhile.")
    time.sleep(max(0.0, (ends - scene.fake.world.now()) / 1000))
    limits.limit = 10**9
    more += _knocked(log.calls[number:], begins + UNDER_WAY * 1000, ends, ban)
    if not ban and limits.banned_until:
        more.append("It was banned for going on.")
    over = time.monotonic()
    result = scene.settled(over, note, more, flat=True)
    enters_again(scene)
    again = scene.settled(time.monotonic(), "")
    return Result(result.seconds, (*result.lost, *again.lost), f"{note}, {time.monotonic() - fault:.0f} s in all")


def _knocked(calls: list[Call], begins: float, ends: float, ban: bool) -> list[str]:
    """What was asked while nothing was to be asked. After a 429 an exit may be tried, and only that."""
    early = [call for call in calls if begins < call.at < ends]
    if not ban:
        early = [call for call in early if "rder" not in call.path]
    paths = sorted({f"{call.method} {call.path}" for call in early})
    return [f"{len(early)} requests were sent all the same: {', '.join(paths)}."] if early else []


def _used_up(scene: Scene) -> Result:
    """The share of the minute that questions and entries may use is gone; what is kept for exits is there."""
    opened(scene)
    wait_until(lambda: datetime.now(UTC).second < 30, "half of a minute is left", 40)
    minute = int(time.time() // 60)
    used = {"minute": minute, "used": CAPACITY * ACCOUNT_SHARE}
    reliably(lambda: ExchangeState.objects.filter(exchange=EXCHANGE).update(**used))
    fault, more = time.monotonic(), []
    number, sent = scene.fake.log.last, scene.entries()
    scene.decide("add", risk_share=LITTLE)
    if scene.entries() != sent:
        more.append("An entry was sent although the minute is used up.")
    falls_due()
    wait_until(lambda: not scene.held, "the exit goes out of what is kept for it", 60)
    gone = time.monotonic()
    if int(time.time() // 60) != minute:
        more.append("The exit waited for the next minute.")
    asked = [call.path for call in scene.fake.log.calls[number:] if call.headers.get("x-mbx-apikey")]
    if questions := sorted({path for path in asked if "rder" not in path and not path.endswith("listenKey")}):
        more.append(f"Questions were asked although the minute is used up: {', '.join(questions)}.")
    wait_until(lambda: int(time.time() // 60) != minute, "the minute ends", 60)
    result = scene.settled(time.monotonic(), "", more, flat=True)
    enters_again(scene)
    again = scene.settled(time.monotonic(), "")
    return Result(gone - fault, (*result.lost, *again.lost), WAYS[2])


def falls_due() -> None:
    """The time limit of what is held is over now: the guardian has to close it."""
    due = {"expires_at": datetime.now(UTC) - timedelta(seconds=1)}
    reliably(lambda: Position.objects.open().filter(intent__isnull=False, book__kind="bot").update(**due))
