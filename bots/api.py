"""The resources of the API that know bots: bots and decisions, and the ledger's with a filter by bot.

All of it is to read and starts from its owner, so another user's id is not found here.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, Prefetch, QuerySet
from django_filters import rest_framework as filters
from rest_framework import serializers

from bots.models import Bot, BotStatus, Decision, DecisionItem
from ledger import api as ledger
from ledger.api import Amount, OwnRows, Row, SymbolFilter, choice, owned, since, until, yes_or_no


class PolicyOfBotSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()
    version = serializers.IntegerField()


class BotSerializer(Row):
    account = serializers.IntegerField(source="book.account_id", read_only=True, allow_null=True)
    policy = PolicyOfBotSerializer(read_only=True)
    instruments: serializers.SlugRelatedField[Any] = serializers.SlugRelatedField(
        slug_field="symbol", many=True, read_only=True
    )
    timeframes = serializers.ListField(child=serializers.CharField(), read_only=True)
    currency = serializers.CharField(source="book.currency", read_only=True)
    cash = Amount(source="book.cash", read_only=True)
    deposited = Amount(source="book.deposited", read_only=True)

    class Meta:
        model = Bot
        fields = [
            "id", "name", "monogram", "colour", "status", "account", "book", "currency", "cash", "deposited",
            "policy", "decider", "seed", "instruments", "timeframes", "interval_seconds", "next_run_at",
            "skipped_slots", "created_at",
        ]  # fmt: skip


class BotFilters(filters.FilterSet):
    status = choice(BotStatus)
    instrument = SymbolFilter("instruments__symbol", distinct=True)


class BotViewSet(OwnRows):
    """Bots with the cash of their book, newest first."""

    queryset = Bot.objects.select_related("book", "policy").prefetch_related("instruments")
    serializer_class = BotSerializer
    filterset_class = BotFilters


class VerdictSerializer(serializers.Serializer):
    """What one rule said: its code, whether it allowed, shrank or denied, and the numbers behind it."""

    code = serializers.CharField()
    effect = serializers.CharField()
    limit = serializers.CharField(allow_null=True)
    value = serializers.CharField(allow_null=True)
    text = serializers.CharField()


class DecisionItemSerializer(Row):
    verdicts = VerdictSerializer(many=True, read_only=True)

    class Meta:
        model = DecisionItem
        fields = [
            "id", "symbol", "action", "conviction", "stop", "target", "invalidation", "reason", "outcome",
            "verdicts", "quantity", "price", "intent",
        ]  # fmt: skip


class DecisionSerializer(Row):
    items = DecisionItemSerializer(many=True, read_only=True)
    cycle_status = serializers.CharField(source="cycle.status", read_only=True)

    class Meta:
        model = Decision
        fields = [
            "id", "bot", "cycle", "cycle_status", "decider", "policy_version", "summary", "equity", "acted",
            "refused", "latency_ms", "at", "items",
        ]  # fmt: skip


class WholeDecisionSerializer(DecisionSerializer):
    """One decision with the answer as it came, which is too long for lists."""

    raw = serializers.JSONField(read_only=True)

    class Meta(DecisionSerializer.Meta):
        fields = [*DecisionSerializer.Meta.fields, "raw"]


class DecisionFilters(filters.FilterSet):
    bot = owned(Bot)
    instrument = SymbolFilter(method="about")
    acted = yes_or_no("acted")
    refused = yes_or_no("refused")
    since = since("at")
    until = until("at")

    def about(self, rows: QuerySet[Decision], name: str, symbol: str) -> QuerySet[Decision]:
        return rows.filter(Exists(DecisionItem.objects.filter(decision=OuterRef("pk"), instrument__symbol=symbol)))


class DecisionViewSet(OwnRows):
    """What deciders answered and what became of each item, newest first."""

    queryset = Decision.objects.select_related("cycle").prefetch_related(
        Prefetch("items", DecisionItem.objects.order_by("id"))
    )
    serializer_class = DecisionSerializer
    filterset_class = DecisionFilters

    def get_serializer_class(self) -> Any:
        return WholeDecisionSerializer if self.action == "retrieve" else DecisionSerializer


# The ledger knows books and no bots; so the filter by bot is added to its resources here.


class OrderFilters(ledger.OrderFilters):
    bot = owned(Bot, field_name="book__bot")


class OrderViewSet(ledger.OrderViewSet):
    __doc__ = ledger.OrderViewSet.__doc__
    filterset_class = OrderFilters


class TradeFilters(ledger.TradeFilters):
    bot = owned(Bot, field_name="book__bot")


class TradeViewSet(ledger.TradeViewSet):
    __doc__ = ledger.TradeViewSet.__doc__
    filterset_class = TradeFilters


class PositionFilters(ledger.PositionFilters):
    bot = owned(Bot, field_name="book__bot")


class PositionViewSet(ledger.PositionViewSet):
    __doc__ = ledger.PositionViewSet.__doc__
    filterset_class = PositionFilters
