"""A decision of a model looked at again: the same question byte for byte, today's rules, another model or prompt.

Nothing here trades. A question that was asked before, by its content, is answered from what is kept.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import structlog

from ledger.models import User
from markets import connections

from . import deciders, deciding, moments, wordings
from .domain import emergency
from .domain.briefing import Briefing
from .domain.judgement import judge
from .domain.plan import JudgedItem, Plan
from .domain.prompt import Prompt, Wording, render
from .models import Decision, DecisionItem, KnownAnswer, Moment, PromptVersion, Replay, TaskState, Trigger

AT_ONCE = 5
log = structlog.get_logger(__name__)
Seen = dict[str, Any]


class NotReplayable(Exception):
    """There is nothing to replay; the message says why."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be different from then; nothing by default."""

    model: str = ""
    version: PromptVersion | None = None
    rules_today: bool = False


def replay(*, decision: Decision, changes: Changes | None = None) -> dict[str, Any]:
    """The decision as it was and as it would be, as JSON. Raises NotReplayable, and UnknownDecider for a model."""
    changes, moment = changes or Changes(), _moment(decision)
    asked, then = moments.asked(moment), Prompt(moment.system, moment.user)
    again = rendered(moment, asked, moments.wording(moment))
    judged = moments.judged(moment, asked)
    if changes.rules_today:
        judged = replace(judged, policy=decision.bot.policy.limits)
    prompt = then if changes.version is None else rendered(moment, asked, changes.version.wording)
    was = [_stored(item) for item in decision.items.order_by("id")]
    raw, cached = decision.raw, False
    if changes.model or changes.version is not None:
        raw, cached = answered(moment, changes.model or decision.decider, prompt, asked)
    plan = judged_plan(moment, judged, raw)
    now = [_planned(item) for item in plan.items]
    return _told(decision, moment, changes) | {
        "identical": again.digest == moment.digest,
        "cached": cached,
        "summary": {"then": decision.summary, "now": plan.summary},
        "items": differences(was, now),
        "same": was == now,
        "prompt": _changed(then, again if changes.version is None else prompt),
    }


def _told(decision: Decision, moment: Moment, changes: Changes) -> dict[str, Any]:
    return {
        "decision": decision.pk,
        "at": decision.at.isoformat(),
        "digest": moment.digest,
        "model": changes.model or decision.decider,
        "version": str(changes.version or moment.version or "standard"),
        "rules": "today" if changes.rules_today else "then",
    }


def _changed(then: Prompt, now: Prompt) -> list[dict[str, str]]:
    """Lines of the question that are gone or new."""
    pairs = (f"{prompt.system}\n\n{prompt.user}" for prompt in (then, now))
    return [{"kind": line.kind, "text": line.text} for line in wordings.compare(*pairs) if line.kind != "same"]


def _moment(decision: Decision) -> Moment:
    found = Moment.objects.filter(decision=decision)
    moment = found.select_related("decision__bot__book__account__feed", "decision__cycle", "version__prompt").first()
    if moment is not None:
        return moment
    if decision.gate:
        raise NotReplayable(f"No model was asked then: {decision.gate_reason}")
    raise NotReplayable(f"{decision.decider} is a strategy in code: it reads no prompt.")


def rendered(moment: Moment, briefing: Briefing, wording: Wording) -> Prompt:
    """The question of then in this wording."""
    if _urgent(moment):
        return emergency.render(briefing, wording)
    return render(briefing, wording)


def judged_plan(moment: Moment, briefing: Briefing, raw: Mapping[str, object]) -> Plan:
    """What comes of an answer under this briefing: the same code as in a cycle."""
    return judge(briefing, deciding.understood(briefing, raw, emergency_only=_urgent(moment)))


def _urgent(moment: Moment) -> bool:
    return moment.decision.cycle.trigger == Trigger.EMERGENCY


