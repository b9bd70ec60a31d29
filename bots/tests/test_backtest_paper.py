"""Paper equals backtest: the same candles, traded by the real processes and by the engine, to the last digit."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bots import dispatch
from bots.deciders import registry
from bots.models import Bot, RiskPolicy
from bots.tests import lockstep, paper
from bots.tests.restless import Restless
from markets import imports, stream
from markets.domain.candles import TIMEFRAMES
from markets.models import Feed, FeedKind
from tradingsite import demo

pytestmark = pytest.mark.django_db(transaction=True)


def same(live, tested) -> None:
    """Compare part by part, so that the first difference is told by itself."""
    for part in live:
        live[part], tested[part] = _ordered(part, live[part]), _ordered(part, tested[part])
    for part, rows in live.items():
        for number, (one, other) in enumerate(zip(rows, tested[part], strict=False)):
            assert one == other, f"{part} {number}"
        assert len(rows) == len(tested[part]), part


def _ordered(part, rows):
    # Positions that end at the same instant have no order among them.
    return sorted(rows, key=lambda row: (row[1], row[0])) if part in ("closed", "open") else rows


@pytest.mark.requirement("BKT-01")
def test_every_demo_bot_on_a_simulated_market():
    feed = lockstep.market()
    lockstep.drive(feed, 240)
    dispatch.close_books(feed)

    fills = 0
    for bot in Bot.objects.order_by("pk"):
        live = paper.of_bot(bot)
        same(live, paper.backtested(bot, feed, "1m"))
        fills += len(live["fills"])
    assert fills > 20


@dataclass(frozen=True)
class Stretch:
    """A stretch of real candles: files of `folder`, traded from `start` for `instants` in steps of `base`."""

    folder: str
    symbols: tuple[str, ...]
    base: str
    timeframes: tuple[str, ...]
    start: datetime
    instants: int
    limits: dict[str, object]


STRETCHES = {
    "minutes of three coins": Stretch(
        "binanceusdm-1m-2025-05/binanceusdm", ("BTC_USDT_USDT", "ETH_USDT_USDT", "SOL_USDT_USDT"), "1m",
        ("1m", "1h", "4h"), datetime(2025, 5, 22, 7, 30, tzinfo=UTC), 150,
        {"lock_minutes": 10, "lock_look_back_minutes": 30, "low_profit_count": 2, "cooldown_minutes": 2},
    ),
    "the crash of August 2024, funding every eight hours": Stretch(
        "binanceusdm-1h-2023-2024/binanceusdm", ("BTC_USDT_USDT", "ETH_USDT_USDT", "SOL_USDT_USDT", "BNB_USDT_USDT"),
        "1h", ("1h", "4h"), datetime(2024, 8, 1, tzinfo=UTC), 160,
        {"max_daily_loss": "0.01", "max_drawdown": "0.02", "lock_look_back_minutes": 2880, "lock_minutes": 600},
    ),
    "the fall of April 2025, funding every hour": Stretch(
        "hyperliquid-2024-2025/hyperliquid", ("BTC_USDC_USDC", "ETH_USDC_USDC", "HYPE_USDC_USDC"), "5m",
        ("5m", "1h", "4h"), datetime(2025, 4, 6, 17, tzinfo=UTC), 170,
        {"max_drawdown": "0.015", "lock_look_back_minutes": 240, "lock_minutes": 60, "max_trades_per_day": 12},
    ),
}  # fmt: skip


def replayed(stretch: Stretch, market_data) -> Feed:
    """The stretch, traded by the demo's bots and a restless one, all at every instant or every third."""
    folder = market_data / stretch.folder
    files = [folder / f"{name}-{what}.parquet" for name in stretch.symbols for what in (stretch.base, "funding")]
    imports.import_files(paths=files, now=datetime.now(UTC))
    step = timedelta(milliseconds=TIMEFRAMES[stretch.base])
    feed = stream.ensure_feed(
        kind=FeedKind.REPLAY, exchange=Path(stretch.folder).name, speed=1e6, starts_at=stretch.start,
        ends_at=stretch.start + stretch.instants * step,
    )  # fmt: skip
    feed = stream.prepare(feed)
    demo.ensure(feed)
    seconds = int(step.total_seconds())
    Bot.objects.update(timeframes=list(stretch.timeframes), interval_seconds=seconds)
    Bot.objects.filter(name="Random").update(decider=Restless.name, interval_seconds=3 * seconds)
    RiskPolicy.objects.update(**stretch.limits)
    lockstep.drive(feed, stretch.instants)
    dispatch.close_books(feed)
    return feed


@pytest.mark.requirement("BKT-01")
@pytest.mark.requirement("BKT-02")
@pytest.mark.slow
@pytest.mark.parametrize("name", STRETCHES)
def test_real_candles_to_the_last_digit(name, market_data, monkeypatch):
    monkeypatch.setitem(registry.STRATEGIES, Restless.name, Restless)
    stretch = STRETCHES[name]
    feed = replayed(stretch, market_data)

    fills, income, locks = 0, 0, set()
    for bot in Bot.objects.order_by("pk"):
        live = paper.of_bot(bot)
        same(live, paper.backtested(bot, feed, stretch.base))
        fills += len(live["fills"])
        income += len(live["income"])
        locks |= {kind for _, _, kind, *_ in live["locks"]}
    assert fills > 40
    assert income or stretch.base == "1m"
    assert len(locks) > 1
