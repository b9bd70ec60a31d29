"""The resources of the API that know bots: bots and decisions, and the ledger's with a filter by bot.

All of it is to read and starts from its owner, so another user's id is not found here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django_filters import rest_framework as filters
from rest_framework import serializers

from bots.models import Bot, BotStatus, Decision, DecisionItem, ModelCall
from bots.models.decisions import DecisionQuerySet
from ledger import api as ledger
from ledger.api import (
    ASIDE,
    Amount,
    Line,
    Lines,
    OwnHistory,
    OwnRows,
    Row,
    SymbolFilter,
    choice,
    owner,
    since,
    until,
    yes_or_no,
)


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
    safe_mode = serializers.BooleanField(read_only=True, help_text="Enters nothing new: its model failed repeatedly.")

    class Meta:
        model = Bot
        fields = [
            "id", "name", "monogram", "colour", "status", "account", "book", "currency", "cash", "deposited",
            "policy", "decider", "seed", "instruments", "timeframes", "interval_seconds",
            "position_interval_seconds", "crontab", "prompt_version", "question_cap_minutes", "shadow_share",
            "decision_seconds", "safe_mode", "model_failures", "model_trouble",
            "next_run_at", "skipped_slots", "created_at",
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
            "id", "bot", "cycle", "cycle_status", "decider", "policy_version", "summary", "held_because", "equity",
            "acted", "refused", "gate", "gate_code", "gate_reason", "latency_ms", "at", "items",
        ]  # fmt: skip


class MessageSerializer(serializers.Serializer):
    role = serializers.CharField()
    content = serializers.CharField()


class ModelCallSerializer(Row):
    """One request to a language model: what was sent, what came back, what it used and cost (US dollars)."""

    messages = MessageSerializer(many=True, read_only=True)
    parameters = serializers.DictField(read_only=True)

    class Meta:
        model = ModelCall
        fields = [
            "id", "purpose", "attempt", "state", "model_id_sent", "form", "messages", "parameters", "answer",
            "reasoning", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "cost",
            "latency_ms", "finish_reason", "request_id", "error_code", "error", "created_at", "ended_at",
        ]  # fmt: skip


class WholeDecisionSerializer(DecisionSerializer):
    """One decision with the answer and the calls to models as they were, which are too long for lists."""

    raw = serializers.JSONField(read_only=True)
    calls = ModelCallSerializer(source="cycle.calls", many=True, read_only=True)

    class Meta(DecisionSerializer.Meta):
        fields = [*DecisionSerializer.Meta.fields, "raw", "calls"]


class DecisionFilters(filters.FilterSet):
    bot = owner(Bot, "bot")
    instrument = SymbolFilter(method="about")
    acted = yes_or_no("acted", method="that_did")
    refused = yes_or_no("refused", method="that_did")
    since = since("at")
    until = until("at")

    def about(self, rows: QuerySet[Decision], name: str, symbol: str) -> QuerySet[Decision]:
        return rows.filter(Exists(DecisionItem.objects.filter(decision=OuterRef("pk"), instrument__symbol=symbol)))

    def that_did(self, rows: DecisionQuerySet, name: str, wanted: bool) -> QuerySet[Decision]:
        # The few that did something have an index of their own, which has to be named as it was made.
        return rows.spoke().filter(**{name: True}) if wanted else rows.filter(**{name: False})


class DecisionViewSet(OwnHistory):
    """What deciders answered and what became of each item, newest first."""

    queryset = Decision.objects.all()
    serializer_class = DecisionSerializer
    filterset_class = DecisionFilters
    through = "bot"
    lines = Lines(DecisionSerializer, items=ASIDE)
    whole = Lines(WholeDecisionSerializer, items=ASIDE, calls=ASIDE)
    items = Lines(DecisionItemSerializer)
    calls = Lines(ModelCallSerializer)

    def get_serializer_class(self) -> Any:
        return WholeDecisionSerializer if self.action == "retrieve" else DecisionSerializer

    def owners(self, chosen: Mapping[str, Any]) -> QuerySet[Any]:
        bots = Bot.objects.of(self.request.user)  # type: ignore[arg-type]
        return bots.filter(pk=chosen["bot"].pk) if chosen.get("bot") else bots

    def told(self, lines: Lines, rows: Any) -> list[Line]:
        """The decisions with their items: two statements, and one more for the calls of a whole one."""
        told = lines.of(rows)
        items: dict[int, list[Line]] = {line["id"]: [] for line in told}
        rest = DecisionItem.objects.filter(decision__in=list(items)).order_by("id")
        for decision, item in self.items.keyed(rest, "decision_id"):
            items[decision].append(item)
        for line in told:
            line["items"] = items[line["id"]]
            if lines is self.whole:
                line["calls"] = self.calls.of(ModelCall.objects.filter(cycle=line["cycle"]).order_by("id"))
        return told


# The ledger knows books and no bots; so the filter by bot is added to its resources here.


class OfBots(OwnHistory):
    def owners(self, chosen: Mapping[str, Any]) -> QuerySet[Any]:
        books = super().owners(chosen)
        return books.filter(pk=chosen["bot"].book_id) if chosen.get("bot") else books


class OrderFilters(ledger.OrderFilters):
    bot = owner(Bot, "book__bot")


class OrderViewSet(OfBots, ledger.OrderViewSet):
    __doc__ = ledger.OrderViewSet.__doc__
    filterset_class = OrderFilters


class TradeFilters(ledger.TradeFilters):
    bot = owner(Bot, "book__bot")


class TradeViewSet(OfBots, ledger.TradeViewSet):
    __doc__ = ledger.TradeViewSet.__doc__
    filterset_class = TradeFilters


class PositionFilters(ledger.PositionFilters):
    bot = owner(Bot, "book__bot")


class PositionViewSet(OfBots, ledger.PositionViewSet):
    __doc__ = ledger.PositionViewSet.__doc__
    filterset_class = PositionFilters
