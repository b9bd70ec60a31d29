"""How much of each limit of its policy a bot uses now, for the bars of its page. It enforces nothing; risk does."""

from dataclasses import dataclass
from decimal import Decimal

from ledger.domain.portfolio import Portfolio

from .domain.policy import Policy

ROOM = Decimal("1.25")  # a bar shows a quarter beyond the cap, so that the cap is a mark and not the end


@dataclass(frozen=True, slots=True)
class Use:
    """`used` against `cap`, both in `unit`: "share" is a fraction of equity, "count" a number, "times" leverage."""

    name: str
    used: Decimal
    cap: Decimal
    unit: str

    @property
    def scale(self) -> Decimal:
        return max(self.used, self.cap * ROOM)

    @property
    def over(self) -> bool:
        return self.used > self.cap

    @property
    def near(self) -> bool:
        """Nine tenths of the cap or more; a count or a leverage may well stand at its cap."""
        return self.unit == "share" and not self.over and self.used * 10 >= self.cap * 9


def uses(portfolio: Portfolio, policy: Policy) -> list[Use]:
    """The limits that a portfolio fills up, in the order in which they are usually met."""
    equity = portfolio.equity
    part = (lambda amount: amount / equity) if equity > 0 else (lambda amount: Decimal(0))
    notionals = [position.notional for position in portfolio.positions]
    leverages = [position.leverage for position in portfolio.positions]
    return [
        Use("Exposure", part(portfolio.exposure), policy.max_exposure, "share"),
        Use("Largest position", part(max(notionals, default=Decimal(0))), policy.max_position_notional, "share"),
        Use("Margin", part(portfolio.margin + portfolio.reserved), policy.max_margin_use, "share"),
        Use("Positions", Decimal(len(portfolio.occupied)), Decimal(policy.max_positions), "count"),
        Use("Leverage", Decimal(max(leverages, default=0)), Decimal(policy.max_leverage), "times"),
    ]
