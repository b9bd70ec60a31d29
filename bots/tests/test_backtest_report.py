"""The report of a backtest: the ledger's figures, groups that add up, luck from a seed, and files that stand alone."""

import csv
import io
import json
import re
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bots.backtests import curve, ended, figures, luck, preparing, reading, tables
from bots.backtests.document import TRADES, document
from bots.backtests.engine import Backtest
from bots.backtests.provenance import fingerprint
from bots.backtests.request import Request
from bots.tests.test_backtest_command import BTC, stored  # noqa: F401
from bots.tests.test_backtest_engine import START
from ledger.domain.statistics import Closed, position_figures
from markets.domain.candles import MINUTE, instant
from markets.models import Candle

pytestmark = pytest.mark.django_db
ETH = "ETH/USDT:USDT"


def asked(**fields):
    defaults = {"decider": "sma_cross", "exchange": "binanceusdm", "symbols": (BTC, ETH), "timeframe": "1m"}
    return Request(**defaults | fields)


def made(**fields):
    prepared = preparing.prepare(asked(**fields))
    result, seconds = prepared.run()
    return document(prepared, result, seconds), result


def test_where_nothing_was_traded_the_report_says_why(stored):  # noqa: F811
    patient = made(timeframe="5m", decider="trend", settings=("min_adx=100",))[0]
    refused = made(settings=("min_reward_to_risk=20",))[0]
    held = made(decider="buy_and_hold", settings=("max_stop_distance=0.5",))[0]

    assert patient["warnings"][0].startswith("No trade: nothing was entered. Look at the period")
    assert re.match(r"No trade: nothing was entered, and proposals were refused \d+ times", refused["warnings"][0])
    assert held["warnings"][0] == "No trade has closed: what was entered is still held."
    for report in (patient, refused, held):
        assert "No trade has closed." in reading.standalone(report)


@pytest.fixture
def report(stored):  # noqa: F811
    return made()[0]


@pytest.mark.requirement("LED-05")
@pytest.mark.requirement("BKT-04")
def test_the_figures_are_those_of_the_ledger(stored):  # noqa: F811
    report, result = made()
    own = position_figures(Closed().and_then(figures.columns(result.closed)))

    told = report["statistics"]["closed_positions"]
    assert (told["positions"], told["won"]) == (own.positions, own.won) == (len(result.closed), own.won)
    assert told["sqn"] == own.sqn
    assert told["win_rate_interval"] == list(own.win_rate_interval)
    assert report["statistics"]["on_equity"]["days"] == 2
    grown = 1 + report["statistics"]["on_equity"]["total_return"]
    assert grown * 10_000 == pytest.approx(report["final_equity"])
    names = [row["name"] for part in ("ratios", "trading") for row in report["rows"][part]]
    assert {"Sharpe", "Sortino", "Calmar", "Omega", "Drawdown by days", "SQN", "Payoff", "Turnover a day"} <= set(names)


@pytest.mark.requirement("BKT-04")
def test_every_group_adds_up_to_the_whole(report):
    closed = [dict(zip(TRADES, row, strict=True)) for row in report["listing"] if row[3]]

    assert set(report["tables"]) == {"instrument", "side", "exit_reason", "entry_tag", "day", "week", "month"}
    for rows in report["tables"].values():
        assert sum(row["trades"] for row in rows.values()) == report["trades"] == len(closed)
        assert sum(row["net"] for row in rows.values()) == pytest.approx(sum(one["net"] for one in closed))
    assert set(report["tables"]["instrument"]) == {BTC, ETH}


def test_what_buy_and_hold_would_have_made_follows_from_the_prices(stored):  # noqa: F811
    report, result = made()
    gains = []
    for course in result.market.courses.values():
        first, last = course.quote(0).last, course.quote(result.market.instants).last
        gains.append(float(last / first) * (1 - float(course.rules.taker_fee)) - 1)

    assert report["statistics"]["buy_and_hold"]["total_return"] == pytest.approx(np.mean(gains), rel=1e-4)
    assert report["charts"]["held_instead"][-1] == pytest.approx(10_000 * (1 + np.mean(gains)), rel=1e-4)


@pytest.mark.requirement("BKT-04")
def test_equity_candles_and_marks_are_thinned_and_keep_their_ends(stored):  # noqa: F811
    report, result = made()
    charts = report["charts"]

    assert len(charts["times"]) == 500
    assert (charts["equity"][0], charts["equity"][-1]) == (10_000.0, pytest.approx(report["final_equity"], abs=0.01))
    assert max(charts["drawdown"]) == pytest.approx(report["metrics"]["max_drawdown"], abs=1e-5)
    assert sum(charts["results"]["counts"]) == report["trades"]
    drawn, shown = charts["candles"][BTC], result.market.courses[BTC].candles
    assert (max(drawn["high"]), min(drawn["low"])) == (shown.high.max(), shown.low.min())
    assert {kind for _, _, kind in drawn["marks"]} == {"long", "short", "gain", "loss"}


