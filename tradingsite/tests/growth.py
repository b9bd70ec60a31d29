"""What statements cost as tables grow: long histories to fill them with, query plans, and rows looked at.

Plans are judged on both databases; work is counted, never timed, so that a busy machine changes nothing.
"""

import re
from datetime import timedelta
from decimal import Decimal
from itertools import count

from django.db import connection, transaction
from django.db.models import Min

from bots.models import Bot, Cycle, CycleStatus, Decision, DecisionItem, Outcome
from ledger.models import (
    Account,
    CashEntry,
    CashKind,
    EquityPoint,
    Intent,
    IntentKind,
    Order,
    OrderState,
    Position,
    PositionState,
    Role,
    Source,
    Trade,
)
from markets.domain.candles import TIMEFRAMES
from markets.models import Candle, FundingRate, Instrument, PaperAccount, PaperOrder, PaperReport

GROWING = (
    Candle, FundingRate, Cycle, Decision, DecisionItem, Intent, Order, Trade, Position, CashEntry, EquityPoint,
    PaperOrder, PaperReport,
)  # fmt: skip
TABLES = {model._meta.db_table for model in GROWING}
MINUTE = timedelta(minutes=1)
ROOM = 1_000_000
_numbers = count(1)


# --- Histories -------------------------------------------------------------------------------------------


def leave_room():
    """Let ids begin high, so that a past can be added later and still have the lower ones."""
    with connection.cursor() as cursor:
        for table in sorted(TABLES - {Candle._meta.db_table}):
            if connection.vendor == "sqlite":
                cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
                cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, ROOM])
            else:
                cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {ROOM})")


def _added(model, rows, **options):
    """Store rows under low ids."""
    for row in rows:
        row.pk = next(_numbers)
    model.objects.bulk_create(rows, **options)
    return rows


def age(feed, rounds):
    """Give every bot of a feed a past of so many rounds, older than all it has: what a long run leaves behind."""
    first = EquityPoint.objects.filter(book__account__feed=feed).aggregate(at=Min("at"))["at"] or feed.market_now
    times = [first - number * MINUTE for number in range(rounds, 0, -1)]
    for bot in Bot.objects.on(feed).select_related("book__account").prefetch_related("instruments"):
        _past(bot, times)
    _market(feed, times)


def _past(bot, times):
    """Round by round a decision, a position with entry, cancelled stop and exit, and what these left behind."""
    book, instruments = bot.book, list(bot.instruments.all())
    mine = {"book": book, "account": book.account}
    intents = _added(
        Intent,
        [
            Intent(
                book=book, instrument=instruments[number % len(instruments)], kind=IntentKind.OPEN,
                source=Source.DECISION, reference="past", at=at,
            )
            for number, at in enumerate(times)
        ],
    )  # fmt: skip
    positions = _added(
        Position,
        [
            Position(
                **mine, instrument=intent.instrument, intent=intent, state=PositionState.CLOSED, long=True,
                realised=Decimal(number % 7 - 3), opened_at=intent.at, closed_at=intent.at + MINUTE, exit_reason="stop",
            )
            for number, intent in enumerate(intents)
        ],
    )  # fmt: skip
    _orders(mine, intents, positions)
    _decisions(bot, intents)
    cash = book.deposited
    _added(EquityPoint, [EquityPoint(book=book, at=at, equity=cash, cash=cash, exposure=0) for at in times])


def _orders(mine, intents, positions):
    ends = {Role.ENTRY: OrderState.FILLED, Role.STOP: OrderState.CANCELLED, Role.EXIT: OrderState.FILLED}
    orders = _added(
        Order,
        [
            Order(
                **mine, instrument=intent.instrument, intent=intent, position=position, role=role, type="market",
                side="buy" if role == Role.ENTRY else "sell", state=state, quantity=1, filled=1, filled_value=100,
                at=intent.at, sent_at=intent.at, closed_at=intent.at + MINUTE,
            )
            for intent, position in zip(intents, positions, strict=True)
            for role, state in ends.items()
        ],
    )  # fmt: skip
    trades = _added(
        Trade,
        [
            Trade(
                **mine, instrument=order.instrument, order=order, position=order.position, side=order.side,
                venue_trade_id=f"past-{next(_numbers)}", quantity=1, price=100, value=100, fee=0, fee_currency="USDT",
                at=order.at,
            )
            for order in orders
            if order.role != Role.STOP
        ],
    )  # fmt: skip
    # In pairs that cancel out: a past that changes no balance.
    _added(
        CashEntry,
        [
            CashEntry(
                **mine, kind=kind, currency="USDT", amount=1 if trade.side == "buy" else -1,
                ref=f"past-{next(_numbers)}", trade=trade if kind == CashKind.FEE else None, position=trade.position,
                at=trade.at,
            )
            for trade in trades
            for kind in (CashKind.FEE, CashKind.FUNDING)
        ],
    )  # fmt: skip


