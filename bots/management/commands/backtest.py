"""`manage.py backtest`: trade stored candles by the pure code that trades live, and print what came of it.

The plain run loads no more than it needs. A report (`--html`, `--csv`, `--save`) takes longer and is made only then.
"""

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, ProgrammingError

from bots import deciders
from bots.backtests import loader, options
from bots.backtests.preparing import Prepared, prepare
from bots.backtests.report import report
from bots.backtests.request import Request
from bots.domain.untrusted import Unfit

_BAR = 40
_NEEDED = ("decider", "exchange", "symbols", "timeframe")


class Command(BaseCommand):
    # They load every page of the site, which takes longer than many a run.
    requires_system_checks: tuple[str, ...] = ()
    help = (
        "Trade stored candles with the rules, the venue engine and the book-keeping that trade live. Settings "
        "(--set key=value, as often as needed) are limits of the policy, options of the decider, costs (fee, "
        "half_spread, impact), policy, seed, interval, timeframes and walk (the timeframe traded through); like=trend "
        "with random_like; money, cap, shadow and prompt with a language model. See docs/backtests.md."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--decider", help=f"{', '.join(_plain_names())}, model:<name> or recorded:<bot>")
        parser.add_argument("--exchange", help="such as binanceusdm")
        parser.add_argument("--symbols", "--pairs", "-p", nargs="+", metavar="S", help="by commas: BTC/USDT:USDT,…")
        parser.add_argument("--timeframe", "-i", metavar="T", help="of the decisions, such as 5m")
        parser.add_argument("--from", dest="start", metavar="D", help="first day, such as 2025-05-01 (UTC)")
        parser.add_argument("--to", dest="end", metavar="D", help="the day it ends before")
        parser.add_argument("--timerange", metavar="D-D", help="both, as 20250501-20250601")
        parser.add_argument("--cash", default="10000", metavar="N", help="to begin with (default %(default)s)")
        parser.add_argument(
            "--set", dest="changes", action="append", default=[], metavar="KEY=VALUE",
            help="such as risk_per_trade=0.5%%, policy=cautious, fee=0.02%%, share=0.2, seed=7, walk=5m",
        )  # fmt: skip
        parser.add_argument("--check", action="store_true", help="look for look-ahead and too little warm-up too")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
        parser.add_argument("--html", metavar="FILE", help="write the whole report as one page that needs nothing else")
        parser.add_argument("--csv", metavar="FILE", help="write all trades")
        parser.add_argument("--save", action="store_true", help="keep it with what made it, for /backtests/")
        parser.add_argument("--owner", metavar="USER", help="whose bots and models, and who sees what is kept")
        parser.add_argument("--list", action="store_true", help="what is kept, newest first, and end")
        parser.add_argument(
            "--resume", type=int, metavar="ID", help="run a kept one that waits, failed or was cancelled"
        )
        parser.add_argument("--waiting", action="store_true", help="with --resume: only if it still waits")

    def handle(self, **given: Any) -> None:
        try:
            if given["list"]:
                self._list(given)
            elif given["resume"] is not None:
                self._resume(given["resume"], given["changes"], waiting=given["waiting"])
            else:
                self._backtest(given)
        except (options.Unclear, loader.NotThere, Unfit) as problem:
            raise CommandError(str(problem), returncode=2) from None
        except OSError as problem:
            raise CommandError(f"A file could not be written: {problem}", returncode=1) from None
        except (OperationalError, ProgrammingError) as problem:
            raise CommandError(
                f"The database is not ready ({str(problem).strip()}). `manage.py migrate` makes its tables, "
                "import_candles and download_candles fill it.",
                returncode=1,
            ) from None

    def _backtest(self, given: dict[str, Any]) -> None:
        for path in filter(None, (given["html"], given["csv"])):
            if not Path(path).resolve().parent.is_dir():
                raise options.Unclear(f"There is no folder {Path(path).resolve().parent} to write {path} into.")
            if Path(path).is_dir():
                raise options.Unclear(f"{path} is a folder: name the file to write.")
        wanted = _request(given)
        whose = _user(given["owner"]) if _needs_owner(wanted, given) else None
        if whose is not None and _pays(wanted):
            self._ask(wanted, whose, given)
            return
        prepared, began = prepare(wanted, owner=whose), datetime.now(UTC)
        progress = Progress(self, prepared.market.instants)
        result, seconds = prepared.run(progress)
        told = report(result, seconds)
        told["warnings"] = [*prepared.cut, *told["warnings"]]
        checks = _check(prepared) if given["check"] else None
        if checks is not None:
            told |= {"checks": checks}
        if given["html"] or given["csv"] or given["save"]:
            told |= self._written(prepared, result, seconds, checks, given, began)
        if given["json"]:
            self.stdout.write(json.dumps(told))
        else:
            self._table(told)

    def _written(
        self, prepared: Prepared, result: Any, seconds: float, checks: Any, given: dict[str, Any], began: datetime
    ) -> dict[str, Any]:
        """Writes and keeps the whole report; gives what the plain one lacks."""
        from bots.backtests import reading, runs
        from bots.backtests.document import document

        whole = document(prepared, result, seconds, checks)
        if given["html"]:
            Path(given["html"]).write_text(reading.standalone(whole), encoding="utf-8")
        if given["csv"]:
            Path(given["csv"]).write_text(reading.table(whole), encoding="utf-8")
        more = {name: whole[name] for name in ("made", "statistics", "tables", "luck", "warnings")}
        if given["save"]:
            wall = datetime.now(UTC)
            row = runs.save(prepared=prepared, report=whole, owner=_user(given["owner"]), began=began, wall=wall)
            more["id"] = row.pk
        return more

    def _ask(self, wanted: Request, whose: Any, given: dict[str, Any]) -> None:
        """What costs money is kept from its beginning, so that it can be resumed and every call be found."""
        from bots.backtests import reading, runs
        from bots.models import Asker

        row = runs.ask(owner=whose, wanted=wanted, by=Asker.COMMAND, wall=datetime.now(UTC))
        self.stderr.write(f"Kept as {row.pk}; --resume {row.pk} goes on where it ends.", style_func=str)
        whole = self._resume(row.pk, ())
        for name, write in (("html", reading.standalone), ("csv", reading.table)):
            if given[name]:
                Path(given[name]).write_text(write(whole), encoding="utf-8")
        told = {name: value for name, value in whole.items() if name not in ("listing", "charts", "rows")}
        told["id"] = row.pk
        if given["json"]:
            self.stdout.write(json.dumps(told))
        else:
            self._table(told)

    def _resume(self, pk: int, changes: Sequence[str], *, waiting: bool = False) -> dict[str, Any]:
        from bots.backtests import runs
        from bots.models import Backtest, BacktestState

        row = Backtest.objects.light().filter(pk=pk).first()
        if row is None:
            raise options.Unclear(f"No backtest with the id {pk} is kept.")
        if row.state != BacktestState.QUEUED and not waiting:
            try:
                settings = options.changed(row.request["settings"], changes) if changes else None
                runs.again(backtest=row, wall=datetime.now(UTC), settings=settings)
            except runs.NotPossible as problem:
                raise options.Unclear(str(problem)) from None
        if not runs.run(pk=pk) and waiting:
            return {}  # cancelled since, or another process runs it: neither is ours to end
        row = Backtest.objects.get(pk=pk)
        if row.state != BacktestState.DONE:
            raise CommandError(row.error or f"It ended as {row.get_state_display().lower()}.")
        self.stderr.write(f"Done: /backtests/{pk}/", style_func=str)
        return row.report or {}

    def _list(self, given: dict[str, Any]) -> None:
        from bots.models import Backtest

        rows = Backtest.objects.light().order_by("-id")
        rows = rows.filter(owner=_user(given["owner"])) if given["owner"] else rows
        told = [_line(row) for row in rows[:200]]
        if given["json"]:
            self.stdout.write(json.dumps({"backtests": told}))
            return
        for one in told:
            gain = "" if one["return"] is None else f"{one['return']:+.2%}"
            words = (one["id"], one["state"], one["decider"], ",".join(one["symbols"]), one["timeframe"], gain)
            self.stdout.write("{:>6}  {:<10}{:<26}{:<34}{:>5}{:>10}".format(*words))
        if not told:
            self.stderr.write("Nothing is kept yet: add --save, or ask for one on /backtests/.", style_func=str)

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
        if "id" in told:
            self.stdout.write(f"\nKept as /backtests/{told['id']}/")


def _plain_names() -> list[str]:
    return [name.partition(":")[2] for name in deciders.names()]


def _request(given: dict[str, Any]) -> Request:
    missing = [f"--{name}" for name in _NEEDED if not given[name]]
    if missing:
        raise options.Unclear(f"Say {', '.join(missing)} too; --help tells what each means.")
    start, end = given["start"], given["end"]
    if given["timerange"]:
        options.timerange(given["timerange"])
        first, _, last = given["timerange"].partition("-")
        start, end = start or first or None, end or last or None
    return Request(
        decider=given["decider"], exchange=given["exchange"], symbols=options.symbols(given["symbols"]),
        timeframe=given["timeframe"], start=start, end=end, cash=given["cash"], settings=tuple(given["changes"]),
        check=given["check"],
    )  # fmt: skip


def _needs_owner(wanted: Request, given: dict[str, Any]) -> bool:
    return bool(given["owner"] or given["save"]) or wanted.decider.startswith((options.MODEL, options.RECORDED))


def _pays(wanted: Request) -> bool:
    return wanted.decider.startswith(options.MODEL) and any(one.startswith("money=") for one in wanted.settings)


def _user(name: str | None) -> Any:
    """The user of this name; without one the only user there is. Raises Unclear."""
    from ledger.models import User

    users = list(User.objects.filter(username=name) if name else User.objects.order_by("pk")[:2])
    if len(users) == 1:
        return users[0]
    if name:
        raise options.Unclear(f"There is no user {name}.")
    raise options.Unclear(
        "Say whose it is with --owner: there is " + ("no user yet." if not users else "more than one user.")
    )


def _check(prepared: Prepared) -> list[str]:
    from bots.backtests.checks import check

    return check(prepared.market, prepared.setup)


def _line(row: Any) -> dict[str, Any]:
    told = row.summary or {}
    return {
        "id": row.pk, "state": row.state, "decider": row.decider, "symbols": row.request["symbols"],
        "timeframe": row.request["timeframe"], "from": told.get("from"), "to": told.get("to"),
        "trades": told.get("trades"), "final_equity": told.get("final_equity"),
        "return": told.get("metrics", {}).get("return"), "error": row.error,
    }  # fmt: skip


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
