"""Lets live prices in: judged, quoted, and handed to the paper venue in one transaction. Writes quotes of live feeds.

One `LivePrices` per feed and process, under the lease of its exchange. A message that is refused is counted and
changes nothing; a quote is as old as the exchange says it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from markets import broadcast, quotes, refusals
from markets.domain import intake
from markets.domain.intake import Tick
from markets.domain.snapshot import QuoteView
from markets.exchanges import paper_market
from markets.models import Feed, Instrument, Quote

from .ages import Ages


class LivePrices:
    """What is known of the prices of a feed, and what waits for a second price to bear it out."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.known: dict[int, QuoteView] = quotes.newest(feed)
        opens = Quote.objects.filter(feed=feed).values_list("instrument", "day_open")
        self._day_opens: dict[int, Decimal] = {pk: price for pk, price in opens if price is not None}
        self._jumped: dict[tuple[int, bool], tuple[datetime, Decimal]] = {}
        self.ages = Ages()

    def take(
        self, *, ticks: Iterable[Tick], instruments: Mapping[str, Instrument], now: datetime, source: str
    ) -> list[int]:
        """Let these messages in at wall time `now`; gives the ids of the instruments whose price is new."""
        fresh: dict[int, QuoteView] = {}
        priced: set[int] = set()
        for tick in ticks:
            instrument = instruments.get(tick.symbol)
            if instrument is None:
                continue
            view = self._judged(tick, instrument, fresh.get(instrument.pk) or self.known.get(instrument.pk), now)
            if tick.day_open is not None and view is not None and (opened := instrument.rules.price(tick.day_open)) > 0:
                self._day_opens[instrument.pk] = opened
            if view is None:
                continue
            fresh[instrument.pk] = view
            if tick.priced:
                priced.add(instrument.pk)
                self.ages.note(instrument.pk, "price", view.at, now, source)
            if tick.mark is not None:
                self.ages.note(instrument.pk, "mark", min(tick.at, now), now, source)
            if tick.funding_rate is not None:
                self.ages.note(instrument.pk, "funding", min(tick.at, now), now, source)
        changed = {pk: view for pk, view in fresh.items() if view != self.known.get(pk)}
        if changed:
            self._write(changed, sorted(priced & changed.keys()), now)
        return sorted(priced & changed.keys())

    def _judged(self, tick: Tick, instrument: Instrument, known: QuoteView | None, now: datetime) -> QuoteView | None:
        refusal = intake.problem(tick, known, now)
        view = intake.quoted(tick, known, instrument.rules, now) if refusal is None else None
        if view is not None:
            refusal = intake.unfit(view) or self._unconfirmed(tick, view, instrument, known, now)
        if refusal is not None:
            refusals.count(
                exchange=instrument.exchange, symbol=instrument.symbol, part="price" if tick.priced else "mark",
                reason=refusal.code, example=refusal.text,
            )  # fmt: skip
            return None
        return view

    def _unconfirmed(
        self, tick: Tick, view: QuoteView, instrument: Instrument, known: QuoteView | None, now: datetime
    ) -> intake.Refusal | None:
        """A jump waits for another message that says the same a while later: a price for a price, a mark for a mark.

        A price that has not jumped says that neither has.
        """
        price, key = intake.jump(tick, view, known, now), (instrument.pk, tick.priced)
        if price is None:
            if tick.priced:
                self._jumped.pop(key, None)
                self._jumped.pop((instrument.pk, False), None)
            return None
        at, before = self._jumped.get(key, (tick.at, price))
        if not intake.confirms(price, before):
            at, before = tick.at, price
        if tick.at - at >= intake.BORNE_OUT:
            self._jumped.pop(key)
            return None
        self._jumped[key] = at, before
        assert known is not None
        return intake.Refusal("jump", f"{price} after {known.last}, not yet confirmed")

    def _write(self, changed: Mapping[int, QuoteView], priced: Sequence[int], now: datetime) -> None:
        """Quotes and what they set off at the paper venue, together; then whoever looks is told."""
        opens = {pk: self._day_opens[pk] for pk in changed if pk in self._day_opens}
        with transaction.atomic():
            quotes.write(feed=self.feed, quotes=changed, day_opens=opens)
            if priced:
                paper_market.drive(self.feed, paper_market.opens({pk: changed[pk] for pk in priced}, now))
            broadcast.announce(f"feed-{self.feed.pk}", kind="prices", feed=self.feed.pk, round=now.isoformat())
        self.known.update(changed)
