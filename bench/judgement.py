"""What one entry costs from an answer to a judged draft: CPU time, since a backtest takes this passage again and again.

`python -m bench.judgement` prints one JSON object. Beside it stands the floor of anything that asks as many rules: a
call and two products of decimals for each.
"""

import json
import sys
from collections.abc import Callable
from decimal import Decimal
from time import process_time

import numpy as np

from . import market

ROUNDS, CALLS = 5, 2000


def main() -> None:
    market.start()
    from bots.domain.decisions import parse
    from bots.domain.judgement import judge
    from bots.domain.rules import RULES
    from bots.tests import builders as made
    from markets.domain.covariance import Covariance

    symbols = (made.BTC, made.ETH, made.SOL)
    views = [
        made.view(100, symbol=symbol, series={"5m": made.walk(300), "1h": made.walk(300)}, liquidity=10**6)
        for symbol in symbols
    ]
    told = made.briefing(
        *views, timeframes=("5m", "1h"), covariance=Covariance(symbols, np.eye(3) * 0.0004),
        portfolio_=made.portfolio(made.held(made.ETH, quantity=10, stop=95)),
    )  # fmt: skip
    item = {"symbol": made.BTC, "action": "open_long", "conviction": 0.7, "stop": 95, "target": 112}
    answer = parse({"summary": "", "items": [item]}, known=told.symbols)
    [judged] = judge(told, answer).items
    if judged.draft is None:
        raise RuntimeError("The entry was to pass every rule.")
    result = {"rules": len(RULES), "whole": fastest(lambda: judge(told, answer)), "floor": fastest(floor(len(RULES)))}
    sys.stdout.write(json.dumps(result))


def floor(rules: int) -> Callable[[], None]:
    one, other = Decimal("1765.123"), Decimal("0.5005")

    def rule(first: Decimal, second: Decimal) -> bool:
        return first * second <= second * first

    def passage() -> None:
        for _ in range(rules):
            rule(one, other)

    return passage


def fastest(work: Callable[[], object]) -> float:
    """Microseconds of CPU, of the best round: what else runs on the machine only adds to it."""
    best = float("inf")
    for _ in range(ROUNDS):
        begun = process_time()
        for _ in range(CALLS):
            work()
        best = min(best, (process_time() - begun) / CALLS * 1e6)
    return best


if __name__ == "__main__":
    main()
