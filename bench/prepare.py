"""Fills a place before anything is measured: tables, a market with bots, and histories of many rows.

`python -m bench.prepare bots N DECIDER...` makes a market of N bots that have run a few slots; `rows N` gives each of
them N rows of history; `timetable N` makes N bots of a live feed that are due all over their interval; `year` stores a
year of minutes.
"""

import sys
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from . import market

FIRST_INSTANTS = 6  # two slots of three minutes
# What a cycle leaves behind: itself, its decision, an item for each of six instruments, two points of equity.
ROWS_A_CYCLE = 10
ITEMS_A_CYCLE = 6


def main(what: str, count: str = "0", *deciders: str) -> None:
    market.start()
    {"bots": bots, "rows": rows, "timetable": timetable, "closed": closed, "year": year}[what](int(count), *deciders)


def year(_: int) -> None:
    """A year of minutes of one instrument, for backtests."""
    from markets import history
    from markets.listing import ensure_instrument

    from .walking import minutes

    market.migrate()
    instrument = ensure_instrument(exchange="binanceusdm", symbol="BTC/USDT:USDT")
    history.append(candles={(instrument.pk, "1m"): minutes()})


def bots(count: int, *deciders: str) -> None:
    from bots import dispatch

    market.migrate()
    feed = market.simulated()
    market.add_bots(feed, count, deciders or market.HOUSE)
    for _ in range(FIRST_INSTANTS):
        dispatch.instant(feed=feed, enqueue=market.run_inline)


def rows(count: int) -> None:
    """Older history of every running bot, `count` rows each, as its cycles would have left it."""
    from bots.models import Bot, BotStatus

    for bot in Bot.objects.filter(status=BotStatus.RUNNING):
        history(bot, count // ROWS_A_CYCLE)
    settle()


def history(bot: Any, cycles: int) -> None:
    from bots.models import Cycle, Decision
    from ledger.models import EquityPoint

    decision = Decision.objects.filter(bot=bot, acted=False).select_related("cycle").latest("id")
    item, point = decision.items.latest("id"), EquityPoint.objects.filter(book=bot.book).latest("id")
    slots = [decision.cycle.slot - n * bot.interval for n in range(5, cycles + 5)]
    cycle, made, minute = newest(Cycle), newest(Decision), timedelta(minutes=1)
    pour(decision.cycle, ({"slot": slot} for slot in slots))
    pour(decision, ({"cycle_id": cycle + n, "at": slot} for n, slot in enumerate(slots, 1)))
    pour(item, ({"decision_id": made + n} for n in range(1, cycles + 1) for _ in range(ITEMS_A_CYCLE)))
    pour(point, ({"at": slot - early} for slot in slots for early in (0 * minute, minute)))


def newest(model: Any) -> int:
    return int(model.objects.order_by("id").values_list("id", flat=True).last() or 0)


def pour(pattern: Any, changes: Iterable[dict[str, Any]]) -> None:
    """Rows like `pattern` but for its changes, with the next keys: straight into the table, which is fast."""
    from django.db import connection

    fields = {field.attname: field for field in pattern._meta.concrete_fields}
    usual = {name: field.get_db_prep_save(getattr(pattern, name), connection) for name, field in fields.items()}
    first = newest(type(pattern)) + 1

    def row(key: int, change: dict[str, Any]) -> list[Any]:
        new = {name: fields[name].get_db_prep_save(value, connection) for name, value in change.items()}
        return list({**usual, **new, "id": key}.values())

    made = [row(key, change) for key, change in enumerate(changes, first)]
    table, names = pattern._meta.db_table, ", ".join(field.column for field in fields.values())
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({', '.join(['%s'] * len(fields))})", made)
            return
        with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
            for values in made:
                copy.write_row(values)


def closed(count: int) -> None:
    """`count` closed positions of the newest bot over the last year, with their journal, and a point every hour."""
    from bots.models import Bot
    from ledger.models import CashEntry, CashKind, EquityPoint, Position, PositionState

    bot = Bot.objects.select_related("book__account__feed").latest("id")
    book, feed = bot.book, bot.book.account.feed
    pattern = Position(account=book.account, book=book, instrument=bot.instruments.all()[0], long=True)
    pattern.state, pattern.created_at = PositionState.CLOSED, feed.market_now
    entry = CashEntry.objects.filter(book=book).latest("id")
    point = EquityPoint.objects.filter(book=book).latest("id")
    began, span = feed.market_now - timedelta(days=365), timedelta(days=365) / count
    numbers, first = range(1, count + 1), newest(Position)
    results = [Decimal((n * 7919) % 20_011 - 9_000) / 100 for n in numbers]
    pour(pattern, (_closing(n, began + n * span, result) for n, result in zip(numbers, results, strict=True)))
    moved = ({"kind": CashKind.REALISED, "ref": f"bench:{n}", "amount": result, "position_id": first + n}
             for n, result in zip(numbers, results, strict=True))  # fmt: skip
    pour(entry, moved)
    hours = range(1, 365 * 24)
    pour(point, ({"at": began + timedelta(hours=n), "equity": Decimal(10_000 + n * 37 % 1009)} for n in hours))
    settle()


def _closing(number: int, at: Any, result: Decimal) -> dict[str, Any]:
    opened, worth = at - timedelta(minutes=number % 300 + 1), Decimal(1000)
    amounts = {"entry_value": worth, "exit_value": worth + result, "realised": result, "fees": Decimal("0.95")}
    return {"opened_at": opened, "closed_at": at, "long": number % 3 > 0, **amounts}


def settle() -> None:
    """The next keys follow those that were given, and the planner knows its tables."""
    from django.apps import apps
    from django.core.management.color import no_style
    from django.db import connection

    with connection.cursor() as cursor:
        for statement in (*connection.ops.sequence_reset_sql(no_style(), apps.get_models()), "ANALYZE"):
            cursor.execute(statement)


def timetable(count: int) -> None:
    """`count` running bots on a live feed with an account each, due all over their three minutes."""
    from bots.models import Bot, BotStatus
    from ledger.models import Account, Book
    from markets.models import Feed, FeedKind

    market.migrate()
    feed = market.simulated()
    bot = Bot.objects.select_related("book__account").latest("id")
    live, account, book = newest(Feed) + 1, newest(Account), newest(Book)
    numbers, span = range(1, count + 1), timedelta(seconds=bot.interval_seconds)
    pour(feed, [{"name": "live", "kind": FeedKind.LIVE, "running": False}])
    pour(bot.book.account, ({"name": f"{n}", "feed_id": live, "key": uuid4()} for n in numbers))
    pour(bot.book, ({"account_id": account + n, "key": uuid4()} for n in numbers))
    due = ((n, feed.market_now + span * n / count) for n in numbers)
    pour(bot, ({"name": f"{n}", "book_id": book + n, "next_run_at": at} for n, at in due))
    Bot.objects.exclude(book__account__feed=live).update(status=BotStatus.PAUSED)
    settle()


if __name__ == "__main__":
    main(*sys.argv[1:])
