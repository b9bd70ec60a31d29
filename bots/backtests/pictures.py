"""Charts as inline SVG with labels in HTML around it: nothing to load, sharp at any width, readable on a phone.

The drawing is stretched to its box: lines keep their width by `non-scaling-stroke`, and no text is inside. Colours are
classes. What a chart tells is also told by a table or figure beside it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from math import floor, log10
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from bots.templatetags.figures import written

WIDE, HIGH = 1000.0, 300.0
Values = Sequence[float]


@dataclass(frozen=True, slots=True)
class Line:
    """`kind` is the class of its colour; `dashed` lines are what others are compared with."""

    name: str
    kind: str
    values: Values
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """The ranges of both axes."""

    left: float
    right: float
    low: float
    high: float

    def x(self, value: float) -> float:
        return WIDE * (value - self.left) / ((self.right - self.left) or 1.0)

    def y(self, value: float) -> float:
        return HIGH * (self.high - value) / ((self.high - self.low) or 1.0)

    def points(self, xs: Values, ys: Values) -> str:
        return " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in zip(xs, ys, strict=True))


def lines(times: Values, drawn: Sequence[Line], *, label: str, percent: bool = False) -> SafeString:
    """Lines over time (UTC seconds). With `percent` the values are fractions."""
    if len(times) < 2 or not drawn:
        return _nothing("There are fewer than two moments to draw.")
    frame = _frame(times, [value for line in drawn for value in line.values])
    paths = [_polyline(frame.points(times, line.values), line.kind, line.dashed) for line in drawn]
    return _figure(frame, paths, label, _moments(frame), percent=percent)


def drawdown(times: Values, depths: Values) -> SafeString:
    """How far below its peak equity was, as an area that hangs from zero."""
    if len(times) < 2:
        return _nothing("There are fewer than two moments to draw.")
    under = [-value for value in depths]
    frame = _frame(times, [0.0, min(under) or -0.01], room=0.0)
    area = f"{frame.points(times, under)} {WIDE:.1f},0 0,0"
    path = format_html('<polygon class="area" points="{}"/>', area)
    return _figure(frame, [path], "Drawdown", _moments(frame), percent=True, low=True)


def bars(edges: Values, counts: Values) -> SafeString:
    """How often results fell into each range; those below zero are losses."""
    if len(edges) < 2:
        return _nothing("No trade has closed.")
    frame = Frame(edges[0], edges[-1], 0.0, max(counts) * 1.05 or 1.0)
    parts = []
    for left, right, count in zip(edges, edges[1:], counts, strict=False):
        x, width = frame.x(left), frame.x(right) - frame.x(left)
        kind = "lost" if (left + right) / 2 < 0 else "won"
        shape = '<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>'
        y = frame.y(count)
        parts.append(format_html(shape, kind, *(f"{v:.1f}" for v in (x + 1, y, max(width - 2, 1), HIGH - y))))
    ticks = [
        (frame.x(value) / WIDE, f"{written(Decimal(repr(value * 100)), 1, True)} %")
        for value in _ticks(frame.left, frame.right, 5)
    ]
    return _figure(frame, parts, "Distribution of results", ticks)


def fan(steps: Values, quantiles: Sequence[Values], cash: float) -> SafeString:
    """Where trades drawn anew lead: the middle half and the middle nine tenths of all draws, and their middle."""
    frame = _frame(steps, [*quantiles[0], *quantiles[-1], cash])
    bands = [_band(frame, steps, quantiles[i], quantiles[-1 - i]) for i in (0, 1)]
    middle = _polyline(frame.points(steps, quantiles[2]), "own", False)
    start = _polyline(frame.points([steps[0], steps[-1]], [cash, cash]), "instead", True)
    ticks = [(frame.x(value) / WIDE, written(Decimal(round(value)), 0)) for value in _ticks(frame.left, frame.right, 5)]
    return _figure(frame, [*bands, middle, start], "Equity of trades drawn anew", ticks)


def candles(drawn: dict[str, Any]) -> SafeString:
    """Candles with entries and exits."""
    times = drawn["times"]
    if len(times) < 2:
        return _nothing("There are no candles to draw.")
    width = times[1] - times[0]
    frame = _frame([times[0], times[-1] + width], [*drawn["low"], *drawn["high"]])
    up: list[str] = []
    down: list[str] = []
    columns = (drawn[name] for name in ("open", "high", "low", "close"))
    for at, opened, high, low, closed in zip(times, *columns, strict=True):
        x, half = frame.x(at + width / 2), frame.x(frame.left + width) * 0.32
        top, bottom = sorted((frame.y(opened), frame.y(closed)))
        wick = f"M{x:.1f} {frame.y(high):.1f}V{frame.y(low):.1f}"
        body = f"M{x - half:.1f} {top:.1f}h{2 * half:.1f}v{max(bottom - top, 0.6):.1f}h{-2 * half:.1f}z"
        (up if closed >= opened else down).append(wick + body)
    paths = [
        format_html('<path class="{}" d="{}"/>', kind, "".join(d)) for kind, d in (("rise", up), ("sink", down)) if d
    ]
    return _figure(frame, [*paths, *_marks(frame, drawn["marks"])], "Candles with trades", _moments(frame), tall=True)


def _marks(frame: Frame, marks: Sequence[Sequence[Any]]) -> Iterable[SafeString]:
    """Entries as ticks (below the price for a long, above it for a short), exits as dots: round won, square lost."""
    for kind in ("long", "short", "gain", "loss"):
        found = []
        for at, price, what in marks:
            if what != kind:
                continue
            x, y = frame.x(at), frame.y(price)
            length = {"long": 14.0, "short": -14.0}.get(kind, 0.0)
            found.append(f"M{x:.1f} {y:.1f}v{length:g}" if length else f"M{x:.1f} {y:.1f}h0")
        if found:
            yield format_html('<path class="mark {}" d="{}"/>', kind, "".join(found))


# --- Parts ----------------------------------------------------------------------------------------------------


def _frame(xs: Values, values: Values, room: float = 0.05) -> Frame:
    low, high = min(values), max(values)
    spare = (high - low) * room or (abs(high) * 0.01 or 1.0) * (room > 0)
    return Frame(xs[0], xs[-1], low - spare, high + spare)


def _polyline(points: str, kind: str, dashed: bool) -> SafeString:
    return format_html('<polyline class="{}" points="{}"/>', f"{kind} dashed" if dashed else kind, points)


def _band(frame: Frame, xs: Values, low: Values, high: Values) -> SafeString:
    there, back = frame.points(xs, high), frame.points(list(xs)[::-1], list(low)[::-1])
    return format_html('<polygon class="band" points="{} {}"/>', there, back)


def _figure(
    frame: Frame,
    parts: Iterable[SafeString],
    label: str,
    across: Sequence[tuple[float, str]],
    *,
    percent: bool = False,
    tall: bool = False,
    low: bool = False,
) -> SafeString:
    upward = _ticks(frame.low, frame.high, 5)
    grid = "".join(f"M0 {frame.y(value):.1f}H{WIDE:.0f}" for value in upward)
    ups = [(f"{100 * frame.y(value) / HIGH:.2f}", _amount(value, upward, percent)) for value in upward]
    downs = [(f"{100 * place:.2f}", text) for place, text in across]
    size = " tall" if tall else " low" if low else ""
    return format_html(
        '<div class="plot{}" role="img" aria-label="{}"><svg viewBox="0 0 {} {}" preserveAspectRatio="none" '
        'aria-hidden="true"><path class="grid" d="{}"/>{}</svg>{}{}</div>',
        size, label, int(WIDE), int(HIGH), grid, mark_safe("".join(parts)),
        format_html_join("", '<span class="y" style="top:{}%">{}</span>', ups),
        format_html_join("", '<span class="x" style="left:{}%">{}</span>', downs),
    )  # fmt: skip


def _nothing(sentence: str) -> SafeString:
    return format_html('<p class="empty">{}</p>', sentence)


def _ticks(low: float, high: float, count: int) -> list[float]:
    """Round values within a range, about `count` of them."""
    span = high - low
    if span <= 0:
        return [low]
    rough = span / count
    power = 10.0 ** floor(log10(rough))
    step = next(size * power for size in (1, 2, 2.5, 5, 10) if size * power >= rough)
    first = -(-low // step) * step
    return [first + n * step for n in range(int((high - first) / step + 1e-9) + 1)]


def _amount(value: float, ticks: Values, percent: bool) -> str:
    step = (ticks[1] - ticks[0] if len(ticks) > 1 else abs(value) or 1.0) * (100 if percent else 1)
    places = max(0, -floor(log10(abs(step))) if step else 0)
    if step and places < 8 and round(step, places) != round(step, places + 1):
        places += 1
    text = written(Decimal(repr(value * (100 if percent else 1))), min(places, 8))
    return f"{text} %" if percent else text


def _moments(frame: Frame) -> list[tuple[float, str]]:
    """Five moments along the axis, as exactly as its length makes sense of."""
    span = frame.right - frame.left
    found = []
    for part in (0.0, 0.25, 0.5, 0.75, 1.0):
        at = datetime.fromtimestamp(frame.left + part * span, UTC)
        short = f"{at:%H:%M}" if span < 2 * 86_400 else f"{at.day} {at:%b}" if span < 400 * 86_400 else f"{at:%b %Y}"
        found.append((part, short))
    return found
