"""The measures: which places each needs, the processes it runs there, and the figures that come of them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import places
from .figures import Figure
from .places import Place

ROOT = Path(__file__).resolve().parent.parent
HOLDERS, LOG_ROWS = 5, 100_000
TIMETABLE = 5_000
IN_FLIGHT = 200
CROWD = 300
HOLDER = "house:buy_and_hold"
INTERVAL_MS = 180_000
# Counted on captured prompts of the Alpha Arena: 3,900 to 4,900 for the same six instruments.
ARENA_TOKENS = 4_400
MARKET_DATA = (ROOT / os.environ.get("MARKET_DATA", "../shared/data")).resolve()
STAND_INS = ("house:trend", "house:mean_reversion", "house:random")
Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Lab:
    """A folder for all places, the number of runs, and somebody to tell what goes on."""

    folder: Path
    runs: int
    say: Callable[[str], None]

    @contextmanager
    def place(self, kind: str, *steps: Sequence[str]) -> Iterator[Place]:
        """A new place, filled by these steps of `bench.prepare`."""
        made = places.sqlite(self.folder) if kind == "SQLite" else places.postgres(self.folder)
        try:
            for step in steps:
                self.process(made, "prepare", *step)
            yield made
        finally:
            made.drop()

    def process(self, place: Place, module: str, *args: str, redis: str = "") -> Result:
        """One fresh process; what it printed. Raises RuntimeError with what it said where it failed."""
        self.say(f"{place.kind}: {module} {' '.join(args)}")
        done = subprocess.run(
            [sys.executable, "-m", f"bench.{module}", *args],
            cwd=ROOT, env={**place.environment, "REDIS_URL": redis}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"bench.{module} ended with {done.returncode} on {place.kind}:\n{done.stderr[-3000:]}")
        return json.loads(done.stdout) if done.stdout else {}

    def repeated(self, base: Place, module: str, *args: str, redis: str = "") -> list[Result]:
        """A run on a copy of its own, as often as asked for."""
        return [self.once(base, module, *args, redis=redis) for _ in range(self.runs)]

    def once(self, base: Place, module: str, *args: str, redis: str = "") -> Result:
        copied = base.copy()
        try:
            return self.process(copied, module, *args, redis=redis)
        finally:
            copied.drop()


def column(results: Sequence[Result], name: str) -> list[float]:
    return [result[name] for result in results]


def holding(lab: Lab, kind: str) -> list[Figure]:
    """A holding cycle with empty tables and with long ones, by turns, so that both meet the same neighbours."""
    with lab.place(kind, ["bots", str(HOLDERS), HOLDER]) as empty:
        filled = empty.copy()
        try:
            lab.process(filled, "prepare", "rows", str(LOG_ROWS))
            pairs = [(lab.once(empty, "holding"), lab.once(filled, "holding")) for _ in range(lab.runs)]
        finally:
            filled.drop()
    short, long = [one for one, _ in pairs], [other for _, other in pairs]
    driver, most = ("sqlite3", 10) if kind == "SQLite" else ("psycopg", 15)
    wall, bare = column(short, "wall"), column(short, "floor")
    return [
        Figure(f"holding cycle, {kind}", "ms", wall, f"ms: bare {driver}", bare, at_most=most),
        Figure("  of it CPU of our process", "ms", column(short, "cpu"), at_most=12),
        Figure("  statements", "", column(short, "statements"), at_most=21),
        Figure(
            f"  with {LOG_ROWS:,} log rows a bot", "ms", column(long, "wall"), "ms: empty tables", wall,
            at_most=1.2, of_ratio=True,
        ),
    ]  # fmt: skip


def claims(lab: Lab, kind: str) -> list[Figure]:
    with lab.place(kind, ["timetable", str(TIMETABLE)]) as base:
        runs = lab.repeated(base, "claims")
    bots, first = f"of {TIMETABLE:,} bots, {kind}", runs[0]
    return [
        Figure(
            f"claim {first['due']:.0f} {bots}", "ms", column(runs, "tick"), "ms: bare driver", column(runs, "floor"), 50
        ),
        Figure("  nobody is due", "ms", column(runs, "idle"), at_most=50),
        Figure(f"  after 10 s without a tick: {runs[0]['paused']}", "ms", column(runs, "pause"), at_most=50),
        Figure(f"  after an outage: {runs[0]['all']:,}", "ms", column(runs, "outage")),
    ]


def flight(lab: Lab, redis: str) -> list[Figure]:
    with lab.place("PostgreSQL", ["bots", str(IN_FLIGHT), HOLDER]) as base:
        runs = lab.repeated(base, "flight", redis=redis)
    cpu = [run["worker_ms"] + run["dispatch_ms"] for run in runs]
    bots = [INTERVAL_MS / 2 / ms for ms in cpu]
    return [
        Figure(
            "CPU of a cycle, worker and dispatcher", "ms", cpu, "ms: an empty task", column(runs, "celery_ms"),
            at_most=45,
        ),
        Figure("  bots a core, every 3 minutes, half busy", "", bots, at_least=2_000),
        Figure("cycles in flight in one worker", "", column(runs, "in_flight"), at_least=IN_FLIGHT),
        Figure(
            "  all of them, a model of 20 s", "s", column(runs, "seconds"), "s: the model alone", column(runs, "ideal"),
            at_most=2, of_ratio=True,
        ),
        Figure(
            "  memory of each", "MB", column(runs, "each_mb"), "MB: a prefork slot", column(runs, "prefork"), at_most=2
        ),
        Figure("  memory of the idle worker", "MB", column(runs, "idle_mb")),
    ]  # fmt: skip


def asking(lab: Lab, redis: str) -> list[Figure]:
    with lab.place("PostgreSQL", ["bots", str(IN_FLIGHT), HOLDER]) as base:
        runs = lab.repeated(base, "asking", redis=redis)
    figures = []
    for seconds in (2, 20):
        alone = [float(seconds)] * len(runs)
        name = f"{IN_FLIGHT} bots ask a model of {seconds} s at once"
        figures += [
            Figure(name, "s", column(runs, f"seconds_{seconds}"), "s: the model alone", alone),
            Figure("  in flight together", "", column(runs, f"most_{seconds}")),
            Figure("  answered", "", column(runs, f"answered_{seconds}"), at_least=IN_FLIGHT),
            Figure("  CPU of a cycle beside its model", "ms", column(runs, f"cpu_ms_{seconds}")),
            Figure("  memory of each", "MB", column(runs, f"each_mb_{seconds}"), at_most=2),
        ]
    return figures


def crowd(lab: Lab, kind: str, redis: str, minutes: int) -> list[Figure]:
    by_worker = ["worker"] if kind == "PostgreSQL" else []
    with lab.place(kind, ["bots", str(CROWD)]) as base:
        runs = lab.repeated(base, "crowd", str(minutes), *by_worker, redis=redis if by_worker else "")
    how = "a worker, Redis" if by_worker else "one process"
    grown = [100 * run["grown_mb"] / (run["mb"] - run["grown_mb"]) for run in runs]
    return [
        Figure(f"{CROWD} house bots, {minutes} min of market, {kind}, {how}", "x the market", column(runs, "speed")),
        Figure("  an instant without cycles", "ms", column(runs, "quiet_ms")),
        Figure("  errors and differences from the venue", "", column(runs, "errors"), at_most=0),
        Figure("  memory at the end", "MB", column(runs, "mb")),
        Figure("  of it grown meanwhile", "%", grown, at_most=10),
    ]


def tokens(lab: Lab, kind: str) -> list[Figure]:
    """What a question costs in tokens, and how many questions the triggers spare on real candles."""
    with lab.place(kind) as empty:
        words = lab.process(empty, "words")
        figures = [
            Figure(
                "tokens of a question: six instruments, three positions", "", [words["whole"]],
                "the arena's, without its system part", [ARENA_TOKENS], at_most=2_500,
            ),
            Figure("  of them the same at every question", "", [words["static"]]),
            Figure("  estimated for reservations", "", [words["estimate"]], "counted", [words["whole"]]),
            Figure("  of the emergency question", "", [words["emergency"]]),
        ]  # fmt: skip
        if MARKET_DATA.is_dir():
            for strategy in STAND_INS:
                figures += _spared(strategy, lab.process(empty, "month", str(MARKET_DATA), strategy))
    return figures


def _spared(strategy: str, found: Result) -> list[Figure]:
    moments = f"% of {found['moments']:,.0f} moments of May 2025"
    return [
        Figure(f"questions spared, {strategy} as the model", "%", [found["skipped"]], moments),
        Figure(
            "  of what was skipped it would have acted on", "%", [found["missed_truth"]],
            f"% by {found['shadows']:.0f} shadow questions", [found["missed_sample"]],
        ),
    ]  # fmt: skip


def statistics(lab: Lab, kind: str) -> list[Figure]:
    """All statistics of one book with a long past: read from nothing, and after one more position."""
    with lab.place(kind, ["bots", "1", HOLDER], ["closed", str(LOG_ROWS)]) as base:
        runs = lab.repeated(base, "statistics")
    of, driver = f"of {LOG_ROWS:,} closed positions, {kind}", "sqlite3" if kind == "SQLite" else "psycopg"
    return [
        Figure(f"statistics {of}", "ms", column(runs, "whole"), f"ms: {driver} reads", column(runs, "floor"), 400),
        Figure("  after one more position", "ms", column(runs, "more"), at_most=20),
    ]


def judgement(lab: Lab) -> list[Figure]:
    """The whole passage of one entry through sizing and every rule: pure, so it needs no tables."""
    made = places.sqlite(lab.folder)
    try:
        runs = [lab.process(made, "judgement") for _ in range(lab.runs)]
    finally:
        made.drop()
    rules = f"of {runs[0]['rules']:.0f} rules, with sizing"
    beside = "us: as many calls with two products"
    return [
        Figure(f"judgement of an entry, {rules}", "us CPU", column(runs, "whole"), beside, column(runs, "floor"), 30)
    ]


def candles(lab: Lab, kind: str) -> list[Figure]:
    """The candle store: a year of minutes in and out, and what a cycle reads of it."""
    with lab.place(kind) as empty:
        runs = lab.repeated(empty, "candles")
    driver, of = "sqlite3" if kind == "SQLite" else "psycopg", f"of 24 series, {kind}"
    figures = [
        Figure(
            f"import of a year of minutes, {kind}", "s", column(runs, "import_s"), f"s: bare {driver}",
            column(runs, "import_floor_s"),
        ),
        Figure(
            "  load of it into numpy", "s", column(runs, "load_s"), f"s: bare {driver}", column(runs, "load_floor_s")
        ),
        Figure(
            "  newest 500 of it into numpy", "ms", column(runs, "newest_ms"), f"ms: bare {driver}",
            column(runs, "newest_floor_ms"), at_most=0.5,
        ),
        Figure(
            f"windows {of}, from the store", "ms", column(runs, "cold_ms"), f"ms: bare {driver}",
            column(runs, "cold_floor_ms"), at_most=8,
        ),
        Figure("  kept in the process", "ms", column(runs, "warm_ms"), at_most=1),
    ]  # fmt: skip
    if kind == "SQLite":
        ours = column(runs, "indicators_ms")
        figures += [
            Figure(f"indicators {of}", "ms", ours, "ms: bare TA-Lib", column(runs, "talib_ms"), at_most=1),
            Figure(
                "  pandas-ta-classic on the same candles", "ms", column(runs, "peer_ms"), "ms: ours", ours,
                at_least=80, of_ratio=True,
            ),
        ]  # fmt: skip
    return figures


def walks(lab: Lab) -> list[Figure]:
    """Backtests on synthetic candles, and where BENCH_PEERS names a Python that has them, the peers in the same run."""
    with lab.place("SQLite", ["year"]) as place:
        fresh, soon = (
            [lab.process(place, "walking", "stored", decider) for _ in range(lab.runs)]
            for decider in ("house:sma_cross", "bench:regular")
        )
        runs = {name: [lab.process(place, "walking", name) for _ in range(lab.runs)] for name in WALKS}
        grown = {
            period: [lab.process(place, "walking", "linear", period) for _ in range(lab.runs)] for period in PERIODS
        }
        peers, odd = beside(lab, place)
    rates = {name: column(ran, "rate") for name, ran in runs.items()}
    trades = f"{runs['dense'][0]['trades']:,} trades"
    return [
        Figure(
            f"backtest, a year of minutes, {trades}", "candles/s", rates["dense"], "backtesting.py",
            peers.get("backtesting", ()), at_least=3, of_ratio=True,
        ),
        *([Figure("  trades that differ from its", "", odd, at_most=0)] if odd else []),
        Figure("  beside warm vectorbt", "candles/s", rates["dense"], "vectorbt", peers.get("vectorbt", ())),
        Figure("  under the locks of a policy", "candles/s", rates["locked"], "without", rates["dense"]),
        Figure("  a trade in 1,500 candles", "candles/s", rates["sparse"], at_least=3_000_000),
        Figure(
            "  the same beside warm vectorbt", "candles/s", rates["sparse"], "vectorbt",
            peers.get("vectorbt-sparse", ()), at_least=0.5, of_ratio=True,
        ),
        Figure("  memory", "MB", column(runs["dense"], "mb"), at_most=300),
        Figure("  fresh process to the result, from the store", "s of CPU", column(fresh, "cpu"), at_most=2),
        Figure("  of it the run", "s", column(fresh, "walked")),
        Figure("  memory of it", "MB", column(fresh, "mb"), at_most=300),
        Figure("  the same with a trade in 1,500 candles", "s of CPU", column(soon, "cpu"), at_most=2),
        Figure("  a decider asked at every candle", "candles/s", rates["asked"], at_least=58_000),
        Figure(
            "  8 instruments in one book", "candles/s", rates["book"], "one", rates["alone"], at_least=0.5,
            of_ratio=True,
        ),
        *(figure for period, ran in grown.items() for figure in _linear(period, ran)),
    ]  # fmt: skip


def _linear(period: str, ran: Sequence[Result]) -> list[Figure]:
    """What each of several years costs beside one year, where the rule trades as often whatever the prices."""
    one, what = column(ran, "years_1"), f"a trade in {int(period):,} candles"
    return [
        Figure(f"  {years} years, of each, {what}", "s", column(ran, f"years_{years}"), "s: one year", one,
               at_most=1.1, of_ratio=True)
        for years in (2, 4)
    ]  # fmt: skip


def ticks(lab: Lab, kind: str) -> list[Figure]:
    """From a push of an exchange to the socket of an open page."""
    with lab.place(kind) as place:
        runs = lab.repeated(place, "live_tick")
    return [
        Figure("a live price at an open page, p99", "ms", column(runs, "p99"), "ms: ccxt.pro alone",
               column(runs, "bare_p99"), at_most=50),
        Figure("  median", "ms", column(runs, "p50"), "ms: ccxt.pro alone", column(runs, "bare_p50")),
    ]  # fmt: skip


def beside(lab: Lab, place: Place) -> tuple[dict[str, list[float]], list[float]]:
    """Candles a second of the peers, warm, and how many trades differ; empty where there are none."""
    python, path, lively = os.environ.get("BENCH_PEERS"), str(lab.folder / "year.npz"), str(lab.folder / "lively.npz")
    if not python:
        return {}, []
    candles = lab.process(place, "walking", "data", path)["candles"]
    rates = {
        tool: [candles / peer(lab, python, tool, path)["warm"] for _ in range(lab.runs)]
        for tool in ("backtesting", "vectorbt", "vectorbt-sparse")
    }
    ours = lab.process(place, "walking", "lively", lively)["trades"]
    return rates, [float(differing(ours, peer(lab, python, "backtesting", lively)["trades"]))]


def peer(lab: Lab, python: str, tool: str, path: str) -> Result:
    lab.say(f"peer: {tool}")
    command = [python, str(ROOT / "bench" / "peers.py"), tool, path]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])


def differing(ours: Sequence[Sequence[Any]], theirs: Sequence[Sequence[Any]]) -> int:
    """Trades that are not the same in bars, side and prices; prices within a tick, which only we trade at."""
    pairs = zip(ours, theirs, strict=False)
    same = sum(
        one[:3] == other[:3] and all(abs(a - b) <= TICK for a, b in zip(one[3:], other[3:], strict=True))
        for one, other in pairs
    )
    return max(len(ours), len(theirs)) - same


TICK = 0.1
WALKS = ("dense", "locked", "sparse", "asked", "book", "alone")
PERIODS = ("1500", "45")
NAMES = (
    "holding", "claims", "flight", "asking", "crowd", "tokens", "statistics", "judgement", "candles", "walks", "ticks"
)  # fmt: skip


def measured(name: str, lab: Lab, kinds: Sequence[str], redis: str | None, minutes: int) -> list[Figure]:
    """The figures of one measure, wherever it can be taken. Raises KeyError for a name there is none of."""
    if name == "walks":
        return walks(lab)
    if name in ("flight", "asking"):
        return {"flight": flight, "asking": asking}[name](lab, redis) if redis else []
    if name == "crowd":
        there = [kind for kind in kinds if kind == "SQLite" or redis]
        return [figure for kind in there for figure in crowd(lab, kind, redis or "", minutes)]
    if name == "tokens":
        return tokens(lab, "SQLite")
    if name == "judgement":
        return judgement(lab)
    if name == "ticks":
        return ticks(lab, "SQLite")
    measure = {"candles": candles, "holding": holding, "claims": claims, "statistics": statistics}[name]
    return [figure for kind in kinds for figure in measure(lab, kind)]
