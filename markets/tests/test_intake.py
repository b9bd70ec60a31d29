"""What is let in of prices, and under which code the rest is refused."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from markets.domain import intake
from markets.domain.intake import Tick
from markets.domain.snapshot import QuoteView

from .trading import PLAIN

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
RULES = replace(PLAIN, tick=Decimal("0.1"))


def d(text):
    return Decimal(str(text))


def tick(**told):
    return Tick("BTC/USDT:USDT", told.pop("at", NOW), **{name: d(value) for name, value in told.items()})


def known(last="100", at=NOW - timedelta(seconds=1)):
    return QuoteView(d(last), d(last), d(last), d(last), at)


@pytest.mark.requirement("MKT-05")
def test_a_sound_message_becomes_a_quote_at_the_tick():
    view = intake.quoted(tick(last="100.04", bid="100.01", ask="100.09"), None, RULES, NOW)

    assert (view.bid, view.last, view.ask) == (d("100"), d("100"), d("100.1"))
    assert view.at == NOW


@pytest.mark.requirement("MKT-05")
@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"last": "NaN"}, "not_a_number"),
        ({"bid": "Infinity"}, "not_a_number"),
        ({"last": "0"}, "not_positive"),
        ({"ask": "-1"}, "not_positive"),
        ({"mark": "0"}, "not_positive"),
        ({"bid": "101", "ask": "100"}, "crossed"),
        ({"last": "100", "at": NOW + timedelta(seconds=6)}, "future"),
        ({"last": "100", "at": NOW - timedelta(seconds=61)}, "stale"),
        ({"last": "100", "at": NOW - timedelta(seconds=2)}, "stale"),  # older than what is known
    ],
)
def test_what_is_unsound_is_refused_with_its_code(told, code):
    assert intake.problem(tick(**told), known(), NOW).code == code


def test_a_negative_funding_rate_is_sound():
    assert intake.problem(tick(funding_rate="-0.0003", mark="100"), known(), NOW) is None


def jump(before, **told):
    message = tick(**told)
    return intake.jump(message, intake.quoted(message, before, RULES, NOW), before, NOW)


def test_a_jump_is_one_only_where_the_price_was_known_lately():
    assert jump(known(), last="111") >= d("111")
    assert jump(known(), last="109") is None
    assert jump(known(at=NOW - timedelta(hours=6)), last="50") is None
    assert intake.confirms(d("112"), d("111"))
    assert not intake.confirms(d("100"), d("111"))


@pytest.mark.parametrize(
    "told",
    [{"last": "1"}, {"bid": "1", "ask": "1"}, {"bid": "100", "ask": "9999"}, {"bid": "1", "ask": "100"}, {"mark": "1"}],
)
def test_whatever_of_a_message_has_jumped_is_the_jump(told):
    sound = {} if "mark" in told else {"last": "100"}
    assert jump(known(), **sound | told) is not None


def test_a_mark_that_was_not_told_is_no_jump():
    before = QuoteView(d("100"), d("100"), d("100"), d("10"), NOW - timedelta(seconds=1))
    assert jump(before, last="100", bid="99.9", ask="100.1") is None


def test_what_a_message_does_not_tell_stays_as_it_was():
    before = intake.quoted(tick(last="100", bid="99.9", ask="100.1", mark="100.3"), None, RULES, NOW)
    after = intake.quoted(tick(funding_rate="0.0002", at=NOW + timedelta(seconds=3)), before, RULES, NOW)

    assert (after.last, after.bid, after.ask, after.mark) == (before.last, before.bid, before.ask, before.mark)
    assert after.at == before.at  # a rate makes no price younger
    assert after.funding_rate == d("0.0002")


ANY = st.one_of(
    st.none(), st.decimals(allow_nan=True, allow_infinity=True), st.decimals("0.01", "1000000", places=2)
)  # fmt: skip


@pytest.mark.requirement("MKT-05")
@given(last=ANY, bid=ANY, ask=ANY, mark=ANY, seconds=st.integers(-100, 100))
def test_no_figure_that_is_let_in_is_unusable(last, bid, ask, mark, seconds):
    told = Tick("X", NOW + timedelta(seconds=seconds), last=last, bid=bid, ask=ask, mark=mark)
    if intake.problem(told, None, NOW) is not None:
        return
    view = intake.quoted(told, None, RULES, NOW)
    if view is not None and intake.unfit(view) is None:
        assert all(value.is_finite() and value > 0 for value in (view.last, view.bid, view.ask, view.mark))
        assert view.bid <= view.last <= view.ask
        assert view.at <= NOW


def test_numbers_of_a_message_are_read_or_refused_but_never_guessed():
    assert intake.figure("1.5") == d("1.5")
    assert intake.figure(None) is None
    assert intake.figure("") is None
    assert intake.figure("abc").is_nan()
    assert intake.figure(1e-05 / 3).as_tuple().exponent >= -18


@pytest.mark.requirement("MKT-05")
@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"last": "1e400"}, "too_large"),
        ({"last": "5", "liquidity": "1e40"}, "too_large"),
        ({"last": "5", "funding_rate": "-1e40"}, "too_large"),
        ({"last": "5", "day_open": "1e40"}, "too_large"),
    ],
)
def test_what_no_column_holds_is_refused_and_raises_nothing(told, code):
    assert intake.problem(tick(**told), None, NOW).code == code


@pytest.mark.requirement("MKT-05")
@pytest.mark.parametrize(
    "told",
    [{"last": "1e-18"}, {"bid": "1e-18", "ask": "5"}, {"last": "5", "mark": "1e-18"}, {"bid": "0.04", "ask": "0.05"}],
)
def test_a_price_that_is_nothing_at_the_tick_is_refused(told):
    sound = tick(**told)
    assert intake.problem(sound, None, NOW) is None

    assert intake.unfit(intake.quoted(sound, None, RULES, NOW)).code == "not_positive"


def test_digits_beyond_what_is_stored_are_cut_whatever_the_size():
    assert intake.figure("12345678901.1234567890123456789") == d("12345678901.123456789012345679")
    assert intake.figure("1e-30") == 0
    assert intake.figure("9" * 60 + "." + "1" * 30).is_nan()
