"""A model for tests: asked as one is, over no network, and answering what the test wants."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from bots import deciding
from bots.deciders.house import Trend
from bots.domain.briefing import Briefing

NAME = "model:test"


@dataclass
class TestModel:
    """Answers like the trend strategy unless told otherwise; remembers what it was asked."""

    __test__ = False
    name: ClassVar[str] = NAME
    remote: ClassVar[bool] = True
    description: ClassVar[str] = "A model of the tests."

    answer: Callable[[Briefing], dict[str, Any]] = field(default_factory=lambda: Trend().decide)
    asked: list[Briefing] = field(default_factory=list)

    def decide(self, briefing: Briefing) -> dict[str, Any]:
        self.asked.append(briefing)
        return self.answer(briefing)


def install(monkeypatch: Any, model: TestModel) -> TestModel:
    """Make `model:test` a decider that bots can name."""
    decider_of, another = deciding.decider_of, deciding.another
    monkeypatch.setattr(
        deciding, "decider_of", lambda bot, *args: model if bot.decider == NAME else decider_of(bot, *args)
    )
    monkeypatch.setattr(
        deciding, "another", lambda bot, name, **given: model if name == NAME else another(bot, name, **given)
    )
    return model
