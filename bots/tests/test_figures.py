from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from types import SimpleNamespace

import pytest

from bots.templatetags import figures

AT = datetime(2025, 5, 1, 12, 0, 30, tzinfo=UTC)
INSTRUMENT = SimpleNamespace(tick=D("0.5"), step=D("0.001"))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0", "0.00"), ("1234567.891", "1\u202f234\u202f567.89"), ("-12.5", "−12.50"), ("-0.001", "0.00"),
    ],
)  # fmt: skip
def test_money_has_two_places_thin_spaces_and_a_true_minus(value, text):
    assert figures.money(D(value)) == text


@pytest.mark.parametrize(("value", "text"), [("3", "+3.00"), ("-3", "−3.00"), ("0.001", "0.00")])
def test_a_change_always_has_its_sign(value, text):
    assert figures.change(D(value)) == text


def test_percent_is_signed_and_a_share_is_not():
    assert figures.percent(D("0.0124")) == "+1.24"
    assert figures.percent(D("-0.003")) == "−0.30"
    assert figures.percent(0.0001, 4) == "+0.0100"
    assert figures.share(D("0.32")) == "32.00"


@pytest.mark.parametrize(
    ("value", "places", "tone"),
    [("0.0001", 4, "gain"), ("-1", 4, "loss"), ("0", 4, "even"), ("0.004", 2, "even"), ("-0.006", 2, "loss")],
)
def test_what_is_written_as_zero_has_no_tone(value, places, tone):
    assert figures.tone(D(value), places) == tone


def test_a_price_stands_at_the_tick_and_a_quantity_at_the_step():
    assert figures.price(D("50000.26"), INSTRUMENT) == "50\u202f000.5"
    assert figures.price(D("0.30"), None) == "0.3"
    assert figures.quantity(D("1.5"), INSTRUMENT) == "1.500"
    assert figures.size(D("-1.5"), INSTRUMENT) == "1.500"
    assert figures.quantity(D("100")) == "100"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (59.9, "59 s"), (60, "1 min"), (8040, "2 h 14 min"), (7205, "2 h"), (90000, "1 d 1 h"),
        (-61, "−1 min 1 s"),
    ],
)  # fmt: skip
def test_a_span_has_its_two_largest_units(seconds, text):
    assert figures.span(seconds).replace("\u00a0", " ") == text
    assert figures.span(timedelta(seconds=seconds)).replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("passed", "text"), [(0, "now"), (12, "12 s ago"), (150, "2 min ago"), (7300, "2 h ago"), (-5, "now")]
)
def test_ago_has_the_exact_instant_on_hover(passed, text):
    html = figures.ago(AT, AT + timedelta(seconds=passed)).replace("\u00a0", " ")
    assert f">{text}</time>" in html
    assert 'title="2025-05-01 12:00:30 UTC"' in html


def test_a_market_time_reads_the_same_while_it_ages():
    assert ">12:00</time>" in figures.aged(AT)


@pytest.mark.parametrize(
    "unknown",
    [
        figures.money, figures.change, figures.percent, figures.share, figures.span, figures.exact,
        figures.moment, figures.number, figures.quantity,
    ],
)  # fmt: skip
def test_what_is_not_known_is_a_dash(unknown):
    assert unknown(None) == "–"


def test_until_is_never_below_zero():
    assert figures.until(AT, AT + timedelta(minutes=1)) == "0\u00a0s"


def test_stored_numbers_keep_their_digits():
    assert figures.number("1234.5") == "1\u202f234.5"
    assert figures.number("BTC") == "BTC"


def test_a_bar_is_never_longer_than_its_place():
    assert figures.percent_of(3, 2) == 100
    assert figures.percent_of(1, 0) == 0
    assert figures.percent_of(D("0.3"), D("0.6")) == 50


@pytest.mark.requirement("SEC-04")
def test_a_badge_escapes_its_monogram():
    html = figures.badge(SimpleNamespace(colour=9, monogram="<b"))
    assert html == '<span class="badge bot-1" aria-hidden="true">&lt;b</span>'


def test_a_sparkline_runs_from_low_to_high():
    assert 'points="2.0,22.0 50.0,2.0 98.0,12.0"' in figures.sparkline([1.0, 3.0, 2.0])
    assert figures.sparkline([1.0]) == ""
    assert "2.0,22.0 98.0,22.0" in figures.sparkline([5.0, 5.0])


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        (
            {"kind": "close_below", "timeframe": "15m", "price": "950"},
            "the candle closes below 950 (15m)",
        ),
        (
            {"kind": "indicator_above", "timeframe": "1h", "indicator": "rsi_14", "value": "70"},
            "rsi_14 is above 70 (1h)",
        ),
    ],
)
def test_a_condition_in_words(stored, words):
    assert figures.condition(stored) == words


def test_names_and_durations_as_they_are_read():
    assert figures.words("open_long") == "open long"
    assert figures.words("house:trend") == "house · trend"
    assert figures.milliseconds(12.4) == "12 ms"
    assert figures.milliseconds(12_400) == "12.4 s"
    assert figures.since(D(110), D(100)) == D("0.1")
    assert figures.since(D(110), None) is None
