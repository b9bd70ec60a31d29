"""`manage.py backtest`: one JSON object on standard output, figures that add up, and sentences for what cannot be."""

import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from bots import deciders
from bots.backtests import loader, options
from bots.tests.builders import d
from bots.tests.test_backtest_engine import START, minutes
from markets import history
from markets.domain.candles import MINUTE, TIMEFRAMES, Candles, instant
from markets.listing import ensure_instrument
from markets.models import Candle, Instrument

pytestmark = pytest.mark.django_db
BTC = "BTC/USDT:USDT"


@pytest.fixture
def stored():
    """Some 1,500 minutes of BTC and ETH."""
    for symbol, seed, price in ((BTC, 3, 60_000.0), ("ETH/USDT:USDT", 4, 3_000.0)):
        instrument = ensure_instrument(exchange="binanceusdm", symbol=symbol)
        history.append(candles={(instrument.pk, "1m"): minutes(seed, 1500, start=price, step=0.002)})


def run(*words, decider="sma_cross", symbols=BTC, timeframe="1m"):
    out, err = io.StringIO(), io.StringIO()
    call_command(
        "backtest", "--exchange=binanceusdm", f"--decider={decider}", f"--symbols={symbols}",
        f"--timeframe={timeframe}", "--json", *words, stdout=out, stderr=err,
    )  # fmt: skip
    assert out.getvalue().count("\n") == 1
    return json.loads(out.getvalue()), err.getvalue()


@pytest.mark.requirement("BKT-01")
def test_it_tells_what_came_of_it(stored):
    told, progress = run()

    assert told["candles"] == 1500
    assert told["trades"] == sum(row["trades"] for row in told["tables"]["side"].values()) > 5
    assert told["fees"] > 0
    assert {"return", "max_drawdown", "win_rate", "profit_factor"} <= told["metrics"].keys()
    assert told["final_equity"] == pytest.approx(10_000 * (1 + told["metrics"]["return"]))
    assert "100 %" in progress


def test_the_same_again_is_the_same(stored):
    first, second = run(symbols=f"{BTC},ETH/USDT:USDT")[0], run("--set", "seed=0", symbols=f"{BTC},ETH/USDT:USDT")[0]

    assert first | {"seconds": 0} == second | {"seconds": 0}


@pytest.mark.requirement("BKT-02")
def test_settings_change_costs_limits_and_options(stored):
    plain = run()[0]
    free = run("--set", "fee=0")[0]
    small = run("--set", "share=0.01", "--cash", "100000")[0]

    assert free["fees"] == 0 < plain["fees"]
    assert small["metrics"]["turnover"] < plain["metrics"]["turnover"] / 5


def test_a_coarser_timeframe_is_built_from_the_stored_one_and_walked_in_it(stored):
    told = run(timeframe="5m", decider="house:trend")[0]

    assert (told["timeframe"], told["walked"], told["candles"]) == ("5m", "1m", 1500)


def test_a_timeframe_that_is_stored_for_other_years_alone_is_built_from_the_finer_one(stored):
    bitcoin = Instrument.objects.get(symbol=BTC)
    years_ago = Candles.of([(n * TIMEFRAMES["5m"], 100.0, 101.0, 99.0, 100.0, 1.0) for n in range(1, 50)])
    history.append(candles={(bitcoin.pk, "5m"): years_ago})

    told = run("--from", f"{instant(START):%Y-%m-%d}", timeframe="5m", decider="house:trend")[0]

    assert (told["timeframe"], told["walked"], told["candles"]) == ("5m", "1m", 1500)


def test_candles_read_in_parts_are_those_that_are_stored(stored, monkeypatch):
    bitcoin = Instrument.objects.get(symbol=BTC)
    Candle.objects.of(bitcoin, "1m").filter(open_time__in=[START + n * MINUTE for n in range(90, 230)]).delete()
    monkeypatch.setattr(loader, "_AT_ONCE", 100)

    [listed] = loader.load(exchange="binanceusdm", symbols=[BTC], timeframes=["1m"]).listed

    whole = history.load(bitcoin, "1m")
    assert len(whole) == 1360
    assert all(np.array_equal(one, other) for one, other in zip(listed.candles.columns(), whole.columns(), strict=True))


