"""What a venue refuses for no reason known here, as after a change of its API: its account takes no new exposure.

Exits, stops and cancels go on being sent. It ends when an order of the same role is taken, or by a person's hand.
"""

from datetime import UTC, datetime

import structlog
from django.db import transaction

from markets.domain.orders import Answer, Confirmed, Refused, VenueStatus
from markets.exchanges.market_data import Away
from markets.live import instruments

from . import states
from .models import Account, Order, TradingState, TradingStateKind

UNEXPLAINED = ("venue_changed", "unknown")
CANCEL = "cancel"  # beside the roles of orders
OPENING = "The venue refuses"  # how the reason of what is concluded here begins
LONGEST = Account._meta.get_field("refusal").max_length
log = structlog.get_logger(__name__)


def heed(*, account: Account, order: Order, answer: Answer, cancelling: bool = False) -> None:
    """What the answer to an order (or its cancellation) means beyond this order. Call it outside of transactions."""
    if account.certain:
        return
    role = CANCEL if cancelling else order.role
    if isinstance(answer, Refused) and answer.code in UNEXPLAINED:
        _restrict(account, role, answer)
    elif isinstance(answer, Refused) and answer.code == "quantity_too_large":
        _ask_rules(account, order)
    elif isinstance(answer, Confirmed) and answer.report.status is not VenueStatus.REFUSED:
        _lift(account, role)


def concluded(state: TradingState) -> bool:
    """Whether a state was concluded here and by no person: it holds only as long as the account has its refusal."""
    return state.changed_by_id is None and state.reason.startswith(OPENING)


def _ask_rules(account: Account, order: Order) -> None:
    """Its largest order has changed: the next exit is split by the new one."""
    try:
        instruments.refresh(account.feed.exchange, datetime.now(UTC), symbols=[order.instrument.symbol])
    except Away as away:
        log.warning("rules_not_asked", symbol=order.instrument.symbol, why=str(away))


@transaction.atomic
def _restrict(account: Account, role: str, answer: Refused) -> None:
    wall = datetime.now(UTC)
    what = "cancellations" if role == CANCEL else f"{role} orders"
    words = f"{OPENING} {what} for a reason that is not known here; it may have changed. {answer.message}"
    first = Account.objects.filter(pk=account.pk, refusal="")
    if first.update(refusal=words[:LONGEST], refused_role=role):
        states.tighten(scope=account, state=TradingStateKind.REDUCE_ONLY, reason=words[:LONGEST], by=None, now=wall)


@transaction.atomic
def _lift(account: Account, role: str) -> None:
    """Such an order is taken again: what was concluded from the refusal ends, and nothing else does."""
    refused = Account.objects.filter(pk=account.pk, refused_role=role).exclude(refusal="")
    words = refused.values_list("refusal", flat=True).first()
    if words is None or not refused.update(refusal="", refused_role=""):
        return
    ours = TradingState.objects.current().filter(account=account, state=TradingStateKind.REDUCE_ONLY, reason=words)
    if ours.filter(changed_by=None).exists():
        reason = "The venue takes such orders again"
        states.change(scope=account, state=TradingStateKind.ACTIVE, reason=reason, by=None, now=datetime.now(UTC))
