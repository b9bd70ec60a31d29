"""What judgement gives back: each item of an answer with outcome, verdicts and the draft that follows."""

from dataclasses import dataclass
from enum import StrEnum

from ledger.domain.intents import IntentDraft
from markets.domain.frozen import quick

from .decisions import Proposal, RefusedItem
from .risk import Said, Verdict, written


class Outcome(StrEnum):
    """SHRUNK is planned with less than was asked; HELD changes nothing and was not refused."""

    PLANNED = "planned"
    SHRUNK = "shrunk"
    REFUSED = "refused"
    HELD = "held"


@quick
@dataclass(frozen=True, slots=True)
class JudgedItem:
    """One item of an answer. `draft` is there exactly where the outcome is planned or shrunk.

    `said` is what the rules said, of which `verdicts` writes what is read.
    """

    item: Proposal | RefusedItem
    outcome: Outcome
    said: tuple[Said, ...] = ()
    draft: IntentDraft | None = None

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """In the order of the rules; the last one is the denial of a refused item."""
        return tuple([written(one) for one in self.said])

    @property
    def proposal(self) -> Proposal | None:
        """What was asked; None where the item could not be read."""
        return self.item if isinstance(self.item, Proposal) else None

    @property
    def symbol(self) -> str:
        return self.item.symbol

    @property
    def action(self) -> str:
        return str(self.item.action)

    @property
    def reason(self) -> str:
        return self.item.reason


@quick
@dataclass(frozen=True, slots=True)
class Plan:
    """The judged items: exits first, so that what they free at the venue is there when entries arrive.

    Otherwise they stand in the order of the answer, items that could not be read last.
    """

    items: tuple[JudgedItem, ...] = ()
    summary: str = ""

    @property
    def drafts(self) -> tuple[IntentDraft, ...]:
        """In the order of the items."""
        return tuple(judged.draft for judged in self.items if judged.draft is not None)


def planned(proposal: Proposal, draft: IntentDraft, said: tuple[Said, ...] = ()) -> JudgedItem:
    """Planned, or shrunk where a verdict took something away."""
    shrunk = bool(said) and "shrink" in [one.effect for one in said if isinstance(one, Verdict)]
    return JudgedItem(proposal, Outcome.SHRUNK if shrunk else Outcome.PLANNED, said, draft)


def refused(proposal: Proposal, code: str, text: str) -> JudgedItem:
    """Refused for a reason that is not a limit: there are no numbers to compare."""
    return JudgedItem(proposal, Outcome.REFUSED, (Verdict("deny", code, None, None, text),))


def held(proposal: Proposal, code: str, text: str) -> JudgedItem:
    """Nothing to do, and why."""
    return JudgedItem(proposal, Outcome.HELD, (Verdict("allow", code, None, None, text),))