def test_a_period_in_each_form(stored):
    first = f"{instant(START + 600 * MINUTE):%Y-%m-%dT%H:%M}"

    assert run("--from", first)[0]["candles"] == 900
    assert run("--timerange", f"{START // 1000 + 36_000}-")[0]["candles"] == 900


def test_checks_are_told(stored):
    assert run("--check")[0]["checks"] == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"decider": "smacross"}, "Did you mean sma_cross"),
        ({"symbols": "BTCUSDT"}, "has no instrument «BTCUSDT»"),
        ({"timeframe": "7m"}, "«7m» is no timeframe"),
        (("--set", "stp=2"), "Did you mean stop"),
        (("--set", "stop"), "is no setting"),
        (("--set", "stop=wide"), "must be a number"),
        (("--set", "fee=2"), "fraction of the price"),
        (("--set", "max_leverage=500"), "at most 50"),
        (("--set", "policy=wild"), "There is no policy"),
        (("--set", "seed=1e1000000"), "seed is out of all bounds"),
        (("--set", "seed=-1"), "seed must be a whole number from 0 to"),
        (("--set", "seed=9223372036854775808"), "seed must be a whole number from 0 to"),
        (("--set", "max_positions=1e1000000"), "max_positions is out of all bounds"),
        (("--set", "max_positions=1e10"), "max_positions must be a whole number"),
        (("--set", "max_positions=2.5"), "max_positions must be a whole number"),
        (("--set", "fee=1e-1000000"), "fee is out of all bounds"),
        (("--set", "stop=0"), "stop of house:sma_cross must be from"),
        (("--from", "²²²²²²²²²²"), "is no day"),
        (("--cash", "-5"), "cash must be above 0"),
        (("--cash", "much"), "cash must be a number"),
        (("--from", "2050-01-01"), "are stored from"),
        (("--from", "tomorrow"), "is no day"),
        (("--timerange", "20250101"), "is no time range"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(stored, words, sentence):
    named, more = (words, ()) if isinstance(words, dict) else ({}, words)

    with pytest.raises(CommandError, match=sentence) as refused:
        run(*more, **named)
    assert refused.value.returncode == 2


def test_spot_is_refused_before_anything_is_read(stored):
    ensure_instrument(exchange="binanceusdm", symbol="BTC/USDT", sample=minutes(3, 100))

    with pytest.raises(CommandError, match=r"Only linear perpetuals trade here, and BTC/USDT is spot\."):
        run(symbols="BTC/USDT")


def test_an_exchange_without_candles_is_said():
    with pytest.raises(loader.NotThere, match="import_candles"):
        loader.load(exchange="nowhere", symbols=[BTC], timeframes=["1m"])


def test_percent_signs_are_read():
    assert options.read("sma_cross", "1m", ["fee=0.05%"]).costs == {"taker_fee": d("0.0005"), "maker_fee": d("0.0005")}


def test_a_database_without_tables_is_said_in_a_sentence(tmp_path):
    words = ["backtest", "--decider=trend", "--exchange=binanceusdm", f"--symbols={BTC}", "--timeframe=5m"]
    empty = {"DATABASE_URL": f"sqlite:///{tmp_path}/empty.sqlite3", "DATA_DIR": str(tmp_path), "ENVIRONMENT": "testing"}
    done = subprocess.run(
        [sys.executable, "manage.py", *words],
        capture_output=True, text=True, cwd=settings.BASE_DIR, env={"PATH": os.environ["PATH"], **empty},
    )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr.startswith("CommandError: The database is not ready (no such table")
    assert done.stderr.count("\n") == 1


def test_the_help_names_every_decider_in_code(capsys):
    with pytest.raises(SystemExit):
        call_command("backtest", "--help")

    told = " ".join(capsys.readouterr().out.split())
    assert all(name.partition(":")[2] in told for name in deciders.names())


def test_a_plain_run_loads_nothing_that_only_a_report_needs():
    script = (
        "import django, sys; django.setup(); import bots.management.commands.backtest;"
        "heavy = ('bots.backtests.document', 'bots.backtests.luck', 'bots.backtests.runs', 'pandas', 'ccxt',"
        " 'pydantic', 'daphne.server', 'twisted.internet.reactor', 'bots.admin', 'rest_framework.views', 'bots.cycle');"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=settings.BASE_DIR)

    assert done.stdout.strip() == "[]", done.stderr
