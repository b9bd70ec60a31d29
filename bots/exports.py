"""Tables of a book as rows of text for spreadsheets and tax tools: exact numbers, UTC times, oldest first."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from ledger.fragments import records
from ledger.models import Book, CashEntry, Trade

TRADES = (
    "time", "instrument", "side", "role", "quantity", "price", "value", "fee", "fee_currency", "realised", "maker",
    "liquidation", "venue_trade_id",
)  # fmt: skip
JOURNAL = ("time", "kind", "amount", "currency", "instrument", "ref", "rate")

RUN = ("=", "+", "-", "@", "\t", "\r")  # what a cell must not begin with


def lines(book: Book, table: str) -> Iterator[list[str]]:
    """Head and rows of `trades` or `journal`."""
    yield list(TRADES if table == "trades" else JOURNAL)
    for record in records(book)[table].order_by("id").iterator(chunk_size=2000):
        values = _trade(record) if table == "trades" else _entry(record)
        yield [_cell(value) for value in values]


def document(book: Book, table: str) -> dict[str, Any]:
    """The same rows for programs: amounts as text, so that no reader rounds them."""
    head, *rows = lines(book, table)
    told = [dict(zip(head, map(_unquoted, row), strict=True)) for row in rows]
    return {"book": book.pk, "name": book.name, "currency": book.currency, "table": table, "rows": told}


def _unquoted(cell: str) -> str:
    """Without the quote that keeps a spreadsheet from running it: programs run no cells."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in RUN else cell


def _trade(trade: Trade) -> tuple[Any, ...]:
    return (
        trade.at, trade.instrument.symbol, trade.side, trade.order.role if trade.order else "", trade.quantity,
        trade.price, trade.value, trade.fee, trade.fee_currency, trade.realised, trade.maker, trade.liquidation,
        trade.venue_trade_id,
    )  # fmt: skip


def _entry(entry: CashEntry) -> tuple[Any, ...]:
    symbol = entry.position.instrument.symbol if entry.position else ""
    rate = "" if entry.rate is None else entry.rate
    return entry.at, entry.kind, entry.amount, entry.currency, symbol, entry.ref, rate


def _cell(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    text = str(value)
    # A spreadsheet would run a text that begins like a formula.
    return f"'{text}" if text[:1] in RUN else text
