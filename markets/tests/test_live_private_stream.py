"""The private stream only hints, and goes on after an interruption."""

import threading

import pytest

from markets.exchanges import live_stream

from .fake_exchange import trading
from .live_desk import BTC

SECONDS = 20


@pytest.fixture
def hints(desk, monkeypatch):
    monkeypatch.setattr(live_stream, "FIRST_PAUSE", 0.05)
    news = threading.Event()
    listener = live_stream.Hints("binanceusdm", credentials={"apiKey": "key", "secret": "secret"}, hint=news.set)
    listener.start()
    while not desk.account.listeners:
        threading.Event().wait(0.02)
    yield news
    listener.stop()


def test_what_happens_on_the_account_is_hinted_at(desk, hints):
    hints.clear()
    trading.outsider(desk.account, BTC, "BUY", "0.01")
    assert hints.wait(SECONDS)

    hints.clear()
    desk.stop()
    assert hints.wait(SECONDS)


def test_a_cut_stream_hints_that_something_may_have_been_missed_and_listens_again(desk, hints):
    hints.clear()
    desk.fake.world.drop_streams()
    assert hints.wait(SECONDS)

    while not desk.account.listeners:
        threading.Event().wait(0.02)
    hints.clear()
    trading.fund(desk.account, BTC, "0.0001")
    trading.outsider(desk.account, BTC, "BUY", "0.01")
    assert hints.wait(SECONDS)
