"""`manage.py up --feed <exchange>` as a real process against a fake exchange, and `manage.py stream` beside it."""

import subprocess
import sys
import time
from itertools import pairwise

import pytest
from django.conf import settings

from markets.tests.fake_exchange import FakeExchange
from tradingsite.tests.process import Up, environment, free_port, manage
from tradingsite.tests.test_up import rows, wait_for_trades

STEPS = {"5m": 300_000, "15m": 900_000, "1h": 3_600_000}


@pytest.fixture
def fake():
    with FakeExchange() as served:
        yield served


def wait_for(data_dir, query, answer, seconds=40.0):
    until = time.monotonic() + seconds
    while (found := rows(data_dir, query)) != answer:
        assert time.monotonic() < until, f"{query} gives {found} after {seconds:g} s"
        time.sleep(0.1)


def no_gaps(data_dir):
    for timeframe, step in STEPS.items():
        times = rows(
            data_dir,
            f"select instrument_id, open_time from markets_candle where timeframe = '{timeframe}' order by 1, 2",
        )
        for (one, before), (other, after) in pairwise(times):
            assert one != other or after - before == step, (timeframe, one, before, after)


@pytest.mark.requirement("MKT-06")
@pytest.mark.requirement("MKT-03")
@pytest.mark.slow
def test_it_trades_paper_on_live_prices_and_survives_a_kill(tmp_path, fake):
    up = Up(tmp_path, "--feed", "binanceusdm", **fake.environment())
    with up:
        assert "LIVE · binanceusdm" in up.printed()
        wait_for(tmp_path, "select source from markets_exchangestate", [("stream",)])
        wait_for_trades(tmp_path, 1)
        no_gaps(tmp_path)
        up.kill()
    fake.world.advance(1)
    asked = fake.log.last
    with Up(tmp_path, "--feed", "binanceusdm", **fake.environment()) as again:
        wait_for(tmp_path, "select source from markets_exchangestate", [("stream",)])
        no_gaps(tmp_path)
        checked = rows(
            tmp_path, "select count(*) from (select 1 from bots_cycle group by bot_id, slot having count(*) > 1)"
        )
        assert checked == [(0,)]
        assert again.stop() == 0
    # What is stored is not asked for again.
    assert sum(int(call.params["limit"]) for call in fake.log.of("klines", since=asked)) < 200


@pytest.mark.requirement("MKT-06")
def test_an_exchange_out_of_reach_is_said_at_once_with_what_to_do_instead(tmp_path):
    nowhere = f"http://127.0.0.1:{free_port()}"
    refused = manage(
        tmp_path, "up", "--port", str(free_port()), "--feed", "binanceusdm", EXCHANGE_URL_BINANCEUSDM=nowhere
    )

    assert refused.returncode == 2
    assert "The exchange binanceusdm cannot be used now" in refused.stderr
    assert "--feed simulated" in refused.stderr
    assert "--feed replay" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_streams_of_what_is_no_exchange_are_refused(tmp_path):
    refused = manage(tmp_path, "stream", "fantasia")

    assert refused.returncode == 2
    assert "There is no exchange «fantasia»" in refused.stderr


HEAVY = ("ccxt", "openai", "talib", "pandas")
WEB = """
import asyncio, sys
from tradingsite.asgi import application
from django.test import AsyncClient
answer = asyncio.run(AsyncClient().get("/health"))
assert answer.status_code == 200, answer.status_code
assert asyncio.run(AsyncClient().get("/sign-in/")).status_code == 200
"""
BEAT = """
import sys
from tradingsite.celery import app
app.loader.import_default_modules()
from django_celery_beat.schedulers import DatabaseScheduler
"""


@pytest.mark.requirement("OPS-03")
@pytest.mark.parametrize("process", [WEB, BEAT], ids=["web", "beat"])
def test_web_and_beat_carry_no_library_of_workers(tmp_path, process):
    listed = f"print([name for name in {HEAVY!r} if name in sys.modules])"
    ran = subprocess.run(
        [sys.executable, "-c", process + listed], cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=60,
        env=environment(tmp_path, DJANGO_SETTINGS_MODULE="tradingsite.settings", ALLOWED_HOSTS="testserver"),
    )  # fmt: skip

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip().splitlines()[-1] == "[]"
