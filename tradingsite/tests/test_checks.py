"""Settings that work but are not safe are said at each start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tradingsite import checks

BASE = Path(checks.__file__).parent.parent


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


@pytest.mark.parametrize(("value", "proxies"), [("true", "1"), ("false", "0")])
def test_forwarded_addresses_count_only_behind_a_proxy(tmp_path, value, proxies):
    told = "from tradingsite import settings; print(settings.REST_FRAMEWORK['NUM_PROXIES'])"
    own = {"ENVIRONMENT": "testing", "DATA_DIR": str(tmp_path), "TLS_PROXY": value, "PATH": os.environ["PATH"]}
    ran = subprocess.run([sys.executable, "-c", told], cwd=BASE, env=own, capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == proxies


def test_several_processes_do_not_share_one_file(safe, monkeypatch):
    safe.REDIS_URL = "redis://host"
    monkeypatch.setitem(safe.DATABASES["default"], "ENGINE", "django.db.backends.sqlite3")
    assert ids(checks.processes) == ["tradingsite.W003"]


def test_a_key_others_can_read_is_refused(safe, tmp_path):
    (tmp_path / "secret_key").touch(0o644)
    (tmp_path / "private").touch(0o600)
    assert ids(checks.keys_are_private) == ["tradingsite.E003"]
