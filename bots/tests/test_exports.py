from decimal import Decimal as D

import pytest

from bots import exports
from ledger.tests import builders

pytestmark = pytest.mark.django_db


@pytest.mark.requirement("LED-04")
def test_the_journal_with_exact_numbers_oldest_first():
    book = builders.book()
    builders.cash_entry(book, "10000", ref="first")
    builders.cash_entry(book, "-0.00000001", kind="fee", ref="second")
    head, one, two = exports.lines(book, "journal")
    assert head == ["time", "kind", "amount", "currency", "instrument", "ref"]
    assert one == ["2025-05-01T12:00:00+00:00", "deposit", "10000", "USDT", "", "first"]
    assert two[2] == "-0.00000001"


def test_trades_with_their_role():
    book = builders.book()
    builders.trade(book, order=builders.order(book), realised=D("-3.5"), maker=True)
    _, row = exports.lines(book, "trades")
    assert row[1:8] == ["BTC/USDT:USDT", "buy", "entry", "0.1", "50000", "5000", "2.5"]
    assert row[9:12] == ["-3.5", "yes", "no"]


@pytest.mark.requirement("SEC-04")
@pytest.mark.parametrize("ref", ["=1+1", "@SUM(A1)", "-2", "+3"])
def test_no_text_is_run_by_a_spreadsheet(ref):
    book = builders.book()
    builders.cash_entry(book, ref=ref)
    _, row = exports.lines(book, "journal")
    assert row[-1] == f"'{ref}"
