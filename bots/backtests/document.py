"""Everything there is to say of a run, as one value for JSON: what is stored, shown, exported and compared.

Made only where somebody asks for a report: intervals and resampling take longer than many runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from bots import statistics_table
from ledger.domain.statistics.positions import DAY
from markets.domain.rounding import ZERO, round_cash

from . import lines, report, tables
from .engine import Result
from .figures import Figures, figures
from .luck import luck
from .preparing import Prepared
from .provenance import provenance
from .records import Position
from .warnings import warnings

FORM = 1
TRADES = (
    "instrument", "side", "opened", "closed", "entry", "exit", "quantity", "net", "fees", "funding", "return",
    "seconds", "exit_reason", "entry_tag", "reason",
)  # fmt: skip


def document(prepared: Prepared, result: Result, seconds: float, checks: Sequence[str] | None = None) -> dict[str, Any]:
    """`checks` are breaches found; None where nobody looked for them. Times are ISO 8601 in UTC."""
    found, setup = figures(result), result.setup
    asked = getattr(setup.decider, "told", None)
    order = sorted(result.closed, key=lambda one: (one.closed_at, one.id))
    chance = luck([float(one.net) for one in order], float(setup.cash), setup.seed)
    questions = asked() if asked is not None else None
    return report.report(result, seconds) | {
        "form": FORM,
        "currency": result.market.listed[0].rules.settle,
        "request": prepared.request.as_json(),
        "made": provenance(result.market, setup, **prepared.about),
        "statistics": _statistics(found),
        "rows": _rows(found),
        "tables": tables.tables(result.closed, {**tables.GROUPS, **tables.MORE}),
        "luck": None if chance is None else plain(chance),
        "charts": lines.charts(result, found.lines),
        "warnings": [*prepared.cut, *warnings(result, found, chance, questions=questions, checks=checks)],
        "checks": None if checks is None else list(checks),
        "questions": questions,
        "listing": [_trade(one, result) for one in (*order, *result.open)],
    }


def _statistics(found: Figures) -> dict[str, Any]:
    record = found.record
    return {
        "closed_positions": plain(record.positions),
        "on_closed": plain(record.on_closed),
        "on_equity": plain(record.on_equity),
        "buy_and_hold": plain(found.held_instead),
        "exposure": record.exposure,
        "invested": record.invested,
        "turnover": record.turnover,
        "first_day": _date(record.first_day),
        "last_day": _date(record.last_day),
    }


def _rows(found: Figures) -> dict[str, Any]:
    """The statistics as the two tables that pages show of a bot."""
    made = statistics_table.of_record(found.record, found.held_instead)
    return {"ratios": plain(made.ratios), "trading": plain(made.trading), "days": made.days}


def _date(day: int | None) -> str | None:
    return None if day is None else datetime.fromtimestamp(day * DAY, UTC).date().isoformat()


def plain(value: Any) -> Any:
    """Values as JSON has them: amounts become numbers, intervals pairs, whatever has fields an object."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict") and not hasattr(value, "low"):
        return {name: plain(one) for name, one in value._asdict().items()}
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


def _trade(position: Position, result: Result) -> list[Any]:
    """A row of `TRADES`; of what is still open the exit is empty and the result what it is worth now."""
    f, rules, closed = position.figures, position.rules, position.closed_at
    quote = result.market.courses[position.symbol].quote(result.market.instants)
    net = position.net
    if closed is None and quote is not None:
        sign = 1 if f.quantity > 0 else -1
        net += round_cash(f.quantity * quote.last) - sign * f.cost
    entry = f.entry_value / f.entry_quantity if f.entry_quantity else None
    out = f.exit_value / f.exit_quantity if f.exit_quantity and closed else None
    opened = position.opened_at
    held = (closed or result.market.at(result.market.instants)) - opened if opened else None
    return [
        position.symbol, "long" if position.long else "short", _time(opened), _time(closed),
        _price(entry, rules.tick), _price(out, rules.tick), float(f.size), float(net), float(f.fees),
        float(position.funding), float(net / f.entry_value) if f.entry_value > ZERO else None,
        int(held.total_seconds()) if held else None, position.exit_reason if closed else "still open",
        tables.tag(position.reason), position.reason,
    ]  # fmt: skip


def _time(at: datetime | None) -> str | None:
    return None if at is None else f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _price(value: Decimal | None, tick: Decimal) -> float | None:
    """An average price, to a tenth of the tick."""
    return None if value is None else float(value.quantize(tick / 10))
