"""Bots on real prices: stored candles traded in lock-step, the same trades in every run."""

from datetime import UTC, datetime

import pytest

from bots.tests import lockstep
from ledger import reconciliation
from ledger.models import Account
from markets import imports, stream
from markets.models import Feed, FeedKind
from tradingsite import demo

pytestmark = pytest.mark.django_db(transaction=True)
SYMBOLS = ("BTC", "ETH", "SOL")


def replay(*, fresh: bool = False) -> Feed:
    feed = stream.ensure_feed(kind=FeedKind.REPLAY, exchange="binanceusdm", speed=1e6, fresh=fresh)
    feed = stream.prepare(feed)
    demo.ensure(feed)
    return feed


@pytest.mark.requirement("MKT-06")
def test_real_candles_give_the_same_trades_in_every_run(market_data):
    folder = market_data / "binanceusdm-1m-2025-05" / "binanceusdm"
    files = [folder / f"{name}_USDT_USDT-{what}.parquet" for name in SYMBOLS for what in ("1m", "funding")]
    imports.import_files(paths=files, now=datetime.now(UTC))
    first, second = replay(), replay(fresh=True)

    lockstep.drive(first, 45)
    lockstep.history.forget()
    lockstep.drive(second, 45)

    assert lockstep.trades(first) == lockstep.trades(second) != []
    for account in Account.objects.on(first):
        assert reconciliation.differences(account) == []
