"""The API's `status`: whether the market moves, what trading may do, and what the asking user has running.

It stands in the site because it looks at all three apps and knows the version.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Count, F, OuterRef, Q, Subquery, Sum
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from bots.models import Bot, BotStatus, Cycle, CycleStatus
from ledger import states
from ledger.api import Guarded
from ledger.models import Order, Position, TradingStateKind, User
from markets import freshness
from markets.feeds import clock
from markets.models import Feed, FeedKind
from tradingsite import __version__


class FeedStatusSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    badge = serializers.CharField(help_text="What pages say about the source of prices.")
    kind = serializers.ChoiceField(choices=FeedKind.choices)
    exchange = serializers.CharField()
    running = serializers.BooleanField()
    finished = serializers.BooleanField()
    speed = serializers.FloatField(help_text="Market seconds per second, at most.")
    stepped_at = serializers.DateTimeField(allow_null=True, help_text="When it last moved, in wall time.")


class RefusedDataSerializer(serializers.Serializer):
    symbol = serializers.CharField()
    part = serializers.CharField(help_text="price, mark, or candles and their timeframe.")
    reason = serializers.CharField(help_text="A stable code such as stale, jump, crossed, not_a_number.")
    count = serializers.IntegerField()
    last_at = serializers.DateTimeField()
    example = serializers.CharField(allow_blank=True)


class MarketDataSerializer(serializers.Serializer):
    exchange = serializers.CharField()
    transport = serializers.CharField(
        source="source", allow_blank=True, help_text="stream, polling, or empty where nothing comes."
    )
    breaker = serializers.CharField(help_text="closed while the exchange answers; open or probing while it does not.")
    reason = serializers.CharField(allow_blank=True)
    open_until = serializers.DateTimeField(allow_null=True, help_text="Nothing is asked before this wall time.")
    wait_until = serializers.DateTimeField(allow_null=True, help_text="The exchange asked us to wait until then.")
    clock_offset_ms = serializers.IntegerField(allow_null=True, help_text="The exchange's clock minus ours.")
    refused = RefusedDataSerializer(many=True, help_text="Data that were not let in, the newest first, at most 20.")


class LastCycleSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    bot = serializers.IntegerField(source="bot_id")
    status = serializers.ChoiceField(choices=CycleStatus.choices)
    slot = serializers.DateTimeField(help_text="Market time.")
    ended_at = serializers.DateTimeField(allow_null=True, help_text="Wall time.")


class CyclesStatusSerializer(serializers.Serializer):
    queued = serializers.IntegerField()
    running = serializers.IntegerField()
    skipped_slots = serializers.IntegerField(help_text="Slots that came too late and were not run.")
    last = LastCycleSerializer(allow_null=True)


class CountsSerializer(serializers.Serializer):
    bots = serializers.IntegerField()
    bots_running = serializers.IntegerField()
    positions_open = serializers.IntegerField()
    orders_live = serializers.IntegerField()


@extend_schema_serializer(many=False)
class StatusSerializer(serializers.Serializer):
    version = serializers.CharField()
    state = serializers.ChoiceField(choices=TradingStateKind.choices, help_text="Of the whole system.")
    state_reason = serializers.CharField(allow_blank=True)
    feed = FeedStatusSerializer(allow_null=True)
    market_time = serializers.DateTimeField(allow_null=True)
    market_data = MarketDataSerializer(allow_null=True, help_text="Of the live exchange; null on other feeds.")
    cycles = CyclesStatusSerializer()
    counts = CountsSerializer()


class StatusViewSet(Guarded, ViewSet):
    serializer_class = StatusSerializer

    @extend_schema(operation_id="status")
    def list(self, request: Request) -> Response:
        """The state of the system, and what of yours is running."""
        return Response(StatusSerializer(status_for(request.user)).data)  # type: ignore[arg-type]


def status_for(user: User) -> dict[str, Any]:
    feed = Feed.objects.order_by("-running", F("stepped_at").desc(nulls_last=True), "-id").first()
    state = states.current_system()
    bots = Bot.objects.of(user).aggregate(
        bots=Count("pk"),
        bots_running=Count("pk", filter=Q(status=BotStatus.RUNNING)),
        skipped_slots=Sum("skipped_slots", default=0),
    )
    return {
        "version": __version__,
        "state": state.state,
        "state_reason": state.reason,
        "feed": feed,
        "market_time": clock.now(feed) if feed and (feed.market_now or not feed.lock_step) else None,
        "market_data": freshness.of_exchange(feed.exchange, timezone.now()) if feed and not feed.lock_step else None,
        "cycles": {"skipped_slots": bots.pop("skipped_slots"), **cycles_of(user)},
        "counts": {
            **bots,
            "positions_open": Position.objects.of(user).open().count(),
            "orders_live": Order.objects.of(user).live().count(),
        },
    }


def newest_of_each(user: User) -> list[int]:
    """The newest ended cycle of each bot: one look at the index of each, whatever others have."""
    ended = Cycle.objects.filter(bot=OuterRef("pk"), ended_at__isnull=False).order_by("-id").values("pk")[:1]
    newest = Bot.objects.of(user).annotate(newest=Subquery(ended)).values_list("newest", flat=True)
    return [pk for pk in newest if pk is not None]


def cycles_of(user: User) -> dict[str, Any]:
    cycles = Cycle.objects.of(user)
    # Only what is pending is counted: the finished ones are too many to count at each call.
    waiting = cycles.pending()
    pending = dict(waiting.values_list("status").annotate(Count("pk")))
    return {
        "queued": pending.get(CycleStatus.QUEUED, 0),
        "running": pending.get(CycleStatus.RUNNING, 0),
        "last": cycles.filter(pk__in=newest_of_each(user)).order_by("-id").first(),
    }
