"""The one question back: which refusals a model can mend, how it is asked, and what its second answer may change.

The items of the first answer that stood keep standing; the second answer counts only for the others.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from .plan import Outcome, Plan
from .untrusted import Refusal, text

MOST_REASONS = 12
# A wish for other limits or another market cannot be mended, and to be surer is no mending.
MENDABLE = frozenset(
    {
        "bad_answer", "bad_item", "bad_number", "bad_condition", "out_of_range", "missing_field", "unknown_action",
        "unknown_symbol", "contradictory", "stop_missing", "stop_side", "target_side", "stop_distance",
        "reward_to_risk", "price_band", "already_invalid", "liquidation_before_stop",
    }
)  # fmt: skip


def reasons(plan: Plan) -> dict[str, str]:
    """By symbol: why an item was refused, where the model could have done better."""
    found = {}
    for item in plan.items:
        verdict = item.verdicts[-1] if item.verdicts else None
        if item.outcome == Outcome.REFUSED and verdict is not None and verdict.code in MENDABLE:
            found[item.symbol] = verdict.text
    return dict(list(found.items())[:MOST_REASONS])


def question(refused: Mapping[str, str]) -> str:
    """What is asked about items that were refused."""
    lines = [f"- {text(symbol, 60) or 'an item without a symbol'}: {why}" for symbol, why in refused.items()]
    return "\n".join(
        ["These items of your answer were refused:", *lines, "Answer once more with JSON in the same form,",
         "with these items only, mended or as hold."]
    )  # fmt: skip


def question_about(refusal: Refusal) -> str:
    """What is asked about an answer that could not be read at all."""
    return (
        f"Your answer could not be read. {refusal.text} Answer once more, with one JSON object in the same form only."
    )


def merged(first: Mapping[str, Any], second: Mapping[str, Any], refused: Iterable[str]) -> dict[str, Any]:
    """The first answer with the items of `refused` symbols out of the second one, where it has them."""
    open_again = set(refused)
    mended = [item for item in second.get("items", ()) if _symbol(item) in open_again or "" in open_again]
    named = {_symbol(item) for item in mended}
    kept = [item for item in first.get("items", ()) if _symbol(item) not in named & open_again]
    stood = {_symbol(item) for item in kept}
    return {**first, "items": [*kept, *(item for item in mended if _symbol(item) not in stood)]}


def _symbol(item: Any) -> str:
    return text(item.get("symbol"), 60) if isinstance(item, Mapping) else ""
