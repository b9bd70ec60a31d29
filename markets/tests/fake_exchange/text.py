"""Numbers and symbols as Binance writes them."""

from decimal import Decimal


def plain(value: Decimal) -> str:
    """Without an exponent and without trailing zeros."""
    short = f"{value:f}"
    return short.rstrip("0").rstrip(".") if "." in short else short


def market_id(symbol: str) -> str:
    """BTCUSDT for BTC/USDT:USDT."""
    return symbol.split(":")[0].replace("/", "")
