"""What every decider is: somebody who reads a briefing and gives a raw answer. It never trades and is never trusted."""

from typing import Any, Protocol

from bots.domain.briefing import Briefing


class Decider(Protocol):
    """`name` is what a bot stores, such as house:trend; `description` is one sentence for people.

    A `remote` decider asks somebody over the network and may block for long: no connection is held meanwhile.
    """

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str: ...

    @property
    def remote(self) -> bool: ...

    def decide(self, briefing: Briefing) -> dict[str, Any]:
        """A raw answer in the schema of `bots.domain.decisions`. May block; called outside of any transaction."""
        ...
