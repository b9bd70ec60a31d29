import json
from decimal import Decimal
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from hypothesis import given, settings
from hypothesis import strategies as st

from markets import history
from markets.candle_files import BadFile
from markets.domain.candles import TIMEFRAMES, resample
from markets.imports import Imported, import_files
from markets.models import Candle, FundingRate, Instrument, MarkCandle, RefusedData

from . import samples
from .test_candle_files import NOW, csv_file, lines_of

pytestmark = pytest.mark.django_db


def run(*args, **options) -> dict:
    """The JSON object that the command prints."""
    out = StringIO()
    call_command("import_candles", *map(str, args), json=True, stdout=out, stderr=StringIO(), **options)
    return json.loads(out.getvalue())


def refused(*args, **options) -> str:
    with pytest.raises(CommandError) as error:
        call_command("import_candles", *map(str, args), stdout=StringIO(), stderr=StringIO(), **options)
    assert error.value.returncode == 2
    return str(error.value)


@pytest.mark.requirement("MKT-04")
def test_a_file_is_stored_once_and_recognised_the_second_time(tmp_path):
    path = csv_file(tmp_path, *lines_of(samples.candles(50)))

    assert run(path) == {"read": 50, "stored": 50, "unchanged": 0, "refused": 0, "gaps": 0}
    assert run(path) == {"read": 50, "stored": 0, "unchanged": 50, "refused": 0, "gaps": 0}

    bitcoin = Instrument.objects.get()
    assert (bitcoin.exchange, bitcoin.symbol) == ("binanceusdm", "BTC/USDT:USDT")
    assert np.array_equal(history.load(bitcoin, "1m").close, samples.candles(50).close)


def test_gaps_and_rows_that_differ_from_the_store_are_counted(tmp_path):
    part = samples.without(samples.candles(50), 10, 11, 30)
    run(csv_file(tmp_path, *lines_of(part)))
    part.close[0] = part.open[0]
    part.high[0] += 1

    again = run(csv_file(tmp_path, *lines_of(part)))

    assert again == {"read": 47, "stored": 0, "unchanged": 46, "refused": 1, "gaps": 3}
    assert run_sum(again)


def run_sum(counts: dict) -> bool:
    return counts["read"] == counts["stored"] + counts["unchanged"] + counts["refused"]


def test_the_table_for_people_has_the_same_figures(tmp_path):
    out, progress = StringIO(), StringIO()

    call_command("import_candles", str(csv_file(tmp_path, *lines_of(samples.candles(50)))), stdout=out, stderr=progress)

    assert out.getvalue().split() == ["read", "50", "stored", "50", "unchanged", "0", "refused", "0", "gaps", "0"]
    assert "50 stored" in progress.getvalue()


def test_a_file_may_be_named_by_options(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(lines_of(samples.candles(20, "1h"))))

    counts = run(path, exchange="okx", symbol="XYZ/USDT:USDT", timeframe="1h")

    assert counts["stored"] == 20
    assert Instrument.objects.get().assumed


@pytest.mark.requirement("MKT-05")
@settings(max_examples=15, deadline=None)
@given(row=st.integers(0, 19), value=st.sampled_from(["nan", "0", "-3", "1e9", "", "x"]), first=st.booleans())
def test_one_bad_row_and_nothing_of_any_file_is_stored(tmp_path_factory, row, value, first):
    folder = tmp_path_factory.mktemp("mixed")
    bad = lines_of(samples.candles(20))
    bad[row + 1] = ",".join([bad[row + 1].split(",")[0], value, *bad[row + 1].split(",")[2:]])
    names = ("AAVE_USDT_USDT-1m.csv", "BTC_USDT_USDT-1m.csv")
    csv_file(folder, *bad, name=names[0 if first else 1])
    csv_file(folder, *lines_of(samples.candles(20)), name=names[1 if first else 0])

    sentence = refused(folder)

    assert f"row {row + 1}" in sentence
    assert not Candle.objects.exists()
    assert not Instrument.objects.exists()


