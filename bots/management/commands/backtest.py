"""`manage.py backtest`: trade stored candles by the pure code that trades live, and print what came of it."""

import json
from argparse import ArgumentParser
from time import perf_counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bots.backtests import loader, options
from bots.backtests.checks import check
from bots.backtests.engine import Backtest, Setup
from bots.backtests.report import report
from bots.domain.untrusted import Unfit, number

_BAR = 40


class Command(BaseCommand):
    help = (
        "Trade stored candles with the rules, the venue engine and the book-keeping that trade live. Settings "
        "(--set key=value, as often as needed) are limits of the policy, options of the decider, costs (fee, "
        "half_spread, impact), policy, seed, interval, timeframes and walk (the timeframe traded through)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--decider", required=True, help="who decides, such as sma_cross or house:trend")
        parser.add_argument("--exchange", required=True, help="such as binanceusdm")
        parser.add_argument(
            "--symbols", "--pairs", "-p", nargs="+", required=True, metavar="S", help="by commas: BTC/USDT:USDT,…"
        )
        parser.add_argument("--timeframe", "-i", required=True, metavar="T", help="of the decisions, such as 5m")
        parser.add_argument("--from", dest="start", metavar="D", help="first day, such as 2025-05-01 (UTC)")
        parser.add_argument("--to", dest="end", metavar="D", help="the day it ends before")
        parser.add_argument("--timerange", metavar="D-D", help="both, as 20250501-20250601")
        parser.add_argument("--cash", default="10000", metavar="N", help="to begin with (default %(default)s)")
        parser.add_argument("--set", dest="changes", action="append", default=[], metavar="KEY=VALUE")
        parser.add_argument("--check", action="store_true", help="look for look-ahead and too little warm-up too")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, **given: Any) -> None:
        try:
            told = self._run(given)
        except (options.Unclear, loader.NotThere, Unfit) as problem:
            raise CommandError(str(problem), returncode=2) from None
        if given["json"]:
            self.stdout.write(json.dumps(told))
        else:
            self._table(told)

    def _run(self, given: dict[str, Any]) -> dict[str, Any]:
        asked = options.read(given["decider"], given["timeframe"], given["changes"])
        start, end = options.timerange(given["timerange"]) if given["timerange"] else (None, None)
        start = options.moment(given["start"]) if given["start"] else start
        end = options.moment(given["end"]) if given["end"] else end
        cash = number(given["cash"], "cash")
        if cash <= 0:
            raise options.Unclear(f"cash must be above 0, not {given['cash']}.")
        market = loader.load(
            exchange=given["exchange"], symbols=options.symbols(given["symbols"]), timeframes=asked.timeframes,
            start=start, end=end, base=asked.walk, costs=asked.with_costs,
        )  # fmt: skip
        setup = Setup(
            decider=asked.decider, policy=asked.policy, timeframes=asked.timeframes, interval=asked.interval,
            cash=cash, seed=asked.seed,
        )  # fmt: skip
        begun = perf_counter()
        result = Backtest(market, setup, passed=Progress(self, market.instants)).run()
        told = report(result, perf_counter() - begun)
        return told | {"checks": check(market, setup)} if given["check"] else told

    def _table(self, told: dict[str, Any]) -> None:
        for name in ("decider", "from", "to", "candles", "seconds", "trades", "final_equity", "fees", "funding"):
            value = told[name]
            self.stdout.write(f"{name:<16}{value:>26,}" if not isinstance(value, str) else f"{name:<16}{value:>26}")
        for name, value in told["metrics"].items():
            shown = "-" if value is None else f"{value:,.4f}" if isinstance(value, float) else f"{value:,}"
            self.stdout.write(f"  {name:<14}{shown:>26}")
        for line in (*told["warnings"], *told.get("checks", ())):
            self.stdout.write(f"\n{line}")
        if told.get("checks") == []:
            self.stdout.write("\nNo look-ahead found, and the warm-up is enough.")


class Progress:
    """A bar on standard error; where that is no terminal, a line for each quarter."""

    def __init__(self, command: BaseCommand, instants: int) -> None:
        self._write, self._instants = command.stderr, max(instants, 1)
        self._bar = command.stderr.isatty()
        self._parts, self._told = (_BAR, -1) if self._bar else (4, 0)

    def __call__(self, number: int) -> None:
        part = number * self._parts // self._instants
        if part <= self._told:
            return
        self._told = part
        if self._bar:
            ending = "\n" if part == self._parts else ""
            bar = "█" * part + "·" * (self._parts - part)
            self._write.write(f"\r{bar} {part * 100 // self._parts:3} %{ending}", style_func=str, ending="")
            self._write.flush()
        else:
            self._write.write(f"{part * 100 // self._parts} %", style_func=str)