def _decisions(bot, intents):
    """One in ten acted and one in eight was refused, as with a busy bot; the others held."""
    cycles = _added(
        Cycle,
        [Cycle(bot=bot, slot=one.at, status=CycleStatus.DONE, queued_at=one.at, ended_at=one.at) for one in intents],
    )
    decisions = _added(
        Decision,
        [
            Decision(
                cycle=cycle, bot=bot, decider=bot.decider, policy_version=1, raw={}, equity=10_000, at=cycle.slot,
                acted=number % 10 == 0, refused=number % 8 == 0,
            )
            for number, cycle in enumerate(cycles)
        ],
    )  # fmt: skip
    never = {"kind": "close_below", "price": "0.0000001", "timeframe": "1m"}
    _added(
        DecisionItem,
        [
            DecisionItem(
                decision=decision, instrument=intent.instrument, symbol=intent.instrument.symbol,
                action="open_long" if decision.acted else "hold", intent=intent if decision.acted else None,
                outcome=Outcome.PLANNED if decision.acted else Outcome.HELD,
                invalidation=never if decision.acted else None,
            )
            for decision, intent in zip(decisions, intents, strict=True)
        ],
    )  # fmt: skip


def _market(feed, times):
    """Candles and funding from before everything stored, and what the paper venue keeps of ended orders."""
    instruments = list(Instrument.objects.filter(exchange=feed.exchange))
    for instrument in instruments:
        for timeframe in ("1m", "1h"):
            end, step = (
                Candle.objects.of(instrument, timeframe).aggregate(t=Min("open_time"))["t"],
                TIMEFRAMES[timeframe],
            )
            rows = [
                (instrument.pk, timeframe, end - (n + 1) * step, 1.0, 1.0, 1.0, 1.0, 1.0) for n in range(len(times))
            ]
            Candle.objects.insert(rows)
        _added(FundingRate, [FundingRate(instrument=instrument, at=at, rate=0) for at in times], ignore_conflicts=True)
    for venue in PaperAccount.objects.filter(feed=feed):
        _added(
            PaperOrder,
            [
                PaperOrder(
                    account=venue, instrument=instruments[0], client_id=f"past-{next(_numbers)}", side="buy",
                    type="market", status="filled", quantity=1, filled=1, live=False, at=at,
                )
                for at in times
            ],
        )  # fmt: skip
        booked = [PaperReport(account=venue, kind="income", ref=f"past-{next(_numbers)}", body={}) for _ in times]
        _added(PaperReport, booked)
    Account.objects.filter(feed=feed, report_cursor__lt=ROOM).update(report_cursor=ROOM)


# --- Plans -----------------------------------------------------------------------------------------------


def scans(call):
    """Where `call` reads a growing table from end to end: pairs of table and statement. Nothing of it stays."""
    found = []
    with transaction.atomic():
        with connection.execute_wrapper(lambda *query: _judge(found, *query)):
            call()
        transaction.set_rollback(True)
    return found


def _judge(found, execute, sql, params, many, context):
    if not many and re.match(r"\s*(SELECT|UPDATE|DELETE|WITH)\b", sql):
        found += [(table, sql) for table in _scanned(sql, params) if table in TABLES]
    return execute(sql, params, many, context)


def _scanned(sql, params):
    # The driver's own cursor: the statement is explained with its parameters as they are bound, not as text.
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            plan = cursor.cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params or ())
            names = [match[1] for row in plan if (match := re.match(r"SCAN (\w+)", row[3]))]
            return [_tables(sql).get(name, name) for name in names]
        cursor.cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.cursor.execute(f"EXPLAIN {sql}", params)
        plan = "\n".join(row[0] for row in cursor.cursor.fetchall())
        cursor.cursor.execute("SET LOCAL enable_seqscan = on")
        return re.findall(r"Seq Scan on (\w+)", plan)


def _tables(sql):
    """Tables by the names under which a statement uses them."""
    return {alias: table for table, alias in re.findall(r'(?:FROM|JOIN|UPDATE) "(\w+)" (?:AS )?"?([A-Z]+\d+)"?', sql)}


# --- Work ------------------------------------------------------------------------------------------------


def work(call):
    """How much the database does for `call`, in steps that do not depend on the machine; nothing of it stays.

    On SQLite loops of its virtual machine, on PostgreSQL rows read from growing tables.
    """
    with transaction.atomic():
        before = _counted()
        steps = [0]

        def step():
            steps[0] += 1

        if connection.vendor == "sqlite":
            connection.connection.set_progress_handler(step, 1)
        try:
            call()
        finally:
            if connection.vendor == "sqlite":
                connection.connection.set_progress_handler(None, 0)
        total = steps[0] + _counted() - before
        transaction.set_rollback(True)
    return total


def _counted():
    if connection.vendor == "sqlite":
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_xact_user_tables "
            "WHERE relname = ANY(%s)",
            [sorted(TABLES)],
        )
        return cursor.fetchone()[0]
