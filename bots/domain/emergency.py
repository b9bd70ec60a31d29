"""A short question for bad moments: close or hold, for each open position, and nothing else.

The schema leaves no other action, and what an answer holds beyond it is refused before it reaches any judgement.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from .briefing import Briefing
from .decisions import Action, Answer, Proposal, RefusedItem
from .prompt import Prompt, Wording
from .prompt_account import account
from .prompt_contract import DICTIONARY
from .prompt_market import market
from .untrusted import Refusal

ACTIONS = (Action.CLOSE, Action.HOLD)
ANSWER = """\
Answer with one JSON object {"summary": one sentence, "items": [one per position: {"symbol": as given, "action": \
"close" or "hold", "reason": one sentence}]}."""


def render(briefing: Briefing, wording: Wording) -> Prompt:
    """The prompt: only what is held, on all timeframes."""
    held = {position.symbol for position in briefing.portfolio.positions}
    views = {symbol: view for symbol, view in briefing.snapshot.instruments.items() if symbol in held}
    told = replace(briefing, snapshot=replace(briefing.snapshot, instruments=views))
    system = "\n\n".join((wording.text.strip(), ANSWER, DICTIONARY))
    return Prompt(system, f"{market(told)}\n{account(told)}")


def schema(symbols: Sequence[str]) -> dict[str, Any]:
    """The JSON schema of an answer, strict: these symbols, closed or held."""
    fields = {
        "symbol": {"type": "string", "enum": [*symbols]},
        "action": {"type": "string", "enum": [*ACTIONS]},
        "reason": {"type": "string"},
    }
    item = {"type": "object", "properties": fields, "required": [*fields], "additionalProperties": False}
    whole = {"summary": {"type": "string"}, "items": {"type": "array", "items": item}}
    return {"type": "object", "properties": whole, "required": [*whole], "additionalProperties": False}


def only_exits(answer: Answer) -> Answer:
    """The answer with everything but closing and holding refused."""
    stands = tuple(item for item in answer.items if item.action in ACTIONS)
    refused = tuple(_refused(item) for item in answer.items if item.action not in ACTIONS)
    return Answer(stands, (*answer.refused, *refused), answer.summary)


def _refused(item: Proposal) -> RefusedItem:
    text = f"In an emergency a position is closed or held; {item.action} is not possible."
    return RefusedItem(item.symbol, item.action, Refusal("emergency", text), item.reason)
