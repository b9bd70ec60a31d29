"""Trading states and flatten requests: rows that say who and why, and that the guardian carries out.

The strictest of system, account and book holds. Cancels and exits pass in every state.
"""

from datetime import UTC, datetime

from django.db import transaction

from markets import broadcast

from .models import Account, Book, TradingState, TradingStateKind, User

STRICTNESS = [TradingStateKind.ACTIVE, TradingStateKind.REDUCE_ONLY, TradingStateKind.HALTED]


def scope_name(scope: Account | Book | None) -> str:
    """`system`, `account:<id>` or `book:<id>`."""
    if scope is None:
        return "system"
    return f"{'account' if isinstance(scope, Account) else 'book'}:{scope.pk}"


@transaction.atomic
def change(
    *, scope: Account | Book | None, state: str, reason: str, by: User | None, now: datetime | None = None
) -> None:
    """Set the state of a scope (None: the system). `now` is wall time. The same state again changes nothing."""
    name, at = scope_name(scope), now or datetime.now(UTC)
    current = TradingState.objects.current().filter(scope=name).select_for_update().first()
    if current is not None and current.state == state:
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
    )
    for book_id in _books_of(scope):
        broadcast.announce(f"book-{book_id}", kind="state", book=book_id)


def _books_of(scope: Account | Book | None) -> list[int]:
    if isinstance(scope, Book):
        return [scope.pk]
    books = Book.objects.all() if scope is None else Book.objects.filter(account=scope)
    return list(books.values_list("pk", flat=True))


def strictest(book: Book) -> str:
    """The state that holds for a book: the strictest of system, account and book. One statement."""
    scopes = ["system", f"account:{book.account_id}", f"book:{book.pk}"]
    states = TradingState.objects.current().filter(scope__in=scopes).values_list("state", flat=True)
    return max(states, key=lambda state: STRICTNESS.index(TradingStateKind(state)), default=TradingStateKind.ACTIVE)


def current_system() -> TradingState:
    """The state of the whole system; active where nobody has ever changed it."""
    found = TradingState.objects.current().filter(scope="system").first()
    return found or TradingState(scope="system", state=TradingStateKind.ACTIVE, reason="")


def request_flatten(*, book: Book, reason: str, by: User | None, now: datetime) -> None:
    """Ask the guardian to close every position of a book, and stop new entries. `now` is market time."""
    with transaction.atomic():
        change(scope=book, state=TradingStateKind.REDUCE_ONLY, reason=reason, by=by)
        Book.objects.filter(pk=book.pk).update(flatten_requested_at=now)
