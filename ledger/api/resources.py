"""Orders, trades and positions as others see them: each serializer beside its filters and its viewset."""

from django_filters import rest_framework as filters
from rest_framework import serializers

from ledger.models import Book, Order, OrderState, Position, PositionState, Trade
from ledger.valuation import marked

from .filtering import SymbolFilter, choice, owned, since, until
from .rows import Amount, OwnRows, Row


class OrderSerializer(Row):
    instrument = serializers.CharField(source="instrument.symbol", read_only=True)
    remaining = Amount(read_only=True)
    average_price = Amount(read_only=True, allow_null=True)

    class Meta:
        model = Order
        fields = [
            "id", "client_id", "account", "book", "instrument", "intent", "position", "role", "type", "side",
            "state", "quantity", "filled", "remaining", "average_price", "price", "trigger", "reduce_only",
            "leverage", "reserved", "replaces", "venue_id", "reason", "at", "sent_at", "closed_at",
        ]  # fmt: skip


class OrderFilters(filters.FilterSet):
    book = owned(Book)
    instrument = SymbolFilter("instrument__symbol")
    state = choice(OrderState)
    since = since("at")
    until = until("at")


class OrderViewSet(OwnRows):
    """Orders, from plan to end, newest first."""

    queryset = Order.objects.select_related("instrument")
    serializer_class = OrderSerializer
    filterset_class = OrderFilters


class TradeSerializer(Row):
    instrument = serializers.CharField(source="instrument.symbol", read_only=True)
    net = Amount(read_only=True)

    class Meta:
        model = Trade
        fields = [
            "id", "account", "book", "instrument", "order", "position", "venue_trade_id", "side", "quantity",
            "price", "value", "fee", "fee_currency", "realised", "net", "maker", "liquidation", "at",
        ]  # fmt: skip


class TradeFilters(filters.FilterSet):
    book = owned(Book)
    instrument = SymbolFilter("instrument__symbol")
    since = since("at")
    until = until("at")


class TradeViewSet(OwnRows):
    """Executions, newest first."""

    queryset = Trade.objects.select_related("instrument")
    serializer_class = TradeSerializer
    filterset_class = TradeFilters


class PositionSerializer(Row):
    instrument = serializers.CharField(source="instrument.symbol", read_only=True)
    direction = serializers.ChoiceField(choices=["long", "short"], read_only=True)
    entry_price = Amount(read_only=True, allow_null=True)
    exit_price = Amount(read_only=True, allow_null=True)
    net = Amount(read_only=True)
    mark = Amount(read_only=True, allow_null=True)
    unrealised = serializers.SerializerMethodField()

    class Meta:
        model = Position
        fields = [
            "id", "account", "book", "instrument", "state", "direction", "quantity", "size", "entry_price",
            "exit_price", "cost", "mark", "unrealised", "margin", "leverage", "realised", "fees", "funding",
            "net", "stop", "target", "trail", "expires_at", "peak", "trough", "unprotected_since",
            "unprotected_seconds", "exit_reason", "opened_at", "closed_at",
        ]  # fmt: skip

    def get_unrealised(self, position: Position) -> str | None:
        mark = position.mark  # type: ignore[attr-defined]
        if mark is None or not position.quantity:
            return None
        return str(Amount().to_representation(position.holding.unrealised(mark)))


class PositionFilters(filters.FilterSet):
    book = owned(Book)
    instrument = SymbolFilter("instrument__symbol")
    state = choice(PositionState)
    since = since("opened_at")
    until = until("opened_at")


class PositionViewSet(OwnRows):
    """Positions, from flat to flat, with their plan and newest mark; newest first."""

    queryset = marked(Position.objects.all())
    serializer_class = PositionSerializer
    filterset_class = PositionFilters
