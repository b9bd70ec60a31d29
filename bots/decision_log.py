"""Writes a decision with its items: what was answered, the verdict of each rule, the intent that followed.

Called by `bots.cycle` alone, inside the transaction that commits the plan.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ledger.models import Intent
from markets import broadcast
from markets.models import Instrument

from . import deciding, moments
from .domain.briefing import Briefing
from .domain.judgement import JudgedItem, Plan
from .models import Bot, Cycle, Decision, DecisionItem, Outcome
from .questions import Question


def record_decision(
    *,
    cycle: Cycle,
    bot: Bot,
    raw: Mapping[str, object],
    briefing: Briefing,
    plan: Plan,
    intents: Sequence[Intent],
    instruments: Mapping[str, Instrument],
    latency_ms: float,
    asked: Question | None = None,
) -> Decision:
    """One decision and its items. `intents` are in the order of the plan's items that have a draft.

    `asked` is the question to a model, also where it was not sent: then the decision says why.
    """
    decision = Decision.objects.create(
        cycle=cycle,
        bot=bot,
        decider=bot.decider,
        policy_version=bot.policy.version,
        raw=raw,
        summary=plan.summary,
        equity=briefing.portfolio.equity,
        acted=bool(intents),
        held_because=str(raw.get("held", ""))[:40],
        refused=any(item.outcome == Outcome.REFUSED for item in plan.items),
        latency_ms=latency_ms,
        at=briefing.now,
        **_gate(asked),
    )
    if asked is not None and asked.asks:
        moments.keep(decision=decision, question=asked, judged=briefing)
    rest = iter(intents)
    DecisionItem.objects.bulk_create(
        [_row(decision, item, next(rest) if item.draft is not None else None, instruments) for item in plan.items]
    )
    if asked is not None and asked.asks:
        deciding.note_outcome(bot, raw)
    broadcast.announce(f"book-{bot.book_id}", kind="decision", book=bot.book_id, decision=decision.pk)
    return decision


def _gate(asked: Question | None) -> dict[str, Any]:
    """Whether and why a model was asked; nothing for a strategy in code."""
    if asked is None:
        return {}
    weighed = asked.weighed
    seen = asked.memory.as_json() if asked.asks else None
    return {"gate": weighed.gate, "gate_code": weighed.code, "gate_reason": weighed.text[:200], "seen": seen}


def _row(
    decision: Decision, item: JudgedItem, intent: Intent | None, instruments: Mapping[str, Instrument]
) -> DecisionItem:
    proposal, draft = item.proposal, item.draft
    return DecisionItem(
        decision=decision,
        instrument=instruments.get(item.symbol),
        symbol=item.symbol[:60],
        action=item.action[:20],
        conviction=proposal.conviction if proposal else None,
        stop=proposal.stop if proposal else None,
        target=proposal.target if proposal else None,
        invalidation=proposal.invalidation.as_json() if proposal and proposal.invalidation else None,
        reason=item.reason,
        outcome=item.outcome,
        verdicts=[verdict.as_json() for verdict in item.verdicts],
        quantity=draft.quantity if draft else None,
        price=draft.price if draft else None,
        intent=intent,
    )
