"""Instruments as others see them: those of the exchanges on whose feeds a user has accounts.

Markets know no owner, so what they keep is told from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from ledger.models import Account
from markets.feeds import clock
from markets.models import Instrument, Quote

from .filtering import yes_or_no
from .holdings import Valued
from .rows import Amount, Row


def exchanges_of(user: Any) -> list[str]:
    feeds = Account.objects.of(user).order_by("feed__exchange")
    return list(feeds.values_list("feed__exchange", flat=True).distinct())


def exchange_of(user: Any, name: str) -> str:
    """The exchange of this name. Raises ValidationError where the user has no account on a feed of it."""
    known = exchanges_of(user)
    if name in known:
        return name
    others = f"; you have some on {', '.join(known)}" if known else ", nor on any other exchange yet"
    raise ValidationError({"exchange": [f"You have no account on {name}{others}."]})


class QuoteSerializer(serializers.ModelSerializer):
    """The newest price on a feed. `age_seconds` is in the time of that feed."""

    serializer_field_mapping = Row.serializer_field_mapping
    age_seconds = serializers.FloatField(read_only=True)

    class Meta:
        model = Quote
        fields = ["feed", "last", "bid", "ask", "mark", "funding_rate", "next_funding_at", "at", "age_seconds"]


class TierSerializer(serializers.Serializer):
    floor = Amount(help_text="From this notional on.")
    maintenance_rate = Amount()
    maintenance_amount = Amount()
    max_leverage = serializers.IntegerField()


class InstrumentSerializer(Row):
    name = serializers.CharField(read_only=True)
    tiers = TierSerializer(many=True, read_only=True)
    newest_quote = QuoteSerializer(read_only=True, allow_null=True)

    class Meta:
        model = Instrument
        fields = [
            "id", "exchange", "symbol", "name", "kind", "base", "quote", "settle", "contract_size", "tick", "step",
            "min_quantity", "min_notional", "max_quantity", "maker_fee", "taker_fee", "half_spread", "impact",
            "funding_hours", "tiers", "assumed", "active", "newest_quote",
        ]  # fmt: skip


class InstrumentFilters(filters.FilterSet):
    exchange = filters.CharFilter(method="of_exchange")
    symbol = filters.CharFilter("symbol")
    name = filters.CharFilter("base", lookup_expr="iexact", help_text="The short name, such as BTC.")
    assumed = yes_or_no("assumed")
    active = yes_or_no("active")

    def of_exchange(self, rows: QuerySet[Instrument], field: str, name: str) -> QuerySet[Instrument]:
        return rows.filter(exchange=exchange_of(self.request.user, name))


class InstrumentViewSet(Valued):
    """Instruments with their rules and newest quote, newest first. `assumed` rules are not the exchange's own."""

    queryset = Instrument.objects.all()
    serializer_class = InstrumentSerializer
    filterset_class = InstrumentFilters

    def get_queryset(self) -> QuerySet[Instrument]:
        if getattr(self, "swagger_fake_view", False):
            return Instrument.objects.none()
        return Instrument.objects.filter(exchange__in=exchanges_of(self.request.user))

    def valued(self, rows: Sequence[Instrument]) -> Sequence[Instrument]:
        """Each with the newest quote of the user's feeds; a feed that runs goes before one that stands."""
        feeds = Account.objects.of(self.request.user).values("feed")  # type: ignore[arg-type]
        quotes = Quote.objects.filter(instrument__in=rows, feed__in=feeds)
        found = {}
        for quote in quotes.select_related("feed").order_by("feed__running", "at", "id"):
            quote.age_seconds = (clock.now(quote.feed) - quote.at).total_seconds()  # type: ignore[attr-defined]
            found[quote.instrument_id] = quote
        for instrument in rows:
            instrument.newest_quote = found.get(instrument.pk)  # type: ignore[attr-defined]
        return rows
