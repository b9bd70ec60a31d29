"""Domain values for tests, without a database: rules, views, snapshots, portfolios, policies and briefings.

Every builder makes something sound by default and takes what the test is about by name.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np

from bots.domain.briefing import Briefing
from bots.domain.policy import PRESETS, Policy
from ledger.domain.portfolio import HeldPosition, PendingEntry, Portfolio
from markets.domain.candles import TIMEFRAMES, Candles, milliseconds
from markets.domain.instruments import InstrumentRules, MarginTier
from markets.domain.rounding import ceil_to, floor_to
from markets.domain.snapshot import InstrumentView, QuoteView, Series, Snapshot

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
BTC, ETH, SOL = "BTC/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT"
TIERS = (
    MarginTier(Decimal(0), Decimal("0.005"), Decimal(0), 50),
    MarginTier(Decimal(50_000), Decimal("0.01"), Decimal(250), 20),
    MarginTier(Decimal(250_000), Decimal("0.05"), Decimal(10_250), 5),
)


def d(value) -> Decimal | None:
    """A Decimal of anything that reads as one; None stays None."""
    return None if value is None else Decimal(str(value))


def rules(symbol=BTC, **fields) -> InstrumentRules:
    """A linear perpetual: tick 0.1, step 0.001, taker 0.05 %, no impact, three tiers from 50x down to 5x."""
    base = symbol.split("/")[0]
    defaults = {
        "symbol": symbol, "base": base, "quote": "USDT", "settle": "USDT", "kind": "perpetual",
        "tick": d("0.1"), "step": d("0.001"), "min_quantity": d("0.001"), "min_notional": d(5),
        "maker_fee": d("0.0002"), "taker_fee": d("0.0005"), "tiers": TIERS,
        "half_spread": d(0), "impact": d(0),
    }  # fmt: skip
    return InstrumentRules(**defaults | fields)


def quote(price=100, *, spread="0.0002", mark=None, age=0, now=NOW, tick="0.1", liquidity=0) -> QuoteView:
    """A quote around `price`; `spread` is bid to ask over the price, `age` in seconds."""
    half = d(price) * d(spread) / 2
    bid, ask = floor_to(d(price) - half, d(tick)), ceil_to(d(price) + half, d(tick))
    return QuoteView(
        last=d(price), bid=bid, ask=ask, mark=d(price if mark is None else mark),
        at=now - timedelta(seconds=age), liquidity=d(liquidity),
    )  # fmt: skip


def candles(closes, timeframe="1m", *, now=NOW, noise=0.001) -> Candles:
    """Closed candles with these closes, the last one closing at `now`; wicks of `noise` on both sides."""
    close = np.asarray(closes, dtype=float)
    step = TIMEFRAMES[timeframe]
    last = milliseconds(now) // step * step - step
    time = last - step * np.arange(len(close) - 1, -1, -1, dtype=np.int64)
    opened = np.concatenate([close[:1], close[:-1]])
    high, low = np.maximum(opened, close) * (1 + noise), np.minimum(opened, close) * (1 - noise)
    return Candles(time, opened, high, low, close, np.full(len(close), 1000.0))


def walk(count=400, *, seed=1, start=100.0, step=0.002, drift=0.0):
    """The closes of a geometric random walk: `step` and `drift` per candle as fractions."""
    moves = np.random.default_rng(seed).normal(drift, step, count)
    return start * np.exp(np.cumsum(moves))


def view(price=100, *, symbol=BTC, series=None, now=NOW, rules_=None, **quoted) -> InstrumentView:
    """One instrument at `now`; `series` maps timeframes to closes (or to Candles)."""
    built = {
        timeframe: Series(timeframe, values if isinstance(values, Candles) else candles(values, timeframe, now=now))
        for timeframe, values in (series or {}).items()
    }
    found = rules_ or rules(symbol)
    return InstrumentView(found, quote(price, now=now, tick=str(found.tick), **quoted), built, now)


def snapshot(*views, now=NOW) -> Snapshot:
    """A snapshot of these views; without any, of BTC at 100."""
    return Snapshot(now, {one.symbol: one for one in (views or (view(now=now),))})


def held(symbol=BTC, *, long=True, quantity=1, entry=100, mark=100, leverage=2, margin=None, **fields) -> HeldPosition:
    """An open position; its margin is cost over leverage unless given."""
    size = d(quantity)
    cost = size * d(entry)
    return HeldPosition(
        id=fields.pop("id", 1), symbol=symbol, long=long, quantity=size if long else -size, cost=cost, mark=d(mark),
        margin=cost / leverage if margin is None else d(margin), leverage=leverage,
        **{name: d(value) if name in ("stop", "target", "trail", "fees") else value for name, value in fields.items()},
    )  # fmt: skip


def pending(symbol=BTC, *, long=True, quantity=1, price=100, reserved=50) -> PendingEntry:
    return PendingEntry(symbol, long, d(quantity), d(price), d(reserved))


def portfolio(*positions, cash=10_000, **fields) -> Portfolio:
    """A book with 10,000 USDT and these positions."""
    defaults = {"book": 1, "currency": "USDT", "cash": d(cash), "deposited": d(fields.pop("deposited", cash))}
    return Portfolio(positions=tuple(positions), **defaults | fields)


def policy(preset="balanced", **limits) -> Policy:
    """A preset with some limits of its own."""
    kept = {name: value if isinstance(value, int) else d(value) for name, value in limits.items()}
    return replace(PRESETS[preset], **kept)


def briefing(*views, policy_=None, portfolio_=None, timeframes=("1m", "5m", "15m", "1h"), **fields) -> Briefing:
    """A briefing at NOW under the balanced policy."""
    now = fields.pop("now", NOW)
    return Briefing(
        bot=fields.pop("bot", "tester"), now=now, timeframes=timeframes, policy=policy_ or policy(),
        snapshot=snapshot(*views, now=now), portfolio=portfolio_ or portfolio(), **fields,
    )  # fmt: skip
