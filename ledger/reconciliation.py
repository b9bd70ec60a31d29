"""Compares the ledger with the venue, mends what can be mended by importing, and tells the rest in words.

What the venue has and we missed is imported; what is not ours is recorded and left alone; an account that does not
agree stops trading, says why, and trades again by itself once it agrees. Doing it again changes nothing.
"""

from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import F

from markets import connections
from markets.exchanges.base import KeyRefused, Remote, Unanswered
from markets.feeds import clock
from markets.models import Instrument

from . import booking, comparing, discrepancies, lookups, ordering, reports, states, taking_over, venue_changes
from .arrivals import ours
from .comparing import Difference
from .gateway import NoVenue, venue_of
from .models import Account, Discrepancy, Order, OrderState, Outcome, TradingState, TradingStateKind
from .states import scope_name

__all__ = ["Difference", "check", "differences", "heard", "settle_orders", "silent"]

LOOK_BACK = timedelta(days=7)  # as far as most venues list trades without being asked for a stretch
MARGIN = timedelta(minutes=10)  # what a venue may show late
TRIES = 3
KEY_REFUSED = "The exchange refuses the key: "
SILENCE = timedelta(seconds=60)  # after which an account whose venue does not answer stops trading
log = structlog.get_logger(__name__)


def differences(account: Account) -> list[Difference]:
    """Everything that does not agree, to the last unit; an empty list is the only good answer.

    Call it when no order is under way: what the venue has reported must be booked first. Raises Unanswered.
    """
    return comparing.between(account, comparing.picture(venue_of(account)))


def check(*, account: Account, wall: datetime, at_once: bool = True) -> list[Difference]:
    """Compare an account, mend what can be, store what came of it; what still stands between the two.

    An account that does not agree is halted and says why. Unless `at_once`, a difference has to be seen twice before
    that, because a venue's lists may lag behind each other. Where the venue does not answer nothing is concluded.
    """
    try:
        found = _seen(account, wall)
    except (Unanswered, NoVenue) as silence:
        silent(account=account, wall=wall, silence=silence)
        return []
    if found is None:
        Account.objects.filter(pk=account.pk).update(compared_at=wall)
        return []
    standing = discrepancies.note(account=account, found=found, wall=wall)
    standing = [row for row in standing if not _accepted(account, row, wall)]
    hard = [row for row in standing if row.outcome == Outcome.OPEN and (at_once or row.seen_at > row.found_at)]
    if hard:
        _stop(account, _in_words(hard), wall)
    elif not any(row.outcome == Outcome.OPEN for row in standing):
        _agrees(account, wall)
    Account.objects.filter(pk=account.pk).update(compared_at=wall, compare_asked_at=None)
    heard(account=account)
    with suppress(Unanswered, NoVenue):  # at the next look
        taking_over.carry_out(account=account, wall=wall)
    return [difference for difference in found if not difference.foreign]


def _accepted(account: Account, row: Discrepancy, wall: datetime) -> bool:
    """Book what a person has accepted: the venue's figures, as they are now. False where nobody has."""
    if row.by_id is None or row.outcome != Outcome.OPEN or account.certain:
        return False
    try:
        shown = comparing.picture(venue_of(account))
    except Unanswered:
        return False  # at the next look
    now = clock.now(account.feed, wall)
    with transaction.atomic():
        Account.objects.filter(pk=account.pk).update(revision=F("revision") + 1)
        if row.what == "wallet":
            booking.align(account=account, wallet=shown.wallet, ref=f"difference:{row.pk}", at=now)
        else:
            symbol = row.what.removeprefix("position in ")
            instrument = Instrument.objects.filter(exchange=account.feed.exchange, symbol=symbol).first()
            if instrument is None:
                return False
            held = shown.positions.get(symbol)
            booking.align_position(account=account, instrument=instrument, held=held, at=now)
        discrepancies.settle(row=row, outcome=Outcome.ACCEPTED, done=row.done, by=row.by, wall=wall)
    return True


def _seen(account: Account, wall: datetime) -> list[Difference] | None:
    """What differs; None where an account is so busy that no moment was found at which everything was booked."""
    if not account.certain:
        return _mended(account, wall)
    if account.feed.lock_step:
        return differences(account)
    for _ in range(TRIES):
        reports.resolve(account=account, now=wall)
        with connections.one_moment():
            account.refresh_from_db(fields=["report_cursor", "revision"])
            if not venue_of(account).reports(after=account.report_cursor):
                return differences(account)
    return None


def _mended(account: Account, wall: datetime) -> list[Difference]:
    """What still differs at a venue across a network after everything it could tell has been imported."""
    now = clock.now(account.feed, wall)
    reports.resolve(account=account, now=now)
    shown = comparing.picture(venue_of(account))
    found = comparing.between(account, shown)
    booking.follow_margins(account=account, positions=shown.positions.values())
    if all(difference.foreign for difference in found):
        return found
    settle_orders(account, shown.orders.keys(), wall, now)
    _history(account, wall, now)
    left = differences(account)
    standing = {difference.what for difference in left}
    done = [difference for difference in found if difference.what not in standing]
    discrepancies.imported(account=account, found=done, wall=wall)
    return left