@pytest.mark.parametrize(
    ("reason", "tag"),
    [
        ("Trend up: EMA20 101.5 above EMA50 99.1 on 5m; stop 2 ATR away.", "Trend up"),
        ("SMA 20 has crossed over SMA 50 on 1m.", "SMA 20 has crossed over SMA 50 on 1m"),
        ("Buys once at 60,123.5 and holds; the stop is wide.", "Buys once at … and holds"),
        ("", "without a reason"),
        (" " * 9 + "x" * 200, "x" * 60),
    ],
)
def test_entries_of_one_kind_have_one_tag(reason, tag):
    assert tables.tag(reason) == tag


# --- Luck ------------------------------------------------------------------------------------------------


@pytest.mark.requirement("BKT-04")
@settings(max_examples=25, deadline=None)
@given(nets=st.lists(st.floats(-50, 60), min_size=10, max_size=60), seed=st.integers(0, 99))
def test_luck_is_the_same_for_the_same_seed_and_knows_the_way_that_was_taken(nets, seed):
    found = luck.luck(nets, 10_000.0, seed)

    assert found == luck.luck(nets, 10_000.0, seed)
    for values in (found.shuffled_drawdown, found.drawn_drawdown, found.drawn_equity):
        assert list(values) == sorted(values)
    grown = 10_000 + np.cumsum(nets)
    assert found.fan[2][0] == 10_000
    assert found.drawn_equity[0] <= max(grown[-1], *found.drawn_equity)
    assert 0 <= found.loss <= 1
    assert len(found.steps) == len(found.fan[0]) <= luck.STEPS + 1


def test_equal_trades_leave_nothing_to_luck():
    found = luck.luck([10.0] * 20, 1_000.0, 1)

    assert found.drawn_equity[0] == pytest.approx(found.drawn_equity[-1], rel=0.2)
    assert found.shuffled_drawdown == (0.0,) * 5
    assert (found.loss, found.half) == (0.0, 0.0)


def test_losses_in_a_row_are_worse_than_the_same_losses_apart():
    nets = [60.0, -40.0] * 20

    found = luck.luck(nets, 1_000.0, 1)

    assert found.shuffled_drawdown[-1] > 0.05
    assert luck.luck(nets[:9], 1_000.0, 1) is None


def test_a_book_that_was_lost_stays_lost():
    found = luck.luck([-600.0, -600.0] + [5.0] * 10, 1_000.0, 1)

    assert found.drawn_equity[0] == 0.0
    assert found.half > 0.5


# --- Warnings --------------------------------------------------------------------------------------------


@pytest.mark.requirement("BKT-04")
def test_warnings_say_in_sentences_why_not_to_believe_it(stored):  # noqa: F811
    few, _ = made(symbols=(BTC,), end="2025-03-03T12:00")
    costly, _ = made(settings=("fee=1%",))

    assert few["warnings"][0].startswith("Only one trade: luck and skill")
    assert re.match(r"Only \d+ trades: luck and skill", costly["warnings"][0])
    assert any("too short for figures of a year" in sentence for sentence in few["warnings"])
    assert any("fees and funding eat all of it" in s or "Doing nothing was better" in s for s in costly["warnings"])


# --- What made it ----------------------------------------------------------------------------------------


@pytest.mark.requirement("BKT-04")
def test_a_report_tells_what_made_it_and_the_same_makes_the_same(stored):  # noqa: F811
    first, second = made(settings=("seed=5", "share=0.05"))[0], made(settings=("seed=5", "share=0.05"))[0]

    told = first["made"]
    assert first | {"seconds": 0} == second | {"seconds": 0}
    assert (told["seed"], told["options"]["share"], told["decider"]) == (5, 0.05, "house:sma_cross")
    assert told["policy"]["risk_per_trade"] == "0.01"
    assert re.fullmatch(r"[0-9a-f]{12}\+?|unknown", told["commit"])
    assert re.fullmatch(r"[0-9a-f]{64}", told["data"])


def test_other_data_have_another_fingerprint(stored):  # noqa: F811
    market = preparing.prepare(asked()).market
    part = preparing.prepare(asked(end="2025-03-03T20:00")).market
    costly = preparing.prepare(asked(settings=("fee=0.2%",))).market

    assert fingerprint(market.listed) == fingerprint(preparing.prepare(asked()).market.listed)
    assert len({fingerprint(one.listed) for one in (market, part, costly)}) == 3


