"""The same rule in other tools, run by a Python that has them (BENCH_PEERS): they are no part of the product.

`python bench/peers.py backtesting|vectorbt|vectorbt-sparse FILE` trades the candles of FILE twice and prints the CPU
seconds of both runs and the trades (of backtesting.py one by one). The rule is that of house:sma_cross: out at a
crossing against the position, in at the open after it, 10 % of equity, stop 2 %, target 4 %, fee 0.05 % a side.
"""

import json
import sys
from time import process_time
from typing import Any

import numpy as np

CASH, SHARE, STOP, TARGET, FEE = 1_000_000, 0.1, 0.02, 0.04, 0.0005
PERIOD, HELD = 1_500, 700


def average(values: Any, period: int) -> Any:
    sums = np.concatenate([[0.0], np.cumsum(values)])
    found = np.full(len(values), np.nan)
    found[period - 1 :] = (sums[period:] - sums[:-period]) / period
    return found


def by_backtesting(columns: dict[str, Any]) -> Any:
    import pandas as pd
    from backtesting import Backtest, Strategy

    names = ("open", "high", "low", "close", "volume")
    index = pd.to_datetime(columns["time"], unit="ms")
    frame = pd.DataFrame({name.title(): columns[name] for name in names}, index=index)

    class Crossing(Strategy):
        def init(self) -> None:
            self.fast = self.I(average, self.data.Close, 20)
            self.slow = self.I(average, self.data.Close, 50)

        def next(self) -> None:
            above = [self.fast[-n] > self.slow[-n] for n in (1, 2, 3)]
            if np.isnan(self.slow[-3]):
                return
            if self.position:
                if above[0] != above[1] and above[0] != self.position.is_long:
                    self.position.close()
            elif not above[0] == above[1] == above[2]:
                price, sign = self.data.Close[-1], 1 if above[0] else -1
                order = self.buy if above[0] else self.sell
                order(size=SHARE, sl=price * (1 - sign * STOP), tp=price * (1 + sign * TARGET))

    def run() -> list[Any]:
        done = Backtest(frame, Crossing, cash=CASH, commission=FEE, exclusive_orders=False).run()["_trades"]
        rows = zip(done.EntryBar, done.ExitBar, done.Size, done.EntryPrice, done.ExitPrice, strict=True)
        return [[int(first), int(last), bool(size > 0), float(a), float(b)] for first, last, size, a, b in rows]

    return run


def by_vectorbt(columns: dict[str, Any]) -> Any:
    import vectorbt as vbt

    close, fast, slow = columns["close"], average(columns["close"], 20), average(columns["close"], 50)
    above = fast > slow
    known = ~np.isnan(slow)
    crossed = np.zeros(len(close), bool)
    crossed[1:] = (above[1:] != above[:-1]) & known[:-1]
    return _signals(vbt, columns, crossed & above, crossed & ~above)


def by_vectorbt_sparse(columns: dict[str, Any]) -> Any:
    import vectorbt as vbt

    place = np.arange(len(columns["close"])) + 1
    entries, exits = place % PERIOD == 0, place % PERIOD == HELD
    return _signals(vbt, columns, entries, np.zeros(len(place), bool), exits)


def _signals(vbt: Any, columns: dict[str, Any], long: Any, short: Any, exits: Any = None) -> Any:
    closed = np.zeros(len(long), bool) if exits is None else exits

    def run() -> list[Any]:
        done = vbt.Portfolio.from_signals(
            columns["close"], entries=long, exits=closed, short_entries=short, short_exits=closed,
            open=columns["open"], high=columns["high"], low=columns["low"], sl_stop=STOP, tp_stop=TARGET,
            size=SHARE * CASH, size_type="value", fees=FEE, init_cash=CASH * 10, freq="1min",
        )  # fmt: skip
        return [None] * int(done.trades.count())

    return run


if __name__ == "__main__":
    tool, path = sys.argv[1:]
    with np.load(path) as file:
        loaded = {name: file[name] for name in file.files}
    ready = {"backtesting": by_backtesting, "vectorbt": by_vectorbt, "vectorbt-sparse": by_vectorbt_sparse}[tool](
        loaded
    )
    seconds: list[float] = []
    trades: list[Any] = []
    for _ in range(2):
        begun = process_time()
        trades = ready()
        seconds.append(process_time() - begun)
    sys.stdout.write(json.dumps({"cold": seconds[0], "warm": seconds[1], "trades": trades}))
