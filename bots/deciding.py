"""Who decides for a bot: a strategy in code, or the language model it names with what falls back on it.

A model that cannot be asked is no failure of the cycle: it ends as a hold with the reason in words.
"""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import F

from . import asking, deciders, matching
from .deciders import Decider
from .domain import emergency, repair
from .domain.answer_schema import schema
from .domain.briefing import Briefing
from .domain.decisions import Answer, parse
from .domain.judgement import judge
from .domain.prompt import Prompt
from .models import Bot, CallState, Cycle, Decision, LanguageModel, Trigger

MODEL = "model:"
USUAL_SECONDS = 30
# A hold for one of these says nothing about the model.
NOT_ITS_FAULT = frozenset({"budget", "busy"})


@dataclass(slots=True)
class ModelDecider:
    """The decider `model:<name>` of one cycle or replay: it asks what `prompt` says. In an emergency, exits alone."""

    bot: Bot
    chain: list[LanguageModel]
    cycle: Cycle | None = None
    prompt: Prompt | None = None
    emergency: bool = False
    remote: bool = field(default=True)

    @property
    def name(self) -> str:
        return self.bot.decider

    @property
    def description(self) -> str:
        return f"The language model {self.chain[0].model_id}." if self.chain else "A language model that is not there."

    def decide(self, briefing: Briefing) -> dict[str, Any]:
        """The raw answer, or one that holds everything with `held` and its reason."""
        assert self.prompt is not None, "A model is asked nothing before its prompt is there."
        if not self.chain:
            sentence = f"There is no model named {self.name.removeprefix(MODEL)!r}: choose another decider for the bot."
            return {"summary": f"Held: {sentence}", "items": [], "held": "no_model"}
        form = emergency.schema if self.emergency else schema
        found = asking.answer(
            asking.Question(
                prompt=self.prompt,
                schema=form(sorted(briefing.symbols)),
                chain=self.chain,
                seconds=self.bot.decision_seconds,
                judge=lambda raw: mendable(briefing, raw, emergency_only=self.emergency),
                bot=self.bot,
                cycle=self.cycle,
            )
        )
        return found.raw


def understood(briefing: Briefing, raw: Mapping[str, Any], *, emergency_only: bool) -> Answer:
    """What a raw answer says, item by item; in an emergency everything but exits is refused."""
    answer = parse(raw, known=briefing.symbols, timeframes=briefing.timeframes)
    return emergency.only_exits(answer) if emergency_only else answer


def mendable(briefing: Briefing, raw: Mapping[str, Any], *, emergency_only: bool = False) -> dict[str, str]:
    """Why items of an answer would be refused, by symbol, where the model could do better."""
    return repair.reasons(judge(briefing, understood(briefing, raw, emergency_only=emergency_only)))


def decider_of(bot: Bot, cycle: Cycle | None = None) -> Decider:
    """Who answers for a bot. Raises UnknownDecider for a strategy there is not."""
    if not bot.decider.startswith(MODEL):
        return matching.decider(bot)
    return ModelDecider(bot, chain_of(bot), cycle, emergency=cycle is not None and cycle.trigger == Trigger.EMERGENCY)


def another(bot: Bot, name: str, *, emergency_only: bool) -> Decider:
    """The decider of this name for the owner of a bot, without fallbacks. Raises UnknownDecider."""
    if not name.startswith(MODEL):
        return deciders.get(name)
    other = copy(bot)
    other.decider = name
    chain = chain_of(other)[:1]
    if not chain:
        raise deciders.UnknownDecider(f"There is no model named {name.removeprefix(MODEL)!r}.")
    return ModelDecider(other, chain, emergency=emergency_only)


def parameters(decider: Decider) -> dict[str, Any]:
    """What besides its prompt makes the answer of a model what it is; nothing for a strategy in code."""
    return parameters_of(decider.chain[0]) if isinstance(decider, ModelDecider) else {}


def parameters_of(model: LanguageModel) -> dict[str, Any]:
    """What of a model's row makes its answer what it is."""
    return {
        "model": model.model_id,
        "address": model.provider.base_url,
        "effort": model.effort,
        "temperature": None if model.temperature is None else str(model.temperature),
        "most_output": model.most_output,
    }


def answered_alike(decider: Decider, then: Decision) -> bool:
    """Whether the answer of `then` came from this very model, asked with the parameters that it would have today."""
    if not isinstance(decider, ModelDecider) or then.raw.get("held"):
        return False
    model = decider.chain[0]
    calls = list(then.cycle.calls.filter(state=CallState.ANSWERED))
    return bool(calls) and all(call.model_id == model.pk and asking.as_today(call, model) for call in calls)


def more_time(bot: Bot) -> timedelta:
    """How much longer a cycle of this bot may take than usual, because its model may think for so long."""
    thinks = bot.decision_seconds if bot.decider.startswith(MODEL) else 0
    return timedelta(seconds=max(thinks - USUAL_SECONDS, 0))


def chain_of(bot: Bot) -> list[LanguageModel]:
    """The bot's own model, then its fallbacks in order; empty where its own is not there."""
    rows = LanguageModel.objects.select_related("provider")
    own = rows.named(bot.owner_id, bot.decider.removeprefix(MODEL)).order_by("pk").first()
    if own is None:
        return []
    places = [fallback.model_id for fallback in bot.fallbacks.order_by("place", "pk")]
    others = {model.pk: model for model in rows.of(bot.owner).filter(pk__in=places)}
    return [own, *(others[pk] for pk in places if pk in others and pk != own.pk)]


def choices(bot: Bot) -> list[tuple[str, str]]:
    """Who could decide for a bot: whoever could for its owner, lots that match another bot, and the one it has."""
    names = [*names_for(bot.owner_id), *matching.choices(bot.owner_id), *([bot.decider] if bot.pk else [])]
    return [(name, name) for name in dict.fromkeys(names)]


def names_for(owner: int) -> list[str]:
    """The deciders a user may choose: strategies in code, and their language models."""
    models = LanguageModel.objects.filter(provider__owner=owner).order_by("name").values_list("name", flat=True)
    return [*deciders.names(), *(f"{MODEL}{name}" for name in models)]


def put(decider: Decider, prompt: Prompt) -> None:
    """Give a model the question that it will be asked."""
    if isinstance(decider, ModelDecider):
        decider.prompt = prompt


def note_outcome(bot: Bot, raw: Mapping[str, Any]) -> None:
    """Count a model's failures in a row, or forget them. Called with the decision, in its transaction."""
    if not bot.decider.startswith(MODEL):
        return
    held = str(raw.get("held", ""))
    rows = Bot.objects.filter(pk=bot.pk)
    if held:
        told = {"model_trouble": str(raw.get("summary", ""))[:400], "model_trouble_at": datetime.now(UTC)}
        rows.update(**told, model_failures=F("model_failures") + int(held not in NOT_ITS_FAULT))
    elif bot.model_failures or bot.model_trouble:
        rows.update(model_failures=0, model_trouble="", model_trouble_at=None)