def test_a_script_gets_its_object_also_when_a_file_is_refused(tmp_path):
    lines = lines_of(samples.candles(20))
    out = StringIO()

    with pytest.raises(CommandError):
        call_command(
            "import_candles", str(csv_file(tmp_path, *lines, lines[-1])), json=True, stdout=out, stderr=StringIO()
        )

    told = json.loads(out.getvalue())
    assert (told["read"], told["stored"], told["refused"]) == (21, 0, 1)
    assert "row 21" in told["error"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("BTC_USD_BTC-1m.csv", "inverse contract"),
        ("BTC_USDT_USDT-quote-1m.csv", "quotes are not stored"),
        ("BTC_USDT_USDT-trades.csv", "single trades"),
        ("BTC_USDT_USDT-index.csv", "neither candles nor funding"),
        ("mine.csv", "--exchange and --symbol"),
    ],
)
def test_a_file_that_cannot_be_kept_is_refused_by_name_and_passed_over_in_a_folder(tmp_path, name, words):
    csv_file(tmp_path, *lines_of(samples.candles(20)))
    other = csv_file(tmp_path, *lines_of(samples.candles(20)), name=name)
    told = []

    assert words in refused(other)
    done = import_files(paths=[tmp_path], now=NOW, progress=told.append)

    assert (done.read, done.stored, done.refused) == (40, 20, 20)
    assert any(line.startswith("passed over") and words in line for line in told)


@pytest.mark.requirement("MKT-09")
def test_mark_prices_are_kept_apart_from_what_was_traded(tmp_path):
    traded, marks = samples.candles(20), samples.candles(20, price=200)
    csv_file(tmp_path, *lines_of(traded))
    csv_file(tmp_path, *lines_of(marks), name="BTC_USDT_USDT-mark-1m.csv")

    assert run(tmp_path)["stored"] == 40

    bitcoin = Instrument.objects.get()
    np.testing.assert_array_equal(history.load(bitcoin, "1m").close, traded.close)
    kept = history.load(bitcoin, "1m", of=MarkCandle)
    np.testing.assert_array_equal(kept.close, marks.close)
    assert not kept.volume.any()


def test_mark_prices_of_an_unknown_symbol_tell_no_tick(tmp_path):
    marks = csv_file(tmp_path, *lines_of(samples.candles(20)), name="XYZ_USDT_USDT-mark-1m.csv")

    assert "no candles to infer" in refused(marks)


@pytest.mark.requirement("MKT-05")
def test_what_was_refused_is_counted_by_its_reason(tmp_path):
    lines = lines_of(samples.candles(20))
    run(csv_file(tmp_path, *lines))
    refused(csv_file(tmp_path, *lines, lines[-1], lines[-1]))
    part = samples.candles(20)
    part.volume[3] += 1
    run(csv_file(tmp_path, *lines_of(part)))

    told = {row.reason: (row.part, row.count, row.example) for row in RefusedData.objects.all()}
    assert told == {
        "duplicate": ("candles 1m", 2, "its time repeats the row before (BTC_USDT_USDT-1m.csv)"),
        "changed": ("candles 1m", 1, "it differs from the row that is stored (BTC_USDT_USDT-1m.csv)"),
    }


def test_what_is_not_there_is_refused(tmp_path):
    assert "no such file" in refused(tmp_path / "nothing.csv")
    assert "no file to import" in refused(tmp_path)


def test_funding_of_an_unknown_symbol_needs_candles_beside_it(tmp_path):
    funding = csv_file(tmp_path, "timestamp,funding_rate", "1735689600000,0.0001", name="XYZ_USDT_USDT-funding.csv")
    assert "no candles to infer" in refused(funding)

    csv_file(tmp_path, *lines_of(samples.candles(20)), name="XYZ_USDT_USDT-1m.csv")

    assert run(tmp_path)["stored"] == 21
    assert Instrument.objects.get().assumed


@pytest.mark.requirement("MKT-09")
def test_funding_is_stored_once_on_the_full_hour(tmp_path):
    lines = ("timestamp,funding_rate", "1735689600003,0.0001", "1735718400000,-0.000025")
    path = csv_file(tmp_path, *lines, name="BTC_USDT_USDT-funding.csv")

    assert run(path)["stored"] == 2
    again = csv_file(tmp_path, lines[0], lines[1].replace("003", "000"), "1735718400000,0.5", name=path.name)

    assert run(again) == {"read": 2, "stored": 0, "unchanged": 1, "refused": 1, "gaps": 0}
    assert list(FundingRate.objects.order_by("at").values_list("rate", flat=True)) == [
        Decimal("0.0001"),
        Decimal("-0.000025"),
    ]


