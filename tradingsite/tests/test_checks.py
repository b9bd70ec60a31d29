"""Settings that work but are not safe are said at each start."""

import pytest

from tradingsite import checks


def ids(check):
    return [message.id for message in check(None)]


@pytest.fixture(autouse=True)
def safe(settings, tmp_path):
    settings.LIVE_TRADING = settings.DEBUG = settings.PRODUCTION = False
    settings.REDIS_URL = ""
    settings.KEYS_DIR = tmp_path
    return settings


@pytest.mark.requirement("OPS-01")
def test_the_defaults_are_safe():
    every = (checks.live_trading, checks.production, checks.processes, checks.keys_are_private)
    assert [ids(check) for check in every] == [[], [], [], []]


@pytest.mark.parametrize("feed", ["simulated", "replay"])
def test_live_trading_needs_a_live_feed(safe, feed):
    safe.LIVE_TRADING, safe.FEED = True, feed
    assert ids(checks.live_trading) == ["tradingsite.W001"]


def test_live_trading_refuses_debug(safe):
    safe.LIVE_TRADING, safe.DEBUG, safe.FEED = True, True, "aster"
    assert ids(checks.live_trading) == ["tradingsite.E001"]


def test_production_refuses_any_host_and_wants_tls(safe):
    safe.PRODUCTION, safe.ALLOWED_HOSTS, safe.TLS_PROXY = True, ["*"], False
    assert ids(checks.production) == ["tradingsite.E002", "tradingsite.W002"]


def test_several_processes_do_not_share_one_file(safe, monkeypatch):
    safe.REDIS_URL = "redis://host"
    monkeypatch.setitem(safe.DATABASES["default"], "ENGINE", "django.db.backends.sqlite3")
    assert ids(checks.processes) == ["tradingsite.W003"]


def test_a_key_others_can_read_is_refused(safe, tmp_path):
    (tmp_path / "secret_key").touch(0o644)
    (tmp_path / "private").touch(0o600)
    assert ids(checks.keys_are_private) == ["tradingsite.E003"]
