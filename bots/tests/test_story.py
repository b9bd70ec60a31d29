import itertools
from decimal import Decimal
from math import sqrt
from statistics import fmean, stdev

from bots.domain.story import sharpe

HOUR = 3_600_000


def test_sharpe_of_a_year():
    growth = [1.0]
    for i in range(48):
        growth.append(growth[-1] * (1.002 if i % 3 else 0.997))
    returns = [after / before - 1 for before, after in itertools.pairwise(growth)]

    expected = fmean(returns) / stdev(returns) * sqrt(365 * 24)

    assert abs(float(sharpe(growth, HOUR)) - expected) < 0.01


def test_no_sharpe_where_there_is_nothing_to_measure():
    assert sharpe([], HOUR) is None
    assert sharpe([1.0] * 100, HOUR) is None
    assert sharpe([1 + (i % 2) / 100 for i in range(23)], HOUR) is None
    assert sharpe([1 + (i % 2) / 100 for i in range(60)], 60_000) is None
    assert isinstance(sharpe([1 + (i % 2) / 100 for i in range(60)], HOUR), Decimal)
