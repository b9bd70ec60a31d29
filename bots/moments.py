"""Keeps the moment of a decision of a model, and stands in it again.

Kept is what was said and all that candles do not give back: quotes, rules of instruments, portfolio, policy, story.
Candles are read from the store: a stored candle never changes, and windows begin at fixed places in time.
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from markets import history
from markets.domain.instruments import InstrumentRules
from markets.domain.snapshot import InstrumentView, QuoteView, Snapshot
from markets.models import Instrument

from .domain.briefing import Briefing
from .domain.keeping import as_json, of_json
from .domain.prompt import Wording
from .models import Decision, Moment
from .questions import Question

# What may have changed between the question and the judgement, while the model thought.
JUDGED = (
    "now", "portfolio", "state", "locks", "account_exposure", "account_equity",
    "user_exposure", "user_equity", "user_max_exposure",
)  # fmt: skip


def keep(*, decision: Decision, question: Question, judged: Briefing) -> Moment:
    """Write the moment of a decision: the briefing that was asked with, and what of it was judged differently."""
    asked, prompt = question.briefing, question.prompt
    changed = {name: as_json(getattr(judged, name)) for name in JUDGED if getattr(judged, name) != getattr(asked, name)}
    if judged.snapshot is not asked.snapshot:
        changed["market"] = _market(judged.snapshot)
    return Moment.objects.create(
        decision=decision,
        version=decision.bot.prompt_version,
        system=prompt.system,
        user=prompt.user,
        digest=prompt.digest,
        briefing=_written(asked) | {"judged": changed, "wording": question.wording.text},
    )


def _written(briefing: Briefing) -> dict[str, Any]:
    plain = {
        field.name: as_json(getattr(briefing, field.name)) for field in fields(Briefing) if field.name != "snapshot"
    }
    return plain | {"market": _market(briefing.snapshot)}


def _market(snapshot: Snapshot) -> list[dict[str, Any]]:
    """What candles do not give back."""
    views = snapshot.instruments.values()
    return [{"rules": as_json(view.rules), "quote": as_json(view.quote)} for view in views]


def wording(moment: Moment) -> Wording:
    """What the system part began with then."""
    return Wording(moment.briefing["wording"], str(moment.version or ""))


def asked(moment: Moment) -> Briefing:
    """The briefing of then, as the model was asked with it."""
    bare = _bare(moment.briefing)
    return replace(bare, snapshot=_snapshot(moment, bare, moment.briefing["market"]))


def judged(moment: Moment, briefing: Briefing) -> Briefing:
    """The same as the answer was judged with."""
    told = moment.briefing["judged"]
    bare = _bare(moment.briefing | told)
    then = replace(briefing, **{name: getattr(bare, name) for name in JUDGED})
    return replace(then, snapshot=_snapshot(moment, bare, told["market"])) if "market" in told else then


def _bare(raw: dict[str, Any]) -> Briefing:
    """The briefing without its market."""
    found: Briefing = of_json(Briefing, raw | {"snapshot": {"now": raw["now"], "instruments": {}}})
    return found


def _snapshot(moment: Moment, briefing: Briefing, market: Sequence[dict[str, Any]]) -> Snapshot:
    known = [(of_json(InstrumentRules, one["rules"]), of_json(QuoteView, one["quote"])) for one in market]
    feed = moment.decision.bot.book.account.feed  # type: ignore[union-attr]
    rows = Instrument.objects.filter(exchange=feed.exchange, symbol__in=[rules.symbol for rules, _ in known])
    ids = {row.symbol: row.pk for row in rows}
    series = history.series(rows, briefing.timeframes, briefing.now)
    return Snapshot(
        briefing.now,
        {
            rules.symbol: InstrumentView(
                rules,
                quote,
                {timeframe: series[ids[rules.symbol], timeframe] for timeframe in briefing.timeframes},
                briefing.now,
            )
            for rules, quote in known
            if rules.symbol in ids
        },
    )
