"""The pages of markets: what they show, to whom, and that nobody sees another's trades and plans."""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bots import market_chart, tasks
from bots.tests import rows
from ledger.tests import builders
from ledger.tests.builders import NOW
from markets import history, refusals
from markets.models import ChartValues, DataAge, FundingRate, OpenInterest, Quote, Watch
from markets.tests import samples

pytestmark = pytest.mark.django_db
BEGIN = NOW - timedelta(minutes=700)


@pytest.fixture
def page(client, alice):
    client.force_login(alice)
    return client


@pytest.fixture
def bot(alice):
    builders.quote(funding_rate=Decimal("0.0001"), next_funding_at=NOW + timedelta(hours=4), day_open=49000)
    made = rows.bot(alice, name="Trend", monogram="TR", colour=2)
    candles = samples.candles(900, begin=BEGIN, price=50_000)
    bitcoin = builders.instrument()
    history.store(instrument=bitcoin, timeframe="1m", candles=candles)
    history.build_timeframes(instruments=[bitcoin], timeframes=["5m", "15m"])
    return made


@pytest.fixture
def address(bot):
    return f"/markets/{builders.instrument().pk}/"


def text(answer, status=200):
    assert answer.status_code == status, answer
    return answer.content.decode()


def chart(html) -> dict:
    return json.loads(re.search(r'id="market-data".*?<script[^>]*>(.*?)</script>', html, re.S)[1])


@pytest.mark.requirement("UI-03")
def test_the_page_of_a_market(page, bot, address):
    FundingRate.objects.create(instrument=builders.instrument(), at=NOW - timedelta(hours=4), rate=Decimal("-0.0002"))
    html = text(page.get(address))

    for part in ("market-head", "market-chart", "market-positions", "market-parts", "market-funding", "market-data"):
        assert f'id="{part}"' in html
    assert "50\u202f000.0" in html
    assert "+0.0100 %" in html
    assert "in 4\u00a0h" in html
    assert "−0.0200" in html
    assert "None of your bots holds BTC now." in html
    assert "copyright TradingView" in html
    assert re.search(r'ws-connect="/ws/pages\?page=market&amp;id=\d+"', html)


@pytest.mark.requirement("UI-03")
def test_only_closed_candles_are_drawn_and_the_one_that_runs(page, address):
    found = chart(text(page.get(address + "?timeframe=1m")))

    assert len(found["candles"]) == market_chart.SHOWN
    assert found["candles"][-1][0] == NOW.timestamp() - 60
    ended = found["candles"][-1][4]  # where the one that runs begins
    assert ended < 50_000
    assert found["running"] == [NOW.timestamp(), ended, 50_000, ended, 50_000, 0]
    assert chart(text(page.get(address + "?timeframe=15m")))["seconds"] == 900


@pytest.mark.requirement("UI-03")
@pytest.mark.requirement("MKT-07")
def test_indicators_come_from_a_worker_and_then_with_the_page(page, address):
    first = chart(text(page.get(address + "?timeframe=1m&show=ema20,macd")))
    assert first["until"] is None
    assert [pane["key"] for pane in first["panes"]] == ["ema20", "macd"]
    assert not any(points for pane in first["panes"] for points in pane["lines"].values())

    assert tasks.answer_pages() == 1
    then = chart(text(page.get(address + "?timeframe=1m&show=ema20,macd")))

    lines = {name: points for pane in then["panes"] for name, points in pane["lines"].items()}
    assert set(lines) == {"ema_20", "macd_histogram", "macd", "macd_signal"}
    assert all(points[-1][0] == then["candles"][-1][0] for points in lines.values())
    assert then["until"] == then["candles"][-1][0] * 1000
    later = chart(text(page.get(f"/living/market/?id={builders.instrument().pk}&timeframe=1m&show=ema20,macd")))
    assert later["candles"] == then["candles"]


def test_what_is_new_is_sent_alone(alice, address):
    from bots import fragments

    asked = {"id": str(builders.instrument().pk), "timeframe": "1m", "show": "ema20"}
    fragments.rendered("market", alice, asked, datetime.now(UTC))
    tasks.answer_pages()
    _, until = fragments.rendered("market", alice, asked, datetime.now(UTC))
    parts, _ = fragments.rendered("market", alice, asked | {"since": until}, datetime.now(UTC))

    found = chart(parts["bots/_market_data.html"])
    assert [row[0] * 1000 for row in found["candles"]] == [int(until)]
    assert [len(points) for points in found["panes"][0]["lines"].values()] == [1]


@pytest.mark.requirement("UI-03")
def test_own_trades_and_plans_are_drawn(page, bot, address):
    builders.position(bot.book)
    builders.trade(bot.book, at=NOW - timedelta(minutes=7))
    builders.order(bot.book, price=Decimal(48_000))
    html = text(page.get(address + "?timeframe=5m"))
    found = chart(html)

    [mark] = found["marks"]
    assert (mark["side"], mark["bot"], mark["colour"]) == ("buy", "TR", 2)
    assert mark["time"] == (NOW - timedelta(minutes=10)).timestamp()
    assert {(line["kind"], line["price"]) for line in found["lines"]} == {
        ("entry", 50_000.0), ("stop", 49_000.0), ("target", 52_500.0), ("order", 48_000.0),
    }  # fmt: skip
    assert 'class="ladder"' in html


