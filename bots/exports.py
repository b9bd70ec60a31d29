"""Tables of a book as rows of text for spreadsheets: exact numbers, UTC times, oldest first."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from ledger.fragments import records
from ledger.models import Book, CashEntry, Trade

TRADES = (
    "time", "instrument", "side", "role", "quantity", "price", "value", "fee", "fee_currency", "realised", "maker",
    "liquidation", "venue_trade_id",
)  # fmt: skip
JOURNAL = ("time", "kind", "amount", "currency", "instrument", "ref")


def lines(book: Book, table: str) -> Iterator[list[str]]:
    """Head and rows of `trades` or `journal`."""
    yield list(TRADES if table == "trades" else JOURNAL)
    for record in records(book)[table].order_by("id").iterator(chunk_size=2000):
        values = _trade(record) if table == "trades" else _entry(record)
        yield [_cell(value) for value in values]


def _trade(trade: Trade) -> tuple[Any, ...]:
    return (
        trade.at, trade.instrument.symbol, trade.side, trade.order.role if trade.order else "", trade.quantity,
        trade.price, trade.value, trade.fee, trade.fee_currency, trade.realised, trade.maker, trade.liquidation,
        trade.venue_trade_id,
    )  # fmt: skip


def _entry(entry: CashEntry) -> tuple[Any, ...]:
    symbol = entry.position.instrument.symbol if entry.position else ""
    return entry.at, entry.kind, entry.amount, entry.currency, symbol, entry.ref


def _cell(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    text = str(value)
    # A spreadsheet would run a text that begins like a formula.
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
