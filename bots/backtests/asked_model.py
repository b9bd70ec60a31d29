"""A language model as the decider of a backtest: asked what it would be asked live, when it would be asked live.

A question whose answer is known costs nothing. Others are asked only while the money set aside for this backtest
lasts; without any it holds there and counts. What was answered is kept, so that the same run goes on from there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from time import sleep
from typing import Any

from django.db.models import Sum
from django.db.models.functions import Coalesce

from bots import asking, deciding, replaying
from bots.domain.answer_schema import schema
from bots.domain.briefing import Briefing
from bots.domain.plan import Plan
from bots.domain.prompt import Prompt, Wording, render
from bots.domain.story import ClosedTrade, Record, Said, Story, sharpe, telling
from bots.domain.triggers import Gate, Memory, Thresholds, memory, weigh
from bots.models import Backtest, KnownAnswer, LanguageModel, ModelCall, Moment, Purpose
from bots.recollection import TRADES
from ledger.domain.performance import Drawdown
from markets.domain.rounding import ZERO, plain

from .engine import Backtest as Engine
from .options import Unclear
from .records import Position

COUNTS = ("asked", "known", "paid", "skipped", "shadow", "unanswered")
TRIES = 3
PAUSE_SECONDS = 2.0
MOST_CALL_SECONDS = 240.0  # less than it takes for a silent run to be given up (LOST_AFTER)


class Stopped(Unclear):
    """It cannot be asked any further; what it has answered is known, so running it again goes on from here."""


@dataclass(slots=True)
class AskedModel:
    """`money` is what may be spent on all calls of `run` together, in US dollars; zero: nobody is asked.

    `alive` is called before whatever takes long; it may raise.
    """

    name: str
    model: LanguageModel
    wording: Wording
    thresholds: Thresholds
    money: Decimal = ZERO
    run: Backtest | None = None
    alive: Callable[[], None] = lambda: None
    description: str = "A language model."
    remote: bool = True
    _engine: Engine | None = field(init=False, default=None)
    _memory: Memory | None = field(init=False, default=None)
    _said: tuple[Said, ...] = field(init=False, default=())
    _said_at: datetime | None = field(init=False, default=None)
    _heard: bool = field(init=False, default=False)
    _fall: Drawdown = field(init=False, default_factory=Drawdown)
    _growth: list[float] = field(init=False, default_factory=list)
    _counts: dict[str, int] = field(init=False, default_factory=lambda: dict.fromkeys(COUNTS, 0))

    def watch(self, engine: Engine) -> None:
        """The run that it decides for: it remembers what has closed there."""
        self._engine = engine
        self._memory, self._said, self._said_at = None, (), None
        self._fall, self._growth = Drawdown(), []
        self._counts = dict.fromkeys(COUNTS, 0)

    def decide(self, briefing: Briefing) -> dict[str, Any]:
        """The answer of the model, known or new; nothing where no trigger asks. Raises Stopped."""
        self._fall = self._fall.along([briefing.portfolio.equity])
        if briefing.portfolio.deposited:
            self._growth.append(float(briefing.portfolio.equity / briefing.portfolio.deposited))
        self._heard = False
        told = replace(briefing, story=self._story(briefing))
        weighed = weigh(told, self._memory, self.thresholds)
        if not weighed.asks:
            self._counts["skipped"] += 1
            return {"summary": f"Not asked: {weighed.text}", "items": []}
        prompt = render(told, self.wording)
        raw = self._known(prompt)
        if raw is None and self.money:
            raw = self._paid(prompt, told)
        if raw is None:
            self._counts["unanswered"] += 1
            return {"summary": "Held: the answer to this question is not known.", "items": []}
        self._counts["asked"] += 1
        self._counts["shadow"] += weighed.gate == Gate.SHADOW
        self._memory, self._heard = memory(told), True
        return raw

    def heard(self, briefing: Briefing, raw: Mapping[str, Any], plan: Plan) -> None:
        """What became of the answer: the model is reminded of it the next time."""
        if self._heard:
            items = (Said(item.symbol, item.action, str(item.outcome), item.reason) for item in plan.items)
            self._said, self._said_at = telling(items), briefing.now

    def told(self) -> dict[str, Any]:
        """How often it was asked, and what that cost."""
        return {**self._counts, "cost": float(self.spent()), "money": float(self.money)}

    def progress(self) -> str:
        """Where it is, in a few words."""
        counts = self._counts
        return f"{counts['asked']} questions answered, {counts['paid']} paid for, {self.spent():.4f} USD"

    def spent(self) -> Decimal:
        """What all calls of this backtest have cost or may cost, those of earlier tries included."""
        if self.run is None:
            return ZERO
        calls = ModelCall.objects.filter(backtest=self.run.pk)
        found: Decimal = calls.aggregate(sum=Coalesce(Sum(Coalesce("cost", "reserved_money")), ZERO))["sum"]
        return found

    # --- Answers -----------------------------------------------------------------------------------------

    def _known(self, prompt: Prompt) -> dict[str, Any] | None:
        """What the model has said to this very question before: in a replay, in a backtest, or live."""
        known = KnownAnswer.objects.filter(key=self._key(prompt)).values_list("answer", flat=True).first()
        if known is None:
            same = Moment.objects.filter(digest=prompt.digest, decision__decider=self.name, decision__held_because="")
            mine = same.filter(decision__bot__owner=self.model.provider.owner_id)
            known = mine.order_by("id").values_list("decision__raw", flat=True).first()
        self._counts["known"] += known is not None
        return known

    def _key(self, prompt: Prompt) -> str:
        owner = self.model.provider.owner_id
        return replaying.key(self.name, prompt, deciding.parameters_of(self.model), owner=owner)

    def _paid(self, prompt: Prompt, briefing: Briefing) -> dict[str, Any]:
        question = asking.Question(
            prompt=prompt,
            schema=schema(sorted(briefing.symbols)),
            chain=[self.model],
            seconds=min(float(self.model.call_seconds), MOST_CALL_SECONDS),
            judge=lambda raw: deciding.mendable(briefing, raw),
            purpose=Purpose.BACKTEST,
            backtest=self.run,
            money=self.money,
        )
        for attempt in range(1, TRIES + 1):
            self.alive()
            found = asking.answer(question)
            if not found.code:
                break
            if found.code == "allowance" or attempt == TRIES:
                raise Stopped(f"At {briefing.now:%Y-%m-%d %H:%M}: {found.sentence}")
            sleep(PAUSE_SECONDS * attempt)
        self._counts["paid"] += 1
        parameters = deciding.parameters_of(self.model)
        owner = self.model.provider.owner_id
        replaying.remember(model=self.name, prompt=prompt, answer=found.raw, parameters=parameters, owner=owner)
        return found.raw

    # --- What it is reminded of --------------------------------------------------------------------------

    def _story(self, briefing: Briefing) -> Story:
        assert self._engine is not None, "A model decides for a run that it watches."
        desk = self._engine.desk
        closed, current = desk.closed, desk.positions.values()
        realised = sum((one.figures.realised for one in (*closed, *current)), ZERO)
        record = Record(
            closed=len(closed),
            wins=sum(one.net > 0 for one in closed),
            net=realised - desk.fees + desk.funding,
            fees=desk.fees,
            funding=desk.funding,
            drawdown=self._fall.depth,
            sharpe=sharpe(self._growth, briefing.interval_seconds * 1000),
        )
        waits = {one.symbol: one.invalidation for one in current if one.open and one.invalidation is not None}
        last = tuple(_closed(one) for one in closed[-TRADES:])
        return Story(closed=last, said=self._said, said_at=self._said_at, record=record, conditions=waits)


def _closed(one: Position) -> ClosedTrade:
    f = one.figures
    assert one.opened_at is not None
    assert one.closed_at is not None
    return ClosedTrade(
        symbol=one.symbol,
        long=one.long,
        entry=plain(f.entry_value / f.entry_quantity),
        exit=plain(f.exit_value / f.exit_quantity),
        net=one.net,
        opened_at=one.opened_at,
        closed_at=one.closed_at,
        reason=one.exit_reason,
    )
