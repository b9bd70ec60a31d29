"""Open interest as bots are told it: the newest of each instrument, beside the average of a day. One statement."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Avg, FloatField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Cast

from .models import Instrument, OpenInterest

DAY = timedelta(days=1)
LATEST = timedelta(hours=1)  # older than that nothing is said of it


def interest(instruments: Iterable[Instrument], now: datetime) -> dict[str, tuple[Decimal, Decimal]]:
    """(newest, average of 24 hours) in base units, by symbol; an instrument without a recent figure is absent."""
    past = OpenInterest.objects.filter(instrument=OuterRef("pk"), at__gt=now - DAY, at__lte=now)
    newest: QuerySet[OpenInterest] = past.filter(at__gt=now - LATEST).order_by("-at")
    average = past.order_by().values("instrument").annotate(mean=Avg(Cast("amount", FloatField()))).values("mean")
    rows = (
        Instrument.objects.filter(pk__in=[one.pk for one in instruments])
        .annotate(latest=Subquery(newest.values("amount")[:1]), mean=Subquery(average))
        .order_by("pk")
        .values_list("symbol", "latest", "mean")
    )
    return {
        symbol: (latest, Decimal(str(mean))) for symbol, latest, mean in rows if latest is not None and mean is not None
    }
