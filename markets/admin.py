"""The control room's view of the markets: feeds, instruments with the age of their prices, quotes.

All of it is to look at: feeds are driven by their process and rules come from the exchanges. `Exact` and
`History` are what the control rooms of the other apps build on, too.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

from django.contrib import admin
from django.db.models import DecimalField, F, Model, OuterRef, QuerySet, Subquery, Sum
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from unfold.admin import ModelAdmin
from unfold.decorators import display

from markets import quality
from markets.domain.candles import TIMEFRAMES, instant
from markets.models import (
    Breaker,
    Candle,
    DataAge,
    ExchangeState,
    Feed,
    FeedKind,
    FundingRate,
    Instrument,
    InstrumentStatus,
    Quote,
    RefusedData,
    SeriesNote,
)

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


# The newest candle is looked for in these, the finest first: they are what feeds and bots live by.
CANDLES_SHOWN = ("1m", "5m", "15m", "1h", "1d")
REPORTED = ("candles", "rates", "missing", "holes", "bad", "still", "unbacked", "jumps", "reverted")
STATUS_COLOURS = {
    str(InstrumentStatus.TRADING.label): "success",
    str(InstrumentStatus.LEAVING.label): "warning",
    str(InstrumentStatus.HALTED.label): "danger",
    str(InstrumentStatus.DELISTED.label): "danger",
}
BREAKER_COLOURS = {Breaker.CLOSED: "success", Breaker.OPEN: "danger", Breaker.PROBING: "warning"}
AGE_COLOURS = {"fresh": "success", "stale": "danger", "none": "info"}


@admin.register(Feed)
class FeedAdmin(History):
    list_display = ("badge", "market_now", "stepped_at", "running", "finished", "speed", "step_seconds")
    list_filter = ("kind", "running", "finished", "exchange")
    search_fields = ("name", "exchange")


@admin.register(Instrument)
class InstrumentAdmin(History):
    """Ages are in the time of the feed whose quote is shown."""

    ordering = ("exchange", "symbol")
    list_display = (
        "symbol", "chart", "exchange", "state", "last_price", "age", "candle_age", "funding_age", "refused", "missing",
        "rules_from",
    )  # fmt: skip
    list_filter = ("exchange", "kind", "settle", "status", "assumed", "active")
    search_fields = ("symbol", "exchange")
    also = ("chart", "stored_series", "refused_data")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Instrument]:
        newest = Quote.objects.filter(instrument=OuterRef("pk")).order_by(F("feed__running").desc(), "-at")
        columns = {
            "quoted_last": "last",
            "quoted_at": "at",
            "quoted_kind": "feed__kind",
            "quoted_now": "feed__market_now",
            "quoted_step": "feed__step_seconds",
        }
        found: dict[str, Any] = {name: Subquery(newest.values(column)[:1]) for name, column in columns.items()}
        for name in CANDLES_SHOWN:
            opened = Candle.objects.filter(instrument=OuterRef("pk"), timeframe=name).order_by("-open_time")
            found[f"candle_{name}"] = Subquery(opened.values("open_time")[:1])
        settled = FundingRate.objects.filter(instrument=OuterRef("pk")).order_by("-at")
        found["settled_at"] = Subquery(settled.values("at")[:1])
        refused = RefusedData.objects.filter(exchange=OuterRef("exchange"), symbol=OuterRef("symbol"))
        found["refused_rows"] = Subquery(refused.values("symbol").annotate(rows=Sum("count")).values("rows"))
        return super().get_queryset(request).annotate(**found).prefetch_related("series_notes")

    @display(description="last price")
    def last_price(self, instrument: Any) -> str:
        return "-" if instrument.quoted_last is None else f"{instrument.quoted_last:f}"

    @display(description="price", label=AGE_COLOURS)
    def age(self, instrument: Any) -> tuple[str, str]:
        return self._aged(instrument, instrument.quoted_at, instrument.quoted_step or 0, "no price")

    @display(description="newest candle", label=AGE_COLOURS)
    def candle_age(self, instrument: Any) -> tuple[str, str]:
        """Of the finest timeframe that is stored: since when its newest candle has been closed."""
        for name in CANDLES_SHOWN:
            if (opened := getattr(instrument, f"candle_{name}")) is not None:
                step = TIMEFRAMES[name]
                return self._aged(instrument, instant(opened + step), step // 1000, "")
        return "none", "none"

    @display(description="funding", label=AGE_COLOURS)
    def funding_age(self, instrument: Any) -> tuple[str, str]:
        return self._aged(instrument, instrument.settled_at, instrument.funding_hours * 3600, "none")

    def _aged(self, instrument: Any, at: datetime | None, step: int, without: str) -> tuple[str, str]:
        live = instrument.quoted_kind == FeedKind.LIVE
        verdict, words = freshness(at=at, market_now=instrument.quoted_now, live=live, step=step)
        return (verdict, words) if at is not None else ("none", without)

    @display(description="status", ordering="status", label=STATUS_COLOURS)
    def state(self, instrument: Instrument) -> str:
        return str(instrument.get_status_display()) if instrument.active else "Halted"

    @display(description="rules", ordering="assumed", label={"assumed": "warning", "exchange": "success"})
    def rules_from(self, instrument: Instrument) -> tuple[str, str]:
        return ("assumed", "assumed") if instrument.assumed else ("exchange", "the exchange's")

    @display(description="refused", ordering="refused_rows")
    def refused(self, instrument: Any) -> str:
        return f"{instrument.refused_rows:,}" if instrument.refused_rows else "-"

    @display(description="missing")
    def missing(self, instrument: Instrument) -> str:
        """Candles missing inside the stored series, as of their newest checks."""
        found = sum(note.report.get("missing", 0) for note in instrument.series_notes.all())
        return f"{found:,}" if found else "-"

    @display(description="page")
    def chart(self, instrument: Instrument) -> str:
        # By its address: the pages stand above this app.
        return link("chart", f"/markets/{instrument.pk}/")

    @display(description="stored series")
    def stored_series(self, instrument: Instrument) -> str:
        return _lines(f"{note.timeframe} {note.get_kind_display()}: {told(note)}" for note in quality.notes(instrument))

    @display(description="refused data")
    def refused_data(self, instrument: Instrument) -> str:
        return _lines(f"{row.part}: {row.count:,} {row.reason} ({row.example})" for row in quality.refused(instrument))


def told(note: SeriesNote) -> str:
    """The newest report on a stored series in a line."""
    figures = [f"{note.report[name]:,} {name}" for name in REPORTED if note.report.get(name)]
    built = [f"{note.built:,} resampled from {note.built_from}"] if note.built else []
    return ", ".join([*figures, *built]) or "not checked yet"


def _lines(texts: Iterable[str]) -> str:
    found = format_html_join(mark_safe("<br>"), "{}", ((text,) for text in texts))
    return found or "-"


@admin.register(SeriesNote)
class SeriesNoteAdmin(History):
    ordering = ("instrument", "kind", "timeframe")
    list_display = ("instrument", "exchange", "kind", "timeframe", "quality_found", "checked_at")
    list_filter = ("kind", "timeframe", "instrument__exchange")
    list_select_related = ("instrument",)
    search_fields = ("instrument__symbol",)

    @display(description="exchange", ordering="instrument__exchange")
    def exchange(self, note: SeriesNote) -> str:
        return note.instrument.exchange

    @display(description="what was found")
    def quality_found(self, note: SeriesNote) -> str:
        return told(note)


@admin.register(RefusedData)
class RefusedDataAdmin(History):
    ordering = ("-last_at",)
    list_display = ("symbol", "exchange", "part", "reason", "count", "example", "first_at", "last_at")
    list_filter = ("exchange", "reason", "part")
    search_fields = ("symbol", "example")


@admin.register(ExchangeState)
class ExchangeStateAdmin(History):
    ordering = ("exchange",)
    list_display = (
        "exchange", coloured("breaker", BREAKER_COLOURS), "failures", "open_until", "reason", "used", "wait_until",
        "clock_offset_ms", "source", "rules_at",
    )  # fmt: skip
    hidden = ("lease_holder",)


@admin.register(FundingRate)
class FundingRateAdmin(History):
    ordering = ("-at",)
    list_display = ("instrument", "at", "rate")
    list_filter = ("instrument__exchange",)
    list_select_related = ("instrument",)
    search_fields = ("instrument__symbol",)


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


@admin.register(DataAge)
class DataAgeAdmin(History):
    ordering = ("instrument", "part")
    list_display = ("instrument", "part", "at", "received_at", "source")
    list_filter = ("part", "source", "instrument__exchange")
    list_select_related = ("instrument",)
    search_fields = ("instrument__symbol",)