def answered(moment: Moment, model: str, prompt: Prompt, briefing: Briefing) -> tuple[Mapping[str, Any], bool]:
    """What `model` says to this question, and whether that was known: from then, or from an earlier replay.
    A strategy in code is asked each time.

    A model that could not be asked gives a hold with the reason, which is not kept.
    """
    decider = deciding.another(moment.decision.bot, model, emergency_only=_urgent(moment))
    if not decider.remote:
        return decider.decide(briefing), False
    if prompt.digest == moment.digest and deciding.answered_alike(decider, moment.decision):
        return moment.decision.raw, True
    parameters, owner = deciding.parameters(decider), moment.decision.bot.owner_id
    known = KnownAnswer.objects.filter(key=key(model, prompt, parameters, owner=owner)).first()
    if known is not None:
        return known.answer, True
    deciding.put(decider, prompt)
    connections.release()
    answer = decider.decide(briefing)
    if not answer.get("held"):
        remember(model=model, prompt=prompt, answer=answer, parameters=parameters, owner=owner)
    return answer, False


def key(model: str, prompt: Prompt, parameters: Mapping[str, object] | None = None, *, owner: int) -> str:
    """A SHA-256 over owner, model, parameters and messages: the same question of the same user has the same key.

    Two users may call different models by one name.
    """
    asked = [owner, model, dict(sorted((parameters or {}).items())), prompt.system, prompt.user]
    return sha256(json.dumps(asked, ensure_ascii=False).encode()).hexdigest()


def remember(
    *,
    model: str,
    prompt: Prompt,
    answer: Mapping[str, Any],
    parameters: Mapping[str, object] | None = None,
    owner: int,
) -> None:
    """Keep an answer, so that the same question is free the next time; the first answer stands."""
    found = {"model": model, "answer": dict(answer)}
    KnownAnswer.objects.get_or_create(key=key(model, prompt, parameters, owner=owner), defaults=found)


def differences(was: Sequence[Seen], now: Sequence[Seen]) -> list[dict[str, Any]]:
    """Item by item of one instrument: as it was, as it would be, and whether that is the same."""
    rows = []
    left = list(now)
    for then in was:
        match = next((item for item in left if item["symbol"] == then["symbol"]), None)
        if match is not None:
            left.remove(match)
        rows.append({"symbol": then["symbol"], "then": then, "now": match, "same": match == then})
    return [*rows, *({"symbol": item["symbol"], "then": None, "now": item, "same": False} for item in left)]


def _stored(item: DecisionItem) -> Seen:
    return {
        "symbol": item.symbol, "action": item.action, "outcome": item.outcome,
        "quantity": _number(item.quantity), "price": _number(item.price), "reason": item.reason,
        "verdicts": item.verdicts,
    }  # fmt: skip


def _planned(item: JudgedItem) -> Seen:
    draft = item.draft
    return {
        "symbol": item.symbol[:60], "action": item.action[:20], "outcome": str(item.outcome),
        "quantity": _number(draft.quantity if draft else None), "price": _number(draft.price if draft else None),
        "reason": item.reason, "verdicts": [verdict.as_json() for verdict in item.verdicts],
    }  # fmt: skip


def _number(value: Any) -> str | None:
    return None if value is None else f"{value.normalize():f}"


def models_of(user: User) -> list[str]:
    """Whom a user may ask about a moment: strategies in code, and their language models."""
    return deciding.names_for(user.pk)


def offer(user: User, decision: Decision) -> dict[str, Any]:
    """What the page of a decision needs to offer a replay; nothing where no model was asked."""
    moment = Moment.objects.filter(decision=decision).select_related("version__prompt").first()
    if moment is None:
        return {}
    return {"moment": moment, "models": models_of(user), "versions": wordings.versions_of(user)}


def run_asked() -> int:
    """Do the replays that pages are waiting for. Returns how many."""
    rows = Replay.objects.filter(state=TaskState.ASKED).order_by("id")
    found = rows.select_related("decision__bot__policy", "decision__cycle", "version__prompt")
    return sum(_run(row) for row in list(found[:AT_ONCE]))


def _run(row: Replay) -> int:
    changes, mine = Changes(row.model, row.version, row.rules_today), Replay.objects.filter(pk=row.pk)
    if not mine.filter(state=TaskState.ASKED).update(state=TaskState.RUNNING):
        return 0
    try:
        found: dict[str, Any] = {"state": TaskState.DONE, "result": replay(decision=row.decision, changes=changes)}
    except (NotReplayable, deciders.UnknownDecider) as refusal:
        found = {"state": TaskState.FAILED, "error": str(refusal)[:300]}
    except Exception as error:  # Told on the page that waits; the next row must not suffer.
        log.exception("replay_failed", replay=row.pk)
        found = {"state": TaskState.FAILED, "error": f"{type(error).__name__}: {error}"[:300]}
    return mine.update(**found)
