from datetime import timedelta

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from markets import comovement, history
from markets.domain.candles import TIMEFRAMES, milliseconds
from markets.tests import rows
from markets.tests.rows import NOW
from markets.tests.test_covariance import hourly, walk

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("RSK-04")]


@pytest.fixture
def pair():
    comovement.forget()
    made = [rows.instrument(), rows.instrument("ETH/USDT:USDT")]
    last = milliseconds(NOW) // TIMEFRAMES["1h"]
    for seed, instrument in enumerate(made):
        history.append(candles={(instrument.pk, "1h"): hourly(walk(seed, 900), first=last - 890)})
    return made


def test_thirty_days_of_closed_candles_read_once_an_hour(pair):
    found = comovement.of(pair, NOW)
    closes = np.log([walk(0, 900)[169:890], walk(1, 900)[169:890]])
    assert found.matrix == pytest.approx(24 * np.cov(np.diff(closes)))
    with CaptureQueriesContext(connection) as queries:
        assert comovement.of(reversed(pair), NOW + timedelta(minutes=59)) is found
    assert not queries
    assert comovement.of(pair, NOW + timedelta(minutes=60)) is not found


def test_without_candles_nothing_is_known(db):
    comovement.forget()
    assert comovement.of([rows.instrument()], NOW) is None
