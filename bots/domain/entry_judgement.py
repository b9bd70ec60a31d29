"""Judging entries: sized from the risk budget, given the least leverage, then asked of every rule in order.

One instrument holds one position: opening the side held is refused, opening the other one only closes.
"""

from datetime import timedelta
from decimal import Decimal

from ledger.domain.intents import IntentDraft, Kind
from ledger.domain.portfolio import HeldPosition
from markets.domain.rounding import ZERO
from markets.domain.snapshot import InstrumentView

from .briefing import Briefing
from .decisions import Action, Proposal
from .entry_rules import liquidation_of, safe_edge
from .exit_judgement import closing
from .plan import JudgedItem, Outcome, planned, refused
from .risk import Candidate, Context, Prices, Verdict, prices
from .rules import examine
from .sizing import (
    allowed_leverage,
    leverage_needed,
    quantity,
    risk_budget,
    stop_snapped,
    target_snapped,
)


def enter(proposal: Proposal, briefing: Briefing, context: Context) -> tuple[JudgedItem, Candidate | None]:
    """The judged open or add, and where it is planned the entry that the items after it have to reckon with."""
    view = briefing.snapshot.instruments.get(proposal.symbol)
    held = context.positions.get(proposal.symbol)
    if view is None:
        return refused(proposal, "no_market_data", f"There is no market data of {proposal.symbol}."), None
    misplaced = _misplaced(proposal, held, view, briefing)
    if misplaced is not None:
        return misplaced, None
    long = held.long if held is not None else proposal.action == Action.OPEN_LONG
    candidate, said, effect = examine(_candidate(proposal, view, long, held, context), context)
    if effect == "deny":
        return JudgedItem(proposal, Outcome.REFUSED, said), None
    outcome = Outcome.PLANNED if effect == "allow" else Outcome.SHRUNK
    return JudgedItem(proposal, outcome, said, _draft(proposal, candidate, briefing)), candidate


def _misplaced(
    proposal: Proposal, held: HeldPosition | None, view: InstrumentView, briefing: Briefing
) -> JudgedItem | None:
    """What becomes of an entry that does not match what is held; None where it does."""
    symbol, adds = proposal.symbol, proposal.action == Action.ADD
    if held is None:
        text = f"There is no position in {symbol} to add to; open one."
        return refused(proposal, "no_position", text) if adds else None
    if not held.quantity:
        return refused(proposal, "entry_pending", f"An entry in {symbol} is still on its way; wait for its fill.")
    if adds:
        return None
    side = "long" if held.long else "short"
    if held.long == (proposal.action == Action.OPEN_LONG):
        return refused(proposal, "already_open", f"{symbol} is already open {side}; use add to enlarge it.")
    text = f"{symbol} is held {side}, so it is closed now; the other side may be opened at the next cycle."
    return planned(proposal, closing(proposal, held, view, briefing), (Verdict("shrink", "flip", None, None, text),))


def _candidate(
    proposal: Proposal, view: InstrumentView, long: bool, held: HeldPosition | None, context: Context
) -> Candidate:
    rules, policy = view.rules, context.policy
    limit = proposal.limit
    if limit is not None:
        # At least one tick: the price band refuses it, and nothing divides by zero before.
        limit = max(rules.price_down(limit), rules.tick) if long else rules.price_up(limit)
    stop = stop_snapped(proposal.stop, long, rules) if proposal.stop else held.stop if held else None
    target = target_snapped(proposal.target, long, rules) if proposal.target else held.target if held else None
    judged = prices(view, long, policy.max_slippage, limit)
    candidate = Candidate(
        view=view,
        kind=Kind.ADD if held else Kind.OPEN,
        long=long,
        quantity=_quantity(proposal, view, long, judged, stop, context),
        prices=judged,
        stop=stop,
        target=target,
        leverage=proposal.leverage or (held.leverage if held else 1),
        conviction=proposal.conviction or ZERO,
        limit=limit,
        trail=proposal.trail,
        invalidation=proposal.invalidation,
    )
    if held is None and proposal.leverage is None:
        return candidate.changed(leverage=least_leverage(candidate, context))
    return candidate


def _quantity(
    proposal: Proposal,
    view: InstrumentView,
    long: bool,
    judged: Prices,
    stop: Decimal | None,
    context: Context,
) -> Decimal:
    policy = context.policy
    if stop is None:
        return ZERO
    return quantity(
        budget=risk_budget(context.equity, policy.risk_per_trade, proposal.risk_share),
        price=judged.judged,
        stop=stop,
        long=long,
        rules=view.rules,
        slippage=policy.max_slippage,
    )


def least_leverage(candidate: Candidate, context: Context) -> int:
    """What an entry gets that asks for none: the least at which its margin fits, never more than is allowed.

    It is less where liquidation would come before the stop.
    """
    most = min(leverage_needed(candidate, context), allowed_leverage(candidate, context))
    if not candidate.quantity or most == 1:
        return most
    edge, long = safe_edge(candidate, context), candidate.long
    for leverage in range(most, 1, -1):
        price = liquidation_of(candidate, context, leverage)
        if price is None or (price <= edge if long else price >= edge):
            return leverage
    return 1


def _draft(proposal: Proposal, candidate: Candidate, briefing: Briefing) -> IntentDraft:
    """An add leaves out what it does not change: a stop may have been trailed since it was read."""
    opens = candidate.kind == Kind.OPEN
    return IntentDraft(
        kind=candidate.kind,
        symbol=candidate.symbol,
        long=candidate.long,
        quantity=candidate.quantity,
        price=candidate.price,
        leverage=candidate.leverage,
        limit=candidate.limit,
        reserved=candidate.reserved,
        stop=candidate.stop if opens or proposal.stop else None,
        target=candidate.target if opens or proposal.target else None,
        trail=candidate.trail,
        expires_at=briefing.now + timedelta(minutes=proposal.minutes) if proposal.minutes else None,
        reason=proposal.reason,
    )
