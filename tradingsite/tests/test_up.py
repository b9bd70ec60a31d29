"""`manage.py up` as a new user meets it: it starts, trades, refuses in words, stops, survives kill -9."""

import json
import os
import random
import signal
import sqlite3
import time

import pytest

from tradingsite.tests.process import Up, free_port, manage

FAST = ("--speed", "100000")


def rows(data_dir, query):
    connection = sqlite3.connect(f"file:{data_dir}/trading.sqlite3?mode=ro", uri=True, timeout=20)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def wait_for(found, otherwise, seconds=90.0):
    """What `found` returns as soon as that is true."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if it := found():
            return it
        time.sleep(0.1)
    raise AssertionError(otherwise)


def wait_for_trades(data_dir, count):
    traded = "select count(*) from ledger_trade"
    wait_for(lambda: rows(data_dir, traded)[0][0] >= count, f"There were fewer than {count} trades.")


def wait_for_child(up, command):
    return wait_for(lambda: up.children(command), f"There was no process of «{command}».")[0]


def test_it_starts_from_nothing_trades_and_stops_in_order(tmp_path):
    with Up(tmp_path) as up:
        assert up.get("/health")[0] == 200
        wait_for_trades(tmp_path, 1)
        assert rows(tmp_path, "select count(*) from bots_bot where status = 'running'") == [(4,)]
        assert up.stop() == 0
    assert "the next start resumes here" in up.printed()
    assert rows(tmp_path, "select count(*) from bots_cycle where status in ('queued', 'running')") == [(0,)]


def test_a_second_process_on_the_same_data_is_refused(tmp_path):
    with Up(tmp_path):
        second = manage(tmp_path, "up", "--port", str(free_port()))
    assert second.returncode == 2
    assert "already works on the data" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_busy_port_is_refused(tmp_path):
    with Up(tmp_path / "one") as up:
        second = manage(tmp_path / "two", "up", "--port", str(up.port))
    assert second.returncode == 2
    assert f"Port {up.port} on 127.0.0.1 is busy" in second.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--feed", "crystal-ball"), "There is no feed «crystal-ball»"),
        (("--speed", "0"), "The speed must be above zero"),
        (("--feed", "replay"), "import_candles"),
    ],
)
def test_what_cannot_run_is_said_in_a_sentence(tmp_path, arguments, sentence):
    refused = manage(tmp_path, "up", "--port", str(free_port()), *arguments)
    assert refused.returncode == 2
    assert sentence in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.requirement("EXE-03")
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ten_kills_at_random_moments_under_load(tmp_path):
    """After each kill -9 ledger and venue agree exactly, every position has a stop, nothing was done twice."""
    seed = random.randrange(10**9)
    moments = random.Random(seed)
    trades = 0
    for round_number in range(10):
        up = Up(tmp_path, *FAST)
        up.wait_until_ready()
        time.sleep(moments.uniform(0.2, 4.0))
        up.kill()
        checked = manage(tmp_path, "reconcile", "--alone", "--json")
        found = json.loads(checked.stdout)
        assert found["differences"] == 0, (seed, round_number, found)
        for query in (
            "select count(*) from (select 1 from ledger_order group by client_id having count(*) > 1)",
            "select count(*) from (select 1 from markets_paperorder group by client_id having count(*) > 1)",
            "select count(*) from (select 1 from bots_cycle group by bot_id, slot having count(*) > 1)",
            "select count(*) from (select 1 from bots_decision group by cycle_id having count(*) > 1)",
        ):
            assert rows(tmp_path, query) == [(0,)], (seed, query)
        newest = rows(tmp_path, "select count(*) from ledger_trade")[0][0]
        assert newest >= trades
        trades = newest
    assert trades > 5


@pytest.mark.browser
@pytest.mark.requirement("UI-01")
@pytest.mark.requirement("UI-09")
def test_the_arena_moves_without_reload(tmp_path, browser):
    with Up(tmp_path) as up:
        page = browser.new_page()
        outside = []
        page.on("request", lambda r: None if up.address.split("//")[1] in r.url else outside.append(r.url))
        page.goto(up.link)
        page.wait_for_selector("#ranking")
        page.evaluate("window.notReloaded = true")
        assert page.locator("#ranking tbody tr").count() == 4
        before = page.locator("#ranking").inner_text()
        page.wait_for_function(
            "before => document.querySelector('#ranking').innerText !== before", arg=before, timeout=60_000
        )
        assert page.evaluate("window.notReloaded") is True
        assert outside == []


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.requirement("BKT-01")
@pytest.mark.requirement("BKT-04")
def test_a_backtest_asked_for_by_page_runs_in_a_process_of_its_own(tmp_path, browser):
    with Up(tmp_path) as up:
        page, complaints = browser.new_page(), []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: line.type in ("error", "warning") and complaints.append(line.text))
        page.goto(up.wait_until_ready().link)
        page.goto(f"{up.address}/backtests/")
        assert "None yet." in page.locator("#runs").inner_text()
        page.select_option("select[name=decider]", "house:sma_cross")
        page.locator(".stored label", has_text="BTC/USDT:USDT").locator("input").check()
        page.get_by_role("button", name="Run", exact=True).click()
        page.get_by_text("What made it").wait_for(timeout=60_000)
        assert page.locator(".plot svg").count() >= 4
        for width in (390, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            for address in (page.url, f"{up.address}/backtests/", f"{up.address}/backtests/compare/?id=1&id=1"):
                page.goto(address)
                assert page.evaluate("document.documentElement.scrollWidth") <= width, address
        page.goto(f"{up.address}/backtests/")
        page.select_option("select[name=decider]", "house:random")
        page.get_by_role("button", name="Run", exact=True).click()
        # Frozen, it lasts for as long as the test needs.
        os.kill(wait_for_child(up, "backtest --resume"), signal.SIGSTOP)
        assert complaints == []
        assert up.stop() == 0
    states = "select state, attempts from bots_backtest order by id"
    assert rows(tmp_path, states) == [("done", 1), ("queued", 0)]
    with Up(tmp_path) as again:
        wait_for(lambda: rows(tmp_path, states) == [("done", 1), ("done", 1)], "The next start did not go on with it.")
        assert again.stop() == 0
