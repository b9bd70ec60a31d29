"""The market as a prompt tells it: price, funding and open interest, then a few lines for each timeframe.

The finest timeframe comes with whole series, the coarsest with the two that show a trend, those between with their
newest values. Series run oldest to newest; what is not known yet is left out.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from markets.domain.rounding import nearest_to
from markets.domain.snapshot import InstrumentView

from .briefing import Briefing
from .significant import COARSE, FINE, at_tick, decimal, grains, short, signed, steps
from .untrusted import text
from .wording import exact

POINTS = 10
SYMBOL_LENGTH = 60
_HUNDREDTH = Decimal("0.01")
# Label, indicator, and how it is written: away from the price, as wide as, or as it is.
Columns = Sequence[tuple[str, str, str]]
FINEST = (
    ("ema20", "ema_20", "away"), ("macd", "macd", "wide"), ("rsi7", "rsi_7", "plain"), ("rsi14", "rsi_14", "plain"),
)  # fmt: skip
BETWEEN = (("ema20", "ema_20", "away"), ("rsi14", "rsi_14", "plain"), ("atr14", "atr_14", "width"))
AROUND = (
    ("ema20", "ema_20", "away"), ("ema50", "ema_50", "away"), ("atr3", "atr_3", "width"), ("atr14", "atr_14", "width"),
    ("vol", "volume_ratio_20", "ratio"),
)  # fmt: skip
COARSEST = (("macd", "macd", "wide"), ("rsi14", "rsi_14", "plain"))
WRITTEN: dict[str, Callable[[float, Decimal, Decimal], str]] = {
    "away": lambda value, price, grain: signed(grains(decimal(value) - price, price, grain)),
    "wide": lambda value, price, grain: signed(grains(value, price, grain)),
    "width": lambda value, price, grain: str(grains(value, price, grain)),
    "plain": lambda value, price, grain: f"{value:.0f}",
    "ratio": lambda value, price, grain: f"{value:.1f}",
}
SESSIONS = ((0, "Asia"), (7, "Europe"), (13, "Europe and US"), (16, "US"), (21, "Pacific"))


def market(briefing: Briefing) -> str:
    """When it is, each instrument of the snapshot in its order, and a table for each coarser timeframe."""
    views = list(briefing.snapshot.instruments.values())
    blocks = [instrument(view, briefing) for view in views]
    return "\n".join([moment(briefing), *blocks, *tables(briefing, views)])


def moment(briefing: Briefing) -> str:
    """Time, session, and how often and how long the bot has been asked."""
    now, running = briefing.now, timedelta(seconds=briefing.interval_seconds) * briefing.slot_index
    parts = [f"{now:%Y-%m-%d %H:%M} UTC {now:%a}", f"{session(now)} session", f"slot {briefing.slot_index}"]
    parts.append(f"minute {running // timedelta(minutes=1)}")
    if (due := _shared_funding(briefing)) is not None:
        parts.append(f"funding in {minutes(due - now)}")
    return ", ".join(parts)


def session(now: datetime) -> str:
    """Whose working day it is."""
    if now.weekday() >= 5:
        return "weekend"
    return [name for hour, name in SESSIONS if now.hour >= hour][-1]


def instrument(view: InstrumentView, briefing: Briefing) -> str:
    """One instrument: a line of its price, then the series of its finest and its coarsest timeframe."""
    parts = [
        text(view.symbol, SYMBOL_LENGTH),
        f"price {at_tick(view.quote.mark, view.rules.tick)}",
        *_funding(view, _shared_funding(briefing)),
    ]
    if (interest := briefing.open_interest.get(view.symbol)) is not None:
        parts.append(f"oi {short(interest.latest)} avg {short(interest.average)}")
    finest, coarsest = briefing.timeframes[0], briefing.timeframes[-1]
    lines = [" ".join(parts)]
    if finest in view.series:
        lines += _lines(finest, [("close", _closes(view, finest)), *_series(view, finest, FINEST, FINE)])
    if coarsest != finest and coarsest in view.series:
        lines += _lines(coarsest, _series(view, coarsest, COARSEST, COARSE))
    return "\n".join(lines)


def tables(briefing: Briefing, views: Sequence[InstrumentView]) -> Iterator[str]:
    """The newest values of each timeframe but the finest, an instrument a line; of a lone timeframe too."""
    *between, coarsest = briefing.timeframes[1:] or briefing.timeframes
    for timeframe in (*between, coarsest):
        chosen = AROUND if timeframe == coarsest else BETWEEN
        rows = [_row(view, timeframe, chosen, briefing) for view in views if timeframe in view.series]
        if any(rows):
            yield f"{timeframe} {' '.join(label for label, _, _ in chosen)}"
            yield from (row for row in rows if row)


def _row(view: InstrumentView, timeframe: str, chosen: Columns, briefing: Briefing) -> str:
    """Empty where nothing is known; a minus where one value is not."""
    values = [values[-1] if values else "-" for _, values in _series(view, timeframe, chosen, COARSE, 1)]
    known = any(value != "-" for value in values)
    return f"{text(name(view.symbol, briefing), SYMBOL_LENGTH)} {' '.join(values)}" if known else ""


def name(symbol: str, briefing: Briefing) -> str:
    """The base of an instrument where no other of the bot's has the same, else the whole symbol."""
    base = symbol.partition("/")[0]
    return base if sum(other.partition("/")[0] == base for other in briefing.symbols) <= 1 else symbol


def _lines(timeframe: str, series: Iterable[tuple[str, list[str]]]) -> Iterator[str]:
    """A line for each series there is; the first names the timeframe."""
    known = [f"{label} {' '.join(values)}" for label, values in series if values]
    yield from (f"{timeframe} {line}" if line is known[0] else line for line in known)


def _closes(view: InstrumentView, timeframe: str) -> list[str]:
    mark, tick = view.quote.mark, view.rules.tick
    return [signed(steps(float(close), mark, tick)) for close in view.candles(timeframe, POINTS).close]


def _series(
    view: InstrumentView, timeframe: str, chosen: Columns, grain: Decimal, count: int = POINTS
) -> Iterator[tuple[str, list[str]]]:
    for label, name, kind in chosen:
        back = (view.indicator(timeframe, name, ago) for ago in range(count - 1, -1, -1))
        yield label, [WRITTEN[kind](value, view.quote.mark, grain) for value in back if value is not None]


def minutes(span: timedelta) -> str:
    """Minutes up to ten hours, then hours; never negative."""
    count = max(int(span / timedelta(minutes=1)), 0)
    return f"{count}m" if count < 600 else f"{count // 60}h"


def _funding(view: InstrumentView, shared: datetime | None) -> list[str]:
    rate, due = view.quote.funding_rate, view.quote.next_funding_at
    if rate is None:
        return []
    when = f" in {minutes(due - view.now)}" if due is not None and due != shared else ""
    return [f"funding {exact(nearest_to(rate / FINE, _HUNDREDTH))}{when}"]


def _shared_funding(briefing: Briefing) -> datetime | None:
    """When funding is settled next, where that is the same for all instruments."""
    due = {view.quote.next_funding_at for view in briefing.snapshot.instruments.values()}
    return due.pop() if len(due) == 1 else None
