"""What a model is reminded of: closed trades, its last answer, how its book has done, the conditions it waits for.

A fixed handful of statements whatever the length of the history; strategies in code are asked without them.
"""

from collections.abc import Iterable, Mapping

from ledger.equity_curve import curves
from ledger.models import Book, Position
from markets.domain.rounding import plain
from markets.models import Instrument

from . import exits, leaderboard
from .domain.story import ClosedTrade, Record, Said, Story, sharpe, telling
from .domain.triggers import Memory
from .models import Bot, Decision, DecisionItem

TRADES = 3


def last_asked(bot: Bot) -> tuple[Decision | None, Memory | None]:
    """The newest decision at which the bot's model was asked and has answered, and what the triggers remember of it."""
    found = Decision.objects.filter(bot=bot, held_because="").asked().order_by("-id").first()
    return found, Memory.of_json(found.seen) if found is not None and found.seen else None


def story(*, bot: Bot, last: Decision | None, instruments: Mapping[str, Instrument]) -> Story:
    """Everything but the market and the portfolio of now: seven statements at most."""
    return Story(
        closed=_closed(bot.book),
        said=() if last is None else _said(last),
        said_at=None if last is None else last.at,
        record=_record(bot.book),
        conditions=_conditions(bot.book, instruments.values()),
    )


def _closed(book: Book) -> tuple[ClosedTrade, ...]:
    rows = Position.objects.closed().filter(book=book).select_related("instrument").order_by("-closed_at", "-id")
    return tuple(
        ClosedTrade(
            symbol=row.instrument.symbol,
            long=row.long,
            entry=plain(row.entry_value / row.entry_quantity),
            exit=plain(row.exit_value / row.exit_quantity),
            net=row.realised - row.fees + row.funding,
            opened_at=row.opened_at,
            closed_at=row.closed_at,
            reason=row.exit_reason,
        )
        for row in reversed(rows[:TRADES])
        if row.opened_at and row.closed_at and row.entry_quantity and row.exit_quantity
    )


def _said(last: Decision) -> tuple[Said, ...]:
    items = DecisionItem.objects.filter(decision=last).exclude(reason="").order_by("id")
    return telling(Said(item.symbol, item.action, item.outcome, item.reason) for item in items)


def _record(book: Book) -> Record:
    sums, curve = leaderboard.results([book]).get(book.pk, leaderboard.NOTHING), curves([book])[book.pk]
    return Record(
        closed=sums["trades"],
        wins=sums["wins"],
        net=sums["realised"] - sums["fees"] + sums["funding"],
        fees=sums["fees"],
        funding=sums["funding"],
        drawdown=curve.walk.depth,
        sharpe=sharpe([point.growth for point in curve.points], curve.width),
    )


def _conditions(book: Book, instruments: Iterable[Instrument]) -> dict[str, exits.exit_plan.Condition]:
    symbols = {instrument.pk: instrument.symbol for instrument in instruments}
    held = Position.objects.open().filter(book=book)
    return {symbols[one.instrument]: one.condition for one in exits.standing(held) if one.instrument in symbols}
