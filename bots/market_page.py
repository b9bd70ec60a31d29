"""What the pages of markets show beside the chart: prices, funding, the age of each part, own positions. Read only.

Ages are in market time, the time of the feed; what is older than it should be is said so.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, Subquery
from django.http import Http404
from django.shortcuts import get_object_or_404

from ledger.models import Account, Book, Position, User
from ledger.valuation import marked
from markets import charting, quality
from markets.domain.candles import TIMEFRAMES, instant, milliseconds
from markets.models import Candle, DataAge, Feed, FundingRate, Instrument, OpenInterest, Quote

from .market_chart import CHOICES, Choice, Scene, chosen, data
from .position_cards import cards
from .templatetags.figures import quantity

RATES = 8
NOTHING = "none"  # what `show` says where nothing is to be drawn
USUAL_TIMEFRAMES = ("5m", "15m", "1m")
# A quote or a candle that is later than this many of its own steps is stale.
PATIENCE = 3


@dataclass(frozen=True, slots=True)
class Part:
    """One part of what is known: when it was made, and whether that is too long ago."""

    name: str
    at: datetime | None
    stale: bool = False
    note: str = ""


def feeds_of(user: User) -> Any:
    """The feeds whose markets a user may see: what runs, and where they have an account."""
    mine = Exists(Account.objects.of(user).filter(feed=OuterRef("pk")))
    return Feed.objects.filter(Q(running=True) | mine).order_by("-running", "-id")


def instrument_and_feed(user: User, pk: int, feed: int | None) -> tuple[Instrument, Feed]:
    """An instrument and the feed it is seen on. Raises Http404 where there is none of its exchange for this user."""
    instrument = get_object_or_404(Instrument, pk=pk)
    feeds = feeds_of(user).filter(exchange=instrument.exchange)
    found = feeds.filter(pk=feed).first() if feed is not None else feeds.first()
    if found is None:
        raise Http404("There is no such market.")
    return instrument, found


def books_on(user: User, feed: Feed) -> list[int]:
    """The user's own books on a feed. Positions are found by book: their whole past is not read."""
    return list(Book.objects.of(user).filter(account__feed=feed).values_list("pk", flat=True))


def listing(user: User, feed: Feed | None, now: datetime | None) -> dict[str, Any]:
    """All instruments of a feed with their newest quotes and the viewer's open positions in each."""
    if feed is None:
        return {"market_lines": [], "feeds": feeds_of(user)}
    quotes = Quote.objects.filter(feed=feed).select_related("instrument").order_by("instrument__symbol")
    held: dict[int, list[Position]] = {}
    for position in Position.objects.open().filter(book__in=books_on(user, feed)).select_related("book"):
        held.setdefault(position.instrument_id, []).append(position)
    lines = [{"quote": quote, "stale": _stale(feed, quote.at, now), "held": held.get(quote.instrument_id, [])}
             for quote in quotes]  # fmt: skip
    return {"market_lines": lines, "feeds": feeds_of(user)}


def _stale(feed: Feed, at: datetime, now: datetime | None) -> bool:
    return now is not None and now - at > PATIENCE * timedelta(seconds=feed.step_seconds)


def newest_opens(instrument: Instrument, now: datetime) -> dict[str, int]:
    """The open time (UTC ms) of the newest candle that had closed at `now`, of each timeframe that has any."""
    at = milliseconds(now)
    asked = [
        Subquery(
            Candle.objects.of(instrument, name).between(None, at - step).order_by("-open_time").values("open_time")[:1]
        )
        for name, step in TIMEFRAMES.items()
    ]
    # One statement: the key leads to each of them at once.
    [row] = Instrument.objects.filter(pk=instrument.pk).values_list(*asked)
    return {name: opened for name, opened in zip(TIMEFRAMES, row, strict=True) if opened is not None}


