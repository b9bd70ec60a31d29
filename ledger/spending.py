"""The book from which a user's language models are paid. It has no account: no venue knows of it.

Entries are US dollars at wall time, because that is when the money was spent, whatever the market's clock says.
"""

from datetime import datetime
from decimal import Decimal

from . import booking
from .models import Book, BookKind, CashKind

CURRENCY = "USD"
NAME = "Model spend"
# Currencies of books in which a dollar of model cost counts as one.
DOLLARS = frozenset({"USD", "USDT", "USDC", "FDUSD", "TUSD", "USDE", "DAI"})


def book_of(owner_id: int) -> Book:
    """The model-spend book of a user, made at the first need."""
    return Book.objects.get_or_create(
        owner_id=owner_id, kind=BookKind.MODEL_SPEND, defaults={"name": NAME, "currency": CURRENCY}
    )[0]


def spend(*, owner_id: int, amount: Decimal, ref: str, at: datetime) -> None:
    """Book what a call cost. The caller holds the transaction; the same `ref` twice is refused by the database."""
    if amount:
        booking.post(book=book_of(owner_id), kind=CashKind.MODEL_SPEND, amount=-amount, ref=ref, at=at)
