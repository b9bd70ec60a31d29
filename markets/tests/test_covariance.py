import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from markets.domain.candles import TIMEFRAMES, Candles
from markets.domain.covariance import Covariance, covariance

pytestmark = pytest.mark.requirement("RSK-04")
HOUR = TIMEFRAMES["1h"]


def hourly(closes, first=0) -> Candles:
    close = np.asarray(closes, float)
    time = (first + np.arange(len(close), dtype=np.int64)) * HOUR
    return Candles(time, close, close, close, close, np.ones(len(close)))


def walk(seed, count=721, spread=0.01):
    return 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, spread, count)))


def test_it_is_the_covariance_of_hourly_log_returns_on_a_day():
    one, other = walk(1), walk(2)
    found = covariance({"A": hourly(one), "B": hourly(other)})
    assert found.symbols == ("A", "B")
    assert found.matrix == pytest.approx(24 * np.cov([np.diff(np.log(one)), np.diff(np.log(other))]))
    assert found.volatility(found.weights({"A": 1.0})) == pytest.approx(0.01 * 24**0.5, rel=0.1)


def test_only_hours_that_all_have_count_and_no_return_over_a_gap():
    closes = walk(3, 200)
    whole, broken = hourly(closes), hourly(closes)
    jump = closes.copy()
    jump[100:] *= 2
    broken = hourly(jump)[np.arange(200) != 100]
    found = covariance({"A": whole, "B": broken})
    assert found.matrix[0, 0] == pytest.approx(found.matrix[1, 1])


def test_too_few_hours_tell_nothing():
    assert covariance({}) is None
    assert covariance({"A": hourly(walk(1, 48))}) is None
    assert covariance({"A": hourly(walk(1, 49))}) is not None
    assert covariance({"A": hourly(walk(1, 100)), "B": hourly(walk(2, 100), first=80)}) is None
    assert covariance({"A": hourly(walk(1, 100)), "B": hourly(walk(2, 20))}).symbols == ("A",)


@st.composite
def books(draw):
    mixture = np.array(draw(st.lists(st.integers(-50, 50), min_size=9, max_size=9))).reshape(3, 3) / 1000
    weights = np.array(draw(st.lists(st.integers(-200, 200), min_size=3, max_size=3))) / 100
    return Covariance(("A", "B", "C"), mixture @ mixture.T), weights


@given(books(), st.sampled_from("ABC"), st.sampled_from([1, -1]), st.floats(0.001, 0.3))
def test_the_room_is_what_leads_to_the_limit_and_not_beyond(book, symbol, sign, most):
    sigma, weights = book
    room = sigma.room(weights, symbol, sign, most)
    allowed = max(most, sigma.volatility(weights))
    if room == float("inf"):
        assert sigma.matrix["ABC".index(symbol), "ABC".index(symbol)] <= 0
        return
    step = np.zeros(3)
    step["ABC".index(symbol)] = sign
    if room > 0:
        assert sigma.volatility(weights + 0.999 * room * step) <= allowed + 1e-7
    assert sigma.volatility(weights + (max(room, 0) + 0.1) * 1.01 * step) >= allowed - 1e-6


@given(books())
def test_the_volatility_of_a_book_is_never_above_that_of_instruments_moving_as_one(book):
    sigma, weights = book
    shares = dict(zip("ABC", weights.tolist(), strict=True))
    assert sigma.volatility(weights) <= sigma.at_most(shares | {"unknown": 5.0})


def test_instruments_that_move_as_one_are_exactly_as_volatile_as_is_said_beforehand():
    sigma = Covariance(("A", "B"), np.full((2, 2), 0.0004))
    assert sigma.at_most({"A": 1.0, "B": 0.5}) == pytest.approx(0.03, rel=1e-5)
    assert sigma.volatility(np.array([1.0, 0.5])) <= sigma.at_most({"A": 1.0, "B": 0.5})
