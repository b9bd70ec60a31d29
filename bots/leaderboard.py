"""The figures of bots side by side, ranked by return after everything, their models' cost too. Owns nothing.

A handful of statements for any number of bots and any length of history.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from django.core.cache import cache
from django.db.models import Count, F, Q, Sum
from django.db.models.functions import Round

from bots.deciders import BASELINES
from bots.models import Bot, Budget
from ledger.domain.performance import gains_over_losses, rate_of_return, share_of_wins
from ledger.domain.portfolio import HeldPosition, Portfolio
from ledger.equity_curve import Curve, curves
from ledger.models import Account, Position, PositionState
from ledger.spending import DOLLARS
from ledger.valuation import held, marked, portfolio
from markets.domain.rounding import ZERO, nearest_to, round_cash

SHOWN = Decimal("0.0001")  # returns are shown, and so told apart, to a hundredth of a per cent
SPARK_POINTS = 40
KEPT_SECONDS = 3600
CASH_DIGITS = 8  # as `round_cash` has them


@dataclass(frozen=True, slots=True)
class Standing:
    """One bot's line. Ratios are fractions; `drawdown` and `rate` are None before anything is deposited.

    `trades` counts closed positions. `realised` is before `fees` and `funding`, which is negative when paid; `gains`
    and `losses` (positive) are after both, of closed positions alone. `model_cost` is in US dollars and not in any
    other figure but `net_rate`; calls whose cost nobody knows are counted in `unknown_costs`.
    """

    bot: Bot
    rank: int
    tied: bool
    holdings: Portfolio
    positions: tuple[HeldPosition, ...]
    rate: Decimal | None
    realised: Decimal
    fees: Decimal
    funding: Decimal
    trades: int
    wins: int
    gains: Decimal
    losses: Decimal
    curve: Curve
    model_cost: Decimal = ZERO
    unknown_costs: int = 0

    @property
    def net_rate(self) -> Decimal | None:
        """The return after the cost of the model. None where that is in dollars and the book is not."""
        if not self.model_cost:
            return self.rate
        if self.bot.book.currency not in DOLLARS:
            return None
        return rate_of_return(self.equity - self.model_cost, self.bot.book.deposited)

    @property
    def asks_a_model(self) -> bool:
        return self.bot.decider.startswith("model:") or bool(self.model_cost or self.unknown_costs)

    @property
    def baseline(self) -> bool:
        """Whether it is there to be compared with: whoever is not better has shown nothing."""
        return self.bot.decider.partition("@")[0] in BASELINES

    @property
    def equity(self) -> Decimal:
        return self.holdings.equity

    @property
    def unrealised(self) -> Decimal:
        return self.holdings.unrealised

    @property
    def win_rate(self) -> Decimal | None:
        return share_of_wins(self.wins, self.trades)

    @property
    def profit_factor(self) -> Decimal | None:
        return gains_over_losses(self.gains, self.losses)

    @property
    def net(self) -> Decimal:
        """What all positions have brought so far, after fees and funding."""
        return self.realised - self.fees + self.funding

    @property
    def drawdown(self) -> Decimal:
        return self.curve.walk.depth

    @property
    def exposure(self) -> Decimal:
        """Notional of open positions over equity."""
        notional = sum((position.notional for position in self.positions), ZERO)
        return notional / self.equity if self.equity > 0 else ZERO

    @property
    def spark(self) -> list[float]:
        points = self.curve.points
        every = max(1, len(points) // SPARK_POINTS)
        return [point.growth for point in points[::-1][::every][::-1]]


def standings(bots: Sequence[Bot]) -> list[Standing]:
    """All `bots` (with their books loaded), best return after everything first; equal returns share a rank."""
    books = [bot.book for bot in bots]
    open_now: dict[int, list[Position]] = {book.pk: [] for book in books}
    for position in marked(Position.objects.open().filter(book__in=books)).order_by("id"):
        open_now[position.book_id].append(position)
    holdings = {book.pk: portfolio(book, open_now[book.pk]) for book in books}
    sums, lines, costs = results(books), curves(books), _costs(bots)
    found = [
        Standing(
            bot=bot,
            rank=0,
            tied=False,
            holdings=holdings[bot.book_id],
            positions=tuple(held(position) for position in open_now[bot.book_id]),
            rate=rate_of_return(holdings[bot.book_id].equity, bot.book.deposited),
            curve=lines[bot.book_id],
            **sums.get(bot.book_id, NOTHING),
            **costs.get(bot.pk, {}),
        )
        for bot in bots
    ]
    return _ranked(found)


def _ranked(found: Sequence[Standing]) -> list[Standing]:
    rates = {line.bot.pk: line.rate if line.net_rate is None else line.net_rate for line in found}
    shown = {pk: None if rate is None else nearest_to(rate, SHOWN) for pk, rate in rates.items()}
    order = sorted(found, key=lambda line: (shown[line.bot.pk] is None, -(shown[line.bot.pk] or ZERO), line.bot.pk))
    ranked = [shown[line.bot.pk] for line in order]
    return [
        replace(line, rank=ranked.index(shown[line.bot.pk]) + 1, tied=ranked.count(shown[line.bot.pk]) > 1)
        for line in order
    ]


def _costs(bots: Sequence[Bot]) -> dict[int, dict[str, Any]]:
    """What the models of bots have cost so far, by bot id; bots that never asked one are not there."""
    rows = Budget.objects.filter(bot__in=bots).values_list("bot_id", "total_cost", "unknown_costs")
    return {pk: {"model_cost": cost, "unknown_costs": unknown} for pk, cost, unknown in rows}


NOTHING: dict[str, Any] = {
    **dict.fromkeys(("realised", "fees", "funding", "gains", "losses"), ZERO),
    **dict.fromkeys(("trades", "wins"), 0),
}


def results(books: Sequence[Any]) -> dict[int, dict[str, Any]]:
    """Results of all positions by book id, summed anew only where something was booked since.

    Every booking moves the revision of its account, so a sum that was kept under a revision holds for it. The cache
    is no truth: without it the sums are the same.
    """
    revisions = dict(Account.objects.filter(books__in=books).values_list("books", "revision"))
    keys = {book.pk: f"position-sums:{book.key}:{revisions.get(book.pk)}" for book in books}
    known = cache.get_many(keys.values())
    found = {pk: known[key] for pk, key in keys.items() if key in known}
    fresh = _summed([book for book in books if book.pk not in found])
    cache.set_many({keys[pk]: sums for pk, sums in fresh.items()}, KEPT_SECONDS)
    return found | fresh


def _summed(books: Sequence[Any]) -> dict[int, dict[str, Any]]:
    """One statement. Sums are for showing: SQLite adds them up as floats.

    So each net result is rounded to the cash unit before anything is decided by it: what came out even has not won.
    """
    closed = Q(state=PositionState.CLOSED, opened_at__isnull=False)
    net = Round(F("realised") - F("fees") + F("funding"), precision=CASH_DIGITS)
    rows = (
        Position.objects.filter(book__in=books)
        .annotate(net_result=net)
        .values("book_id")
        .annotate(
            sum_realised=Sum("realised"),
            sum_fees=Sum("fees"),
            sum_funding=Sum("funding"),
            count_closed=Count("id", filter=closed),
            count_won=Count("id", filter=closed & Q(net_result__gt=0)),
            sum_gains=Sum("net_result", filter=closed & Q(net_result__gt=0), default=ZERO),
            sum_losses=Sum("net_result", filter=closed & Q(net_result__lt=0), default=ZERO),
        )
        .order_by()
    )
    return {
        row["book_id"]: {
            "realised": round_cash(row["sum_realised"]),
            "fees": round_cash(row["sum_fees"]),
            "funding": round_cash(row["sum_funding"]),
            "trades": row["count_closed"],
            "wins": row["count_won"],
            "gains": round_cash(row["sum_gains"]),
            "losses": round_cash(-row["sum_losses"]),
        }
        for row in rows
    }
