"""Which instruments exist and by which rules: from the shipped file, else inferred from candles and flagged.

Inverse contracts are refused: their results are not in the quote currency, and nothing here computes that.
"""

import math
from decimal import Decimal
from typing import Any

import numpy as np

from .domain.candles import Candles
from .models import Instrument
from .models.instruments import InstrumentKind
from .rules import shipped

SIMULATED = "simulated-"
# Simulated markets trade by the rules of this exchange.
SIMULATED_RULES = "binanceusdm"
_DOLLARS = {"USD", "USDT", "USDC", "BUSD", "FDUSD", "DAI", "TUSD"}
_MOST_DECIMALS = 10
# Stricter than any large exchange, so that a result is not flattered by rules nobody has seen.
_ASSUMED_TIERS: list[dict[str, Any]] = [
    {"floor": "0", "maintenance_rate": "0.025", "maintenance_amount": "0", "max_leverage": 10},
    {"floor": "100000", "maintenance_rate": "0.05", "maintenance_amount": "2500", "max_leverage": 5},
    {"floor": "1000000", "maintenance_rate": "0.25", "maintenance_amount": "202500", "max_leverage": 2},
]
_NO_LEVERAGE = [{"floor": "0", "maintenance_rate": "0", "maintenance_amount": "0", "max_leverage": 1}]


class NotListed(ValueError):
    """The instrument cannot be had; the message is the sentence to show."""


def ensure_instrument(*, exchange: str, symbol: str, sample: Candles | None = None) -> Instrument:
    """The instrument, made at first use. `symbol` is in ccxt's unified form, such as BTC/USDT:USDT.

    Rules come from the shipped file of the exchange, else they are inferred from the prices of `sample` and
    flagged `assumed`. Raises NotListed for a symbol that is unreadable, inverse, or unknown without a sample.
    """
    known = Instrument.objects.filter(exchange=exchange, symbol=symbol).first()
    if known is not None:
        return known
    fields = described(exchange, symbol, sample)
    return Instrument.objects.get_or_create(exchange=exchange, symbol=symbol, defaults=fields)[0]


def described(exchange: str, symbol: str, sample: Candles | None = None) -> dict[str, Any]:
    """The fields of an instrument, without touching the database; raises like `ensure_instrument`."""
    base, quote, settle = split(symbol)
    rules = shipped(SIMULATED_RULES if exchange.startswith(SIMULATED) else exchange).get(symbol)
    if rules is None and (sample is None or not len(sample)):
        raise NotListed(
            f"{symbol} of {exchange} is not in the shipped rules, and there are no candles to infer rules from."
        )
    fields = rules or _inferred(quote, settle is not None, sample)  # type: ignore[arg-type]
    names = {"symbol": symbol, "base": base, "quote": quote, "settle": settle or quote}
    return {name: _typed(name, value) for name, value in {**fields, **names}.items()}


def _typed(name: str, value: Any) -> Any:
    text = name in {"symbol", "base", "quote", "settle", "kind"}
    return Decimal(value) if isinstance(value, str) and not text else value


def split(symbol: str) -> tuple[str, str, str | None]:
    """Base, quote and settle currency (None for spot) of a unified symbol. Raises NotListed."""
    pair, _, settle = symbol.partition(":")
    base, slash, quote = pair.partition("/")
    if not (base and slash and quote and (settle or ":" not in symbol)):
        raise NotListed(f"{symbol!r} is not a symbol like BTC/USDT:USDT (perpetual) or BTC/USDT (spot).")
    if "-" in settle:
        raise NotListed(f"{symbol} is a dated future; only perpetuals and spot can be traded here.")
    if settle and settle != quote:
        raise NotListed(
            f"{symbol} is an inverse contract: it settles in {settle} instead of {quote}, and only linear "
            "contracts can be traded here."
        )
    return base, quote, settle or None


def _inferred(quote: str, perpetual: bool, sample: Candles) -> dict[str, Any]:
    """Rules from what the candles show: the tick from the digits of the prices, the rest by convention."""
    price = float(sample.close[-1])
    step = Decimal(1).scaleb(-max(0, math.floor(math.log10(price)))) if price >= 1 else Decimal(1)
    return {
        "kind": InstrumentKind.PERPETUAL if perpetual else InstrumentKind.SPOT,
        "tick": tick_of(sample),
        "step": step,
        "min_quantity": step,
        "min_notional": Decimal(10) if quote in _DOLLARS else Decimal(0),
        "maker_fee": Decimal("0.0004") if perpetual else Decimal("0.001"),
        "taker_fee": Decimal("0.0006") if perpetual else Decimal("0.001"),
        "half_spread": Decimal("0.0005"),
        "impact": Decimal("0.01"),
        "tiers": _ASSUMED_TIERS if perpetual else _NO_LEVERAGE,
        "assumed": True,
    }


def assumed_tiers(most: int | None = None) -> list[dict[str, Any]]:
    """Careful tiers for a perpetual whose own are not known, of at most this leverage."""
    return [{**tier, "max_leverage": min(tier["max_leverage"], most or 10)} for tier in _ASSUMED_TIERS]


def tick_of(sample: Candles) -> Decimal:
    """The power of ten that nearly all prices of the sample are multiples of, float noise aside."""
    prices = np.concatenate([sample.open, sample.high, sample.low, sample.close])
    for decimals in range(_MOST_DECIMALS):
        scaled = prices * 10**decimals
        if np.mean(np.abs(scaled - np.rint(scaled)) < 1e-6 + 1e-11 * scaled) > 0.995:
            return Decimal(1).scaleb(-decimals)
    return Decimal(1).scaleb(-_MOST_DECIMALS)
