"""Judging exits: closes and reductions always pass in every trading state; plans may be tightened freely.

A stop may be loosened only within the limits of an entry, and there is no way to remove one.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from ledger.domain.intents import IntentDraft, Kind
from ledger.domain.portfolio import HeldPosition
from markets.domain.rounding import ZERO
from markets.domain.snapshot import InstrumentView

from . import entry_rules as entry
from . import size_rules as size
from .briefing import Briefing
from .decisions import Proposal
from .plan import JudgedItem, Outcome, held, planned, refused
from .risk import Candidate, Context, Prices, Verdict, worst_fill, written
from .sizing import reduction, stop_snapped, target_snapped
from .wording import exact

LOOSENING = (
    entry.trading_state,
    entry.stale_data,
    entry.stop_distance,
    size.risk_per_trade,
    entry.liquidation_before_stop,
)


def close(proposal: Proposal, briefing: Briefing) -> JudgedItem:
    """The whole position, as it is: also the part below a step that an order of its own could not close."""
    position = briefing.portfolio.position(proposal.symbol)
    if position is None or not position.quantity:
        return _nothing(proposal, position)
    view = briefing.snapshot.instruments.get(proposal.symbol)
    return planned(proposal, closing(proposal, position, view, briefing))


def reduce(proposal: Proposal, briefing: Briefing) -> JudgedItem:
    """A share of the position. Where the rest would be too small for an order of its own, all of it."""
    position = briefing.portfolio.position(proposal.symbol)
    view = briefing.snapshot.instruments.get(proposal.symbol)
    if position is None or not position.quantity:
        return _nothing(proposal, position)
    if view is None:
        return refused(proposal, "no_market_data", f"There are no rules of {proposal.symbol} to cut by; use close.")
    rules, whole = view.rules, abs(position.quantity)
    part = reduction(whole, proposal.reduce_share or ZERO, rules)
    rest = whole - part
    if not rest:
        return close(proposal, briefing)
    if part < max(rules.min_quantity, rules.step):
        text = f"{exact(part)} {rules.base} is less than the venue's smallest order; reduce by more or close."
        return refused(proposal, "minimum_quantity", text)
    if rest < rules.min_quantity or rest * position.mark < rules.min_notional:
        text = f"The rest of {exact(rest)} {rules.base} would be too small to trade, so all of it is closed."
        note = Verdict("allow", "leftover", rules.min_quantity, rest, text)
        return planned(proposal, closing(proposal, position, view, briefing), (note,))
    return planned(proposal, _exit(proposal, position, view, briefing, Kind.REDUCE, part))


def closing(proposal: Proposal, position: HeldPosition, view: InstrumentView | None, briefing: Briefing) -> IntentDraft:
    """The draft that closes all of `position`."""
    return _exit(proposal, position, view, briefing, Kind.CLOSE, abs(position.quantity))


def adjust(proposal: Proposal, briefing: Briefing, context: Context) -> JudgedItem:
    """New parts of the exit plan; what is not named stays."""
    position = context.portfolio.position(proposal.symbol)
    view = briefing.snapshot.instruments.get(proposal.symbol)
    if position is None:
        return _nothing(proposal, position)
    if view is None:
        return refused(proposal, "no_market_data", f"There is no market data of {proposal.symbol}.")
    draft = _adjusted(proposal, position, view, briefing.now)
    stop = position.stop if draft.stop is None else draft.stop
    candidate = _as_candidate(position, view, stop, draft.target, context)
    verdicts = tuple(_asked(candidate, position, draft, context))
    if verdicts and verdicts[-1].effect == "deny":
        return JudgedItem(proposal, Outcome.REFUSED, verdicts)
    if proposal.invalidation is None and _same(draft, position):
        return held(proposal, "no_change", "The exit plan is so already.")
    return planned(proposal, draft, verdicts)


def _asked(candidate: Candidate, position: HeldPosition, draft: IntentDraft, context: Context) -> Iterator[Verdict]:
    """The verdicts on a changed plan, up to the first denial."""
    checks = [entry.target_side] if draft.target is not None else []
    if draft.stop is not None:
        checks.append(entry.stop_side)
        if _looser(draft.stop, position):
            checks.extend(LOOSENING)
    for check in checks:
        verdict = written(check(candidate, context))
        yield verdict
        if verdict.effect == "deny":
            return


def _looser(stop: Decimal, position: HeldPosition) -> bool:
    if position.stop is None:
        return False
    return stop < position.stop if position.long else stop > position.stop


def _same(draft: IntentDraft, position: HeldPosition) -> bool:
    pairs = (
        (draft.stop, position.stop),
        (draft.target, position.target),
        (draft.trail, position.trail),
        (draft.expires_at, position.expires_at),
    )
    return all(new is None or new == old for new, old in pairs)


def _adjusted(proposal: Proposal, position: HeldPosition, view: InstrumentView, now: datetime) -> IntentDraft:
    rules, long = view.rules, position.long
    return IntentDraft(
        kind=Kind.ADJUST_EXITS,
        symbol=position.symbol,
        long=long,
        quantity=ZERO,
        price=position.mark,
        leverage=position.leverage,
        stop=None if proposal.stop is None else stop_snapped(proposal.stop, long, rules),
        target=None if proposal.target is None else target_snapped(proposal.target, long, rules),
        trail=proposal.trail,
        expires_at=now + timedelta(minutes=proposal.minutes) if proposal.minutes else None,
        reason=proposal.reason,
    )


def _as_candidate(
    position: HeldPosition,
    view: InstrumentView,
    stop: Decimal | None,
    target: Decimal | None,
    context: Context,
) -> Candidate:
    """What is still on its way into the position, so that entry rules judge the whole under its new plan."""
    pending = [entry for entry in context.portfolio.pending if entry.symbol == position.symbol]
    quote = view.quote
    low = min(quote.bid, quote.mark, *(entry.price for entry in pending))
    high = max(quote.ask, quote.mark, *(entry.price for entry in pending))
    worst = high if position.long else low
    return Candidate(
        view=view,
        kind=Kind.ADD,
        long=position.long,
        quantity=sum((entry.quantity for entry in pending), ZERO),
        prices=Prices(worst if pending else quote.mark, low, high, high),
        stop=stop,
        target=target,
        leverage=position.leverage,
        conviction=ZERO,
    )


def _exit(
    proposal: Proposal,
    position: HeldPosition,
    view: InstrumentView | None,
    briefing: Briefing,
    kind: Kind,
    quantity: Decimal,
) -> IntentDraft:
    slippage = briefing.policy.max_slippage
    return IntentDraft(
        kind=kind,
        symbol=position.symbol,
        long=position.long,
        quantity=quantity,
        price=position.mark if view is None else worst_fill(view, not position.long, slippage),
        leverage=position.leverage,
        reason=proposal.reason,
    )


def _nothing(proposal: Proposal, position: HeldPosition | None) -> JudgedItem:
    if position is None:
        return refused(proposal, "no_position", f"There is no position in {proposal.symbol}.")
    return refused(proposal, "entry_pending", f"The entry in {proposal.symbol} is not filled yet: nothing to close.")
