"""Trading states and flatten requests: rows that say who and why, and that the guardian carries out.

The strictest of system, account and book holds. Cancels and exits pass in every state.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from django.db import IntegrityError, transaction

from markets import broadcast
from markets.feeds import clock
from markets.models import Feed
from markets.prepared import Prepared

from . import audit
from .models import Account, AuditKind, Book, TradingState, TradingStateKind, User

STRICTNESS = [TradingStateKind.ACTIVE, TradingStateKind.REDUCE_ONLY, TradingStateKind.HALTED]


def scope_name(scope: Account | Book | None) -> str:
    """`system`, `account:<id>` or `book:<id>`."""
    if scope is None:
        return "system"
    return f"{'account' if isinstance(scope, Account) else 'book'}:{scope.pk}"


def change(
    *, scope: Account | Book | None, state: str, reason: str, by: User | None, now: datetime | None = None
) -> None:
    """Set the state of a scope (None: the system). `now` is wall time. The same state again changes nothing, unless a
    person limits what only a rule has limited: that rule may not end it any more.

    Of two people who press at once the second finds the first one's row only after waiting for it: then the
    database refuses a second current row, and the change is made anew on what is there.
    """
    at = now or datetime.now(UTC)
    try:
        _change(scope, state, reason, by, at)
    except IntegrityError:
        _change(scope, state, reason, by, at)


def tighten(
    *, scope: Account | Book | None, state: str, reason: str, by: User | None, now: datetime | None = None
) -> None:
    """The same, where it is stricter than what holds for the scope itself; a rule never loosens."""
    current = TradingState.objects.current().filter(scope=scope_name(scope)).first()
    if current is None or _strictness(current.state) < _strictness(state):
        change(scope=scope, state=state, reason=reason, by=by, now=now)


@transaction.atomic
def _change(scope: Account | Book | None, state: str, reason: str, by: User | None, at: datetime) -> None:
    name = scope_name(scope)
    if isinstance(scope, Account) and by is not None and state == TradingStateKind.ACTIVE:
        Account.objects.filter(pk=scope.pk).update(refusal="", refused_role="")  # a person has looked
    current = TradingState.objects.current().filter(scope=name).select_for_update().first()
    taken_up = by is not None and state != TradingStateKind.ACTIVE and current is not None and not current.changed_by_id
    if current is not None and current.state == state and not taken_up:
        return
    if current is not None:
        TradingState.objects.filter(pk=current.pk).update(ended_at=at)
    TradingState.objects.create(
        scope=name,
        account=scope if isinstance(scope, Account) else None,
        book=scope if isinstance(scope, Book) else None,
        state=state,
        reason=reason,
        changed_by=by,
        at=at,
        market_at=_market_time(scope, at),
    )
    before = current.state if current else TradingStateKind.ACTIVE
    change = {"state": [str(before), str(state)], "reason": reason}
    audit.write(kind=AuditKind.STATE, subject=name, change=change, by=by, now=at)
    for book_id in _books_of(scope):
        broadcast.announce(f"book-{book_id}", kind="state", book=book_id)


def _market_time(scope: Account | Book | None, wall: datetime) -> datetime:
    """Market time of a change at wall time `wall`, so that it stands in its place among trades."""
    account = scope.account if isinstance(scope, Book) else scope
    feed = account.feed if account else Feed.objects.running().order_by("-id").first()
    return clock.now(feed, wall) if feed and (feed.market_now or not feed.lock_step) else wall


def _books_of(scope: Account | Book | None) -> list[int]:
    if isinstance(scope, Book):
        return [scope.pk]
    books = Book.objects.all() if scope is None else Book.objects.filter(account=scope)
    return list(books.values_list("pk", flat=True))


_STATES = Prepared(
    lambda account, book: (
        TradingState.objects.current().filter(scope__in=["system", account, book]).values_list("state", flat=True)
    ),
    "account",
    "book",
)


def strictest(book: Book) -> str:
    """The state that holds for a book: the strictest of system, account and book. One statement."""
    states = _STATES(account=f"account:{book.account_id}", book=f"book:{book.pk}")
    return max(states, key=_strictness, default=TradingStateKind.ACTIVE)


def strictest_of(books: Iterable[Book]) -> dict[int, str]:
    """The same for each of these books, by its id. One statement."""
    scopes = {book.pk: ("system", f"account:{book.account_id}", f"book:{book.pk}") for book in books}
    named = {scope for names in scopes.values() for scope in names}
    current = dict(TradingState.objects.current().filter(scope__in=named).values_list("scope", "state"))
    return {
        pk: max((current[name] for name in names if name in current), key=_strictness, default=TradingStateKind.ACTIVE)
        for pk, names in scopes.items()
    }


def _strictness(state: str) -> int:
    return STRICTNESS.index(TradingStateKind(state))


def current_system() -> TradingState:
    """The state of the whole system; active where nobody has ever changed it."""
    found = TradingState.objects.current().filter(scope="system").first()
    return found or TradingState(scope="system", state=TradingStateKind.ACTIVE, reason="")


def flatten_account(*, account: Account, by: User | None, now: datetime) -> None:
    """Ask the guardian to close what every book of an account holds. `now` is market time."""
    reason = f"Flatten of {account.name} asked for by {by.get_username() if by else 'the system'}"
    with transaction.atomic():
        for book in account.books.order_by("pk"):
            request_flatten(book=book, reason=reason, by=by, now=now)


def request_flatten(*, book: Book, reason: str, by: User | None, now: datetime) -> None:
    """Ask the guardian to close every position of a book, and stop new entries. `now` is market time."""
    with transaction.atomic():
        tighten(scope=book, state=TradingStateKind.REDUCE_ONLY, reason=reason, by=by)
        Book.objects.filter(pk=book.pk).update(flatten_requested_at=now)
