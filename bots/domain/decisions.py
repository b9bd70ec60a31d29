"""Answers of deciders, read item by item from whatever was given.

A bad item is refused with a sentence that names field and value; the good ones stand. Nothing here judges.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from markets.domain.candles import TIMEFRAMES
from markets.domain.frozen import quick

from .answer_fields import Action, read_fields
from .exit_plan import Condition
from .untrusted import Refusal, Unfit, fraction, shown, text

__all__ = ["Action", "Answer", "Proposal", "RefusedItem", "parse"]

MOST_ITEMS = 100
SYMBOL_LENGTH, REASON_LENGTH, SUMMARY_LENGTH = 60, 300, 1000


@quick
@dataclass(frozen=True, slots=True)
class Proposal:
    """One instrument of an answer, well formed but not judged. `trail` is a fraction, `minutes` a time limit.

    `risk_share` is the share of the risk budget asked for, `reduce_share` that of the position to give up.
    """

    symbol: str
    action: Action
    conviction: Decimal | None = None
    risk_share: Decimal = Decimal(1)
    leverage: int | None = None
    limit: Decimal | None = None
    stop: Decimal | None = None
    target: Decimal | None = None
    trail: Decimal | None = None
    minutes: int | None = None
    invalidation: Condition | None = None
    reduce_share: Decimal | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RefusedItem:
    """An item that does not stand; symbol, action and reason as the decider wrote them, cleaned and cut."""

    symbol: str
    action: str
    refusal: Refusal
    reason: str = ""


@quick
@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: what stands, what was refused, and the decider's own sentence about it."""

    items: tuple[Proposal, ...] = ()
    refused: tuple[RefusedItem, ...] = ()
    summary: str = ""


_PLAN = ("stop", "target", "trail", "minutes", "invalidation")
_ACTIONS = {str(action): action for action in Action}
# Fields that an action does not use are not read: a zero in one of them must not stop an exit.
_USED: dict[Action, tuple[str, ...]] = {
    Action.OPEN_LONG: ("conviction", "risk_share", "leverage", "limit", *_PLAN),
    Action.OPEN_SHORT: ("conviction", "risk_share", "leverage", "limit", *_PLAN),
    Action.ADD: ("conviction", "risk_share", "leverage", "limit", *_PLAN),
    Action.REDUCE: ("reduce_share",),
    Action.CLOSE: (),
    Action.ADJUST_EXITS: _PLAN,
    Action.HOLD: (),
}


def parse(raw: object, *, known: Collection[str], timeframes: Collection[str] = tuple(TIMEFRAMES)) -> Answer:
    """Read a raw answer: {"summary": text, "items": [item, ...]}. Never raises, whatever it is given.

    `known` are the symbols of the bot's instruments and positions, `timeframes` those that conditions may name.
    Two items for one symbol contradict each other: all of them are refused.
    """
    if not isinstance(raw, dict):
        return Answer(refused=(_refused(raw, "bad_answer", f"The answer must be an object, not {shown(raw)}."),))
    summary, listed = text(raw.get("summary"), SUMMARY_LENGTH), raw.get("items", [])
    if not isinstance(listed, list | tuple):
        sentence = f"items must be a list, not {shown(listed)}."
        return Answer(refused=(_refused(raw, "bad_answer", sentence),), summary=summary)
    # Most answers have one item for each of a few instruments: a dict is enough, and a Counter takes longer to make.
    counts: dict[str, int] = {}
    symbols = [_symbol(item) for item in listed]
    for symbol in symbols:
        counts[symbol] = counts.get(symbol, 0) + 1
    read = [
        _item(item, symbol, counts[symbol], known, timeframes)
        for item, symbol in zip(listed[:MOST_ITEMS], symbols, strict=False)
    ]
    if len(listed) > MOST_ITEMS:
        read.append(_refused(None, "too_many_items", f"Only the first {MOST_ITEMS} of {len(listed)} items were read."))
    proposals = tuple([item for item in read if isinstance(item, Proposal)])
    unfit = tuple([item for item in read if isinstance(item, RefusedItem)])
    return Answer(proposals, unfit, summary)


def _item(
    raw: object, symbol: str, count: int, known: Collection[str], timeframes: Collection[str]
) -> Proposal | RefusedItem:
    """The item of `symbol`, which `count` items of the answer name."""
    if not isinstance(raw, dict):
        return _refused(raw, "bad_item", f"An item must be an object, not {shown(raw)}.")
    action = _action(raw.get("action"))
    if symbol not in known:
        return _refused(
            raw, "unknown_symbol", f"symbol {shown(raw.get('symbol'))} is not one of this bot's instruments."
        )
    if count > 1:
        sentence = f"{count} items for {symbol} contradict each other, so it is held."
        return _refused(raw, "contradictory", sentence)
    if action is None:
        actions = ", ".join(Action)
        return _refused(raw, "unknown_action", f"action must be one of {actions}, not {shown(raw.get('action'))}.")
    reason = text(raw.get("reason"), REASON_LENGTH)
    if not _USED[action]:
        # There is no field to read, and most items of most answers are such.
        return Proposal(symbol, action, conviction=_conviction(raw.get("conviction")), reason=reason)
    fields, unfit = read_fields(raw, _USED[action], timeframes)
    if unfit:
        return _refused(raw, unfit[0].code, " ".join(problem.text for problem in unfit[:3]))
    missing = _missing(action, fields)
    if missing:
        return _refused(raw, "missing_field", missing)
    if not action.enters:
        fields["conviction"] = _conviction(raw.get("conviction"))
    return Proposal(symbol, action, reason=reason, **fields)


def _missing(action: Action, fields: Mapping[str, Any]) -> str:
    """What the action cannot do without and is not there, in a sentence; empty where nothing is missing."""
    if action.enters and "conviction" not in fields:
        return f"conviction is missing for {action}."
    if action == Action.REDUCE and "reduce_share" not in fields:
        return "reduce_share is missing for reduce."
    if action == Action.ADJUST_EXITS and not fields:
        return "adjust_exits names no stop, target, trail, minutes or invalidation."
    return ""


def _conviction(value: object) -> Decimal | None:
    """The conviction of an exit is for the record: unreadable, it is left out and stops nothing."""
    try:
        return None if value is None else fraction(value, "conviction")
    except Unfit:
        return None


def _symbol(raw: object) -> str:
    found = raw.get("symbol") if isinstance(raw, dict) else None
    return text(found, SYMBOL_LENGTH)


def _action(value: object) -> Action | None:
    return _ACTIONS.get(text(value, 20).lower())


def _refused(raw: object, code: str, sentence: str) -> RefusedItem:
    item = raw if isinstance(raw, dict) else {}
    return RefusedItem(
        _symbol(item),
        text(item.get("action"), 20),
        Refusal(code, sentence),
        text(item.get("reason"), REASON_LENGTH),
    )
