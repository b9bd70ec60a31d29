"""The market as a prompt tells it: price, funding and open interest, then a few lines for each timeframe.

The finest timeframe comes with whole series, the coarsest with the two that show a trend, those between with their
newest values. Series run oldest to newest; what is not known yet is left out.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from markets.domain.rounding import nearest_to
from markets.domain.snapshot import InstrumentView

from .briefing import Briefing
from .significant import GRAIN, at_tick, decimal, grains, short, signed, steps
from .untrusted import text
from .wording import exact

POINTS = 10
SYMBOL_LENGTH = 60
_HUNDREDTH = Decimal("0.01")
# label, indicator, and how it is written: away from the price, as wide as, or as it is.
FINEST = (
    ("ema20", "ema_20", "away"), ("macd", "macd", "wide"), ("rsi7", "rsi_7", "plain"), ("rsi14", "rsi_14", "plain"),
)  # fmt: skip
BETWEEN = (("ema20", "ema_20", "away"), ("rsi14", "rsi_14", "plain"), ("atr14", "atr_14", "width"))
AROUND = (
    ("ema20", "ema_20", "away"), ("ema50", "ema_50", "away"), ("atr3", "atr_3", "width"), ("atr14", "atr_14", "width"),
)  # fmt: skip
COARSEST = (("macd", "macd", "wide"), ("rsi14", "rsi_14", "plain"))
WRITTEN: dict[str, Callable[[float, Decimal], str]] = {
    "away": lambda value, price: signed(grains(decimal(value) - price, price)),
    "wide": lambda value, price: signed(grains(value, price)),
    "width": lambda value, price: str(grains(value, price)),
    "plain": lambda value, price: f"{value:.0f}",
}
SESSIONS = ((0, "Asia"), (7, "Europe"), (13, "Europe and US"), (16, "US"), (21, "Pacific"))


def market(briefing: Briefing) -> str:
    """When it is, and each instrument of the snapshot in its order."""
    blocks = [instrument(view, briefing) for view in briefing.snapshot.instruments.values()]
    return "\n".join([moment(briefing), *blocks])


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
    """One instrument: a line of its price, then its timeframes, finest first."""
    parts = [
        text(view.symbol, SYMBOL_LENGTH),
        f"price {at_tick(view.quote.mark, view.rules.tick)}",
        *_funding(view, _shared_funding(briefing)),
    ]
    if (interest := briefing.open_interest.get(view.symbol)) is not None:
        parts.append(f"oi {short(interest.latest)} avg {short(interest.average)}")
    lines = [" ".join(parts)]
    known = [timeframe for timeframe in briefing.timeframes if timeframe in view.series]
    for timeframe in known:
        lines += _timeframe(view, timeframe, timeframe == known[0], timeframe == known[-1])
    return "\n".join(lines)


def name(symbol: str, briefing: Briefing) -> str:
    """The base of an instrument where no other of the bot's has the same, else the whole symbol."""
    base = symbol.partition("/")[0]
    return base if sum(other.partition("/")[0] == base for other in briefing.symbols) <= 1 else symbol


def _timeframe(view: InstrumentView, timeframe: str, finest: bool, coarsest: bool) -> Iterator[str]:
    """The finest has no line of its own: its values are the ends of its series."""
    if finest:
        yield from _lines(timeframe, _closes(view, timeframe), _series(view, timeframe, FINEST))
    if coarsest or not finest:
        newest = _series(view, timeframe, AROUND if coarsest else BETWEEN, 1)
        ratio = view.indicator(timeframe, "volume_ratio_20") if coarsest else None
        scalars = [f"{label} {value}" for label, values in newest for value in values]
        scalars += [f"vol {ratio:.1f}"] if ratio is not None else []
        yield from [" ".join([timeframe, *scalars])] if scalars else []
    if coarsest and not finest:
        yield from _lines("", [], _series(view, timeframe, COARSEST))


def _lines(timeframe: str, closes: list[str], series: Iterable[tuple[str, list[str]]]) -> Iterator[str]:
    if closes:
        yield f"{timeframe} close {' '.join(closes)}"
    for label, values in series:
        if values:
            yield f"{label} {' '.join(values)}"


def _closes(view: InstrumentView, timeframe: str) -> list[str]:
    mark, tick = view.quote.mark, view.rules.tick
    return [signed(steps(float(close), mark, tick)) for close in view.candles(timeframe, POINTS).close]


def _series(
    view: InstrumentView, timeframe: str, chosen: Iterable[tuple[str, str, str]], count: int = POINTS
) -> Iterator[tuple[str, list[str]]]:
    for label, name, kind in chosen:
        back = (view.indicator(timeframe, name, ago) for ago in range(count - 1, -1, -1))
        yield label, [WRITTEN[kind](value, view.quote.mark) for value in back if value is not None]


def minutes(span: timedelta) -> str:
    """Minutes up to ten hours, then hours; never negative."""
    count = max(int(span / timedelta(minutes=1)), 0)
    return f"{count}m" if count < 600 else f"{count // 60}h"


def _funding(view: InstrumentView, shared: datetime | None) -> list[str]:
    rate, due = view.quote.funding_rate, view.quote.next_funding_at
    if rate is None:
        return []
    when = f" in {minutes(due - view.now)}" if due is not None and due != shared else ""
    return [f"funding {exact(nearest_to(rate / GRAIN, _HUNDREDTH))}{when}"]


def _shared_funding(briefing: Briefing) -> datetime | None:
    """When funding is settled next, where that is the same for all instruments."""
    due = {view.quote.next_funding_at for view in briefing.snapshot.instruments.values()}
    return due.pop() if len(due) == 1 else None
