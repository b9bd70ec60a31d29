"""A report made ready to be read: pictures, groups and trades, for the page and for the files."""

import csv
import io
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.utils.safestring import mark_safe

from bots.exports import RUN

from . import pictures
from .document import TRADES

SHOWN = 300
SHOWN_ALONE = 1000
LONG = 12
GROUPS = {
    "instrument": "Instrument", "side": "Side", "exit_reason": "Ended by", "entry_tag": "Entered because",
    "month": "Month", "week": "Week", "day": "Day",
}  # fmt: skip
STYLES = ("tokens.css", "panel.css", "pages.css", "report.css")
MADE = frozenset(
    ("version", "commit", "data", "decider", "options", "policy", "seed", "timeframes", "interval_seconds", "walked")
)
Report = Mapping[str, Any]


def context(report: Report, shown: int = SHOWN) -> dict[str, Any]:
    """What the template of a report needs."""
    rows = report["listing"]
    newest = [dict(zip(TRADES, row, strict=True)) for row in rows[::-1][:shown]]
    for row in newest:
        row["opened"] = (row["opened"] or "")[:16].replace("T", " ")
    return {
        "report": report,
        "pictures": drawn(report),
        "groups": [
            (title, sorted(report["tables"][name].items()), len(report["tables"][name]) > LONG)
            for name, title in GROUPS.items()
        ],
        "trades": {"rows": newest, "count": len(rows), "left_out": len(rows) > len(newest)},
        "about": [(name, value) for name, value in report["made"].items() if name not in MADE],
        "command": command(report["request"]),
    }


def drawn(report: Report) -> dict[str, Any]:
    charts, chance = report["charts"], report["luck"]
    own = pictures.Line(report["decider"], "own", charts["equity"])
    instead = pictures.Line("buy and hold", "instead", charts["held_instead"], dashed=True)
    return {
        "equity": pictures.lines(charts["times"], [instead, own], label="Equity"),
        "drawdown": pictures.drawdown(charts["times"], charts["drawdown"]),
        "results": pictures.bars(charts["results"]["edges"], charts["results"]["counts"]),
        "luck": None if chance is None else pictures.fan(chance["steps"], chance["fan"], report["cash"]),
        "candles": [
            (symbol, pictures.candles(one), one.get("all_marks", 0) - len(one["marks"]))
            for symbol, one in charts["candles"].items()
        ],
    }


def standalone(report: Report) -> str:
    """One HTML page that opens from a disk: no request leaves it."""
    folder = Path(settings.BASE_DIR) / "static" / "css"
    styles = "\n".join((folder / name).read_text(encoding="utf-8") for name in STYLES)
    values = context(report, SHOWN_ALONE) | {"styles": mark_safe(styles)}
    return render_to_string("bots/backtests/standalone.html", values)


def written(report: Report, form: str) -> str:
    """A report as a file: json, csv (its trades) or html. Raises KeyError for another form."""
    forms = {"json": lambda one: json.dumps(_whole(one)), "csv": table, "html": standalone}
    return forms[form](report)


def _whole(report: Report) -> dict[str, Any]:
    """For programs: trades as objects, and without the rows that only a page needs."""
    told = {name: value for name, value in report.items() if name not in ("rows", "listing")}
    return told | {"positions": [dict(zip(TRADES, row, strict=True)) for row in report["listing"]]}


def table(report: Report) -> str:
    """The trades as CSV."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(_lines(report))
    return out.getvalue()


def _lines(report: Report) -> Iterator[Sequence[Any]]:
    yield TRADES
    for row in report["listing"]:
        yield [_cell(value) for value in row]


def _cell(value: Any) -> Any:
    """A reason is a decider's text: a spreadsheet would run one that begins like a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in RUN else value


