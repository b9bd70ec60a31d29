"""From an answer to a plan: each item is held against portfolio, policy and market, and drafted or not.

Entries are judged one after the other, each seeing what those before it take. Room that an exit of the same
plan would free is not counted: the exit may fail, and then the entry must still be within every limit.
"""

from ledger.domain.intents import Kind

from . import exit_judgement as exits
from .briefing import Briefing
from .decisions import Action, Answer, Proposal, RefusedItem
from .entry_judgement import enter
from .plan import JudgedItem, Outcome, Plan
from .risk import Context, Verdict

__all__ = ["JudgedItem", "Outcome", "Plan", "judge"]


def judge(briefing: Briefing, answer: Answer) -> Plan:
    """The plan of an answer: pure, so that the same briefing and answer give the same plan to the digit."""
    context, judged = Context.of(briefing), []
    for proposal in answer.items:
        item, context = _judged(proposal, briefing, context)
        judged.append(item)
    judged.sort(key=_later)
    return Plan((*judged, *(_refused(item) for item in answer.refused)), answer.summary)


def _later(item: JudgedItem) -> bool:
    return item.draft is None or item.draft.kind in (Kind.OPEN, Kind.ADD)


def _judged(proposal: Proposal, briefing: Briefing, context: Context) -> tuple[JudgedItem, Context]:
    match proposal.action:
        case Action.OPEN_LONG | Action.OPEN_SHORT | Action.ADD:
            return enter(proposal, briefing, context)
        case Action.REDUCE:
            return exits.reduce(proposal, briefing), context
        case Action.CLOSE:
            return exits.close(proposal, briefing), context
        case Action.ADJUST_EXITS:
            return exits.adjust(proposal, briefing, context), context
        case Action.HOLD:
            return JudgedItem(proposal, Outcome.HELD), context


def _refused(item: RefusedItem) -> JudgedItem:
    verdict = Verdict("deny", item.refusal.code, None, None, item.refusal.text)
    return JudgedItem(item, Outcome.REFUSED, (verdict,))
