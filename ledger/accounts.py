"""Opening accounts, paper and live, and moving capital between books. Refuses amounts that are not there."""

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from markets.exchanges.base import Remote, Unanswered
from markets.exchanges.paper import open_account
from markets.models import Feed

from . import booking, comparing
from .gateway import venue_of
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


def open_books(*, account: Account, wall: datetime) -> bool:
    """Begin the books of a live account with what is at its venue now; False where they were begun before.

    The wallet is one deposit, positions are the unassigned book's, and what the venue reported before is its own
    past. Raises Unanswered where the venue does not answer.
    """
    if account.books_from is not None:
        return False
    venue: Remote = venue_of(account)  # type: ignore[assignment]
    opened = venue.now()  # what its reports are stamped with
    told = venue.reports(after=account.report_cursor)
    shown = comparing.picture(venue)
    if any(report.at >= opened for report in venue.history(wall)):
        raise Unanswered("The account traded while its books were being opened; they are opened at the next try.")
    with transaction.atomic():
        begun = Account.objects.filter(pk=account.pk, books_from__isnull=True)
        account.report_cursor = told[-1].cursor if told else account.report_cursor
        if not begun.update(books_from=opened, report_cursor=account.report_cursor):
            return False
        account.books_from = opened
        book, _ = Book.objects.get_or_create(
            account=account,
            kind=BookKind.UNASSIGNED,
            defaults={"owner": account.owner, "name": "unassigned", "currency": account.currency},
        )
        booking.post(book=book, kind=CashKind.DEPOSIT, amount=shown.wallet, ref=f"opening:{account.key}", at=opened)
        booking.take_over(book=book, positions=shown.positions.values(), at=opened)
    return True


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
