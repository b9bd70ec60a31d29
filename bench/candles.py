"""The candle store in a process of its own: import, load, windows and indicators of a cycle, beside floors and a peer.

`python -m bench.candles` works in the place it is started in, whose database is empty, and prints one JSON object.
"""

import json
import statistics
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from . import market
from .walking import START, minutes

SYMBOLS = tuple(f"C{number}/USDT:USDT" for number in range(8))
TIMEFRAMES = ("1m", "5m", "15m")
NEWEST = 500
# What a cycle reads: averages, RSI, MACD, Bollinger bands, ATR and the stochastic, on each of the 24 series.
NAMES = (
    "ema_20", "ema_50", "rsi_14", "macd", "macd_signal", "macd_histogram", "bollinger_upper", "bollinger_middle",
    "bollinger_lower", "atr_14", "stochastic_k", "stochastic_d",
)  # fmt: skip
ROUNDS, FEW = 300, 7


def main() -> None:
    market.start()
    market.migrate()
    from django.conf import settings
    from django.db import connection

    instruments = listed()
    result = imported(Path(settings.DATA_DIR), instruments[0])
    result |= read(instruments[0])
    result |= windows(instruments)
    if connection.vendor == "sqlite":
        result |= indicators(instruments)
    sys.stdout.write(json.dumps(result))


def listed() -> list[Any]:
    from markets.listing import ensure_instrument

    return [ensure_instrument(exchange="bench", symbol=symbol, sample=minutes(10)) for symbol in SYMBOLS]


def middle(work: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """The median of milliseconds of wall time."""
    return statistics.median(timed(work) for _ in range(rounds))


def timed(work: Callable[[], Any]) -> float:
    begun = perf_counter()
    work()
    return (perf_counter() - begun) * 1000


def imported(folder: Path, instrument: Any) -> dict[str, float]:
    """A year of minutes out of a file, as the command does it; and the bare driver with the same rows."""
    from markets.imports import import_files
    from markets.models import Candle

    candles = minutes()
    path = folder / "bench" / "C0_USDT_USDT-1m.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, candles)
    floor = timed(lambda: bare_insert(instrument.pk, candles))
    Candle.objects.all().delete()
    took = timed(lambda: import_files(paths=[path], now=datetime.now(UTC)))
    return {"import_s": took / 1000, "import_floor_s": floor / 1000}


def write(path: Path, candles: Any) -> None:
    import pyarrow
    from pyarrow import parquet

    names = ("timestamp", "open", "high", "low", "close", "volume")
    parquet.write_table(pyarrow.table(dict(zip(names, candles.columns(), strict=True))), path)


def bare_insert(instrument: int, candles: Any) -> None:
    """The driver's own fastest usual way: executemany, or COPY."""
    from django.db import connection, transaction

    rows = zip(*(column.tolist() for column in candles.columns()), strict=True)
    names = "instrument_id, timeframe, open_time, open, high, low, close, volume"
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            marks = ", ".join(["%s"] * 8)
            cursor.executemany(
                f"INSERT INTO markets_candle ({names}) VALUES ({marks})", ((instrument, "1m", *row) for row in rows)
            )
            return
        with cursor.copy(f"COPY markets_candle ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row((instrument, "1m", *row))


COLUMNS = "open_time, open, high, low, close, volume"
SELECT = f"SELECT {COLUMNS} FROM markets_candle WHERE instrument_id = %s AND timeframe = %s"


def read(instrument: Any) -> dict[str, float]:
    from django.db import connection

    from markets import history

    def bare(order: str) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(f"{SELECT} ORDER BY open_time {order}", [instrument.pk, "1m"])
            return np.fromiter(chain.from_iterable(cursor.fetchall()), np.float64).reshape(-1, 6)

    assert len(history.newest(instrument, "1m", NEWEST)) == NEWEST
    return {
        "load_s": middle(lambda: history.load(instrument, "1m"), 3) / 1000,
        "load_floor_s": middle(lambda: bare(""), 3) / 1000,
        "newest_ms": middle(lambda: history.newest(instrument, "1m", NEWEST)),
        "newest_floor_ms": middle(lambda: bare(f"DESC LIMIT {NEWEST}")),
    }


def windows(instruments: list[Any]) -> dict[str, float]:
    """The windows of a cycle for 8 instruments and 3 timeframes: from the store, and kept in this process."""
    from django.db import connection

    from markets import history
    from markets.domain.candles import TIMEFRAMES as STEPS
    from markets.domain.candles import instant, resample
    from markets.domain.windows import bounds
    from markets.models import Candle

    for number, instrument in enumerate(instruments):
        part = minutes(40_000, number)
        for name in TIMEFRAMES:
            built = part if name == "1m" else resample(part, STEPS["1m"], STEPS[name])
            history.store(instrument=instrument, timeframe=name, candles=built)
    Candle.objects.analyze()
    now = instant(START + 40_000 * 60_000)

    def cold() -> None:
        history.forget()
        assert all(len(one.candles) for one in history.series(instruments, TIMEFRAMES, now).values())

    def bare() -> None:
        keys = [(one.pk, name, *bounds(name, now)) for one in instruments for name in TIMEFRAMES]
        with connection.cursor() as cursor:
            for key in keys:
                cursor.execute(f"{SELECT} AND open_time BETWEEN %s AND %s", key)
                np.fromiter(chain.from_iterable(cursor.fetchall()), np.float64)

    return {
        "cold_floor_ms": middle(bare, 30),
        "cold_ms": middle(cold, 30),
        "warm_ms": middle(lambda: history.series(instruments, TIMEFRAMES, now)),
    }


def indicators(instruments: list[Any]) -> dict[str, float]:
    """All of `NAMES` over the 24 windows, from the arrays of the store; and the same by a peer on its frames."""
    from markets import history
    from markets.domain.snapshot import Series

    kept = [history.newest(one, name, NEWEST) for one in instruments for name in TIMEFRAMES]

    def ours() -> None:
        for candles, name in zip(kept, TIMEFRAMES * len(instruments), strict=True):
            series = Series(name, candles)
            for indicator in NAMES:
                series.indicator(indicator)

    ours()
    found = {"indicators_ms": middle(ours)}
    return found | {"peer_ms": middle(lambda: peer(kept), FEW)} | {"talib_ms": middle(lambda: bare_talib(kept))}


def bare_talib(kept: list[Any]) -> None:
    import talib

    for c in kept:
        talib.EMA(c.close, 20)
        talib.EMA(c.close, 50)
        talib.RSI(c.close, 14)
        talib.MACD(c.close)
        talib.BBANDS(c.close, 20)
        talib.ATR(c.high, c.low, c.close, 14)
        talib.STOCH(c.high, c.low, c.close, 14, 3, 0, 3, 0)


def peer(kept: list[Any]) -> None:
    """pandas-ta-classic, by itself and with frames made of the same arrays."""
    import pandas
    import pandas_ta_classic as ta

    for c in kept:
        frame = pandas.DataFrame({"high": c.high, "low": c.low, "close": c.close})
        ta.ema(frame.close, 20, talib=False)
        ta.ema(frame.close, 50, talib=False)
        ta.rsi(frame.close, 14, talib=False)
        ta.macd(frame.close, talib=False)
        ta.bbands(frame.close, 20, talib=False)
        ta.atr(frame.high, frame.low, frame.close, 14, talib=False)
        ta.stoch(frame.high, frame.low, frame.close, 14, 3, 3, talib=False)


if __name__ == "__main__":
    main()
