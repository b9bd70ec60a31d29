"""Tries a language model: one tiny question in a worker, and what came of it in one sentence on the model's row.

A trial is a call like any other: reserved, settled and paid. One that answers makes its provider well again.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from .asking import Question, answer
from .domain.prompt import Prompt
from .models import LanguageModel, ModelCall, Provider, Purpose

AGAIN_AFTER = timedelta(seconds=5)
SCHEMA = {
    "type": "object",
    "properties": {"summary": {"type": "string"}, "items": {"type": "array", "items": {"type": "string"}}},
    "required": ["summary", "items"],
    "additionalProperties": False,
}
PROMPT = Prompt(
    system='This is a test of the connection. Answer with the JSON object {"summary": "ready", "items": []}.',
    user="Are you ready?",
)


def ask_for(*, model: LanguageModel, enqueue: Callable[[int], None]) -> bool:
    """Queue a trial and note when it was asked for; False where one was a moment ago."""
    wall = datetime.now(UTC)
    if model.test_asked_at is not None and model.test_asked_at > wall - AGAIN_AFTER:
        return False
    enqueue(model.pk)
    LanguageModel.objects.filter(pk=model.pk).update(test_asked_at=wall)
    return True


def run(*, model_id: int) -> None:
    """Ask the model and keep the result. A model that was deleted meanwhile is no matter."""
    model = LanguageModel.objects.select_related("provider").filter(pk=model_id).first()
    if model is None:
        return
    # A person has just changed something: a resting provider is tried all the same.
    Provider.objects.filter(pk=model.provider_id).update(resting_until=None, failures=0)
    found = answer(Question(PROMPT, SCHEMA, [model], seconds=model.call_seconds, purpose=Purpose.TEST))
    passed = not found.code
    result = told(model) if passed else found.sentence
    LanguageModel.objects.filter(pk=model_id).update(
        tested_at=datetime.now(UTC), test_passed=passed, test_result=result[:400]
    )


def told(model: LanguageModel) -> str:
    """What a trial that passed has shown: in which form it answers, how fast, and for how much."""
    call = ModelCall.objects.filter(model=model, purpose__in=(Purpose.TEST, Purpose.REPAIR)).order_by("-pk").first()
    assert call is not None
    cost = "an unknown cost" if call.cost is None else f"{call.cost:.6f} USD"
    without = f" It does not take {', '.join(model.refused)}." if model.refused else ""
    return f"Answers with {call.form} in {(call.latency_ms or 0) / 1000:.1f} s for {cost}.{without}"
