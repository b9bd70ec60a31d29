"""The journal against a venue: any day of trading, fees in a third currency, and the same again from zero."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal as D
from itertools import pairwise

import pyarrow.parquet as parquet
import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings

from ledger import reports
from ledger.booking import FIGURES, Batch, book_fill, book_income
from ledger.domain.money import balances
from ledger.models import Account, Book, BookKind, CashEntry, Position, PositionState, Trade
from ledger.reconciliation import differences
from ledger.reports import rates
from ledger.tests import builders
from ledger.tests.desk import Desk
from ledger.tests.test_booking import act, events
from markets.domain.holdings import Holding
from markets.domain.orders import Fill, Income
from markets.domain.venue_state import equity
from markets.models import Instrument
from markets.tests.test_venue_properties import MARKET, Day, days, wallets

RATE = D("612.34")


def booked(heard, wallet, *, rates=None):
    """A book without a database, once it has heard all of these reports."""
    account = Account(pk=1, currency="USDT")
    book = Book(pk=1, account=account, kind=BookKind.UNASSIGNED, currency="USDT", cash=wallet)
    instruments = {symbol: Instrument(pk=pk, symbol=symbol) for pk, symbol in enumerate(MARKET, 1)}
    batch = Batch(account, {}, {}, {1: book}, instruments, rates=rates or {})
    for report in heard:
        if isinstance(report, Fill):
            book_fill(batch, report)
        elif isinstance(report, Income):
            book_income(batch, report)
    return batch


def paid_elsewhere(heard):
    """Every second fill pays its fee in a third currency, as with a discount coin."""
    number = 0
    for report in heard:
        number += isinstance(report, Fill)
        third = isinstance(report, Fill) and number % 2 == 0
        yield replace(report, fee=report.fee / 1000, fee_currency="BNB") if third else report


@settings(max_examples=150, deadline=None)
@given(wallets, days)
@pytest.mark.requirement("LED-04")
def test_cash_positions_and_equity_equal_the_venue_after_any_day(wallet, played):
    day = Day(wallet)
    for event in played:
        day.play(event)

    batch = booked(day.heard, wallet)

    assert batch.books[1].cash == day.state.wallet
    assert balances([("USDT", wallet), *((e.currency, e.amount) for e in batch.entries)])["USDT"] == day.state.wallet
    held = {p.instrument.symbol: p for p in batch.changed if p.state == PositionState.OPEN}
    assert {s: (p.quantity, p.cost) for s, p in held.items()} == {
        symbol: (one.quantity, one.cost) for symbol, one in day.state.positions.items()
    }
    marks = dict.fromkeys(MARKET, D(100))
    unrealised = sum((Holding(p.quantity, p.cost).unrealised(D(100)) for p in held.values()), D(0))
    assert batch.books[1].cash + unrealised == equity(day.state, marks)


@settings(max_examples=100, deadline=None)
@given(wallets, days)
@pytest.mark.requirement("LED-04")
def test_fees_in_a_third_currency_leave_the_cash_alone_and_keep_their_rate(wallet, played):
    day = Day(wallet)
    for event in played:
        day.play(event)
    heard = list(paid_elsewhere(day.heard))
    spared = sum((r.fee for r, other in zip(day.heard, heard, strict=True) if r is not other), D(0))

    batch = booked(heard, wallet, rates={"BNB": RATE})

    assert batch.books[1].cash == day.state.wallet + spared
    found = balances((e.currency, e.amount) for e in batch.entries)
    assert found.get("BNB", 0) == -spared / 1000
    assert all(e.rate == (RATE if e.currency == "BNB" else None) for e in batch.entries)
    assert {e.kind for e in batch.entries if e.currency == "BNB"} <= {"fee"}
    unknown = booked(heard, wallet)
    assert unknown.books[1].cash == batch.books[1].cash
    assert all(e.rate is None for e in unknown.entries)


# --- With a database -------------------------------------------------------------------------------------


def stored():
    """Every row that reports have made, without keys."""
    entries = CashEntry.objects.exclude(kind__in=("deposit", "transfer")).order_by("id")
    trades = Trade.objects.order_by("id")
    positions = Position.objects.order_by("id")
    return (
        list(entries.values_list("book", "kind", "currency", "amount", "ref", "at")),
        list(trades.values_list("venue_trade_id", "side", "quantity", "price", "value", "fee", "realised", "at")),
        list(positions.values_list("state", "long", "leverage", "funding", "opened_at", "closed_at", *FIGURES)),
        list(Book.objects.order_by("id").values_list("cash", flat=True)),
    )


@pytest.mark.requirement("LED-04")
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events)
def test_rebuilt_from_zero_it_gives_the_same_rows(db, sequence):
    with transaction.atomic():
        desk, price = Desk.open(), D(50000)
        for number, event in enumerate(sequence):
            price = act(desk, number, event, price)
        desk.collect()
        before = stored()

        booked_before = CashEntry.objects.exclude(kind__in=("deposit", "transfer"))
        for book in Book.objects.all():
            moved = sum(booked_before.filter(book=book).values_list("amount", flat=True), D(0))
            Book.objects.filter(pk=book.pk).update(cash=book.cash - moved)
        for made in (booked_before, Trade.objects.all(), Position.objects.all()):
            made._raw_delete(made.db)
        Account.objects.update(report_cursor=0)
        desk.account.refresh_from_db()
        reports.collect(account=desk.account, now=desk.now)

        assert stored() == before
        transaction.set_rollback(True)


@pytest.mark.django_db
@pytest.mark.requirement("LED-04")
def test_the_rate_of_another_currency_is_its_mark_on_the_feed():
    desk = Desk.open()
    bnb = builders.instrument("BNB/USDT:USDT")
    builders.quote(bnb, feed=desk.account.feed, price="612.34")
    assert rates(desk.account, {"BNB", "HYPE"}) == {"BNB": RATE}


@pytest.mark.django_db
@pytest.mark.requirement("LED-07")
@pytest.mark.parametrize(
    ("path", "spacings"),
    [
        ("binanceusdm-1h-2023-2024/binanceusdm/BTC_USDT_USDT-funding.parquet", {8}),
        ("hyperliquid-2024-2025/hyperliquid/BTC_USDC_USDC-funding.parquet", {1, 8}),
    ],
)
def test_a_real_funding_series_is_booked_once_for_each_event(market_data, path, spacings):
    """With its jitter and its gaps, and each settlement told twice."""
    table = parquet.read_table(market_data / path)
    rate_of = {
        datetime.fromtimestamp(at / 1000, UTC): D(repr(rate))
        for at, rate in zip(*(table[name].to_pylist() for name in ("timestamp", "funding_rate")), strict=True)
    }
    moments = list(rate_of)[:150]
    assert {round((b - a).total_seconds() / 3600) for a, b in pairwise(moments)} >= spacings
    desk = Desk.open(capital="1000000")
    desk.trade(desk.draft(quantity="0.1"))

    for at in moments:
        desk.now = at
        for _ in range(2):
            desk.fund(str(rate_of[at]), "50000")

    entries = CashEntry.objects.filter(kind="funding")
    told = [at for at in moments if rate_of[at]]
    assert list(entries.order_by("at").values_list("at", flat=True)) == told
    assert sum(entry.amount for entry in entries) == desk.position().funding
    assert abs(desk.position().funding + 5000 * sum(rate_of[at] for at in moments)) < D("0.00001")
    assert differences(desk.account) == []
    assert Trade.objects.count() == Position.objects.count() == 1
