"""All that a decider is told and that the judgement checks against: market, portfolio, policy, state."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from ledger.domain.portfolio import Portfolio
from markets.domain.covariance import Covariance
from markets.domain.frozen import quick
from markets.domain.snapshot import Snapshot

from .locks import Lock
from .policy import Policy
from .story import NOTHING_YET, OpenInterest, Story


@quick
@dataclass(frozen=True, slots=True)
class Briefing:
    """`timeframes` run finest first; `state` is the strictest of system, account and book.

    `slot_index` counts the bot's slots since its feed began and `seed` is the bot's: a decider that draws
    lots draws from both, so a replayed slot draws the same. In `safe_mode` its model has failed repeatedly. `story` and
    `open_interest` are for deciders that read a prompt; a strategy in code gets them empty.
    """

    bot: str
    now: datetime
    timeframes: tuple[str, ...]
    policy: Policy
    snapshot: Snapshot
    portfolio: Portfolio
    state: str = "active"
    seed: int = 0
    slot_index: int = 0
    account_exposure: Decimal | None = None
    account_equity: Decimal | None = None
    account_max_exposure: Decimal | None = None
    safe_mode: bool = False
    interval_seconds: int = 180
    story: Story = NOTHING_YET
    open_interest: Mapping[str, OpenInterest] = field(default_factory=dict)
    locks: tuple[Lock, ...] = ()
    user_exposure: Decimal | None = None
    user_equity: Decimal | None = None
    user_max_exposure: Decimal | None = None
    covariance: Covariance | None = None

    @property
    def symbols(self) -> frozenset[str]:
        """The instruments an answer may name: those of the bot, and those of positions it still holds."""
        return frozenset([*self.snapshot.instruments, *[held.symbol for held in self.portfolio.positions]])
