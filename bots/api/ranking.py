"""How bots have done: the figures of each, and all of them ranked. Read from the ledger; nothing is kept here."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, Q
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from bots.buy_and_hold import held_instead
from bots.leaderboard import standings
from bots.models import Bot, BotStatus
from ledger.api import Amount, Guarded, Own, OwnRows, owned, refuse_unknown
from ledger.models import Account
from ledger.track_record import record
from markets import connections
from markets.feeds import clock
from markets.models import Feed

from .statistics import StatisticsSerializer


class OnPositionsSerializer(serializers.Serializer):
    closed = serializers.IntegerField(source="trades", help_text="Closed positions: what the ratios count.")
    wins = serializers.IntegerField(help_text="Closed above zero after fees and funding.")
    win_rate = Amount(allow_null=True)
    profit_factor = Amount(allow_null=True, help_text="Gains over losses of closed positions; null without a loss.")
    gains = Amount(help_text="Of closed positions that won, net.")
    losses = Amount(help_text="Of closed positions that lost, net, as a positive number.")
    realised = Amount(help_text="Of all positions, open ones too, before fees and funding.")
    fees = Amount()
    funding = Amount(help_text="Negative when paid.")
    net = Amount(help_text="Realised less fees, with funding.")


class OnEquitySerializer(serializers.Serializer):
    equity = Amount()
    deposited = Amount(source="bot.book.deposited", help_text="Deposits and transfers, net.")
    unrealised = Amount()
    rate_of_return = Amount(source="rate", allow_null=True, help_text="Equity over deposited, less one.")
    max_drawdown = Amount(source="drawdown", help_text="Deepest fall from a peak, as a fraction of the peak.")
    exposure = Amount(help_text="Notional of open positions over equity.")
    model_cost = Amount(help_text="What its language models cost so far, in US dollars; part of no other amount.")
    unknown_costs = serializers.IntegerField(help_text="Calls to models whose cost nobody knows.")
    net_rate_of_return = Amount(
        source="net_rate", allow_null=True, help_text="After the models' cost. Null where the book is not in dollars."
    )


class PerformanceSerializer(serializers.Serializer):
    """Ratios are fractions: 0.05 is five per cent. Null where there is nothing to divide by."""

    bot = serializers.IntegerField(source="bot.pk")
    name = serializers.CharField(source="bot.name")
    currency = serializers.CharField(source="bot.book.currency")
    on_positions = OnPositionsSerializer(source="*")
    on_equity = OnEquitySerializer(source="*")


class PerformanceDetailSerializer(PerformanceSerializer):
    statistics = serializers.SerializerMethodField()

    @extend_schema_field(StatisticsSerializer)
    def get_statistics(self, line: Any) -> dict[str, Any]:
        told = {"record": record(line.bot.book), "held_instead": held_instead(line.bot)}
        return dict(StatisticsSerializer(told).data)


class PerformanceFilters(filters.FilterSet):
    bot = extend_schema_field(OpenApiTypes.INT)(owned(Bot, method=lambda rows, name, bot: rows.filter(pk=bot.pk)))


class PerformanceViewSet(OwnRows):
    """The figures of bots, on closed positions and on equity side by side; the newest bot first.

    One bot alone comes with all its statistics, with intervals, and buy-and-hold beside them.
    """

    queryset = Bot.objects.select_related("book__account__feed")
    serializer_class = PerformanceSerializer
    filterset_class = PerformanceFilters

    @connections.one_moment()
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        bots = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        lines = {line.bot.pk: line for line in standings(bots)}
        told = self.get_serializer([lines[bot.pk] for bot in bots], many=True)
        return self.get_paginated_response(told.data)

    @extend_schema(responses=PerformanceDetailSerializer)
    @connections.one_moment()
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(PerformanceDetailSerializer(standings([self.get_object()])[0]).data)


class StandingSerializer(serializers.Serializer):
    rank = serializers.IntegerField()
    tied = serializers.BooleanField(help_text="Others have the same return, to a hundredth of a per cent.")
    bot = serializers.IntegerField(source="bot.pk")
    name = serializers.CharField(source="bot.name")
    monogram = serializers.CharField(source="bot.monogram")
    colour = serializers.IntegerField(source="bot.colour")
    decider = serializers.CharField(source="bot.decider")
    status = serializers.ChoiceField(source="bot.status", choices=BotStatus.choices)
    currency = serializers.CharField(source="bot.book.currency")
    equity = Amount()
    rate_of_return = Amount(source="rate", allow_null=True)
    model_cost = Amount(help_text="Of its language models so far, in US dollars.")
    unknown_costs = serializers.IntegerField(help_text="Calls to models whose cost nobody knows.")
    net_rate_of_return = Amount(source="net_rate", allow_null=True, help_text="After the models' cost: what is ranked.")
    max_drawdown = Amount(source="drawdown")
    realised = Amount()
    unrealised = Amount()
    fees = Amount()
    funding = Amount()
    trades = serializers.IntegerField(help_text="Closed positions.")
    wins = serializers.IntegerField()
    win_rate = Amount(allow_null=True)
    exposure = Amount(help_text="Notional of open positions over equity.")
    open = serializers.SerializerMethodField(help_text="Open positions.")

    def get_open(self, line: Any) -> int:
        return len(line.positions)


@extend_schema_serializer(many=False)
class LeaderboardSerializer(serializers.Serializer):
    feed = serializers.IntegerField(allow_null=True)
    badge = serializers.CharField(allow_blank=True, help_text="What pages say about the source of prices.")
    market_time = serializers.DateTimeField(allow_null=True)
    results = StandingSerializer(many=True)


class SeenFeed(Own):
    """A feed on which the user has an account, or the one that runs."""

    def get_queryset(self) -> Any:
        mine = Exists(Account.objects.of(self.context["request"].user).filter(feed=OuterRef("pk")))
        return Feed.objects.filter(Q(running=True) | mine)


class LeaderboardQuery(serializers.Serializer):
    feed = SeenFeed(Feed, help_text="Default: the feed that runs, else the newest.")


class LeaderboardViewSet(Guarded, ViewSet):
    serializer_class = LeaderboardSerializer
    errors = (400, 401, 403, 429)

    @extend_schema(operation_id="leaderboard", parameters=[LeaderboardQuery])
    @connections.one_moment()
    def list(self, request: Request) -> Response:
        """Your bots on one feed, best return after all costs first, whole; equal returns share a rank."""
        asked = LeaderboardQuery(data=request.query_params, context={"request": request})
        refuse_unknown(request, asked.fields)
        asked.is_valid(raise_exception=True)
        feed = asked.validated_data.get("feed") or Feed.objects.order_by("-running", "-id").first()
        bots = Bot.objects.of(request.user).select_related("book").order_by("id")  # type: ignore[arg-type]
        lines = standings(list(bots.on(feed))) if feed else []
        told = {
            "feed": feed and feed.pk,
            "badge": feed.badge if feed else "",
            "market_time": feed and (feed.market_now if feed.lock_step else clock.now(feed)),
            "results": lines,
        }
        return Response(LeaderboardSerializer(told).data)
