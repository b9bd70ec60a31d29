"""One settlement is one row and one charge, however its exchange stamps it and wherever it is read."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import numpy as np
import pytest
from pyarrow import parquet

from markets import watching
from markets.domain.candles import HOUR, funding_hour, instant, milliseconds
from markets.domain.orders import Confirmed, OrderRequest, OrderType, Side
from markets.exchanges import paper
from markets.imports import import_files
from markets.live import funding
from markets.live.ages import Ages
from markets.live.driver import Driver
from markets.models import FundingRate, PaperReport

from .live_market import instrument, led_here, opened

pytestmark = pytest.mark.django_db(transaction=True)
DAY = 24 * HOUR
# Real stamps around the worst of their file: 24 minutes late, and 29 milliseconds.
REAL = {
    "hyperliquid": ("hyperliquid-2024-2025/hyperliquid/BTC_USDC_USDC-funding.parquet", "BTC/USDC:USDC", 34),
    "binanceusdm": ("binanceusdm-1h-2023-2024/binanceusdm/BTC_USDT_USDT-funding.parquet", "BTC/USDT:USDT", 399),
}
ROWS = 8


@pytest.fixture(params=REAL)
def fake(request):
    with led_here(request.param) as served:
        yield served


@pytest.fixture
def told(fake, market_data):
    """Real times and rates, moved by whole days so that they begin within the next one."""
    path, _, worst = REAL[fake.exchange]
    table = parquet.read_table(market_data / path).slice(worst - ROWS // 2, ROWS)
    times, rates = table["timestamp"].to_numpy(), table["funding_rate"].to_numpy()
    moved = times + ((milliseconds(datetime.now(UTC)) - int(times[0])) // DAY + 1) * DAY
    assert np.abs(moved - funding_hour(moved)).max() == {"hyperliquid": 1_433_040, "binanceusdm": 29}[fake.exchange]
    return list(zip(moved.tolist(), map(repr, rates.tolist()), strict=True))


@pytest.mark.requirement("MKT-09")
def test_a_settlement_is_booked_once_at_its_full_hour(fake, told, tmp_path):
    feed, key, symbol = opened(fake), uuid4(), REAL[fake.exchange][1]
    held = instrument(symbol, fake.exchange)
    watching.watch(wanted=[(held.pk, "")], now=datetime.now(UTC))
    driver = Driver(feed, websocket=False)
    driver.look(datetime.now(UTC))
    driver.poll(datetime.now(UTC) + timedelta(seconds=5))
    paper.open_account(key=key, feed=feed, currency=held.settle, deposit=Decimal(10_000))
    request = OrderRequest("in", symbol, Side.BUY, OrderType.MARKET, Decimal("0.05"))
    assert isinstance(paper.PaperVenue(key, feed).send(request), Confirmed)
    FundingRate.objects.all().delete()

    fake.world.tell_settlements(symbol, told)
    later = instant(told[-1][0]) + timedelta(minutes=1)
    fake.world.advance((later - datetime.now(UTC)).total_seconds())
    assert funding.settle(feed, held, later, Ages()) == ROWS
    # The same again, stamped otherwise; and out of a file.
    fake.world.tell_settlements(symbol, [(at + 7, rate) for at, rate in told])
    assert funding.settle(feed, held, later, Ages()) == 0
    file = tmp_path / fake.exchange / f"{symbol.replace('/', '_').replace(':', '_')}-funding.csv"
    file.parent.mkdir()
    file.write_text("\n".join(["timestamp,funding_rate", *(f"{at},{rate}" for at, rate in told)]))
    imported = import_files(paths=[file], now=later)

    hours = [instant(funding_hour(at)) for at, _ in told]
    assert list(FundingRate.objects.filter(instrument=held).order_by("at").values_list("at", flat=True)) == hours
    assert (imported.stored, imported.unchanged, imported.refused) == (0, ROWS, 0)
    assert PaperReport.objects.filter(kind="income", ref__contains="funding").count() == ROWS
    assert funding.overdue(feed, [held], later) == []