def settle_orders(account: Account, listed: Collection[str], wall: datetime, now: datetime) -> None:
    """Orders that one side has live and the other has not: the venue is asked for each, and believed."""
    venue = venue_of(account)
    answers = {}
    for order in missing(account, listed, wall):
        report = venue.order(str(order.client_id))
        if report is None:
            ordering.missed(orders=[order], wall=wall)
        elif not report.status.live:
            answers[order.pk] = lookups.certain(report)
    if answers:
        reports.collect(account=account, now=now, answers=answers)
    for order in _written_off(account, listed):
        report = venue.order(str(order.client_id))
        if report is not None and report.status.live:
            ordering.revive(order=order, report=report)


def missing(account: Account, listed: Collection[str], wall: datetime) -> list[Order]:
    """Orders that rest by our account of it and that the venue does not list. One just sent may not be listed yet."""
    resting = Order.objects.resting().filter(account=account, sent_at__lt=wall - timedelta(seconds=2))
    return [order for order in resting.select_related("instrument") if str(order.client_id) not in listed]


def _written_off(account: Account, listed: Collection[str]) -> list[Order]:
    ids = [client_id for client_id in listed if ours(client_id)]
    ended = (OrderState.REFUSED, OrderState.CANCELLED)
    return list(Order.objects.filter(account=account, client_id__in=ids, state__in=ended))


def _history(account: Account, wall: datetime, now: datetime) -> None:
    """Import what the stream of reports has not brought: all fills and income since the last time both agreed."""
    venue = venue_of(account)
    since = max((account.reconciled_at or account.created_at) - MARGIN, wall - LOOK_BACK)
    if hasattr(venue, "history"):
        remote: Remote = venue  # type: ignore[assignment]
        told = remote.history(clock.now(account.feed, since))
        reports.collect(account=account, now=now, extra=told)


# --- What follows for the account --------------------------------------------------------------------------


def _in_words(hard: Sequence[Discrepancy]) -> str:
    more = f" (and {len(hard) - 1} more)" if len(hard) > 1 else ""
    return f"{hard[0]}{more}."[:300]


def _stop(account: Account, trouble: str, wall: datetime) -> None:
    """Halt the account with a reason; a state that is as strict already stays what it is."""
    Account.objects.filter(pk=account.pk).update(trouble=trouble)
    current = _state(account)
    if current is None or current.state != TradingStateKind.HALTED:
        states.change(scope=account, state=TradingStateKind.HALTED, reason=trouble, by=None, now=wall)


def _agrees(account: Account, wall: datetime) -> None:
    """Both agree: an account that was halted for want of that trades again, and one that a person halted does not."""
    before, refusal = Account.objects.filter(pk=account.pk).values_list("trouble", "refusal").get()
    Account.objects.filter(pk=account.pk).update(reconciled_at=wall, trouble="")
    current = _state(account)
    if current is None or current.changed_by_id is not None or current.state != TradingStateKind.HALTED or not before:
        return
    state, why = TradingStateKind.ACTIVE, "Ledger and venue agree again"
    held = TradingState.objects.filter(scope=scope_name(account), ended_at=current.at).order_by("-id").first()
    # A person's hand, or another rule, limited it before: that goes on.
    if held is not None and held.state != TradingStateKind.ACTIVE and not venue_changes.concluded(held):
        state, why = TradingStateKind(held.state), f"{why}; as before: {held.reason}"[:300]
    elif refusal:
        state, why = TradingStateKind.REDUCE_ONLY, refusal
    states.change(scope=account, state=state, reason=why, by=None, now=wall)


def _state(account: Account) -> TradingState | None:
    return TradingState.objects.current().filter(scope=scope_name(account)).first()


def silent(*, account: Account, wall: datetime, silence: Exception) -> None:
    """The venue was not reached or understood. For a while that means nothing; then, or where it refuses the key,
    trading stops.
    """
    log.warning("venue_unanswered", account=account.pk, why=str(silence))
    rows = Account.objects.filter(pk=account.pk)
    rows.filter(silent_since__isnull=True).update(silent_since=wall)
    rows.update(compared_at=wall, compare_asked_at=None)
    account.silent_since = account.silent_since or wall
    since = rows.values_list(F("silent_since"), flat=True).get() or wall
    if isinstance(silence, KeyRefused):
        rows.exclude(check_passed=False).update(
            check_passed=False, checked_at=wall, check_result=f"{KEY_REFUSED}{silence}"[:400]
        )
        _stop(account, f"{KEY_REFUSED}{silence}"[:300], wall)
    elif isinstance(silence, NoVenue) or wall - since >= SILENCE:
        answers = "does not answer" if isinstance(silence, NoVenue | Unanswered) else "answers what cannot be booked"
        _stop(account, f"The venue {answers}: {silence}"[:300], wall)


def heard(*, account: Account) -> None:
    """The venue answers again. What was halted for its silence trades again once both agree."""
    if account.silent_since is not None:
        Account.objects.filter(pk=account.pk).update(silent_since=None, compare_asked_at=F("silent_since"))
        account.silent_since = None
    if account.check_passed is False:
        works = {"check_passed": True, "check_result": "The exchange takes the key again."}
        # Only what was concluded here from a refusal: what the check itself has found stands.
        refused = Account.objects.filter(pk=account.pk, check_passed=False, check_result__startswith=KEY_REFUSED)
        refused.update(**works)
