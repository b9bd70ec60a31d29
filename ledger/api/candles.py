"""Stored candles as others see them, as rows of numbers, page by page along their key. None is of the future."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.db.models import F
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.viewsets import ViewSet

from ledger.models import Account
from markets.domain.candles import TIMEFRAMES, instant, milliseconds
from markets.feeds import clock
from markets.models import Candle, Feed, Instrument
from markets.models.candles import COLUMNS

from .instruments import exchange_of, exchanges_of
from .rows import Guarded, refuse_unknown

CANDLES, MOST_CANDLES = 500, 1000
HEADER = ("time", *COLUMNS[1:])


class Instant(serializers.Field):
    """A time as ISO 8601 (UTC where no zone is said) or in UTC milliseconds, as candles have it."""

    def to_internal_value(self, text: Any) -> int:
        if text.isascii() and text.isdigit() and len(text) <= 15:
            return int(text)
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise serializers.ValidationError(
                f"{text} is no time; write 2025-05-01T12:00:00Z or UTC milliseconds."
            ) from None
        return milliseconds(at if at.tzinfo else at.replace(tzinfo=UTC))

    def to_representation(self, value: int) -> str:
        return instant(value).isoformat()


TIME = extend_schema_field({"type": "string", "example": "2025-05-01T12:00:00Z"})(Instant)


class CandleQuery(serializers.Serializer):
    instrument = serializers.CharField(
        help_text="A symbol such as BTC/USDT:USDT, or a short name such as BTC where it is clear.",
        error_messages={"required": "Say which instrument: a symbol such as BTC/USDT:USDT, or a short name."},
    )
    exchange = serializers.CharField(required=False, help_text="Needed where several exchanges have the instrument.")
    timeframe = serializers.ChoiceField(
        choices=list(TIMEFRAMES),
        error_messages={
            "required": f"Say which timeframe: one of {', '.join(TIMEFRAMES)}.",
            "invalid_choice": f"There is no timeframe {{input}}; choose one of {', '.join(TIMEFRAMES)}.",
        },
    )
    since = TIME(required=False, help_text="Opened at this time or later: reads forward, `next` is later.")
    until = TIME(required=False, help_text="Opened before this time. Without `since` it reads back from here.")
    limit = serializers.IntegerField(
        default=CANDLES,
        min_value=1,
        max_value=MOST_CANDLES,
        error_messages={
            "invalid": "The limit is a whole number.",
            "min_value": f"The limit is 1 to {MOST_CANDLES} candles.",
            "max_value": f"The limit is 1 to {MOST_CANDLES} candles.",
        },
    )


@extend_schema_serializer(many=False)
class CandlesSerializer(serializers.Serializer):
    exchange = serializers.CharField()
    instrument = serializers.CharField()
    timeframe = serializers.ChoiceField(choices=list(TIMEFRAMES))
    columns = serializers.ListField(child=serializers.CharField(), help_text=f"Always {', '.join(HEADER)}.")
    results = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField(), min_length=len(HEADER), max_length=len(HEADER)),
        help_text="Closed candles, oldest first; `time` is the open time in UTC milliseconds, volume in base units.",
    )
    next = serializers.URLField(allow_null=True, help_text="Later candles with `since`, earlier ones without.")


class CandleViewSet(Guarded, ViewSet):
    serializer_class = CandlesSerializer
    errors = (400, 401, 403, 429)

    @extend_schema(operation_id="candles", parameters=[CandleQuery])
    def list(self, request: Request) -> Response:
        """Stored candles of one instrument and timeframe, as rows; each page oldest first."""
        asked = CandleQuery(data=request.query_params)
        refuse_unknown(request, asked.fields)
        asked.is_valid(raise_exception=True)
        query = asked.validated_data
        instrument = the_instrument(request.user, query["instrument"], query.get("exchange"))
        rows, beside = stretch(instrument, query, newest_closed(request.user, instrument, query["timeframe"]))
        address = request.build_absolute_uri()
        return Response(
            {
                "exchange": instrument.exchange,
                "instrument": instrument.symbol,
                "timeframe": query["timeframe"],
                "columns": HEADER,
                "results": rows,
                "next": replace_query_param(address, *beside) if beside else None,
            }
        )


def the_instrument(user: Any, name: str, exchange: str | None) -> Instrument:
    """The one instrument meant. Raises ValidationError with one sentence where there is none, or several."""
    exchanges = [exchange_of(user, exchange)] if exchange else exchanges_of(user)
    rows = Instrument.objects.filter(exchange__in=exchanges)
    found = list((rows.filter(symbol=name) if "/" in name else rows.filter(base__iexact=name))[:5])
    if len(found) == 1:
        return found[0]
    if not exchanges:
        sentence = "You have no account on any exchange yet, so there is no instrument to show."
    elif not found:
        sentence = f"There is no instrument {name} on {', '.join(exchanges)}; symbols look like BTC/USDT:USDT."
    else:
        choices = ", ".join(f"{one.symbol} on {one.exchange}" for one in found)
        sentence = f"{name} may be {choices}; say which by symbol and exchange."
    raise ValidationError({"instrument": [sentence]})


def newest_closed(user: Any, instrument: Instrument, timeframe: str) -> int | None:
    """When the newest candle that has closed on the user's market opened; None where the market is live.

    What is stored of a replay, and of a simulation that was begun anew, reaches beyond the time of its feed. The feed
    is the one whose quote the list of instruments shows.
    """
    mine = Feed.objects.filter(pk__in=Account.objects.of(user).values("feed"), exchange=instrument.exchange)
    feeds = list(mine.order_by("-running", F("market_now").desc(nulls_last=True), "-id"))
    if not all(feed.lock_step for feed in feeds):
        return None
    return milliseconds(clock.now(feeds[0])) - TIMEFRAMES[timeframe]


def stretch(
    instrument: Instrument, query: Mapping[str, Any], newest: int | None
) -> tuple[list[Any], tuple[str, int] | None]:
    """Rows oldest first, none later than `newest`, and the parameter that leads on. One statement along the key."""
    since, until, limit = query.get("since"), query.get("until"), query["limit"]
    last = min((bound for bound in (newest, None if until is None else until - 1) if bound is not None), default=None)
    stored = Candle.objects.of(instrument, query["timeframe"]).between(since, last).values_list(*COLUMNS)
    forward = since is not None
    rows = list(stored.order_by("open_time" if forward else "-open_time")[: limit + 1])
    more, rows = len(rows) > limit, rows[:limit]
    if forward:
        return rows, ("since", rows[-1][0] + 1) if more else None
    return rows[::-1], ("until", rows[-1][0]) if more else None
