"""Clients of accounts: one for each key and thread, and instruments loaded once for all of them."""

import threading

import pytest

from markets.exchanges import live_clients
from markets.exchanges.base import Unanswered

KEY = {"apiKey": "key", "secret": "secret"}
INFO = "exchangeInfo"


def test_a_thread_keeps_its_client_and_another_has_its_own(desk):
    before = desk.fake.log.count(INFO)
    first = live_clients.of("binanceusdm", credentials=KEY)
    others = []
    thread = threading.Thread(target=lambda: others.append(live_clients.of("binanceusdm", credentials=KEY)))
    thread.start()
    thread.join()

    assert live_clients.of("binanceusdm", credentials=KEY) is first
    assert others[0] is not first
    assert live_clients.of("binanceusdm", credentials={**KEY, "apiKey": "another"}) is not first
    assert desk.fake.log.count(INFO) == before + 1


def test_stale_instruments_serve_where_new_ones_cannot_be_had(desk, monkeypatch):
    client = live_clients.of("binanceusdm", credentials=KEY)
    monkeypatch.setattr(live_clients, "FRESH_SECONDS", 0.0)
    desk.fake.world.maintenance = True

    assert live_clients.of("binanceusdm", credentials=KEY) is client
    live_clients.forget()
    with pytest.raises(Unanswered):
        live_clients.of("binanceusdm", credentials=KEY)


def test_few_clients_are_kept(desk, monkeypatch):
    monkeypatch.setattr(live_clients, "KEPT", 2)
    first = live_clients.of("binanceusdm", credentials=KEY)
    for number in range(3):
        live_clients.of("binanceusdm", credentials={**KEY, "apiKey": f"key {number}"})

    assert live_clients.of("binanceusdm", credentials=KEY) is not first
