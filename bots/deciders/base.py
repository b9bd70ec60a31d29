"""What every decider is: somebody who reads a briefing and gives a raw answer. It never trades and is never trusted."""

from typing import Any, Protocol

from bots.domain.briefing import Briefing


class Decider(Protocol):
    """`name` is what a bot stores, such as house:trend; `description` is one sentence for people."""

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str: ...

    def decide(self, briefing: Briefing) -> dict[str, Any]:
        """A raw answer in the schema of `bots.domain.decisions`. May block; called outside of any transaction."""
        ...
