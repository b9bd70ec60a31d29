from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets.candle_files import BadFile, Contents, contents, read_candles, read_funding
from markets.domain.candles import TIMEFRAMES, instant

from . import samples

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HEADER = "timestamp,open,high,low,close,volume"


def csv_file(folder: Path, *lines: str, name="BTC_USDT_USDT-1m.csv") -> Path:
    path = folder / "binanceusdm" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def lines_of(part) -> list[str]:
    return [HEADER, *(",".join(map(repr, row)) for row in zip(*(c.tolist() for c in part.columns()), strict=True))]


def read(path: Path, now=NOW):
    return read_candles(contents(path), now)


def refusal(path: Path, reader=read_candles) -> str:
    with pytest.raises(BadFile) as refused:
        reader(contents(path), NOW)
    sentence = str(refused.value)
    assert str(path) in sentence
    assert "\n" not in sentence
    return sentence


# --- What a name says --------------------------------------------------------------------------------------


@pytest.mark.requirement("MKT-04")
@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("binanceusdm/BTC_USDT_USDT-5m.parquet", ("candles", "binanceusdm", "BTC/USDT:USDT", "5m")),
        ("binanceusdm/BTC_USDT_USDT-funding.parquet", ("funding", "binanceusdm", "BTC/USDT:USDT", "")),
        ("binanceusdm/BTC_USDT_USDT-mark-8h.parquet", ("mark", "binanceusdm", "BTC/USDT:USDT", "8h")),
        ("coinbase/BTC_USD-quote-1m.parquet", ("quote", "coinbase", "BTC/USD", "1m")),
        ("binance/XRP_ETH-trades.parquet", ("trades", "binance", "XRP/ETH", "")),
        ("bybit/BTC_USDT-5m.csv", ("candles", "bybit", "BTC/USDT", "5m")),
        ("hyperliquid/kPEPE_USDC_USDC-1h.feather", ("candles", "hyperliquid", "kPEPE/USDC:USDC", "1h")),
        ("data/binance/futures/BTC_USDT_USDT-5m-futures.feather", ("candles", "binance", "BTC/USDT:USDT", "5m")),
        ("data/okx/futures/BTC_USDT_USDT-8h-funding_rate.feather", ("funding", "okx", "BTC/USDT:USDT", "8h")),
        ("data/okx/futures/BTC_USDT_USDT-8h-mark.feather", ("mark", "okx", "BTC/USDT:USDT", "8h")),
    ],
)
def test_the_path_says_what_a_file_holds(path, said):
    held = contents(Path(path))

    assert (held.kind, held.exchange, held.symbol, held.timeframe) == said


def test_what_the_caller_says_goes_first():
    held = contents(Path("x/mine.csv"), exchange="okx", symbol="BTC/USDT:USDT", timeframe="1h")

    assert held == Contents(Path("x/mine.csv"), "candles", "okx", "BTC/USDT:USDT", "1h")


@pytest.mark.parametrize(
    ("options", "words"),
    [({}, "--exchange and --symbol"), ({"exchange": "okx", "symbol": "BTC/USDT:USDT"}, "--timeframe")],
)
def test_a_name_that_says_too_little_is_refused(options, words):
    with pytest.raises(BadFile, match=words):
        contents(Path("mine.csv"), **options)


# --- Candles -----------------------------------------------------------------------------------------------


@pytest.mark.requirement("MKT-04")
def test_a_csv_file_is_read_to_the_last_digit(tmp_path):
    part = samples.candles(100)

    seen = read(csv_file(tmp_path, *lines_of(part)))

    assert all(np.array_equal(a, b) for a, b in zip(seen.columns(), part.columns(), strict=True))


@pytest.mark.parametrize(
    "time",
    ["1735689600000", "1735689600000.0", "2025-01-01T00:00:00Z", "2025-01-01 00:00:00", "2025-01-01T01:00:00+01:00"],
)
def test_times_are_milliseconds_or_iso_8601(tmp_path, time):
    seen = read(csv_file(tmp_path, HEADER, f"{time},1,2,0.5,1.5,10"))

    assert instant(int(seen.time[0])) == datetime(2025, 1, 1, tzinfo=UTC)


def test_columns_may_come_in_any_order_with_others_between_and_a_mark_in_front(tmp_path):
    path = csv_file(tmp_path, "")
    path.write_text(
        "Close,Date,High,Low,Open,Volume,trades\n1.5,2025-01-01T00:00Z,2,0.5,1,10,7\n", encoding="utf-8-sig"
    )

    seen = read(path)

    assert [column[0] for column in seen.columns()[1:]] == [1, 2, 0.5, 1.5, 10]


@pytest.mark.requirement("MKT-04")
@pytest.mark.parametrize("suffix", [".parquet", ".feather"])
def test_parquet_and_feather_are_read_to_the_last_digit(tmp_path, suffix):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import feather, parquet

    part = samples.candles(100)
    table = pyarrow.table(dict(zip(HEADER.split(","), part.columns(), strict=True)))
    path = csv_file(tmp_path, "", name=f"BTC_USDT_USDT-1m{suffix}")
    parquet.write_table(table, path) if suffix == ".parquet" else feather.write_feather(table, path)

    seen = read(path)

    assert all(np.array_equal(a, b) for a, b in zip(seen.columns(), part.columns(), strict=True))