@dataclass(frozen=True, slots=True)
class View:
    """Who looks at which market, at market time `now`; `asked` is the page's query: timeframe, show and since."""

    user: User
    instrument: Instrument
    feed: Feed
    now: datetime
    asked: Mapping[str, str]

    @property
    def choices(self) -> tuple[Choice, ...]:
        return chosen(self.asked.get("show"))

    def timeframe(self, stored: Iterable[str]) -> str:
        """The one asked for, else a usual one that is stored. Raises Http404 for one there is none of."""
        usual = next((name for name in (*USUAL_TIMEFRAMES, *stored) if name in stored), "5m")
        wanted = self.asked.get("timeframe") or usual
        if wanted not in TIMEFRAMES:
            raise Http404("There is no such timeframe.")
        return wanted


def want(view: View, wall: datetime) -> None:
    """Leave word for a worker which indicators the page shows."""
    timeframe = view.timeframe(newest_opens(view.instrument, view.now))
    names = [name for choice in view.choices for name in choice.names]
    charting.ask(feed=view.feed, instrument=view.instrument, timeframe=timeframe, names=names, wall=wall)


def of(view: View) -> dict[str, Any]:
    """The context of one market's page."""
    instrument, feed, now = view.instrument, view.feed, view.now
    quote = Quote.objects.filter(feed=feed, instrument=instrument).first()
    opens = newest_opens(instrument, now)
    scene = Scene(
        view.user, feed, instrument, view.timeframe(opens), now, view.choices, tuple(opens),
        float(quote.last) if quote else None,
    )  # fmt: skip
    held = marked(Position.objects.current().filter(book__in=books_on(view.user, feed)))
    rows = [row for row in held.select_related("instrument", "book__bot") if row.instrument_id == instrument.pk]
    rates = list(FundingRate.objects.filter(instrument=instrument, at__lte=now).order_by("-at")[:RATES])
    return {
        "instrument": instrument,
        "quote": quote,
        "timeframe": scene.timeframe,
        "timeframes": list(opens),
        "show": ",".join(choice.key for choice in view.choices) or NOTHING,
        "switches": _switches(view.choices),
        "chart": data(scene, view.asked.get("since")),
        "cards": cards([row for row in rows if row.quantity], now),
        "waiting": [row for row in rows if not row.quantity],
        "rates": rates,
        "parts": list(_parts(view, quote, opens, rates)),
        "notes": [note for note in quality.notes(instrument) if note.report.get("troubles") or note.built],
        "refused": quality.refused(instrument),
    }


def _switches(choices: Iterable[Choice]) -> list[dict[str, Any]]:
    """Each choice with whether it is drawn, and what `show` would be with it switched."""
    drawn = [choice.key for choice in choices]
    return [
        {
            "choice": choice,
            "on": key in drawn,
            "show": ",".join(one for one in CHOICES if (one in drawn) != (one == key)) or NOTHING,
        }
        for key, choice in CHOICES.items()
    ]


def _parts(view: View, quote: Quote | None, opens: dict[str, int], rates: list[FundingRate]) -> Iterable[Part]:
    feed, now = view.feed, view.now
    live = {age.part: age for age in DataAge.objects.filter(instrument=view.instrument)} if not feed.lock_step else {}
    yield Part(
        "quote", quote.at if quote else None, quote is not None and _stale(feed, quote.at, now), _by(live, "price")
    )
    for name, opened in opens.items():
        step = TIMEFRAMES[name]
        late = milliseconds(now) - opened - step > PATIENCE * step
        yield Part(f"{name} candle", instant(opened + step), late, _by(live, f"candles {name}"))
    yield Part("funding rate", live["funding"].at if "funding" in live else rates[0].at if rates else None)
    own = quote is not None and quote.mark != quote.last
    yield Part("mark price", live["mark"].at if "mark" in live else quote.at if quote else None,
               note=_by(live, "mark") if own else "the last price")  # fmt: skip
    interest = OpenInterest.objects.filter(instrument=view.instrument, at__lte=now).order_by("-at").first()
    amount = f"{quantity(interest.amount)} {view.instrument.base}" if interest else "not told by this feed"
    yield Part("open interest", interest.at if interest else None, note=amount)


def _by(live: Mapping[str, DataAge], part: str) -> str:
    """How a part of a live market came, in a word."""
    return f"by {live[part].get_source_display().lower()}" if part in live and live[part].source else ""
