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
from .risk import Candidate, Context, Verdict

__all__ = ["JudgedItem", "Outcome", "Plan", "judge"]

_IN_CONTEXT = frozenset((Action.OPEN_LONG, Action.OPEN_SHORT, Action.ADD, Action.ADJUST_EXITS))


def judge(briefing: Briefing, answer: Answer) -> Plan:
    """The plan of an answer: pure, so that the same briefing and answer give the same plan to the digit."""
    judged: list[JudgedItem] = []
    context, taken = None, None
    for proposal in answer.items:
        if proposal.action in _IN_CONTEXT:
            context = Context.of(briefing) if context is None else context if taken is None else context.after(taken)
            item, taken = _in_context(proposal, briefing, context)
        else:
            item = _exit(proposal, briefing)
        judged.append(item)
    if len(judged) > 1:
        judged.sort(key=_later)
    return Plan((*judged, *map(_refused, answer.refused)), answer.summary)


def _later(item: JudgedItem) -> bool:
    return item.draft is None or item.draft.kind in (Kind.OPEN, Kind.ADD)


def _in_context(proposal: Proposal, briefing: Briefing, context: Context) -> tuple[JudgedItem, Candidate | None]:
    """What is held against the whole book, with the entry that was accepted, if one was."""
    if proposal.action is Action.ADJUST_EXITS:
        return exits.adjust(proposal, briefing, context), None
    return enter(proposal, briefing, context)


def _exit(proposal: Proposal, briefing: Briefing) -> JudgedItem:
    if proposal.action is Action.CLOSE:
        return exits.close(proposal, briefing)
    if proposal.action is Action.REDUCE:
        return exits.reduce(proposal, briefing)
    return JudgedItem(proposal, Outcome.HELD)


def _refused(item: RefusedItem) -> JudgedItem:
    verdict = Verdict("deny", item.refusal.code, None, None, item.refusal.text)
    return JudgedItem(item, Outcome.REFUSED, (verdict,))