# --- Files -----------------------------------------------------------------------------------------------


@pytest.mark.requirement("BKT-04")
def test_the_page_stands_alone(report):
    html = reading.standalone(report)

    assert html.count("<svg") >= 6
    assert not re.search(r"<script|<link|<img|src=|url\(|@import|https?://", html)
    assert "Before you believe it" in html
    assert "Profit factor" in html
    assert "color-scheme: light dark" in html
    assert "--decider sma_cross" in html
    assert len(html) < 700_000


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1440])
def test_it_can_be_read_on_a_phone_and_on_a_desk(report, browser, width):
    page = browser.new_page()
    page.set_viewport_size({"width": width, "height": 900})
    page.set_content(reading.standalone(report))

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # No word is cut into its letters; a sentence may take more than one line.
    names = page.locator(".groups details[open] th[scope=row]").all()
    tall = [name.bounding_box()["height"] for name in names if " " not in name.inner_text()]
    assert len(tall) > 6
    assert max(tall) < 40


def test_trades_as_csv_and_the_whole_as_json(report):
    rows = list(csv.DictReader(io.StringIO(reading.written(report, "csv"))))
    whole = json.loads(reading.written(report, "json"))

    assert len(rows) == len(report["listing"]) == len(whole["positions"])
    assert float(rows[0]["net"]) == whole["positions"][0]["net"]
    assert set(rows[0]) == set(TRADES)


def test_a_reason_that_begins_like_a_formula_is_only_text(report):
    report["listing"][0][-1] = "=cmd|' /C calc'!A0"

    assert "'=cmd" in reading.table(report)
    html = reading.standalone(report | {"warnings": ["<script>alert(1)</script>"]})
    assert "<script>" not in html


def test_what_asked_for_it_can_be_asked_again(report):
    words = reading.command(report["request"])

    assert words.startswith("manage.py backtest --decider sma_cross --exchange binanceusdm --symbols BTC/USDT:USDT,ETH")


@pytest.mark.requirement("BOT-11")
def test_lots_trade_as_often_and_as_long_as_the_strategy_they_match(stored):  # noqa: F811
    other, result = made(symbols=(BTC,))
    lots, matched = made(decider="random_like", symbols=(BTC,), settings=("like=sma_cross", "seed=3"))

    assert lots["made"]["like"] == "house:sma_cross"
    assert lots["made"]["like_trades"] == other["trades"]
    assert 0.5 < lots["trades"] / other["trades"] < 1.7
    mean = [np.mean([(p.closed_at - p.opened_at) / timedelta(minutes=1) for p in r.closed]) for r in (result, matched)]
    assert 0.5 < mean[1] / mean[0] < 1.8


def test_reports_side_by_side(report, stored):  # noqa: F811
    other = made(decider="trend")[0]

    assert "polyline" in reading.compared([report, other])["picture"]
    assert reading.differing([report, other])[0] == ("Decider", ["house:sma_cross", "house:trend"])
    assert reading.differing([report, report]) == []


# --- Candles that end ------------------------------------------------------------------------------------


@pytest.mark.requirement("BKT-02")
def test_what_is_held_where_candles_end_is_closed_at_the_last_close_and_said(stored):  # noqa: F811
    end = START + 1_000 * MINUTE
    Candle.objects.filter(instrument__symbol=ETH, open_time__gte=end).delete()
    prepared = preparing.prepare(asked(decider="buy_and_hold"))
    before = Backtest(prepared.market, prepared.setup).run()
    result, seconds = prepared.run()

    [gone] = [one for one in result.closed if one.exit_reason == "candles ended"]
    eth = result.market.courses[ETH]
    last = eth.rules.price(float(eth.candles.close[-1]))
    assert (gone.symbol, gone.closed_at) == (ETH, instant(end))
    assert gone.figures.exit_value == gone.figures.entry_quantity * last
    assert [one.symbol for one in result.open] == [BTC]
    assert result.cash - before.cash == gone.net - next(one.net for one in before.open if one.symbol == ETH)
    held = result.open[0].held(result.market.courses[BTC].quote(result.market.instants).mark)
    assert result.equity == result.cash + held.unrealised
    assert curve.equity(result)[-1] == pytest.approx(float(result.equity))
    report = document(prepared, result, seconds)
    assert any(f"The candles of {ETH} end at" in s and "closed at the last close" in s for s in report["warnings"])


def test_a_last_candle_that_is_missing_ends_nothing(stored):  # noqa: F811
    Candle.objects.filter(instrument__symbol=ETH, open_time__gte=START + 1_495 * MINUTE).delete()
    result, _ = preparing.prepare(asked(decider="buy_and_hold")).run()

    assert ended.told(result) == []
    assert len(result.open) == 2
