"""Cash that a venue moves by itself is a journal entry with the venue's own id, once, in its own currency."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from ledger import reconciliation, reports
from ledger.domain.intents import Kind
from ledger.models import CashEntry, Position, Trade
from ledger.tests import builders
from ledger.tests.live_desk import LiveDesk
from markets.domain.orders import Fill, OrderRequest, OrderType, Side

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("LED-07")]


@pytest.fixture
def desk(monkeypatch):
    desk = LiveDesk.connect(monkeypatch)
    desk.trade(desk.draft())
    return desk


def agrees(desk) -> bool:
    return reconciliation.check(account=desk.account, wall=datetime.now(UTC)) == []


@pytest.mark.parametrize(
    ("kind", "amount", "entered"),
    [
        ("funding", "-1.25", "funding"),
        ("liquidation", "-40", "liquidation"),
        ("adl", "12.5", "adl"),
        ("settlement", "3", "settlement"),
        ("transfer", "-100", "transfer"),
        ("insurance_clear", "-7", "other"),
    ],
)
def test_each_kind_is_entered_once_with_the_venues_id(desk, kind, amount, entered):
    symbol = "" if kind == "transfer" else desk.instrument.symbol
    desk.exchange.again = True
    desk.exchange.pay(kind, amount, symbol=symbol, ref="venue-77")

    desk.wait(4, rounds=2)
    assert agrees(desk)

    entry = CashEntry.objects.get(ref="venue-77")
    assert (entry.kind, entry.amount, entry.currency) == (entered, Decimal(amount), "USDT")
    assert entry.book.kind == ("bot" if symbol else "unassigned")


def owed(desk, amount, at):
    """Funding that is taken out of the margin and told now, as of an earlier moment."""
    income = replace(desk.exchange.pay("funding", amount, symbol=desk.instrument.symbol), at=at)
    desk.exchange.log[-1] = replace(income, from_margin=-Decimal(amount))


def test_funding_that_is_told_after_the_close_is_booked_to_what_was_held(desk):
    position, at = desk.position(), datetime.now(UTC)
    desk.trade(desk.draft(Kind.CLOSE, "0.1"))
    desk.trade(desk.draft(quantity="0.05"))
    owed(desk, "-1.25", at)
    reports.collect(account=desk.account, now=desk.now)

    position.refresh_from_db()
    assert (position.state, position.funding, position.margin) == ("closed", Decimal("-1.25"), 0)
    desk.wait(2)
    assert desk.position().funding == 0
    assert agrees(desk)


def test_funding_above_the_margin_that_is_known_here_is_booked_all_the_same(desk):
    Position.objects.filter(pk=desk.position().pk).update(margin=Decimal("0.5"))
    owed(desk, "-1.25", datetime.now(UTC))
    reports.collect(account=desk.account, now=desk.now)

    assert CashEntry.objects.get(kind="funding").amount == Decimal("-1.25")
    assert agrees(desk)


def test_a_transfer_is_no_gain(desk):
    unassigned = desk.account.books.get(kind="unassigned")
    desk.exchange.pay("transfer", "500")
    desk.wait(2)

    unassigned.refresh_from_db()
    assert (unassigned.cash, unassigned.deposited) == (Decimal(500), Decimal(500))


def test_the_same_id_in_two_kinds_is_two_entries(desk):
    desk.exchange.pay("funding", "-1", symbol=desk.instrument.symbol, ref="9")
    desk.exchange.pay("settlement", "2", symbol=desk.instrument.symbol, ref="9")
    desk.wait(2)
    assert sorted(CashEntry.objects.filter(ref="9").values_list("kind", flat=True)) == ["funding", "settlement"]


def test_what_comes_in_another_currency_leaves_the_books_own_cash(desk):
    before = desk.book.cash
    desk.exchange.pay("other", "-0.01", symbol=desk.instrument.symbol, ref="bnb", currency="BNB")
    desk.wait(2)

    entry = CashEntry.objects.get(ref="bnb")
    assert (entry.currency, entry.amount) == ("BNB", Decimal("-0.01"))
    desk.book.refresh_from_db()
    assert desk.book.cash == before
    assert agrees(desk)


def test_a_fee_in_another_currency_is_an_entry_there_with_its_rate(desk):
    coin = builders.instrument("BNB/USDT:USDT")
    builders.quote(coin, "600", feed=desk.account.feed)
    fill = Fill(
        "f1", None, desk.instrument.symbol, Side.SELL, Decimal("0.01"), Decimal(50000), Decimal("0.0004"), "BNB",
        False, Decimal(0), datetime.now(UTC),
    )  # fmt: skip
    reports.collect(account=desk.account, now=desk.now, extra=[fill])

    entry = CashEntry.objects.get(currency="BNB")
    assert (entry.kind, entry.amount, entry.rate) == ("fee", Decimal("-0.0004"), Decimal(600))


@pytest.mark.parametrize("forced", ["liquidation", "adl", "settlement"])
def test_what_the_venue_closes_is_adopted_as_an_exit_with_its_reason_and_price(desk, forced):
    request = OrderRequest("x", desk.instrument.symbol, Side.SELL, OrderType.MARKET, Decimal("0.1"), reduce_only=True)
    desk.exchange.move("45500")
    desk.exchange.log = [report for report in desk.exchange.log if not isinstance(report, Fill)]
    if desk.instrument.symbol in desk.exchange.state.positions:
        desk.exchange.elsewhere(request)
    else:
        desk.exchange.log.append(
            Fill("z", None, desk.instrument.symbol, Side.SELL, Decimal("0.1"), Decimal(45500), Decimal(2), "USDT",
                 False, Decimal(-450), datetime.now(UTC))
        )  # fmt: skip
    desk.exchange.log = [
        replace(report, forced=forced, client_id=None) if isinstance(report, Fill) else report
        for report in desk.exchange.log
    ]
    reports.collect(account=desk.account, now=desk.now, extra=desk.exchange.log)

    closed = Position.objects.closed().get()
    assert closed.exit_reason == forced
    assert Trade.objects.order_by("id").last().price == closed.exit_price
