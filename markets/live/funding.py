"""Funding of live markets at its real timestamps and rates, and open interest: asked for when due, stored, settled.

The paper venue settles what the exchange has settled. Who opened a position after a settlement owes nothing for it,
however late the exchange tells of it. What is stored need not be settled: a download stores rates and charges nobody.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction

from markets import broadcast
from markets.exchanges import market_data, paper_market
from markets.exchanges.market_data import Settlement
from markets.freshness import SETTLED
from markets.models import DataAge, Feed, FundingRate, Instrument, OpenInterest, Quote, Source

from .ages import Ages

BACK = timedelta(days=3)  # how far funding is asked for where none was settled yet
INTEREST_EVERY = timedelta(minutes=5)


def overdue(feed: Feed, instruments: Iterable[Instrument], now: datetime) -> list[Instrument]:
    """Instruments of which a settlement should have happened since the newest that was settled on this feed."""
    found, chosen = [], list(instruments)
    settled = dict(_settled(feed, chosen))
    for instrument in chosen:
        last = settled.get(instrument.pk)
        due = instrument.rules.next_settlement(last) if last is not None else now
        if due is not None and due <= now:
            found.append(instrument)
    return found


def settle(feed: Feed, instrument: Instrument, now: datetime, ages: Ages) -> int:
    """Ask for what the exchange has settled since the newest that was settled on this feed, keep it and settle it.

    Gives the number of new settlements. Raises market_data.Away.
    """
    since, count = dict(_settled(feed, [instrument])).get(instrument.pk, now - BACK), 0
    while new := market_data.settlements(feed.exchange, instrument.symbol, since):
        for one in new:
            keep(feed, instrument, one, now)
        count, since = count + len(new), new[-1].at
        ages.note(instrument.pk, "settlement", since, now, "polling")
        if len(new) < market_data.SETTLEMENTS_PAGE:
            break
    return count


def _settled(feed: Feed, instruments: Iterable[Instrument]) -> Iterable[tuple[int, datetime]]:
    """Until when funding was settled on this feed, by instrument id. One statement."""
    return DataAge.objects.filter(instrument__in=list(instruments), part=_part(feed)).values_list("instrument", "at")


def _part(feed: Feed) -> str:
    return f"{SETTLED}{feed.pk}"


@transaction.atomic
def keep(feed: Feed, instrument: Instrument, settled: Settlement, now: datetime) -> None:
    """Store one settlement, charge it to those who held the instrument then, and note that this is done."""
    FundingRate.objects.bulk_create(
        [FundingRate(instrument=instrument, at=settled.at, rate=settled.rate)], ignore_conflicts=True
    )
    mark = settled.mark or _mark(feed, instrument)
    if mark is not None:
        paper_market.drive(feed, paper_market.funding({instrument.pk: (settled.rate, mark)}, settled.at, late=True))
        DataAge.objects.update_or_create(
            instrument=instrument, part=_part(feed),
            defaults={"at": settled.at, "received_at": now, "source": Source.POLLING},
        )  # fmt: skip
        broadcast.announce(f"feed-{feed.pk}", kind="funding", feed=feed.pk)


def _mark(feed: Feed, instrument: Instrument) -> Decimal | None:
    return Quote.objects.filter(feed=feed, instrument=instrument).values_list("mark", flat=True).first()


def interest_due(instruments: Iterable[Instrument], now: datetime) -> list[Instrument]:
    """Instruments of which no open interest is stored that is young enough. One statement."""
    chosen = list(instruments)
    young = OpenInterest.objects.filter(instrument__in=chosen, at__gt=now - INTEREST_EVERY)
    known = set(young.values_list("instrument", flat=True))
    return [instrument for instrument in chosen if instrument.pk not in known]


def read_interest(exchange: str, instrument: Instrument, now: datetime, ages: Ages) -> bool:
    """Ask for the open interest and store it; False where the exchange does not tell it. Raises market_data.Away."""
    found = market_data.open_interest(exchange, instrument.symbol)
    if found is None:
        return False
    at, amount = min(found[0], now), found[1]
    OpenInterest.objects.bulk_create([OpenInterest(instrument=instrument, at=at, amount=amount)], ignore_conflicts=True)
    ages.note(instrument.pk, "interest", at, now, "polling")
    return True