def command(request: Report) -> str:
    """The command line that asks for the same."""
    words = ["manage.py", "backtest", "--decider", request["decider"], "--exchange", request["exchange"]]
    words += ["--symbols", ",".join(request["symbols"]), "--timeframe", request["timeframe"]]
    for name, value in (("--from", request["start"]), ("--to", request["end"]), ("--cash", request["cash"])):
        words += [name, str(value)] if value else []
    for setting in request["settings"]:
        words += ["--set", setting]
    return shlex.join([*words, *(["--check"] if request["check"] else [])])


def compared(reports: Sequence[Report]) -> dict[str, Any]:
    """Several reports side by side: their growth in percent over one axis of time, and their figures in columns."""
    first = min(report["charts"]["times"][0] for report in reports)
    last = max(report["charts"]["times"][-1] for report in reports)
    axis = [first + (last - first) * n / 300 for n in range(301)]
    drawn_lines = [
        pictures.Line(report["decider"], f"bot-{place % 8}", _on(axis, report), dashed=place >= 8)
        for place, report in enumerate(reports)
    ]
    return {"picture": pictures.lines(axis, drawn_lines, label="Growth", percent=True), "rows": _beside(reports)}


def _on(axis: Sequence[float], report: Report) -> list[float]:
    """Growth of a report at each moment of an axis: before it begins none, after its end the last."""
    import numpy as np

    grown = np.asarray(report["charts"]["equity"]) / report["cash"] - 1
    found: list[float] = np.interp(axis, report["charts"]["times"], grown).tolist()
    return found


def _beside(reports: Sequence[Report]) -> list[tuple[str, str, list[Any]]]:
    """Name, kind of figure, and a value for each report."""
    rows: list[tuple[str, str, Any]] = [
        ("Return", "percent", lambda r: r["metrics"]["return"]),
        ("Buy and hold", "percent", lambda r: r["statistics"]["buy_and_hold"]["total_return"]),
        ("Drawdown", "share", lambda r: r["metrics"]["max_drawdown"]),
        ("Sharpe", "ratio", lambda r: r["statistics"]["on_equity"]["sharpe"]),
        ("Sortino", "ratio", lambda r: r["statistics"]["on_equity"]["sortino"]),
        ("Calmar", "ratio", lambda r: r["statistics"]["on_equity"]["calmar"]),
        ("Trades", "count", lambda r: r["trades"]),
        ("Win rate", "share", lambda r: r["metrics"]["win_rate"]),
        ("Profit factor", "ratio", lambda r: r["metrics"]["profit_factor"]),
        ("Expectancy", "change", lambda r: r["metrics"]["expectancy"]),
        ("SQN", "ratio", lambda r: r["statistics"]["closed_positions"]["sqn"]),
        ("Exposure", "share", lambda r: r["metrics"]["exposure"]),
        ("Fees", "money", lambda r: r["fees"]),
        ("Funding", "change", lambda r: r["funding"]),
        ("Liquidations", "count", lambda r: r["metrics"]["liquidations"]),
        ("Warnings", "count", lambda r: len(r["warnings"])),
    ]
    return [(name, kind, [read(report) for report in reports]) for name, kind, read in rows]


def differing(reports: Sequence[Report]) -> list[tuple[str, list[Any]]]:
    """What was asked differently: settings, period, data and code, those that are not the same in all."""
    asked: list[tuple[str, Any]] = [
        ("Decider", lambda r: r["decider"]),
        ("Instruments", lambda r: ", ".join(r["symbols"])),
        ("Decides on", lambda r: r["timeframe"]),
        ("From", lambda r: r["from"][:16]),
        ("To", lambda r: r["to"][:16]),
        ("Cash", lambda r: r["cash"]),
        ("Settings", lambda r: ", ".join(r["request"]["settings"])),
        ("Seed", lambda r: r["made"]["seed"]),
        ("Data", lambda r: r["made"]["data"][:12]),
        ("Code", lambda r: r["made"]["commit"]),
    ]
    rows = [(name, [read(report) for report in reports]) for name, read in asked]
    return [(name, values) for name, values in rows if len(set(map(str, values))) > 1]
