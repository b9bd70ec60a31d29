"""Finds the deciders of a backtest that are no code: an owner's language models, and what a bot has answered before."""

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from bots import deciding, prompts, reservations, wordings
from bots.deciders import Decider
from bots.domain.prompt import Wording
from bots.domain.triggers import Thresholds
from bots.models import Backtest, Bot, Decision, LanguageModel, PromptVersion
from ledger.models import User

from .asked_model import AskedModel
from .loader import NotThere
from .options import MODEL, RECORDED, Asked, Unclear
from .recorded import Recorded

MOST_MONEY = Decimal(1000)
CAP_MINUTES, SHADOW = 60, Decimal("0.05")


def look_up(
    asked: Asked, *, owner: User | None, run: Backtest | None, alive: Callable[[], None] = lambda: None
) -> tuple[Decider, dict[str, Any]]:
    """The decider that `asked` names, and what it adds to the provenance. Raises NotThere and Unclear."""
    name = asked.decider.name
    if owner is None:
        raise NotThere(f"Say whose {name} it is: bots and models belong to a user.")
    if name.startswith(RECORDED):
        return _recorded(name.removeprefix(RECORDED), owner)
    return _model(name.removeprefix(MODEL), asked, owner, run, alive)


def _recorded(name: str, owner: User) -> tuple[Recorded, dict[str, Any]]:
    bot = Bot.objects.of(owner).filter(name=name).order_by("pk").first()
    if bot is None:
        known = ", ".join(Bot.objects.of(owner).order_by("pk").values_list("name", flat=True)) or "none"
        raise NotThere(f"You have no bot named «{name}»; there are {known}.")
    rows = Decision.objects.filter(bot=bot).order_by("id").values_list("at", "raw")
    answers = dict(rows.iterator(chunk_size=2000))
    if not answers:
        raise NotThere(f"{bot.name} has decided nothing yet, so there is nothing to go by.")
    first, last = min(answers), max(answers)
    about = {"bot": bot.name, "answers": len(answers), "recorded": f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}"}
    return Recorded(f"{RECORDED}{bot.name}", answers), about


def _model(
    name: str, asked: Asked, owner: User, run: Backtest | None, alive: Callable[[], None]
) -> tuple[AskedModel, dict[str, Any]]:
    model = LanguageModel.objects.select_related("provider").named(owner.pk, name).order_by("pk").first()
    if model is None:
        names = LanguageModel.objects.filter(provider__owner=owner).order_by("name").values_list("name", flat=True)
        raise NotThere(f"You have no model named «{name}»; there are {', '.join(names) or 'none'}.")
    wording, version = _wording(asked.more.get("prompt"), owner)
    money = _number("money", asked.more.get("money", "0"), MOST_MONEY)
    if money and reservations.prices_of(model).worst(1, 1) is None:
        raise Unclear(f"{model.name} has no prices, so money could not be counted: give it prices first.")
    cap = _number("cap", asked.more.get("cap", str(CAP_MINUTES)), Decimal(10_000))
    shadow = _number("shadow", asked.more.get("shadow", str(SHADOW)), Decimal(1))
    decider = AskedModel(
        name=f"{MODEL}{model.name}",
        model=model,
        wording=wording,
        thresholds=Thresholds(cap=timedelta(minutes=float(cap)), shadow=shadow),
        money=money,
        run=run,
        alive=alive,
    )
    about: dict[str, Any] = {"model": deciding.parameters_of(model), "prompt": version, "money": str(money)}
    return decider, about | {"cap_minutes": float(cap), "shadow": float(shadow)}


def _wording(name: str | None, owner: User) -> tuple[Wording, str]:
    """The newest version of the owner's prompt of this name, or the wording that ships."""
    if name is None:
        return prompts.shipped("standard"), "the wording that ships"
    numbered = re.fullmatch(r"(.+) v([0-9]{1,9})", name)
    rows: Any = wordings.versions_of(owner).filter(prompt__name=numbered[1] if numbered else name)
    if numbered:
        rows = rows.filter(number=int(numbered[2]))
    found: PromptVersion | None = rows.order_by("-number").first()
    if found is None:
        raise NotThere(f"You have no prompt «{name}».")
    return found.wording, f"{found} ({found.sha256[:12]})"


def _number(key: str, text: str, most: Decimal) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite() or not 0 <= value <= most:
        raise Unclear(f"{key} must be a number from 0 to {most:,f}, not «{text}».")
    return value
