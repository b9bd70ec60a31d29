"""Reads the instruments of an exchange and their rules into their rows: new ones, changed rules, halts, delistings.

Rules come from the exchange; what it does not tell without a key (leverage tiers on some) stays as it was, or is taken
from the shipped file, else assumed and flagged so. Only linear perpetuals; other contracts are passed over.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import structlog
from django.db.models import Q

from markets import broadcast, listing
from markets.domain.candles import instant
from markets.domain.intake import figure
from markets.exchanges import market_data, paper_market
from markets.models import Feed, Instrument, InstrumentStatus, PaperOrder, PaperPosition, Quote
from markets.models.instruments import InstrumentKind
from markets.rules import shipped
from markets.updates import update_rows

log = structlog.get_logger(__name__)
# A contract without an end has one far away.
NEVER = 4_102_444_800_000  # 2100-01-01
_RULES = (
    "contract_size", "tick", "step", "min_quantity", "min_notional", "max_quantity", "maker_fee", "taker_fee",
    "funding_hours", "tiers", "assumed", "active", "status", "delists_at",
)  # fmt: skip
_HALTED = {"PENDING_TRADING", "BREAK", "HALT", "suspend", "preopen", "PreLaunch", "Closed"}


def refresh(exchange: str, now: datetime, *, symbols: Sequence[str] | None = None) -> list[Instrument]:
    """Bring the rows up to date with the exchange: all known ones, and `symbols` where they are new.

    None takes all it lists. Gives the rows that changed. An instrument that is no longer listed is delisted. Raises
    market_data.Away.
    """
    found = {
        symbol: market for symbol, market in market_data.markets(exchange).items()
        if market.get("swap") and market.get("linear")
    }  # fmt: skip
    known = {row.symbol: row for row in Instrument.objects.filter(exchange=exchange, kind=InstrumentKind.PERPETUAL)}
    wanted = found.keys() if symbols is None else set(symbols) & found.keys()
    hours = _hours(exchange, sorted(known.keys() & found.keys() | set(wanted)))
    changed = [
        row
        for symbol, row in known.items()
        if _brought(row, _fields(exchange, found.get(symbol), row, hours.get(symbol), now))
    ]
    update_rows(changed, _RULES)
    for symbol in [one for one in (symbols if symbols is not None else sorted(found)) if one in wanted - known.keys()]:
        fields = _fields(exchange, found[symbol], None, hours.get(symbol), now)
        base, quote, settle = listing.split(symbol)
        row, made = Instrument.objects.get_or_create(
            exchange=exchange,
            symbol=symbol,
            defaults={"base": base, "quote": quote, "settle": settle or quote, **fields},
        )
        if made:
            changed.append(row)
    return changed


def end_delisted(feed: Feed, now: datetime) -> int:
    """Settle at the paper venue what is still held of instruments that the exchange lists no more; how many.

    At the last mark there was. The ledger adopts it as an exit, as from a live exchange.
    """
    gone = Q(instrument__status=InstrumentStatus.DELISTED, account__feed=feed)
    held = PaperPosition.objects.filter(gone).values("instrument")
    resting = PaperOrder.objects.filter(gone, live=True).values("instrument")
    last = Quote.objects.filter(feed=feed).filter(Q(instrument__in=held) | Q(instrument__in=resting))
    if prices := dict(last.values_list("instrument", "mark")):
        paper_market.drive(feed, paper_market.delistings(prices, now))
        broadcast.announce(f"feed-{feed.pk}", kind="delisting", feed=feed.pk)
    return len(prices)


def _brought(row: Instrument, fields: Mapping[str, Any]) -> bool:
    """Set what differs. True where something does."""
    different = {name: value for name, value in fields.items() if getattr(row, name) != value}
    for name, value in different.items():
        setattr(row, name, value)
    row.__dict__.pop("rules", None)
    if different.keys() & {"status", "funding_hours", "delists_at"}:
        log.warning(
            "instrument_changed", symbol=row.symbol, **{k: str(v) for k, v in different.items() if k != "tiers"}
        )
    return bool(different)


def _fields(
    exchange: str, market: Mapping[str, Any] | None, row: Instrument | None, hours: int | None, now: datetime
) -> dict[str, Any]:
    if market is None:
        return {"status": InstrumentStatus.DELISTED, "active": False}
    symbol, limits, precision = market["symbol"], market.get("limits") or {}, market.get("precision") or {}
    size = figure(market.get("contractSize")) or Decimal(1)
    status, delists_at = _status(market, now)
    tick, step = figure(precision.get("price")), figure(precision.get("amount"))
    filters = {f.get("filterType"): f for f in (market.get("info") or {}).get("filters") or ()}
    # Digits are not steps: 5 digits of price may go in steps of 0.5.
    tick = figure((filters.get("PRICE_FILTER") or {}).get("tickSize")) or tick
    step = figure((filters.get("LOT_SIZE") or {}).get("stepSize")) or step
    least = figure(_limit(limits, "amount", "min"))
    tiers, assumed = _tiers(exchange, symbol, row, market)
    told = {
        "kind": InstrumentKind.PERPETUAL,
        "contract_size": size,
        "tick": tick,
        "step": step * size if step else None,
        "min_quantity": least * size if least else step * size if step else None,
        "min_notional": figure(_limit(limits, "cost", "min")) or (row.min_notional if row else Decimal(0)),
        "max_quantity": _most(limits, size),
        "maker_fee": figure(market.get("maker")),
        "taker_fee": figure(market.get("taker")),
        "funding_hours": hours,
        "tiers": tiers,
        "assumed": assumed,
        "active": status in (InstrumentStatus.TRADING, InstrumentStatus.LEAVING),
        "status": status,
        "delists_at": delists_at,
    }
    return {
        name: value
        for name, value in told.items()
        if value is not None or name in ("delists_at", "max_quantity")
    }  # fmt: skip


def _limit(limits: Mapping[str, Any], name: str, end: str) -> Any:
    return (limits.get(name) or {}).get(end)


def _most(limits: Mapping[str, Any], size: Decimal) -> Decimal | None:
    most = figure(_limit(limits, "market", "max")) or figure(_limit(limits, "amount", "max"))
    return most * size if most and most.is_finite() and most > 0 else None


def _status(market: Mapping[str, Any], now: datetime) -> tuple[InstrumentStatus, datetime | None]:
    """Whether the exchange trades it, and when it ends, where an end is known."""
    info = market.get("info") or {}
    raw = str(info.get("status") or info.get("contractStatus") or info.get("state") or "")
    end = next((int(info[name]) for name in ("deliveryDate", "expTime", "deliveryTime") if _number(info, name)), 0)
    delists_at = instant(end) if 0 < end < NEVER else None
    if delists_at is not None and delists_at <= now:
        return InstrumentStatus.DELISTED, delists_at
    if market.get("active") is False or info.get("isDelisted"):
        return (InstrumentStatus.HALTED if raw in _HALTED else InstrumentStatus.DELISTED), delists_at
    return (InstrumentStatus.LEAVING if delists_at else InstrumentStatus.TRADING), delists_at


def _number(info: Mapping[str, Any], name: str) -> bool:
    return str(info.get(name) or "").isdigit() and int(info[name]) > 0


def _tiers(
    exchange: str, symbol: str, row: Instrument | None, market: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], bool]:
    """The known tiers, cut to the leverage the exchange allows; those of the shipped file; else careful ones."""
    if row is not None and row.tiers:
        return row.tiers, row.assumed
    known = shipped(exchange).get(symbol)
    if known is not None:
        return known["tiers"], False
    most = figure(_limit(market.get("limits") or {}, "leverage", "max"))
    return listing.assumed_tiers(int(most) if most else None), True


def _hours(exchange: str, symbols: Sequence[str]) -> dict[str, int]:
    """Hours between settlements of each instrument; the exchange's usual ones where it does not say otherwise."""
    told = market_data.funding_intervals(exchange, symbols) if symbols else {}
    usual = USUAL_HOURS.get(exchange)
    return told if usual is None else {**dict.fromkeys(symbols, usual), **told}


# Exchanges that only tell which instruments differ from these.
USUAL_HOURS = {"binanceusdm": 8, "aster": 8, "hyperliquid": 1}
