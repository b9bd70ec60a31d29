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
    assert head == ["time", "kind", "amount", "currency", "instrument", "ref", "rate"]
    assert one == ["2025-05-01T12:00:00+00:00", "deposit", "10000", "USDT", "", "first", ""]
    assert two[2] == "-0.00000001"


def test_a_fee_in_another_currency_comes_with_its_rate():
    book = builders.book()
    builders.cash_entry(book, "-0.001", kind="fee", currency="BNB", rate=D("612.34"))
    told = exports.document(book, "journal")
    assert (told["book"], told["currency"], told["table"]) == (book.pk, "USDT", "journal")
    [row] = told["rows"]
    assert (row["amount"], row["currency"], row["rate"]) == ("-0.001", "BNB", "612.34")


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
    assert row[-2] == f"'{ref}"
    assert exports.document(book, "journal")["rows"][0]["ref"] == ref
