"""What a model is asked in a cycle, or why it is not: recollection, triggers and prompt in one step.

Everything read here is read before the question goes out, so that no connection is held while the model thinks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from markets import interest
from markets.models import Instrument

from . import prompts, recollection
from .domain import emergency
from .domain.briefing import Briefing
from .domain.prompt import Prompt, Wording, render
from .domain.story import OpenInterest
from .domain.triggers import Memory, Weighed, memory, weigh
from .models import Bot, Cycle, Trigger

URGENT = {
    Trigger.PERSON: "A person asked for this cycle.",
    Trigger.EMERGENCY: "A person asked for an emergency look at the open positions.",
}


@dataclass(frozen=True, slots=True)
class Question:
    """`briefing` is the one the model is asked with, recollection included; `prompt` is what it reads."""

    briefing: Briefing
    wording: Wording
    prompt: Prompt
    weighed: Weighed
    memory: Memory

    @property
    def asks(self) -> bool:
        return self.weighed.asks

    def unasked(self) -> dict[str, object]:
        """The answer of a moment at which nobody was asked: nothing, and why."""
        return {"summary": f"Not asked: {self.weighed.text}", "items": []}


def question(*, cycle: Cycle, bot: Bot, briefing: Briefing, instruments: Mapping[str, Instrument]) -> Question:
    """The question of a cycle, whether it is asked or not. Nine statements at most."""
    last, known = recollection.last_asked(bot)
    story = recollection.story(bot=bot, last=last, instruments=instruments)
    told = replace(briefing, story=story, open_interest=open_interest(bot, briefing, instruments))
    urgent = URGENT.get(Trigger(cycle.trigger), "")
    weighed = weigh(told, known, bot.thresholds, urgent=urgent)
    if cycle.trigger == Trigger.EMERGENCY:
        words = prompts.shipped("emergency")
        return Question(told, words, emergency.render(told, words), weighed, memory(told))
    words = wording(bot)
    return Question(told, words, render(told, words), weighed, memory(told))


def open_interest(bot: Bot, briefing: Briefing, instruments: Mapping[str, Instrument]) -> dict[str, OpenInterest]:
    """Of a live market; the others have none."""
    account = bot.book.account
    if account is None or account.feed.lock_step:
        return {}
    return {
        symbol: OpenInterest(*told) for symbol, told in interest.interest(instruments.values(), briefing.now).items()
    }


def wording(bot: Bot) -> Wording:
    """The bot's own version, or the wording that ships."""
    return prompts.shipped("standard") if bot.prompt_version is None else bot.prompt_version.wording
