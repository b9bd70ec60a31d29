"""Orders, trades and positions as others see them: each serializer beside its filters and its viewset."""

from decimal import Decimal
from typing import Any

from django_filters import rest_framework as filters
from rest_framework import serializers

from ledger.models import Book, Order, OrderState, Position, PositionState, Trade
from ledger.models.orders import LIVE_STATES, OrderQuerySet
from ledger.models.positions import PositionQuerySet
from ledger.valuation import marked
from markets.domain.holdings import Holding

from .filtering import SymbolFilter, choice, owner, since, until
from .lines import Computed, Line, Lines, text
from .live_accounts import AdoptAction
from .pages import Pages
from .rows import Amount, OwnHistory, Row


def quotient(value: str, quantity: str) -> str | None:
    divisor = Decimal(quantity)
    return text(Decimal(value) / divisor) if divisor else None


def difference(gain: str, loss: str) -> str:
    return text(Decimal(gain) - Decimal(loss))


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
    book = owner(Book, "book")
    instrument = SymbolFilter("instrument__symbol")
    state = choice(OrderState, method="in_state")
    since = since("at")
    until = until("at")

    def in_state(self, rows: OrderQuerySet, name: str, state: str) -> OrderQuerySet:
        # What is not over yet has a small index of its own.
        return rows.filter(state=state, **{"closed_at": None} if state in LIVE_STATES else {})


class OrderViewSet(OwnHistory):
    """Orders, from plan to end, newest first."""

    queryset = Order.objects.all()
    serializer_class = OrderSerializer
    filterset_class = OrderFilters
    lines = Lines(
        OrderSerializer,
        remaining=Computed(("quantity", "filled"), difference),
        average_price=Computed(("filled_value", "filled"), quotient),
    )


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
    book = owner(Book, "book")
    instrument = SymbolFilter("instrument__symbol")
    since = since("at")
    until = until("at")


class TradeViewSet(OwnHistory):
    """Executions, newest first."""

    queryset = Trade.objects.all()
    serializer_class = TradeSerializer
    filterset_class = TradeFilters
    lines = Lines(TradeSerializer, net=Computed(("realised", "fee"), difference))


class PositionSerializer(Row):
    instrument = serializers.CharField(source="instrument.symbol", read_only=True)
    direction = serializers.ChoiceField(choices=["long", "short"], read_only=True)
    entry_price = Amount(read_only=True, allow_null=True)
    exit_price = Amount(read_only=True, allow_null=True)
    net = Amount(read_only=True)
    mark = Amount(read_only=True, allow_null=True)
    unrealised = Amount(read_only=True, allow_null=True)

    class Meta:
        model = Position
        fields = [
            "id", "account", "book", "instrument", "state", "direction", "quantity", "size", "entry_price",
            "exit_price", "cost", "mark", "unrealised", "margin", "leverage", "realised", "fees", "funding",
            "net", "stop", "target", "trail", "expires_at", "peak", "trough", "unprotected_since",
            "unprotected_seconds", "exit_reason", "opened_at", "closed_at",
        ]  # fmt: skip


class PositionFilters(filters.FilterSet):
    book = owner(Book, "book")
    instrument = SymbolFilter("instrument__symbol")
    state = choice(PositionState, method="in_state")
    since = since("opened_at")
    until = until("opened_at")

    def in_state(self, rows: PositionQuerySet, name: str, state: str) -> PositionQuerySet:
        return rows.filter(state=state, **{} if state == PositionState.CLOSED else {"closed_at": None})


def unrealised(quantity: str, cost: str, mark: str | None) -> str | None:
    held = Holding(Decimal(quantity), Decimal(cost))
    return text(held.unrealised(Decimal(mark))) if mark is not None and held.quantity else None


def net(realised: str, fees: str, funding: str) -> str:
    return text(Decimal(realised) - Decimal(fees) + Decimal(funding))


class PositionViewSet(AdoptAction, OwnHistory):
    """Positions, from flat to flat, with their plan and newest mark; newest first."""

    queryset = Position.objects.all()
    serializer_class = PositionSerializer
    filterset_class = PositionFilters
    # Not by time: an opening position has none yet.
    by = "id"
    pagination_class = Pages
    lines = Lines(
        PositionSerializer,
        direction=Computed(("long",), lambda long: "long" if long else "short"),
        entry_price=Computed(("entry_value", "entry_quantity"), quotient),
        exit_price=Computed(("exit_value", "exit_quantity"), quotient),
        net=Computed(("realised", "fees", "funding"), net),
        mark=Computed(("mark",), lambda mark: mark),
        unrealised=Computed(("quantity", "cost", "mark"), unrealised),
    )

    def told(self, lines: Lines, rows: Any) -> list[Line]:
        return lines.of(marked(rows))
