"""The data of a market's chart as plain values for JSON: candles, chosen indicators, own trades, lines of own plans.

Times are UTC seconds of the candle's opening. With `since` (UTC ms) candles and indicators from there on are given, for
a page that has the rest; marks and lines are always whole. Read only, and what is a person's is the viewer's alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ledger.models import Order, Position, Role, Trade, User
from markets import charting, history
from markets.domain.candles import TIMEFRAMES, Candles, instant, milliseconds
from markets.models import ChartValues, Feed, Instrument

from .models import Bot
from .templatetags.figures import places_of

SHOWN, MARKS = 500, 100


@dataclass(frozen=True, slots=True)
class Choice:
    """Something to draw: in a pane of its own, or over the candles. `bounds` are levels worth a line."""

    key: str
    label: str
    names: tuple[str, ...]
    pane: bool = False
    bounds: tuple[float, ...] = ()


CHOICES: dict[str, Choice] = {
    choice.key: choice
    for choice in (
        Choice("ema9", "EMA 9", ("ema_9",)),
        Choice("ema20", "EMA 20", ("ema_20",)),
        Choice("ema50", "EMA 50", ("ema_50",)),
        Choice("sma20", "SMA 20", ("sma_20",)),
        Choice("sma50", "SMA 50", ("sma_50",)),
        Choice("bollinger", "Bollinger 20", ("bollinger_upper", "bollinger_middle", "bollinger_lower")),
        Choice("vwap", "VWAP 20", ("vwap_20",)),
        Choice("rsi7", "RSI 7", ("rsi_7",), True, (30, 70)),
        Choice("rsi", "RSI 14", ("rsi_14",), True, (30, 70)),
        Choice("macd", "MACD 12 26 9", ("macd_histogram", "macd", "macd_signal"), True),
        Choice("stochastic", "Stochastic 14 3 3", ("stochastic_k", "stochastic_d"), True, (20, 80)),
        Choice("atr", "ATR 14", ("atr_14",), True),
        Choice("natr", "NATR 14 %", ("natr_14",), True),
        Choice("adx", "ADX 14", ("adx_14",), True, (25,)),
        Choice("cci", "CCI 20", ("cci_20",), True, (-100, 100)),
        Choice("mfi", "MFI 14", ("mfi_14",), True, (20, 80)),
        Choice("obv", "OBV", ("obv",), True),
    )
}
USUAL = ("ema20", "ema50", "rsi")


def chosen(text: str | None) -> tuple[Choice, ...]:
    """The choices of a query such as `ema20,rsi`, each once; the usual ones without a query."""
    keys = USUAL if text is None else text.split(",")
    return tuple(choice for key, choice in CHOICES.items() if key in keys)


@dataclass(frozen=True, slots=True)
class Scene:
    """What is looked at: an instrument on a feed at market time `now`, in one timeframe.

    `finer` are timeframes that are stored too, for the candle that runs; `price` is the newest quote.
    """

    user: User
    feed: Feed
    instrument: Instrument
    timeframe: str
    now: datetime
    choices: tuple[Choice, ...]
    finer: tuple[str, ...] = ()
    price: float | None = None


def data(scene: Scene, since: str | None = None) -> dict[str, Any]:
    """Everything the script needs. `until` goes into the next question's `since`."""
    last = milliseconds(scene.now) - TIMEFRAMES[scene.timeframe]
    candles = history.newest(scene.instrument, scene.timeframe, SHOWN, last)
    names = [name for choice in scene.choices for name in choice.names]
    row = charting.found(feed=scene.feed, instrument=scene.instrument, timeframe=scene.timeframe)
    complete = all(name in row.values or name in row.refused for name in names)
    after = int(since) if since and since.isascii() and since.isdigit() and len(since) < 16 else None
    fresh = candles if after is None else candles[candles.time >= after]
    return {
        "since": after,
        "until": _until(candles, row, bool(names)) if complete else None,
        "places": places_of(scene.instrument.tick),
        "seconds": TIMEFRAMES[scene.timeframe] // 1000,
        "candles": rows(fresh),
        "running": _running(scene, candles),
        "panes": [_drawn(choice, row, fresh) for choice in scene.choices],
        **own(scene, int(candles.time[0]) if len(candles) else None),
    }


