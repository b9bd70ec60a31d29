"""Sets aside tokens, money and a place before a model is called, and settles it after: the only writer of both.

One locked transaction before the call and one after it; nothing is held in between. A call whose fate is unknown (its
worker died, its answer never came) keeps what was reserved on its day's budget, since the provider may bill it, and its
cost stays unknown: the journal books only what was reported. So budgets are never overdrawn by more than what the calls
in flight use beyond their reservation, and nothing leaks: `sweep` settles what a dead process left.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Sum
from django.db.models.functions import Coalesce

from ledger import spending
from markets.domain.rounding import ZERO

from .deciders.language_model import Asked
from .domain.reading import cleaned
from .domain.usage import Prices
from .models import Backtest, Bot, Budget, CallState, Cycle, LanguageModel, ModelCall, Provider, Purpose

SPARE = timedelta(seconds=30)  # after its time a call is settled within this, or its worker is dead
LONGEST_ANSWER = 100_000
MONEY_OF_ALL = Decimal(20)  # US dollars a day for all bots of a user together, until a person says otherwise
TROUBLES_BEFORE_REST = 3
FIRST_REST, LONGEST_REST = timedelta(seconds=20), timedelta(minutes=10)
PLACE_SECONDS = 0.5  # until one looks again for a free place
LONGEST_ASKED_REST = timedelta(minutes=2)


class Denied(Exception):
    """No call may be made now: `code` is stable, the text a sentence. After `wait` seconds it may be possible."""

    def __init__(self, code: str, text: str, *, wait: float | None = None) -> None:
        super().__init__(text)
        self.code, self.text, self.wait = code, text, wait


@dataclass(frozen=True, slots=True)
class Wanted:
    """A call to be made: the worst it may use, and what is stored of it.

    `money` is the most that all calls of its backtest may cost together, in US dollars.
    """

    model: LanguageModel
    tokens_in: int
    tokens_out: int
    seconds: float
    messages: Sequence[Mapping[str, str]]
    parameters: Mapping[str, Any]
    form: str
    purpose: str = Purpose.ASK
    attempt: int = 1
    bot: Bot | None = None
    cycle: Cycle | None = None
    backtest: Backtest | None = None
    money: Decimal | None = None

    @property
    def tokens(self) -> int:
        return self.tokens_in + self.tokens_out


def prices_of(model: LanguageModel) -> Prices:
    return Prices(model.price_input, model.price_cached, model.price_output, model.price_reasoning)


@transaction.atomic
def reserve(*, wanted: Wanted, wall: datetime) -> ModelCall:
    """The row of a call that may be made now. Raises Denied."""
    provider = Provider.objects.select_for_update().get(pk=wanted.model.provider_id)
    if provider.rests(wall):
        assert provider.resting_until is not None
        text = f"{provider} rests until {provider.resting_until:%H:%M:%S} UTC. {provider.resting_why}"
        raise Denied("resting", text[:400], wait=(provider.resting_until - wall).total_seconds())
    if ModelCall.objects.filter(provider=provider).in_flight(wall).count() >= provider.most_calls:
        text = f"All {provider.most_calls} places for calls to {provider} are taken."
        raise Denied("busy", text, wait=PLACE_SECONDS)
    worst = prices_of(wanted.model).worst(wanted.tokens_in, wanted.tokens_out)
    if wanted.money is not None:
        _allow(wanted, wanted.money, worst or ZERO)
    for budget in _locked(provider.owner_id, wanted.bot):
        _take(budget, wanted.tokens, worst or ZERO, wall.date())
    if provider.failures >= TROUBLES_BEFORE_REST:
        # One call tries whether it is well again; meanwhile the others are not sent into the same wall.
        provider.resting_until = wall + timedelta(seconds=wanted.seconds)
        provider.save(update_fields=["resting_until"])
    return _row(wanted, provider, worst or ZERO, wall)


def _row(wanted: Wanted, provider: Provider, worst: Decimal, wall: datetime) -> ModelCall:
    return ModelCall.objects.create(
        provider=provider,
        model=wanted.model,
        model_id_sent=wanted.model.model_id,
        bot=wanted.bot,
        cycle=wanted.cycle,
        backtest=wanted.backtest,
        purpose=wanted.purpose,
        attempt=wanted.attempt,
        form=wanted.form,
        messages=list(wanted.messages),
        parameters=dict(wanted.parameters),
        day=wall.date(),
        reserved_tokens=wanted.tokens,
        reserved_money=worst,
        lease_until=wall + timedelta(seconds=wanted.seconds) + SPARE,
        created_at=wall,
    )


def _allow(wanted: Wanted, money: Decimal, worst: Decimal) -> None:
    """Raises Denied where the calls of a backtest would cost more than was set aside. Its provider is locked."""
    calls = ModelCall.objects.filter(backtest=wanted.backtest)
    spent = calls.aggregate(sum=Coalesce(Sum(Coalesce("cost", "reserved_money")), ZERO))["sum"]
    if spent + worst > money:
        told = f"{spent:.4f} used or reserved, up to {worst:.4f} needed"
        text = f"The money set aside for this backtest, {money:.2f} USD, does not reach any further: {told}."
        raise Denied("allowance", text)


def make_budgets(*, owner_id: int, bot: Bot | None) -> None:
    """The budgets of an owner and of a bot, with the limits that every new one has, where they are not there yet."""
    Budget.objects.get_or_create(owner_id=owner_id, bot=None, defaults={"daily_money": MONEY_OF_ALL})
    if bot is not None:
        Budget.objects.get_or_create(owner_id=owner_id, bot=bot)


def _locked(owner_id: int, bot: Bot | None) -> list[Budget]:
    """The budgets a call counts on, locked in one order: the owner's, then the bot's."""
    make_budgets(owner_id=owner_id, bot=bot)
    # One statement each: what locks several rows at once may take them in another order.
    rows = Budget.objects.select_for_update(of=("self",)).select_related("bot")
    return [rows.get(owner_id=owner_id, bot=one) for one in ([None] if bot is None else [None, bot])]


def _take(budget: Budget, tokens: int, money: Decimal, day: date) -> None:
    """Count a reservation. Raises Denied where it does not fit; the transaction of the caller undoes the rest."""
    if budget.day is None or budget.day < day:
        budget.day, budget.tokens, budget.money = day, 0, ZERO
    whose = f"of {budget.bot.name}" if budget.bot else "of all your bots"
    if budget.daily_tokens is not None and budget.tokens + tokens > budget.daily_tokens:
        text = (
            f"The budget {whose} of {budget.daily_tokens} tokens a day is used up ({budget.tokens} used or reserved)."
        )
        raise Denied("budget", text)
    if budget.daily_money is not None and budget.money + money > budget.daily_money:
        used = f"{budget.money:.4f} used or reserved, up to {money:.4f} needed"
        raise Denied("budget", f"The budget {whose} of {budget.daily_money:.2f} USD a day is used up: {used}.")
    budget.tokens, budget.money = budget.tokens + tokens, budget.money + money
    budget.save(update_fields=["day", "tokens", "money"])


def settle(*, call: ModelCall, asked: Asked, refused: str | None, wall: datetime) -> ModelCall:
    """Record what came of a call, correct the budgets, book its cost, and let the provider rest or be well.

    `refused` names a form or parameter that the provider does not take, to be remembered. A call that was swept
    meanwhile is corrected to what is known now.
    """
    state, used, cost = _outcome(call, asked)
    with transaction.atomic():
        provider = Provider.objects.select_for_update().get(pk=call.provider_id)
        fields = _told(asked) | {"state": state, "cost": cost, "ended_at": wall}
        for before in (CallState.ASKING, CallState.UNKNOWN):
            if ModelCall.objects.filter(pk=call.pk, state=before).update(**fields):
                for name, value in fields.items():
                    setattr(call, name, value)
                _correct(call, used, cost, swept=before == CallState.UNKNOWN)
                _note(provider, asked, refused, wall)
                break
    if refused is not None and call.model is not None:
        _remember(call.model, refused)
    return call


def _outcome(call: ModelCall, asked: Asked) -> tuple[str, tuple[int, Decimal], Decimal | None]:
    """State, what it counts on the budgets, and its cost (None: unknown)."""
    reserved = (call.reserved_tokens, call.reserved_money)
    if asked.trouble is not None:
        return (CallState.UNKNOWN, reserved, None) if asked.trouble.sent else (CallState.FAILED, (0, ZERO), ZERO)
    assert asked.reply is not None
    usage = asked.reply.usage
    if usage is None or call.model is None:
        return CallState.ANSWERED, reserved, None
    cost = prices_of(call.model).cost(usage)
    return CallState.ANSWERED, (usage.total, cost or ZERO), cost


def _told(asked: Asked) -> dict[str, Any]:
    found: dict[str, Any] = {"latency_ms": round(asked.latency_ms, 1)}
    if asked.trouble is not None:
        found |= {"error_code": asked.trouble.code, "error": cleaned(asked.trouble.text, 400)}
        return found | {"request_id": cleaned(asked.trouble.request_id, 120)}
    reply = asked.reply
    assert reply is not None
    if reply.usage is not None:
        used = reply.usage
        found |= {"input_tokens": used.input, "cached_tokens": used.cached}
        found |= {"output_tokens": used.output, "reasoning_tokens": used.reasoning}
    return found | {
        "answer": cleaned(reply.text, LONGEST_ANSWER),
        "reasoning": cleaned(reply.reasoning, LONGEST_ANSWER),
        "finish_reason": reply.finish_reason,
        "request_id": reply.request_id,
    }


def _correct(call: ModelCall, used: tuple[int, Decimal], cost: Decimal | None, *, swept: bool = False) -> None:
    """Put what was used in the place of what was reserved, and book the cost. `swept`: it was counted as lost."""
    tokens, money = used
    for budget in _locked(call.provider.owner_id, call.bot):
        if budget.day == call.day:
            budget.tokens = max(budget.tokens + tokens - call.reserved_tokens, 0)
            budget.money = max(budget.money + money - call.reserved_money, ZERO)
        budget.total_tokens += tokens - (call.reserved_tokens if swept else 0)
        budget.total_cost += cost or ZERO
        budget.unknown_costs += (cost is None) - swept
        budget.save(update_fields=["tokens", "money", "total_tokens", "total_cost", "unknown_costs"])
    if cost:
        ended = call.ended_at
        assert ended is not None
        spending.spend(owner_id=call.provider.owner_id, amount=cost, ref=f"call:{call.pk}", at=ended)


def _note(provider: Provider, asked: Asked, refused: str | None, wall: datetime) -> None:
    """The breaker: after repeated trouble the provider rests, longer each time; a reply makes it well."""
    trouble = asked.trouble
    if trouble is None or not trouble.provider_wide or refused is not None:
        well = {"failures": 0, "resting_until": None, "resting_why": ""}
        changes: dict[str, Any] = well if provider.failures or provider.resting_until else {}
    else:
        failures = provider.failures + 1
        changes = {"failures": failures, "resting_why": cleaned(trouble.text, 300)}
        if trouble.after is not None:
            changes["resting_until"] = wall + min(timedelta(seconds=trouble.after), LONGEST_ASKED_REST)
        elif failures >= TROUBLES_BEFORE_REST:
            changes["resting_until"] = wall + min(
                FIRST_REST * 2 ** min(failures - TROUBLES_BEFORE_REST, 10), LONGEST_REST
            )
    if changes:
        Provider.objects.filter(pk=provider.pk).update(**changes)


def _remember(model: LanguageModel, refused: str) -> None:
    with transaction.atomic():
        fresh = LanguageModel.objects.select_for_update().get(pk=model.pk)
        if refused not in fresh.refused:
            fresh.refused = [*fresh.refused, refused]
            fresh.save(update_fields=["refused"])
    model.refused = fresh.refused


def sweep(*, wall: datetime) -> int:
    """Settle the calls of processes that died: their fate is unknown, so what they reserved counts. How many."""
    swept = 0
    for pk in list(ModelCall.objects.overdue(wall).order_by("pk").values_list("pk", flat=True)[:500]):
        with transaction.atomic():
            claimed = ModelCall.objects.filter(pk=pk, state=CallState.ASKING)
            text = "The process ended before the answer was recorded; nobody knows what it used."
            if claimed.update(state=CallState.UNKNOWN, error_code="lost", error=text, ended_at=wall):
                call = ModelCall.objects.select_related("provider", "bot").get(pk=pk)
                _correct(call, (call.reserved_tokens, call.reserved_money), None)
                swept += 1
    return swept
