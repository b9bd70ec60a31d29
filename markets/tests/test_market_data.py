"""The whole folder of real data through the store: every row is accounted for, and every gap is found."""

import itertools
import json
from pathlib import Path

import pytest

from markets import quality
from markets.domain.candles import TIMEFRAMES
from markets.imports import import_files
from markets.models import Candle, FundingRate, Instrument, MarkCandle, SeriesNote

from .test_candle_files import NOW

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.timeout(900)]
MODELS = {"ohlcv": Candle, "mark": MarkCandle}


@pytest.fixture
def manifest(market_data) -> list[dict]:
    pytest.importorskip("pyarrow")
    return json.loads((market_data / "manifest.json").read_text())["series"]


def rows_of(manifest, *kinds):
    return sum(series["rows"] for series in manifest if series["kind"] in kinds)


def kept(series) -> bool:
    """Whether it can be stored: quotes and trades are not, and inverse contracts cannot be traded here."""
    return series["kind"] in ("ohlcv", "mark", "funding") and not series["symbol"].endswith(":BTC")


def note_of(series) -> SeriesNote:
    instrument = Instrument.objects.get(exchange=series["exchange"], symbol=series["symbol"])
    return SeriesNote.objects.get(
        instrument=instrument, kind="candles" if series["kind"] == "ohlcv" else "mark", timeframe=series["timeframe"]
    )


@pytest.mark.requirement("MKT-04")
@pytest.mark.requirement("MKT-05")
def test_every_file_is_imported_or_refused_with_a_reason_and_every_gap_is_found(market_data, manifest):
    folders = sorted({market_data / series["set"] for series in manifest})
    told = []

    done = import_files(paths=folders, now=NOW, progress=told.append)

    assert done.read == rows_of(manifest, "ohlcv", "mark", "funding", "quote", "trades") == 1_575_598
    assert done.read == done.stored + done.unchanged + done.refused
    assert done.stored == sum(series["rows"] for series in manifest if kept(series))
    passed_over = [line for line in told if line.startswith("passed over")]
    assert len(passed_over) == sum(not kept(series) for series in manifest)
    assert all(
        any(Path(series["file"]).name in line for line in passed_over) for series in manifest if not kept(series)
    )
    # Nothing was refused for its values: only whole files, by what they are.
    assert done.refused == sum(series["rows"] for series in manifest if not kept(series))
    assert Candle.objects.count() + MarkCandle.objects.count() + FundingRate.objects.count() == done.stored

    again = import_files(paths=folders, now=NOW)

    assert (again.stored, again.unchanged, again.refused) == (0, done.stored, done.refused)
    every_gap_is_found([series for series in manifest if kept(series) and series["kind"] != "funding"], market_data)


def every_gap_is_found(stored, folder):
    """What the report says is what the times in the files say, and what the manifest says of a series in one file."""
    by_series = {}
    for series in stored:
        by_series.setdefault(tuple(series[name] for name in ("exchange", "symbol", "kind", "timeframe")), []).append(
            series
        )
    for files in by_series.values():
        report, told = note_of(files[0]).report, files[0]["quality"]
        assert report["candles"] == sum(file["rows"] for file in files)
        assert report["bad"] == 0
        assert [(gap["first"], gap["missing"]) for gap in report["gaps"]] == gaps_in(files, folder)[: quality.LISTED]
        if len(files) == 1:
            assert (report["holes"], report["missing"]) == (told["gaps"], told["missing_candles"]), files[0]["file"]
            assert files[0]["kind"] == "mark" or report["still"] == told["zero_volume"], files[0]["file"]
    assert sum(len(files) == 1 for files in by_series.values()) == 58
    assert note_of(next(one for one in stored if "prelisting" in one["file"])).report["unbacked"] == 921


def gaps_in(files, folder) -> list[tuple[int, int]]:
    """First missing open time and number of candles of each gap, from the times alone."""
    from pyarrow import parquet

    step = TIMEFRAMES[files[0]["timeframe"]]
    times = sorted(at for file in files for at in parquet.read_table(folder / file["file"])["timestamp"].to_pylist())
    pairs = itertools.pairwise(times)
    return [(one + step, (other - one) // step - 1) for one, other in pairs if other - one != step]
