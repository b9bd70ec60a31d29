"""The data of charts as plain values for JSON: the race of all bots, and one bot's equity with its marks.

Times are UTC seconds. With `since` (UTC milliseconds) only what is as new is given, for a page that has the rest: at
the newest instant itself some books may have been valued later than others.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ledger.equity_curve import Point
from ledger.models import Position

from .leaderboard import Standing

MARKS = 200


def race(ranking: Sequence[Standing], since: str | None = None) -> dict[str, Any]:
    """One series per bot: returns in percent since its start, on one common axis of time."""
    after = _after(since)
    lines = {line.bot.pk: _newer(line.curve.points, after) for line in ranking}
    times = sorted({point.time for points in lines.values() for point in points})
    series = []
    for line in sorted(ranking, key=lambda line: line.bot.pk):
        at = {point.time: round(100 * (point.growth - 1), 3) for point in lines[line.bot.pk]}
        bot = line.bot
        series.append(
            {
                "id": bot.pk,
                "name": bot.name,
                "monogram": bot.monogram,
                "colour": bot.colour % 8,
                "values": [at.get(time) for time in times],
            }
        )
    return {"since": after, "until": _until(ranking), "times": [t // 1000 for t in times], "series": series}


def equity(line: Standing, since: str | None = None) -> dict[str, Any]:
    """One bot's equity in its currency, with the newest entries and exits of its positions."""
    after = _after(since)
    points = _newer(line.curve.points, after)
    return {
        "since": after,
        "until": _until([line]),
        "times": [point.time // 1000 for point in points],
        "currency": line.bot.book.currency,
        "colour": line.bot.colour % 8,
        "values": [round(point.equity, 2) for point in points],
        "marks": [mark for mark in _marks(line) if after is None or mark["at"] * 1000 >= after],
    }


def _after(since: str | None) -> int | None:
    return int(since) if since and since.isascii() and since.isdigit() else None


def _newer(points: Sequence[Point], after: int | None) -> list[Point]:
    return [point for point in points if after is None or point.time >= after]


def _until(ranking: Sequence[Standing]) -> int | None:
    return max((line.curve.points[-1].time for line in ranking if line.curve.points), default=None)


def _marks(line: Standing) -> list[dict[str, Any]]:
    started = Position.objects.filter(book=line.bot.book_id, opened_at__isnull=False)
    marks: list[dict[str, Any]] = []
    for position in started.select_related("instrument").order_by("-id")[:MARKS]:
        what = f"{position.direction} {position.instrument.name}"
        marks.append(_mark("long" if position.long else "short", position.opened_at, f"Opened {what}"))
        if position.closed_at:
            how = f"Closed {what}: {position.net:+.2f} ({position.exit_reason})".replace("-", "−")
            marks.append(_mark("gain" if position.net > 0 else "loss", position.closed_at, how))
    return marks


def _mark(kind: str, at: datetime | None, text: str) -> dict[str, Any]:
    assert at is not None
    return {"at": int(at.timestamp()), "kind": kind, "text": text}