@pytest.mark.requirement("MKT-04")
def test_a_file_of_freqtrade_is_read_as_it_is(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import feather

    part = samples.candles(60, "5m")
    columns = dict(zip(("date", "open", "high", "low", "close", "volume"), part.columns(), strict=True))
    columns["date"] = pyarrow.array(part.time, pyarrow.timestamp("ms", tz="UTC"))
    path = csv_file(tmp_path, "", name="BTC_USDT_USDT-5m-futures.feather")
    feather.write_feather(pyarrow.table(columns), path)

    assert read(path).time.tolist() == part.time.tolist()


def test_without_pyarrow_csv_is_read_and_parquet_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)

    assert len(read(csv_file(tmp_path, *lines_of(samples.candles(3))))) == 3
    assert "pip install pyarrow" in refusal(csv_file(tmp_path, "x", name="BTC_USDT_USDT-1m.parquet"))


@pytest.mark.requirement("MKT-05")
@settings(max_examples=60, deadline=None)
@given(
    row=st.integers(0, 29),
    column=st.integers(1, 5),
    value=st.sampled_from(["nan", "inf", "-inf", "-1", "", "abc", "1,5", "None"]),
)
def test_one_bad_value_refuses_the_file_and_names_the_row(tmp_path_factory, row, column, value):
    lines = lines_of(samples.candles(30))
    cells = lines[row + 1].split(",")
    cells[column] = value
    lines[row + 1] = ",".join(cells)

    sentence = refusal(csv_file(tmp_path_factory.mktemp("bad"), *lines))

    assert f"row {row + 1}:" in sentence


@pytest.mark.requirement("MKT-05")
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("1735689660000,1,2,0.5,0,10", "not above zero"),
        ("1735689660000,1,0.9,0.5,1.5,10", "do not enclose"),
        ("1735689660000,1,2,1.2,1.5,10", "do not enclose"),
        ("1735689600000,1,2,0.5,1.5,10", "repeats the row before"),
        ("1735689540000,1,2,0.5,1.5,10", "before the row before"),
        ("1735689661000,1,2,0.5,1.5,10", "not on the grid"),
        ("1735689660,1,2,0.5,1.5,10", "milliseconds or ISO"),
        ("1893456000000,1,2,0.5,1.5,10", "not closed yet"),
        ("yesterday,1,2,0.5,1.5,10", "cannot be read"),
        ("1735689660000,1,2,0.5,1.5", "5 values and the header 6"),
    ],
)
def test_each_kind_of_bad_candle_is_refused_with_its_reason(tmp_path, line, words):
    sentence = refusal(csv_file(tmp_path, HEADER, "1735689600000,1,2,0.5,1.5,10", line))

    assert words in sentence
    assert "row 2" in sentence


def test_a_candle_closes_at_its_end_and_not_before(tmp_path):
    path = csv_file(tmp_path, *lines_of(samples.candles(3)))
    end = datetime(2025, 1, 1, 0, 3, tzinfo=UTC)

    assert len(read(path, end)) == 3
    with pytest.raises(BadFile, match="row 3: the candle has not closed yet"):
        read(path, end.replace(minute=2, second=59))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no column"),
        (HEADER, "no rows"),
        ("timestamp,open,high,low,close\n1735689600000,1,2,0.5,1.5", "no column volume"),
        ("open,high,low,close,volume\n1,2,0.5,1.5,3", "no column timestamp"),
    ],
)
def test_a_file_without_what_it_needs_is_refused(tmp_path, content, words):
    assert words in refusal(csv_file(tmp_path, content))


@pytest.mark.parametrize("name", ["BTC_USDT_USDT-1m.csv", "BTC_USDT_USDT-1m.parquet", "BTC_USDT_USDT-1m.feather"])
def test_garbage_is_refused_and_never_a_traceback(tmp_path, name):
    path = csv_file(tmp_path, "", name=name)
    path.write_bytes(bytes(range(256)) * 10)

    refusal(path)


def test_a_kind_of_file_that_nobody_reads_is_refused(tmp_path):
    assert "cannot be read" in refusal(csv_file(tmp_path, "x", name="BTC_USDT_USDT-1m.xlsx"))


# --- Funding -----------------------------------------------------------------------------------------------


@pytest.mark.requirement("MKT-09")
def test_funding_times_are_set_to_the_hour_they_belong_to(tmp_path):
    path = csv_file(
        tmp_path,
        "timestamp,funding_rate",
        "1735689600007,0.0001",
        "1735693200000,-0.00002",
        "1735698230000,0.0003",
        name="BTC_USDT_USDT-funding.csv",
    )

    seen = read_funding(contents(path), NOW)

    assert seen.rate.tolist() == [0.0001, -0.00002, 0.0003]
    assert (seen.time % TIMEFRAMES["1h"] == 0).all()
    assert np.diff(seen.time).tolist() == [TIMEFRAMES["1h"]] * 2


@pytest.mark.requirement("MKT-05")
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("1735693200000,nan", "rate is not a number"),
        ("1735693200000,inf", "rate is not a number"),
        ("1735693200000,1.5", "rate is not a number"),
        ("1735689600009,0.1", "that of the row before"),
        ("1735686000000,0.1", "before the row before"),
        ("1893456000000,0.1", "in the future"),
    ],
)
def test_bad_funding_is_refused(tmp_path, line, words):
    path = csv_file(tmp_path, "timestamp,funding_rate", "1735689600000,0.0001", line, name="BTC_USDT_USDT-funding.csv")

    assert words in refusal(path, read_funding)


@pytest.mark.requirement("MKT-09")
def test_real_funding_files_are_good(market_data):
    pytest.importorskip("pyarrow")
    files = sorted(market_data.rglob("*-funding.parquet"))

    assert files
    for path in files:
        seen = read_funding(contents(path), NOW)
        assert len(set(seen.time.tolist())) == len(seen)


@pytest.mark.requirement("MKT-05")
def test_real_candle_files_are_good(market_data):
    pytest.importorskip("pyarrow")
    files = [path for path in sorted(market_data.rglob("*.parquet")) if path.stem.partition("-")[2] in TIMEFRAMES]

    assert files
    for path in files:
        assert len(read(path)) > 0