@given(st.lists(st.integers(0, 60), min_size=2, max_size=6))
@settings(max_examples=15, deadline=None)
def test_whatever_overlaps_the_store_ends_up_with_each_candle_once(starts):
    Candle.objects.all().delete()
    bitcoin = Instrument.objects.filter(symbol="BTC/USDT:USDT").first()
    from markets.listing import ensure_instrument

    bitcoin = bitcoin or ensure_instrument(exchange="binanceusdm", symbol="BTC/USDT:USDT")
    whole = samples.candles(100)
    total = sum(
        (history.store(instrument=bitcoin, timeframe="1m", candles=whole[start : start + 40]) for start in starts),
        history.Stored(),
    )

    kept = {row for start in starts for row in range(start, min(start + 40, 100))}
    assert total.stored == len(kept) == Candle.objects.count()
    assert total.differing == 0


# --- Real data ---------------------------------------------------------------------------------------------


@pytest.fixture
def real(market_data) -> Path:
    pytest.importorskip("pyarrow")
    return market_data


@pytest.mark.slow
@pytest.mark.requirement("MKT-04")
def test_a_real_set_is_imported_as_it_is_without_a_gap(real):
    done = import_files(paths=[real / "binanceusdm-1m-2025-05"], now=NOW)

    assert (done.read, done.stored, done.refused, done.gaps) == (401_953, 401_953, 0, 0)
    assert Instrument.objects.filter(exchange="binanceusdm", assumed=False).count() == 11
    assert FundingRate.objects.filter(instrument__symbol="BTC/USDT:USDT").count() == 265


@pytest.mark.requirement("MKT-04")
def test_real_candles_resampled_equal_a_separate_download(real):
    for name in (
        "binanceusdm-5m-2023-2024/binanceusdm/LTC_USDT_USDT-5m",
        "binanceusdm-1h-2023-2024/binanceusdm/LTC_USDT_USDT-1h",
    ):
        import_files(paths=[real / f"{name}.parquet"], now=NOW)
    lite = Instrument.objects.get(symbol="LTC/USDT:USDT")

    built = resample(history.load(lite, "5m"), TIMEFRAMES["5m"], TIMEFRAMES["1h"])
    downloaded = history.load(lite, "1h")

    _, here, there = np.intersect1d(built.time, downloaded.time, return_indices=True)
    assert len(here) == len(built) > 11_900
    np.testing.assert_array_equal(built.open[here], downloaded.open[there])
    np.testing.assert_array_equal(built.close[here], downloaded.close[there])
    # The two downloads themselves differ in one hour.
    differing = (built.high[here] != downloaded.high[there]) | (built.low[here] != downloaded.low[there])
    assert differing.sum() <= 1
    assert (~np.isclose(built.volume[here], downloaded.volume[there], rtol=1e-9)).sum() <= 1


@pytest.mark.requirement("MKT-09")
def test_real_funding_of_another_exchange_is_imported(real):
    done = import_files(paths=[real / "hyperliquid-2024-2025/hyperliquid/BTC_USDC_USDC-funding.parquet"], now=NOW)

    assert done == Imported(17_454, 17_454, 0, 0, 0, done.lines)
    assert run_sum(vars_of(done))


def vars_of(done: Imported) -> dict:
    return {name: getattr(done, name) for name in ("read", "stored", "unchanged", "refused")}


@pytest.mark.requirement("MKT-05")
def test_real_candles_with_holes_are_counted_and_kept(real):
    done = import_files(paths=[real / "spot-btc-pairs-2018"], now=NOW)

    assert done.gaps == 40
    assert done.stored == 23_000
    assert all(Instrument.objects.values_list("assumed", flat=True))


def test_a_real_inverse_contract_is_refused(real):
    path = real / "perps-2022-12-13/binancecoinm/BTC_USD_BTC-1m.parquet"

    with pytest.raises(BadFile, match="inverse contract"):
        import_files(paths=[path], now=NOW)