def _until(candles: Candles, row: ChartValues, drawn: bool) -> int | None:
    if not len(candles):
        return None
    newest = int(candles.time[-1])
    return min(newest, row.last) if drawn and row.last is not None else newest


def rows(candles: Candles) -> list[list[float]]:
    """Lists of time (s), open, high, low, close and volume."""
    columns = [(candles.time // 1000).tolist(), *(column.tolist() for column in candles.columns()[1:])]
    return [list(row) for row in zip(*columns, strict=True)]


def _running(scene: Scene, closed: Candles) -> list[float] | None:
    found = charting.running(
        instrument=scene.instrument, timeframe=scene.timeframe, now=scene.now, price=scene.price, finer=scene.finer,
        closed=closed,
    )  # fmt: skip
    return [found.time // 1000, found.open, found.high, found.low, found.close, found.volume] if found else None


def _drawn(choice: Choice, row: ChartValues, fresh: Candles) -> dict[str, Any]:
    """One choice with its lines: the values at the candles that are given."""
    lines = {name: _points(row, name, fresh) for name in choice.names}
    why = next((row.refused[name] for name in choice.names if name in row.refused), "")
    return {"key": choice.key, "label": choice.label, "pane": choice.pane, "bounds": choice.bounds, "lines": lines,
            "why": why}  # fmt: skip


def _points(row: ChartValues, name: str, fresh: Candles) -> list[list[float]]:
    values: Sequence[float | None] = row.values.get(name, ())
    if not values or row.first is None or not len(fresh):
        return []
    step = TIMEFRAMES[row.timeframe]
    first = max(row.first, int(fresh.time[0]))
    begin = (first - row.first) // step
    return [[(first + n * step) // 1000, value] for n, value in enumerate(values[max(begin, 0) :]) if value is not None]


# --- What is the viewer's own


def own(scene: Scene, first: int | None) -> dict[str, Any]:
    """Marks of the viewer's newest trades since `first` (UTC ms), and lines of positions and waiting entries."""
    names = _bots(scene)
    return {
        "marks": list(_marks(scene, names, first)) if first is not None else [],
        "lines": list(_lines(scene, names)),
    }


def _bots(scene: Scene) -> Mapping[int, Bot]:
    return {bot.book_id: bot for bot in Bot.objects.of(scene.user).on(scene.feed)}


def _marks(scene: Scene, bots: Mapping[int, Bot], first: int) -> Iterable[dict[str, Any]]:
    if not bots:
        return
    # What the chart shows, by book and time: a long past is not read. Which of them are of this instrument is asked
    # here and not there, because an index of instruments would lead through all of it.
    shown = Trade.objects.filter(book__in=[*bots], at__gte=instant(first)).order_by("-at", "-id")
    found = shown.values_list("book", "instrument", "side", "quantity", "price", "at")[: MARKS * len(bots)]
    step = TIMEFRAMES[scene.timeframe]
    for book, instrument, side, amount, price, moment in found:
        at, bot = milliseconds(moment), bots[book]
        if instrument == scene.instrument.pk:
            yield {
                "time": at // step * step // 1000,
                "side": side,
                "colour": bot.colour % 8,
                "bot": bot.monogram,
                "text": f"{bot.name} {side} {amount:f} at {price:f}",
            }


def _lines(scene: Scene, bots: Mapping[int, Bot]) -> Iterable[dict[str, Any]]:
    for position in Position.objects.open().filter(book__in=[*bots]):
        bot = bots[position.book_id]
        if position.instrument_id != scene.instrument.pk or not position.quantity:
            continue
        entry = position.cost / abs(position.quantity)
        for kind, price in (("entry", entry), ("stop", position.stop), ("target", position.target)):
            if price is not None:
                yield {"kind": kind, "price": float(price), "text": f"{bot.monogram} {kind}", "colour": bot.colour % 8}
    for order in Order.objects.live().filter(book__in=[*bots], role=Role.ENTRY):
        bot, level = bots[order.book_id], order.price or order.trigger
        if order.instrument_id == scene.instrument.pk and level is not None:
            yield {"kind": "order", "price": float(level), "text": f"{bot.monogram} waits", "colour": bot.colour % 8}
