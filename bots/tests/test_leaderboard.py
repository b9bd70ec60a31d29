from datetime import timedelta
from decimal import Decimal as D

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bots.leaderboard import standings
from bots.tests import rows
from ledger.tests import builders
from ledger.tests.builders import NOW

pytestmark = pytest.mark.django_db


def bot(alice, cash="10000", **fields):
    return rows.bot(alice, book=builders.book(alice, cash=D(cash)), **fields)


@pytest.mark.requirement("UI-04")
@pytest.mark.requirement("LED-05")
def test_figures_of_a_bot(alice):
    one = bot(alice, cash="10060")
    builders.quote(price="51000")
    builders.position(one.book, fees=D("2.5"), funding=D("-0.5"))
    builders.closed_position(one.book, "100", fees=D(5), funding=D(-2))
    builders.closed_position(one.book, "-30", fees=D(5))
    builders.closed_position(one.book, "5", fees=D(5))
    for minute, equity in enumerate([10000, 10400, 9880]):
        builders.equity_point(one.book, str(equity), at=NOW + timedelta(minutes=minute))
    [line] = standings([one])
    assert line.equity == D(10160)
    assert line.rate == D("0.016")
    assert line.unrealised == D(100)
    assert (line.realised, line.fees, line.funding) == (D(75), D("17.5"), D("-2.5"))
    assert (line.trades, line.wins, line.win_rate) == (3, 1, D(1) / 3)
    assert line.drawdown == D("0.05")
    assert line.exposure == D(5100) / D(10160)
    assert len(line.positions) == 1
    assert line.spark == [1.0, 1.04, 0.988]


def test_a_bot_that_has_done_nothing(alice):
    [line] = standings([bot(alice)])
    assert (line.rate, line.drawdown, line.trades, line.win_rate, line.exposure) == (0, 0, 0, None, 0)
    assert (line.rank, line.tied, line.spark) == (1, False, [])


def test_the_best_return_is_first_and_ties_share_a_rank(alice):
    low, best, tie, broke = bot(alice), bot(alice, "11000"), bot(alice, "10000.3"), bot(alice)
    broke.book.deposited = D(0)
    lines = standings([low, best, tie, broke])
    assert [(line.bot, line.rank, line.tied) for line in lines] == [
        (best, 1, False),
        (low, 2, True),
        (tie, 2, True),
        (broke, 4, False),
    ]


def test_what_came_out_even_has_neither_won_nor_lost(alice):
    one = bot(alice)
    for number in range(1, 8):  # in floats 0.1 - 0.3 + 0.2 is above zero
        realised, fees, funding = (number * D(amount) for amount in ("0.1", "0.3", "0.2"))
        builders.closed_position(one.book, str(realised), fees=fees, funding=funding)
        builders.closed_position(one.book, str(-realised), fees=-fees, funding=-funding)
    builders.closed_position(one.book, "0.00000001")

    [line] = standings([one])

    assert (line.trades, line.wins, line.gains, line.losses) == (15, 1, D("0.00000001"), 0)


def test_a_position_that_never_opened_is_no_trade(alice):
    one = bot(alice)
    builders.closed_position(one.book, "0", opened_at=None)
    assert standings([one])[0].trades == 0


def test_any_number_of_bots_takes_the_same_statements(alice):
    builders.quote()

    def statements(bots):
        for each in bots:
            builders.position(each.book)
            builders.closed_position(each.book)
            builders.equity_point(each.book)
        with CaptureQueriesContext(connection) as queries:
            standings(bots)
        return len(queries)

    assert statements([bot(alice)]) == statements([bot(alice) for _ in range(6)])


def test_no_bots_no_lines():
    assert standings([]) == []
