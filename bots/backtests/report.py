"""The figures of a backtest as plain values for JSON: exact money as numbers of eight decimals, ratios as floats.

A ratio without a base is null and never zero. Trades are closed positions, and what is still open at the end is valued
at the last close and told apart.
"""

from decimal import Decimal
from typing import Any

from ledger.domain import performance
from markets.domain.rounding import ZERO

from . import curve, ended
from .engine import Result
from .tables import tables


def report(result: Result, seconds: float) -> dict[str, Any]:
    """Everything that `manage.py backtest --json` tells."""
    market, setup = result.market, result.setup
    return {
        "decider": setup.decider.name,
        "symbols": list(market.courses),
        "timeframe": setup.timeframes[0],
        "walked": market.timeframe,
        "from": market.at(0).isoformat(),
        "to": market.at(market.instants).isoformat(),
        "cash": float(setup.cash),
        "candles": market.candles,
        "seconds": round(seconds, 4),
        "trades": len(result.closed),
        "open": len(result.open),
        "final_equity": float(result.equity),
        "fees": float(result.fees),
        "funding": float(result.funding),
        "metrics": metrics(result),
        "tables": tables(result.closed),
        "warnings": warnings(result),
    }


def metrics(result: Result) -> dict[str, float | int | None]:
    nets, setup = [position.net for position in result.closed], result.setup
    values = curve.equity(result)
    held = [p.closed_at - p.opened_at for p in result.closed if p.closed_at and p.opened_at]
    return {
        "return": _number(performance.rate_of_return(result.equity, setup.cash)),
        "market_return": market_return(result),
        "max_drawdown": curve.deepest_fall(values),
        "win_rate": _number(performance.win_rate(nets)),
        "profit_factor": _number(performance.profit_factor(nets)),
        "expectancy": _number(sum(nets, ZERO) / len(nets)) if nets else None,
        "best": _number(max(nets, default=None)),
        "worst": _number(min(nets, default=None)),
        "seconds_held": sum(one.total_seconds() for one in held) / len(held) if held else None,
        "exposure": curve.exposed(result),
        "turnover": float(sum((t.fill.quantity * t.fill.price for t in result.trades), ZERO) / setup.cash),
        "fills": len(result.trades),
        "liquidations": sum(trade.fill.liquidation for trade in result.trades),
        "asked": result.asked,
        "refused_items": result.refused,
    }


def market_return(result: Result) -> float | None:
    """What the instruments did by themselves over the period, each with the same weight."""
    gains = []
    for course in result.market.courses.values():
        first, last = course.quote(0), course.quote(result.market.instants)
        if first is not None and last is not None:
            gains.append(float(last.last / first.last) - 1)
    return sum(gains) / len(gains) if gains else None


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


_FEW = 30


def _nothing_closed(result: Result) -> str:
    """Why there is no trade, as far as that is known, and what to look at."""
    if result.trades:
        return "No trade has closed: what was entered is still held."
    refused = result.refused + len(result.refusals)
    if refused:
        return f"No trade: nothing was entered, and proposals were refused {refused:,} times."
    return "No trade: nothing was entered. Look at the period, at the timeframe, or at what the decider waits for."


def warnings(result: Result) -> list[str]:
    """What a reader should know before believing the figures, in plain sentences."""
    nets, found = [position.net for position in result.closed], []
    if not nets:
        found.append(_nothing_closed(result))
    elif len(nets) < _FEW:
        trades = "one trade" if len(nets) == 1 else f"{len(nets)} trades"
        found.append(f"Only {trades}: luck and skill cannot be told apart with fewer than {_FEW}.")
    total, best = sum(nets, ZERO), max(nets, default=ZERO)
    if total > ZERO and best > total / 2 and len(nets) > 1:
        found.append(f"One trade made {best / total:.0%} of the whole result.")
    before = total + result.fees - result.funding
    if before > ZERO and total <= ZERO:
        found.append("It gains before costs; fees and funding eat all of it.")
    if any(trade.fill.liquidation for trade in result.trades):
        found.append("Positions were liquidated: their stops did not protect them.")
    if result.refusals:
        count = len(result.refusals)
        orders = "an order" if count == 1 else f"{count:,} orders"
        found.append(f"The venue refused {orders}. {result.refusals[0]}")
    if any(one.rules.assumed for one in result.market.listed):
        found.append("The rules of an instrument are assumed: its fees and steps may be others.")
    return [*found, *ended.told(result)]
