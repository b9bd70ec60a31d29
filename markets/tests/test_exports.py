import json
from io import StringIO

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from markets import exports, history
from markets.candle_files import BadFile
from markets.imports import import_files
from markets.models import Candle, FundingRate, Instrument, MarkCandle

from . import rows, samples
from .test_candle_files import NOW, csv_file, lines_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def stored(tmp_path):
    """An instrument with candles of two timeframes, mark prices and funding."""
    folder = tmp_path / "in"
    folder.mkdir()
    part = samples.candles(300)
    part.volume[:] = np.random.default_rng(1).random(300) * 1e-7 + 1 / 3
    csv_file(folder, *lines_of(part))
    csv_file(folder, *lines_of(samples.candles(40, "5m")), name="BTC_USDT_USDT-5m.csv")
    csv_file(folder, *lines_of(samples.candles(40, "1h")), name="BTC_USDT_USDT-mark-1h.csv")
    csv_file(folder, "timestamp,funding_rate", "1735689600000,0.0001", "1735718400000,-0.000025123456",
             name="BTC_USDT_USDT-funding.csv")  # fmt: skip
    import_files(paths=[folder], now=NOW)
    return Instrument.objects.get()


def tables():
    return [list(model.objects.order_by("pk").values_list()) for model in (Candle, MarkCandle)] + [
        list(FundingRate.objects.order_by("at").values_list("at", "rate"))
    ]


@pytest.mark.requirement("MKT-04")
@pytest.mark.parametrize("form", exports.FORMATS)
def test_what_is_exported_and_imported_again_is_equal_to_the_last_digit(stored, tmp_path, form):
    if form != "csv":
        pytest.importorskip("pyarrow")
    before, out = tables(), StringIO()
    call_command("export_candles", str(tmp_path / "out"), exchange="binanceusdm", format=form, json=True, stdout=out,
                 stderr=StringIO())  # fmt: skip
    told = json.loads(out.getvalue())
    assert (told["rows"], len(told["files"])) == (382, 4)
    for model in (Candle, MarkCandle, FundingRate):
        model.objects.all().delete()

    done = import_files(paths=[tmp_path / "out"], now=NOW)

    assert (done.stored, done.refused) == (382, 0)
    assert tables() == before


def test_only_what_is_asked_for_is_exported(stored, tmp_path):
    call_command("export_candles", str(tmp_path / "out"), exchange="binanceusdm", symbols="BTC", timeframes="1m",
                 kinds="candles", format="csv", since="2025-01-01T01:00", until="2025-01-01T02:00", stdout=StringIO(),
                 stderr=StringIO())  # fmt: skip

    [path] = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert path.relative_to(tmp_path / "out").as_posix() == "binanceusdm/BTC_USDT_USDT-1m.csv"
    assert len(path.read_text().splitlines()) == 61


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"exchange": "nowhere"}, "No instrument of nowhere"),
        ({"exchange": "binanceusdm", "symbols": "XRP"}, "No XRP"),
        ({"exchange": "binanceusdm", "timeframes": "7m"}, "no timeframe 7m"),
        ({"exchange": "binanceusdm", "kinds": "foo"}, "no kind foo: candles, mark, funding"),
        ({"exchange": "binanceusdm", "since": "soon"}, "soon is no time"),
        ({"exchange": "binanceusdm", "since": "2030-01-01"}, "Nothing of that is stored"),
    ],
)
def test_what_cannot_be_exported_is_said_in_a_sentence(stored, tmp_path, options, words):
    with pytest.raises(CommandError, match=words):
        call_command("export_candles", str(tmp_path / "out"), stdout=StringIO(), stderr=StringIO(), **options)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_said(stored, tmp_path):
    (tmp_path / "out").write_text("a file, not a folder")

    with pytest.raises(BadFile, match="it cannot be written"):
        exports.export(instrument=stored, kind="candles", timeframe="1m", folder=tmp_path / "out", form="csv")


@pytest.mark.requirement("MKT-04")
@pytest.mark.parametrize("count", [1, 499, 700])
def test_few_and_many_rows_are_stored_alike_and_what_is_there_stays(count):
    bitcoin, part = rows.instrument(), samples.candles(count)
    changed = samples.candles(count, seed=9)

    Candle.objects.add(bitcoin.pk, "1m", part)
    Candle.objects.add(bitcoin.pk, "1m", changed)

    kept = history.load(bitcoin, "1m")
    for ours, given in zip(kept.columns(), part.columns(), strict=True):
        np.testing.assert_array_equal(ours, given)
    np.testing.assert_array_equal(history.newest(bitcoin, "1m", 200).time, part.time[-200:])
    assert len(history.newest(bitcoin, "5m", 200)) == 0
