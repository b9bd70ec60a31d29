"""The production form with its real processes on PostgreSQL and Redis: it trades, drains, and outlives its servers."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

from faults.servers import NoServers, Postgres, Redis
from tradingsite.tests.production import PROCESSES, SERVICES, Site, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SPEED = "600"
TRADES = (
    "SELECT a.name, t.at, i.symbol, t.side, t.quantity, t.price FROM ledger_trade t "
    "JOIN ledger_account a ON a.id = t.account_id JOIN markets_instrument i ON i.id = t.instrument_id "
    "ORDER BY t.at, a.name, t.id"
)


@pytest.fixture(scope="module")
def servers():
    """PostgreSQL and Redis of this module's own, and a folder."""
    with tempfile.TemporaryDirectory(prefix="production-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL does not run as root
        try:
            started = Postgres(folder / "postgres"), Redis(folder / "redis")
            for server in started:
                server.start()
        except NoServers as missing:
            pytest.skip(str(missing))
        yield folder, *started
        for server in started:
            server.kill()


@pytest.fixture(scope="module")
def prepared(servers):
    """The name of a database with the demo's bots on a simulated market."""
    site = Site(servers[0] / "prepared", *servers[1:])
    site.create()
    site.manage("migrate", "--noinput")
    site.manage("feed", "simulated", "--demo", "--speed", SPEED)
    site.manage("collectstatic", "--noinput")
    return site.database


@pytest.fixture
def site(servers, prepared, request):
    folder, postgres, redis = servers
    redis.flush()
    with Site(folder / request.node.name[5:35], postgres, redis).create(prepared) as site:
        yield site


def until_they_trade(site):
    wait_until(lambda: site.trades() > 4, "There are no trades")


@pytest.mark.requirement("OPS-01")
@pytest.mark.requirement("OPS-03")
def test_every_process_does_its_part(site):
    site.start("lab")
    site.manage(
        "shell", "-c", "from tradingsite.celery import app; app.send_task('bots.tasks.sign_of_life', queue='lab')"
    )
    wait_until(lambda: site.rows("SELECT 1 FROM ledger_heartbeat"), "The lab does not work")
    site.rows("DELETE FROM ledger_heartbeat RETURNING 1")
    site.start("web", "cycles", "market", "beat", "guardian")
    until_they_trade(site)

    wait_until(lambda: len(site.get("/ready")["processes"]) == 3, "Somebody gives no sign of life")
    ready = site.get("/ready")
    assert ready["status"] == "ready"
    assert all(part["ok"] for part in ready["processes"].values())
    wait_until(lambda: '"event": "cycle"' in site.log("cycles"), "Cycles are not in the log")
    for name in ("guardian", "dispatcher", "cycles"):
        alive = [sys.executable, "-m", "tradingsite.alive", name]
        assert subprocess.run(alive, cwd=settings.BASE_DIR, env=site.variables, check=False).returncode == 0
    most = sum(int(SERVICES[name]["environment"]["DATABASE_POOL"]) for name in PROCESSES)
    connected = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{site.database}'"
    assert len(PROCESSES) - 1 <= site.number(connected) <= most


@pytest.mark.requirement("OPS-06")
def test_sigterm_in_the_middle_of_cycles_loses_nothing(site):
    site.start("web", "cycles", "market", "beat", "guardian")
    until_they_trade(site)
    with psycopg.connect(site.postgres.url(site.database)) as holder:
        # Nobody commits a decision while their table is locked, so cycles stay under way.
        holder.execute("LOCK TABLE bots_decision IN SHARE MODE")
        wait_until(lambda: site.cycles("running"), "No cycle is under way")
        for name in site.processes:
            site.signal(name)
        free = "SELECT count(*) FROM markets_feed WHERE lease_until IS NULL"
        wait_until(lambda: site.number(free), "The market is not given back")
        assert site.processes["cycles"].poll() is None
    codes = {name: process.wait(60) for name, process in site.processes.items()}

    assert codes == dict.fromkeys(site.processes, 0), {name: site.log(name)[-2000:] for name in codes}
    assert site.cycles("running") == 0
    assert site.differences() == []
    bare = "SELECT count(*) FROM ledger_order WHERE state IN ('planned', 'sending', 'unknown')"
    assert site.number(bare) == 0

    site.start("cycles", "market", "beat")
    site.moves_on(6)
    assert site.number("SELECT count(*) FROM bots_cycle WHERE status NOT IN ('done', 'queued', 'running')") == 0
    site.stop("cycles", "market", "beat")
    assert site.differences() == []


def test_two_of_each_trade_as_one_of_each(servers, prepared, site):
    folder, postgres, redis = servers
    site.start("cycles", "market", "beat")
    wait_until(lambda: site.instants() >= 24, "The market does not move")
    site.stop()
    redis.flush()
    with Site(folder / "doubled", postgres, redis).create(prepared) as doubled:
        doubled.start("cycles", "market", "beat", "cycles 2", "market 2", "beat 2")
        wait_until(lambda: doubled.instants() >= 24, "The market does not move")
        doubled.stop()
        both = min(one.rows("SELECT max(market_now) FROM markets_feed")[0][0] for one in (site, doubled))
        alone, twice = ([row for row in one.rows(TRADES) if row[1] < both] for one in (site, doubled))
        assert alone == twice
        assert len(alone) > 4
        assert doubled.cycles("done") >= 4 * 8
        assert doubled.number("SELECT count(*) FROM bots_cycle WHERE status <> 'done'") <= 4
        assert doubled.differences() == []


@pytest.mark.requirement("RSK-06")
def test_it_outlives_its_redis_and_its_database(site):
    site.start("web", "cycles", "market", "beat", "guardian")
    until_they_trade(site)
    site.redis.kill()
    time.sleep(6)
    assert [name for name, process in site.processes.items() if process.poll() is not None] == []
    guardian = "SELECT count(*) FROM ledger_heartbeat WHERE name = 'guardian' AND at > now() - interval '5 seconds'"
    assert site.number(guardian)
    assert site.get("/health")["status"] == "ok"
    site.redis.start()
    site.moves_on(4)
    site.redis.flush()
    site.moves_on(4)

    site.postgres.restart()
    site.moves_on(4)
    wait_until(lambda: site.number(guardian), "The guardian is silent")
    assert site.get("/health")["status"] == "ok"
    assert site.stop() == dict.fromkeys(site.processes, 0)
    assert site.differences() == []


def test_a_frozen_redis_does_not_hold_up_the_guardian_and_pages(site):
    site.start("web", "market", "beat", "guardian")
    wait_until(lambda: site.number("SELECT count(*) FROM ledger_heartbeat") == 2, "Somebody gives no sign of life")
    site.redis.freeze()
    try:
        time.sleep(5)
        begun = time.monotonic()
        assert site.get("/health")["status"] == "ok"
        assert time.monotonic() - begun < 5
        guardian = "SELECT count(*) FROM ledger_heartbeat WHERE name = 'guardian' AND at > now() - interval '5 seconds'"
        assert site.number(guardian)
    finally:
        site.redis.thaw()


@pytest.mark.requirement("OPS-01")
def test_no_connection_is_held_over_a_call_that_may_block(site):
    site.manage("shell", "-c", MORE_BOTS)
    command = [sys.executable, "-m", "tradingsite.tests.blocking_deciders", "12"]
    given = site.variables | {"DATABASE_POOL": "2"}
    told = subprocess.run(
        command, cwd=settings.BASE_DIR, env=given, capture_output=True, text=True, timeout=100, check=True
    )
    found = json.loads(told.stdout)
    assert found["ended"] == [["done", ""]] * 12, told.stderr
    assert (found["together"], found["connections"], found["most"]) == (12, 0, 2)


MORE_BOTS = """
from bots.models import Bot
from ledger import accounts
from markets.models import Feed
feed = Feed.objects.running().get()
pattern = Bot.objects.first()
chosen = list(pattern.instruments.all())
for number in range(8):
    account = accounts.open_paper_account(
        owner=pattern.owner, name=f"More {number}", feed=feed, deposit=10_000, currency="USDT", at=feed.market_now
    )
    book = accounts.open_book(account=account, name=f"More {number}", capital=10_000, at=feed.market_now)
    bot = Bot.objects.create(
        owner=pattern.owner, name=f"More {number}", book=book, policy=pattern.policy, decider=pattern.decider,
        status="running", next_run_at=feed.market_now, monogram="MO",
    )
    bot.instruments.set(chosen)
"""


@pytest.mark.browser
@pytest.mark.requirement("UI-09")
def test_the_arena_moves_without_reload_through_redis(site, browser):
    site.start("web", "cycles", "market", "beat")
    link = site.manage("shell", "-v", "0", "-c", SIGN_IN).stdout.strip()
    wait_until(lambda: site.instants() > 1, "The market does not move")
    page = browser.new_page()
    page.set_extra_http_headers({"X-Forwarded-Proto": "https"})
    page.goto(site.address + link)
    page.wait_for_selector("#ranking")
    page.evaluate("window.notReloaded = true")
    changed = "before => document.querySelector('#ranking').innerText !== before"
    for _ in range(2):
        before = page.locator("#ranking").inner_text()
        page.wait_for_function(changed, arg=before, timeout=60_000)
        # Redis comes back empty, and open pages go on.
        site.redis.kill()
        site.redis.start()
    assert page.evaluate("window.notReloaded") is True
    assert site.stop("web") == {"web": 0}


SIGN_IN = """
from ledger import sign_in
from ledger.models import User
print(sign_in.link_for(User.objects.get(username="demo")))
"""


@pytest.mark.requirement("OPS-01")
def test_production_starts_clean_with_the_documented_variables(site):
    checked = site.manage("check", "--deploy", "--fail-level", "WARNING")
    assert "no issues" in checked.stdout
    documented = (settings.BASE_DIR / ".env.example").read_text()
    own = set(site.variables) - {"PATH", "HOME", "LANG", "TMPDIR"}
    assert {name for name in own if f"#{name}=" not in documented} == set()


@pytest.mark.requirement("OPS-01")
def test_a_refusal_lists_all_that_is_missing(tmp_path):
    bare = {"ENVIRONMENT": "production", "DATA_DIR": str(tmp_path), "DEBUG": "yes", "DATABASE_POOL": "0"}
    for command in (["manage.py", "guardian"], ["-m", "celery", "-A", "tradingsite", "worker"]):
        refused = subprocess.run(
            [sys.executable, *command], cwd=settings.BASE_DIR, env=bare, capture_output=True, text=True, timeout=60
        )
        assert refused.returncode != 0
        for name in ("SECRET_KEY", "CREDENTIALS_KEYS", "ALLOWED_HOSTS", "DEBUG", "DATABASE_POOL"):
            assert name in refused.stdout + refused.stderr
