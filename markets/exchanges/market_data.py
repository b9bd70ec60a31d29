"""Asks exchanges what is public, through ccxt, and gives values of our own: candles, ticks, rules, funding, interest.

Every request passes the shared gate of its exchange. What comes back is parsed here and judged by whoever lets it in;
an exchange that does not answer, or answers what nobody can read, is `Away`.
"""

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from markets.domain.candles import HOUR, TIMEFRAMES, Candles, funding_hour, instant, milliseconds
from markets.domain.intake import Tick, figure

from . import clients
from .budget import SharedGate, wall

PAGE = 1000  # candles of one request
SETTLEMENTS_PAGE = 100
# Their ticker has no bid and ask and weighs much; two lighter lists say more.
LIGHT_LISTS = ("binanceusdm", "aster")


class Away(Exception):
    """The exchange cannot be asked now; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """One funding settlement of the past, at its full hour. `mark` is None where the exchange does not tell it."""

    at: datetime
    rate: Decimal
    mark: Decimal | None = None


class _Clients(threading.local):
    """A client is used by one thread at a time, so each thread has its own; instruments are loaded once for all."""

    def __init__(self) -> None:
        self.of: dict[tuple[str, bool], Any] = {}


_clients = _Clients()
_loaded: dict[str, tuple[Any, Any]] = {}
_loading = threading.Lock()


def forget() -> None:
    """Drop clients and instruments of this process: for tests."""
    _clients.of.clear()
    _loaded.clear()


@contextmanager
def asking(exchange: str, *, urgent: bool = False, load: bool = True) -> Iterator[Any]:
    """A client of the exchange with its instruments loaded, for requests of this thread.

    Raises Away for whatever keeps an answer from coming: held back by the gate, no connection, time-out, an error of
    the exchange, an unreadable body. Raises clients.UnknownExchange.
    """
    import ccxt

    gate = SharedGate(exchange, urgent=urgent)
    key = (exchange, urgent)
    if key not in _clients.of:
        _clients.of[key] = clients.client(exchange, gate=gate)
    client = _clients.of[key]
    try:
        if load:
            _load(exchange, client)
        yield client
    except clients.NotAsked as held:
        raise Away(held.reason) from held
    except (ccxt.DDoSProtection, ccxt.RateLimitExceeded) as error:
        raise Away(f"{exchange} limits our requests.") from error
    except ccxt.NetworkError as error:
        gate.failed(f"It cannot be reached ({type(error).__name__}).")
        raise Away(f"{exchange} cannot be reached ({type(error).__name__}).") from error
    except ccxt.BaseError as error:
        raise Away(f"{exchange} answers with an error: {str(error)[:150]}") from error
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        # ccxt hands on what it cannot read as text, and fails somewhere in its parsers.
        gate.failed("Its answer cannot be read.")
        raise Away(f"{exchange} answered what cannot be read ({type(error).__name__}).") from error


def _load(exchange: str, client: Any) -> None:
    if client.markets:
        return
    with _loading:
        if exchange not in _loaded:
            client.load_markets()
            _loaded[exchange] = (list(client.markets.values()), client.currencies)
        else:
            client.set_markets(*_loaded[exchange])


def markets(exchange: str) -> Mapping[str, Mapping[str, Any]]:
    """All instruments as ccxt describes them, asked anew. Raises Away."""
    with asking(exchange, load=False) as client:
        found: Mapping[str, Mapping[str, Any]] = client.load_markets(True)
        with _loading:
            _loaded[exchange] = (list(client.markets.values()), client.currencies)
        return found


def loaded(exchange: str) -> tuple[Any, Any] | None:
    """The instruments as the last request told them, for a streaming client; None before the first."""
    return _loaded.get(exchange)


def knows(exchange: str, symbol: str) -> bool:
    """Whether the exchange lists the instrument. Raises Away."""
    with asking(exchange) as client:
        return symbol in client.markets


# --- Candles ---------------------------------------------------------------------------------------------


def candles(
    exchange: str, symbol: str, timeframe: str, first: int, last: int, *, limit: int = PAGE, urgent: bool = False
) -> Candles:
    """One page of closed candles with open times from `first` to `last` (UTC ms), oldest first, as the exchange tells
    them: nothing is judged. Raises Away.
    """
    step = TIMEFRAMES[timeframe]
    count = max(1, min(limit, (last - first) // step + 1))
    with asking(exchange, urgent=urgent) as client:
        rows = client.fetch_ohlcv(symbol, timeframe, since=first, limit=count)
        kept = [row[:6] for row in rows if first <= row[0] <= last]
        return Candles.of([[math.nan if value is None else value for value in row] for row in kept])


# --- Prices ----------------------------------------------------------------------------------------------


def prices(exchange: str, symbols: Sequence[str]) -> list[Tick]:
    """The newest prices of these instruments, in one or two requests. Raises Away."""
    chosen = list(symbols)
    with asking(exchange) as client:
        if exchange in LIGHT_LISTS:
            lasts = client.fetch_last_prices(chosen)
            books = client.fetch_bids_asks(chosen)
            return [
                tick_of(symbol, {**_told(lasts.get(symbol), ("price", "timestamp")), **_book(books.get(symbol))})
                for symbol in chosen
                if symbol in lasts or symbol in books
            ]
        return [tick_of(symbol, ticker) for symbol, ticker in client.fetch_tickers(chosen).items() if symbol in chosen]


def day(exchange: str, symbols: Sequence[str]) -> list[Tick]:
    """What tickers tell of the last 24 hours, without a price: the opening price and the value traded a minute."""
    chosen = list(symbols)
    with asking(exchange) as client:
        found = client.fetch_tickers(chosen)
        return [day_of(symbol, ticker) for symbol, ticker in found.items() if symbol in chosen]


def funding(exchange: str, symbols: Sequence[str]) -> list[Tick]:
    """Marks, current funding rates and the next settlement. Raises Away."""
    chosen = list(symbols)
    with asking(exchange) as client:
        found = client.fetch_funding_rates(chosen)
        return [funding_of(symbol, row) for symbol, row in found.items() if symbol in chosen]


def settlements(exchange: str, symbol: str, since: datetime) -> list[Settlement]:
    """Funding settled after `since`, oldest first, each at its full hour; at most one request's. Raises Away."""
    # From the middle between two hours on, so that none is told again because it is stamped a little late.
    begin = (milliseconds(since) // HOUR + 1) * HOUR - HOUR // 2
    with asking(exchange) as client:
        rows = client.fetch_funding_rate_history(symbol, since=begin, limit=SETTLEMENTS_PAGE)
        found = []
        for row in rows:
            rate, told_at = figure(row.get("fundingRate")), row.get("timestamp")
            if rate is not None and rate.is_finite() and told_at is not None and told_at >= begin:
                mark = figure((row.get("info") or {}).get("markPrice"))
                at = instant(funding_hour(int(told_at)))
                found.append(Settlement(at, rate, mark if mark is not None and mark > 0 else None))
        return sorted(found, key=lambda one: one.at)


def funding_intervals(exchange: str, symbols: Sequence[str]) -> dict[str, int]:
    """Hours between settlements, where the exchange tells them apart. Raises Away."""
    with asking(exchange) as client:
        minutes = {symbol: (client.markets[symbol].get("info") or {}).get("fundingInterval") for symbol in symbols}
        if any(minutes.values()):
            return {symbol: int(told) // 60 for symbol, told in minutes.items() if told}
        if not client.has.get("fetchFundingIntervals") and not client.has.get("fetchFundingRates"):
            return {}
        ask = client.fetch_funding_intervals if client.has.get("fetchFundingIntervals") else client.fetch_funding_rates
        found = ask(list(symbols))
        hours = {symbol: str(row.get("interval") or "").removesuffix("h") for symbol, row in found.items()}
        return {symbol: int(text) for symbol, text in hours.items() if text.isdigit() and symbol in symbols}


def open_interest(exchange: str, symbol: str) -> tuple[datetime, Decimal] | None:
    """When, and how much in base units; None where the exchange does not say. Raises Away."""
    with asking(exchange) as client:
        if not client.has.get("fetchOpenInterest"):
            return None
        row = client.fetch_open_interest(symbol)
        amount = figure(row.get("openInterestAmount") or row.get("baseVolume"))
        if amount is None or not amount.is_finite() or amount < 0:
            return None
        return (instant(row["timestamp"]) if row.get("timestamp") else wall(), amount * _contract(client, symbol))


def book(exchange: str, symbol: str, levels: int = 20) -> dict[str, Any]:
    """The order book: `bids` and `asks` as [price, quantity in base units], the best first, and `at`. Raises Away."""
    with asking(exchange) as client:
        found, size = client.fetch_order_book(symbol, levels), _contract(client, symbol)
        sides = {
            side: [[figure(level[0]), (figure(level[1]) or Decimal(0)) * size] for level in found[side][:levels]]
            for side in ("bids", "asks")
        }
        return {**sides, "at": instant(found["timestamp"]) if found.get("timestamp") else wall()}


def clock_offset(exchange: str) -> int | None:
    """Milliseconds that the exchange's clock is ahead of ours, half the way allowed for. Raises Away."""
    with asking(exchange) as client:
        if not client.has.get("fetchTime"):
            return None
        sent = wall()
        theirs = client.fetch_time()
        middle = sent + (wall() - sent) / 2
        return int(theirs) - milliseconds(middle)


# --- Reading ---------------------------------------------------------------------------------------------


def _contract(client: Any, symbol: str) -> Decimal:
    return Decimal(str(client.markets[symbol].get("contractSize") or 1))


def _told(row: Any, names: tuple[str, ...]) -> dict[str, Any]:
    renamed = {"price": "last"}
    return {renamed.get(name, name): row[name] for name in names if row and row.get(name) is not None}


def _book(row: Any) -> dict[str, Any]:
    return {name: row[name] for name in ("bid", "ask", "timestamp") if row and row.get(name) is not None}


def tick_of(symbol: str, ticker: Mapping[str, Any]) -> Tick:
    """The prices of a ticker of ccxt. One without a time of its own is of now."""
    at = ticker.get("timestamp")
    last = ticker.get("last")
    return Tick(
        symbol,
        instant(at) if at else wall(),
        last=figure(last if last is not None else ticker.get("close")),
        bid=figure(ticker.get("bid")),
        ask=figure(ticker.get("ask")),
        mark=figure(ticker.get("markPrice")),
    )


def mark_of(symbol: str, ticker: Mapping[str, Any]) -> Tick:
    """The mark, and the funding that some exchanges tell with it (`info` as Binance and Aster push it)."""
    at, info = ticker.get("timestamp"), ticker.get("info") or {}
    due = info.get("T")
    return Tick(
        symbol,
        instant(at) if at else wall(),
        mark=figure(ticker.get("markPrice")),
        funding_rate=figure(info.get("r")) if due else None,
        next_funding_at=instant(int(due)) if due and int(due) else None,
    )


def day_of(symbol: str, ticker: Mapping[str, Any]) -> Tick:
    """What a ticker tells of the last 24 hours."""
    at, volume = ticker.get("timestamp"), figure(ticker.get("quoteVolume")) or _value_of_contracts(ticker)
    opened = ticker.get("open") if ticker.get("open") is not None else ticker.get("previousClose")
    return Tick(
        symbol,
        instant(at) if at else wall(),
        day_open=figure(opened),
        liquidity=volume / 1440 if volume is not None and volume.is_finite() else None,
    )


def _value_of_contracts(ticker: Mapping[str, Any]) -> Decimal | None:
    """OKX counts perpetuals in contracts, and tells the base units beside."""
    units, last = figure((ticker.get("info") or {}).get("volCcy24h")), figure(ticker.get("last"))
    return units * last if units is not None and last is not None else None


def funding_of(symbol: str, row: Mapping[str, Any]) -> Tick:
    """Mark, funding rate and next settlement of a funding rate of ccxt."""
    at = row.get("timestamp")
    due = row.get("fundingTimestamp") or row.get("nextFundingTimestamp")
    return Tick(
        symbol,
        instant(at) if at else wall(),
        mark=figure(row.get("markPrice")),
        funding_rate=figure(row.get("fundingRate")),
        next_funding_at=instant(due) if due else None,
    )


def candle_ends(timeframe: str, opened: int) -> datetime:
    """When the candle that opened at `opened` (UTC ms) closes."""
    return instant(opened) + timedelta(milliseconds=TIMEFRAMES[timeframe])
