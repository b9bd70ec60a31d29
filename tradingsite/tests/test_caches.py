"""A cache whose Redis is away is an empty one, and is not asked again for a while."""

import time

import pytest

from tradingsite import caches
from tradingsite.tests.process import free_port


@pytest.fixture
def away():
    caches.ForgivingClient.asked_again_at = 0.0
    yield caches.ForgivingRedisCache(f"redis://127.0.0.1:{free_port()}/0", {"OPTIONS": {"socket_connect_timeout": 1}})
    caches.ForgivingClient.asked_again_at = 0.0


def test_nothing_is_known_and_nothing_fails(away):
    away.set("a", 1)
    away.set_many({"a": 1})
    assert away.get("a", "none") == "none"
    assert away.get_many(["a"]) == {}
    assert not away.has_key("a")
    assert (away.add("a", 1), away.touch("a"), away.delete("a")) == (False, False, False)
    away.delete_many(["a"])


def test_it_is_left_alone_for_a_while_and_asked_again(away, monkeypatch):
    asked = []

    def fails(*_):
        asked.append(1)
        raise caches.RedisError("away")

    monkeypatch.setattr(caches.RedisCacheClient, "get", fails)
    away.get("a")
    away.get("a")
    assert len(asked) == 1
    caches.ForgivingClient.asked_again_at = time.monotonic()
    away.get("a")
    assert len(asked) == 2