def test_the_number_of_statements_does_not_grow_with_trades_and_positions(page, bot, alice, address):
    def statements():
        with CaptureQueriesContext(connection) as seen:
            page.get(address)
        return len(seen)

    builders.position(bot.book)
    builders.trade(bot.book)
    page.get(address)
    few = statements()
    for number in range(3):
        other = rows.bot(alice, name=f"other {number}")
        builders.position(other.book)
        for _ in range(5):
            builders.trade(other.book)

    assert statements() == few <= 34


@pytest.mark.requirement("SEC-02")
def test_nobody_sees_what_another_trades(client, bob, bot, address):
    builders.position(bot.book)
    builders.trade(bot.book)
    builders.order(bot.book)
    builders.feed(running=True)
    from markets.models import Feed

    Feed.objects.update(running=True)
    client.force_login(bob)
    html = text(client.get(address))

    assert (chart(html)["marks"], chart(html)["lines"]) == ([], [])
    assert "Trend" not in html
    assert "Trend" not in text(client.get("/markets/"))


@pytest.mark.requirement("SEC-02")
def test_a_market_where_only_others_trade_is_not_found(client, bob, address):
    client.force_login(bob)

    assert client.get(address).status_code == 404
    assert not ChartValues.objects.exists()


@pytest.mark.parametrize("query", ["?timeframe=7m", "?feed=999", "?feed=x"])
def test_what_is_not_there_is_not_found(page, address, query):
    assert page.get(address + query).status_code == 404
    assert page.get("/markets/9999/").status_code == 404


@pytest.mark.parametrize(
    ("query", "keys"), [("", ["ema20", "ema50", "rsi"]), ("?show=none", []), ("?show=x,rsi", ["rsi"])]
)
def test_which_indicators_are_drawn(page, address, query, keys):
    assert [pane["key"] for pane in chart(text(page.get(address + query)))["panes"]] == keys


def test_a_switch_takes_one_away_and_adds_one(page, address):
    html = text(page.get(address + "?show=ema20&timeframe=5m"))

    assert re.search(r'\?timeframe=5m&amp;show=none&amp;feed=\d+" aria-current="true" title="Take EMA 20', html)
    assert re.search(r'\?timeframe=5m&amp;show=ema20,rsi&amp;feed=\d+" title="Draw RSI 14', html)


def test_a_market_without_candles_and_prices_says_so(page, alice, bot):
    builders.instrument("XYZ/USDT:USDT", assumed=True)
    from markets.models import Instrument

    html = text(page.get(f"/markets/{Instrument.objects.get(base='XYZ').pk}/"))

    assert "No price of it has come on this feed yet" in html
    assert "rules assumed" in html
    assert chart(html)["candles"] == []


@pytest.mark.requirement("MKT-08")
def test_each_part_tells_its_age_and_what_is_late_says_so(page, address):
    html = text(page.get(address))
    assert "· late" not in html
    Quote.objects.update(at=NOW - timedelta(minutes=30))

    late = text(page.get(address))

    assert "· late" in late
    assert "quote" in late
    assert "15m candle" in late


@pytest.mark.requirement("MKT-05")
def test_what_was_refused_is_shown(page, address):
    assert "resampled from 1m" in text(page.get(address))
    bitcoin = builders.instrument()
    refusals.count(exchange=bitcoin.exchange, symbol=bitcoin.symbol, part="candles 1m", reason="bad_row", times=3,
                   example="a price is not above zero")  # fmt: skip
    refusals.write(NOW)

    assert "a price is not above zero" in text(page.get(address))


@pytest.mark.requirement("MKT-08")
def test_a_live_market_is_kept_coming_while_somebody_looks_and_tells_how_each_part_came(page, alice):
    feed = builders.feed("live", kind="live", exchange="binanceusdm", running=True, market_now=None)
    builders.account(alice, feed=feed)
    bitcoin, now = builders.instrument(exchange="binanceusdm"), datetime.now(UTC)
    builders.quote(bitcoin, feed=feed, at=now, mark=Decimal(50_001))
    for part in ("price", "mark", "candles 5m"):
        DataAge.objects.create(instrument=bitcoin, part=part, at=now, received_at=now, source="stream")
    OpenInterest.objects.create(instrument=bitcoin, at=now - timedelta(minutes=3), amount=Decimal("1234.5"))

    html = text(page.get(f"/markets/{bitcoin.pk}/?timeframe=5m"))

    assert set(Watch.objects.values_list("instrument", "timeframe")) == {(bitcoin.pk, ""), (bitcoin.pk, "5m")}
    assert "by stream" in html
    assert "1\u202f234.5 BTC" in html


@pytest.mark.requirement("UI-03")
def test_the_list_of_markets_and_the_ways_to_a_market(page, bot):
    builders.position(bot.book)
    html = text(page.get("/markets/"))
    link = f'href="/markets/{builders.instrument().pk}/?feed='

    assert link in html
    assert "Trend" in html or bot.book.name in html
    assert link in text(page.get("/"))
    assert link in text(page.get(f"/bots/{bot.pk}/"))


def test_no_market_yet(page):
    assert "make run" in text(page.get("/markets/"))
