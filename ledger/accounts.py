"""Opening paper accounts and moving capital between books. Refuses amounts that are not there."""

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from markets.exchanges.paper import open_account
from markets.models import Feed

from . import booking
from .models import Account, Book, BookKind, CashKind, User


class NotEnough(Exception):
    """The book does not have the amount; the message says what it has."""


@transaction.atomic
def open_paper_account(
    *, owner: User, name: str, feed: Feed, deposit: Decimal, at: datetime, currency: str = "USDT"
) -> Account:
    """A paper account with its venue wallet and its unassigned book, both holding `deposit`."""
    account = Account.objects.create(owner=owner, name=name, feed=feed, currency=currency)
    open_account(key=account.key, feed=feed, currency=currency, deposit=deposit)
    book = Book.objects.create(
        owner=owner, account=account, kind=BookKind.UNASSIGNED, name="unassigned", currency=currency
    )
    booking.post(book=book, kind=CashKind.DEPOSIT, amount=deposit, ref=f"deposit:{account.key}", at=at)
    return account


@transaction.atomic
def open_book(*, account: Account, name: str, capital: Decimal, at: datetime) -> Book:
    """A bot's book with `capital` moved from the unassigned book. Raises NotEnough."""
    source = account.books.select_for_update().get(kind=BookKind.UNASSIGNED)
    if source.cash < capital:
        raise NotEnough(f"The account {account.name} has {source.cash} {account.currency} unassigned, not {capital}.")
    book = Book.objects.create(owner=account.owner, account=account, name=name, currency=account.currency)
    booking.post(book=source, kind=CashKind.TRANSFER, amount=-capital, ref=f"to:{book.key}", at=at)
    booking.post(book=book, kind=CashKind.TRANSFER, amount=capital, ref=f"from:{source.key}", at=at)
    return book
