"""The control room's view of the markets: feeds, instruments with the age of their prices, quotes.

All of it is to look at: feeds are driven by their process and rules come from the exchanges. `Exact` and
`History` are what the control rooms of the other apps build on, too.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

from django.contrib import admin
from django.db.models import DecimalField, F, Model, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.decorators import display

from markets.models import DataAge, ExchangeState, Feed, FeedKind, Instrument, Quote, RefusedData

# Prices come once per step of the feed; missing three of them is no accident.
STALE_AFTER_STEPS = 3


@cache
def exact(model: type[Model], name: str) -> Any:
    """A column that shows a decimal as it is; the admin's own would fill it up to eighteen decimals."""

    @display(description=str(model._meta.get_field(name).verbose_name), ordering=name)  # type: ignore[union-attr]
    def shown(row: Model) -> str:
        value: Decimal | None = getattr(row, name)
        return "-" if value is None else f"{value:f}"

    shown.__name__ = name
    return shown


def coloured(name: str, colours: Mapping[Any, str]) -> Any:
    """A column that shows the word of a choice on its colour; `colours` go by choice."""

    @display(description=name, ordering=name, label={str(choice.label): colour for choice, colour in colours.items()})
    def shown(row: Any) -> str:
        return str(getattr(row, f"get_{name}_display")())

    shown.__name__ = name
    return shown


def link(label: object, address: str) -> str:
    """A link in a cell."""
    return format_html('<a class="text-link" href="{}">{}</a>', address, label)


def elapsed(seconds: float) -> str:
    """A duration in its largest unit, such as `4 min`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


class Exact(ModelAdmin):
    """A list that shows decimals as they are."""

    show_full_result_count = False  # counting a long history takes longer than showing it

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return [self.shown(name) for name in super().get_list_display(request)]

    def shown(self, name: Any) -> Any:
        decimals = {field.name for field in self.model._meta.fields if isinstance(field, DecimalField)}
        return exact(self.model, name) if name in decimals else name


class History(Exact):
    """Rows that only the product writes. Nobody adds, changes or deletes them here, not even a superuser."""

    list_per_page = 50
    ordering: tuple[str, ...] = ("-pk",)
    hidden: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        names = [field.name for field in self.model._meta.fields if field.name not in self.hidden]
        return [self.shown(name) for name in [*names, *self.also]]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        return self.get_fields(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def freshness(*, at: datetime | None, market_now: datetime | None, live: bool, step: int) -> tuple[str, str]:
    """How old a price is in the time of its feed: (`fresh`, `stale` or `none`, words)."""
    if at is None:
        return "none", "no price"
    clock = timezone.now() if live or market_now is None else market_now
    seconds = (clock - at).total_seconds()
    return "stale" if seconds > STALE_AFTER_STEPS * step else "fresh", elapsed(seconds)


AGE_COLOURS = {"fresh": "success", "stale": "danger", "none": "info"}


@admin.register(Feed)
class FeedAdmin(History):
    list_display = ("badge", "market_now", "stepped_at", "running", "finished", "speed", "step_seconds")
    list_filter = ("kind", "running", "finished", "exchange")
    search_fields = ("name", "exchange")


@admin.register(Instrument)
class InstrumentAdmin(History):
    ordering = ("exchange", "symbol")
    list_display = (
        "symbol", "exchange", "kind", "last_price", "age", "tick", "step", "min_notional", "taker_fee",
        "assumed", "active",
    )  # fmt: skip
    list_filter = ("exchange", "kind", "settle", "assumed", "active")
    search_fields = ("symbol", "exchange")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Instrument]:
        newest = Quote.objects.filter(instrument=OuterRef("pk")).order_by(F("feed__running").desc(), "-at")
        columns = {
            "quoted_last": "last",
            "quoted_at": "at",
            "quoted_kind": "feed__kind",
            "quoted_now": "feed__market_now",
            "quoted_step": "feed__step_seconds",
        }
        found = {name: Subquery(newest.values(column)[:1]) for name, column in columns.items()}
        return super().get_queryset(request).annotate(**found)

    @display(description="last price")
    def last_price(self, instrument: Any) -> str:
        return "-" if instrument.quoted_last is None else f"{instrument.quoted_last:f}"

    @display(description="age", label=AGE_COLOURS)
    def age(self, instrument: Any) -> tuple[str, str]:
        return freshness(
            at=instrument.quoted_at,
            market_now=instrument.quoted_now,
            live=instrument.quoted_kind == FeedKind.LIVE,
            step=instrument.quoted_step or 0,
        )


@admin.register(Quote)
class QuoteAdmin(History):
    ordering = ("instrument", "feed")
    list_display = (
        "instrument", "feed", "last", "bid", "ask", "mark", "funding_rate", "next_funding_at", "at", "age"
    )  # fmt: skip
    list_filter = ("feed", "instrument__exchange")
    list_select_related = ("feed", "instrument")
    search_fields = ("instrument__symbol",)

    @display(description="age", label=AGE_COLOURS)
    def age(self, quote: Quote) -> tuple[str, str]:
        feed = quote.feed
        return freshness(
            at=quote.at,
            market_now=feed.market_now,
            live=feed.kind == FeedKind.LIVE,
            step=feed.step_seconds,
        )


@admin.register(ExchangeState)
class ExchangeStateAdmin(History):
    ordering = ("exchange",)
    list_display = (
        "exchange",
        "source",
        "breaker",
        "reason",
        "open_until",
        "wait_until",
        "used",
        "clock_offset_ms",
        "rules_at",
    )


@admin.register(DataAge)
class DataAgeAdmin(History):
    ordering = ("instrument", "part")
    list_display = ("instrument", "part", "at", "received_at", "source")
    list_filter = ("part", "source", "instrument__exchange")
    list_select_related = ("instrument",)
    search_fields = ("instrument__symbol",)


@admin.register(RefusedData)
class RefusedDataAdmin(History):
    ordering = ("-last_at",)
    list_display = ("exchange", "symbol", "part", "reason", "count", "last_at", "example")
    list_filter = ("exchange", "part", "reason")
    search_fields = ("symbol",)
