import json
from io import StringIO

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from markets import history, quality, refusals
from markets.domain import quality as judged
from markets.domain.candles import MINUTE, TIMEFRAMES, Candles
from markets.models import SeriesNote

from . import rows, samples
from .test_candle_files import NOW


@pytest.mark.requirement("MKT-04")
@given(st.sets(st.integers(1, 98), max_size=40))
def test_every_missing_candle_lies_in_exactly_one_gap(missing):
    whole = samples.candles(100)

    found = judged.quality(samples.without(whole, *missing), MINUTE)

    listed = [at for gap in found.gaps for at in range(gap.first, gap.last + 1, MINUTE)]
    assert listed == [int(whole.time[row]) for row in sorted(missing)]
    assert found.missing == len(missing)
    assert all(gap.missing == (gap.last - gap.first) // MINUTE + 1 for gap in found.gaps)


@pytest.mark.requirement("MKT-05")
def test_jumps_are_found_and_those_that_were_taken_back():
    part = samples.candles(300)
    close = part.close.copy()
    close[100] *= 3  # a bad print
    close[200:] *= 1.5  # another price from here on
    found = judged.quality(_shaped(part, close), MINUTE)

    # There and back are two jumps, and the way back is not taken back itself.
    assert (found.jumps, found.reverted) == (3, 1)
    assert judged.quality(part, MINUTE).jumps == 0


def test_a_change_across_a_hole_is_no_jump():
    part = samples.candles(300)
    close = part.close.copy()
    close[200:] *= 1.5
    found = judged.quality(samples.without(_shaped(part, close), 200), MINUTE)

    assert (found.jumps, found.missing) == (0, 1)


def _shaped(part, close) -> Candles:
    return Candles(part.time, close, close * 1.001, close * 0.999, close, part.volume)


@pytest.mark.requirement("MKT-05")
def test_candles_without_trades_are_told_from_those_that_moved_without_any():
    part = samples.candles(50)
    part.volume[[3, 4, 5]] = 0
    for column in (part.open, part.high, part.low, part.close):
        column[3] = 100.0

    found = judged.quality(part, MINUTE)

    assert (found.still, found.unbacked) == (3, 2)
    marks = judged.quality(part, MINUTE, traded=False)
    assert (marks.still, marks.unbacked) == (0, 0)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_hardly_any_candles_are_no_trouble(count):
    found = judged.quality(samples.candles(2)[:count], MINUTE)

    assert (found.candles, found.missing, found.jumps) == (count, 0, 0)


# --- Commands


@pytest.fixture
def bitcoin(db):
    made = rows.instrument()
    history.store(instrument=made, timeframe="1m", candles=samples.without(samples.candles(600), 100, 101, 400))
    return made


def told(command, *args, **options) -> dict:
    out = StringIO()
    call_command(command, *args, json=True, stdout=out, stderr=StringIO(), **options)
    return json.loads(out.getvalue())


@pytest.mark.requirement("MKT-04")
def test_the_report_of_a_series(bitcoin):
    refusals.count(exchange=bitcoin.exchange, symbol=bitcoin.symbol, part="candles 1m", reason="duplicate", times=2)
    refusals.write(NOW)
    [series] = told("candle_quality", symbol="BTC")["series"]

    assert (series["candles"], series["missing"], series["holes"]) == (597, 3, 2)
    assert [gap["missing"] for gap in series["gaps"]] == [2, 1]
    assert series["refused"] == {"duplicate": 2}
    note = SeriesNote.objects.get()
    assert (note.report["missing"], note.checked_at is not None) == (3, True)


def test_the_report_for_people(bitcoin):
    out = StringIO()
    call_command("candle_quality", stdout=out, stderr=StringIO())

    assert "BTC/USDT:USDT 1m: 597 candles, 3 missing, 2 holes" in out.getvalue()
    assert "2 missing from 2025-01-01 01:40 UTC" in out.getvalue()


@pytest.mark.django_db
def test_a_negative_number_of_gaps_is_refused():
    with pytest.raises(CommandError, match="--gaps must be 0 or more"):
        call_command("candle_quality", "--gaps", "-1", stdout=StringIO(), stderr=StringIO())


@pytest.mark.django_db
@pytest.mark.parametrize("command", [("candle_quality",), ("resample_candles", "1h", "--exchange", "nowhere")])
def test_nothing_stored_is_said(command):
    with pytest.raises(CommandError, match="import"):
        call_command(*command, stdout=StringIO(), stderr=StringIO())


@pytest.mark.requirement("MKT-04")
def test_resampled_candles_equal_an_independent_computation_and_say_where_they_came_from(bitcoin):
    pandas = pytest.importorskip("pandas")
    done = told("resample_candles", "5m,15m,1h", exchange=bitcoin.exchange)

    minutes = history.load(bitcoin, "1m")
    frame = pandas.DataFrame(dict(zip(("open", "high", "low", "close", "volume"), minutes.columns()[1:], strict=True)),
                             index=pandas.to_datetime(minutes.time, unit="ms"))  # fmt: skip
    shape = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    total = 0
    for timeframe in ("5m", "15m", "1h"):
        buckets = frame.resample(f"{TIMEFRAMES[timeframe] // MINUTE}min")
        whole = buckets.agg(shape)[buckets.size() == TIMEFRAMES[timeframe] // MINUTE]
        built = history.load(bitcoin, timeframe)
        assert built.time.tolist() == [int(at.timestamp() * 1000) for at in whole.index]
        for name in ("open", "high", "low", "close"):
            np.testing.assert_array_equal(getattr(built, name), whole[name])
        np.testing.assert_allclose(built.volume, whole["volume"], rtol=1e-12)
        note = SeriesNote.objects.get(timeframe=timeframe)
        assert (note.built_from, note.built) == ("1m", len(built))
        total += len(built)
    assert done == {"built": total}
    assert told("resample_candles", "5m", exchange=bitcoin.exchange) == {"built": 0}


@pytest.mark.requirement("MKT-09")
def test_an_interval_of_funding_that_changes_is_told_and_no_gap(bitcoin):
    from decimal import Decimal

    from markets.domain.candles import instant
    from markets.models import FundingRate

    hours = [0, 8, 16, 20, 24, 25]
    FundingRate.objects.bulk_create(
        [FundingRate(instrument=bitcoin, at=instant(hour * 3_600_000), rate=Decimal("0.0001")) for hour in hours]
    )

    report = quality.check(instrument=bitcoin, kind="funding", timeframe="", now=NOW)

    assert report["intervals"] == {"1": 1, "4": 2, "8": 2}
