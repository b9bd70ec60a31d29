"""The only writer of discrepancies: what did not agree, since when, and what was done about it, row by row."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from .comparing import Difference
from .models import Account, Discrepancy, Outcome, User

NOT_OURS = "It was not sent by this product: recorded, shown, and never touched."


@transaction.atomic
def note(*, account: Account, found: Sequence[Difference], wall: datetime) -> list[Discrepancy]:
    """Write down what stands between the two now, and end what does not any more. Returns what stands."""
    Account.objects.select_for_update().get(pk=account.pk)  # one reconciler at a time writes the rows
    before = {row.what: row for row in Discrepancy.objects.standing().filter(account=account)}
    now_found = {difference.what: difference for difference in found}
    for what, row in before.items():
        if what not in now_found:
            _end(row, Outcome.SETTLED if row.outcome == Outcome.OPEN else Outcome(row.outcome), wall)
    standing = []
    for what, difference in now_found.items():
        if what not in before:
            row = _begun(account, difference, wall)
        else:
            row = before[what]
            row.ledger, row.venue, row.seen_at = difference.ledger[:200], difference.venue[:200], wall
            row.save(update_fields=["ledger", "venue", "seen_at"])
        standing.append(row)
    return standing


def imported(*, account: Account, found: Sequence[Difference], wall: datetime) -> None:
    """Differences that are gone because what was missing has been imported."""
    for difference in found:
        row = Discrepancy.objects.standing().filter(account=account, what=difference.what).first()
        if row is None:
            row = _begun(account, difference, wall)
        row.done = "What was missing has been imported from the venue."
        row.save(update_fields=["done"])
        _end(row, Outcome.IMPORTED, wall)


def settle(*, row: Discrepancy, outcome: Outcome, done: str, by: User | None, wall: datetime) -> None:
    """A person has dealt with it."""
    answer(row=row, done=done, by=by)
    _end(row, outcome, wall)


def answer(*, row: Discrepancy, done: str, by: User | None) -> None:
    """Say what is done about a row that stands on; `by` asked for it."""
    row.done, row.by = done[:300], by
    row.save(update_fields=["done", "by"])


def _begun(account: Account, difference: Difference, wall: datetime) -> Discrepancy:
    return Discrepancy.objects.create(
        account=account,
        what=difference.what[:120],
        ledger=difference.ledger[:200],
        venue=difference.venue[:200],
        outcome=Outcome.FOREIGN if difference.foreign else Outcome.OPEN,
        done=NOT_OURS if difference.foreign else "",
        found_at=wall,
        seen_at=wall,
    )


def _end(row: Discrepancy, outcome: Outcome, wall: datetime) -> None:
    row.outcome, row.resolved_at, row.seen_at = outcome, wall, wall
    row.save(update_fields=["outcome", "resolved_at", "seen_at"])
