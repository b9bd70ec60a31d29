"""Accounts and books as others see them, with what they are worth at the newest marks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django_filters import rest_framework as filters
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from ledger import fragments
from ledger.models import Account, AccountKind, Book, BookKind, TradingStateKind
from markets import connections
from markets.models import Feed

from .filtering import choice, owned
from .live_accounts import DifferenceSerializer, LiveActions
from .rows import Amount, OwnRows


class Valued(OwnRows):
    """Rows whose values are worked out for a whole page at once, all of one moment."""

    def valued(self, rows: Sequence[Any]) -> Sequence[Any]:
        raise NotImplementedError

    @connections.one_moment()
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        told = self.get_serializer(self.valued(page or []), many=True)
        return self.get_paginated_response(told.data)

    @connections.one_moment()
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(self.get_serializer(self.valued([self.get_object()])[0]).data)


class AccountSerializer(serializers.Serializer):
    id = serializers.IntegerField(source="account.pk")
    name = serializers.CharField(source="account.name")
    kind = serializers.ChoiceField(source="account.kind", choices=AccountKind.choices)
    feed = serializers.IntegerField(source="account.feed_id")
    exchange = serializers.CharField(source="account.feed.exchange")
    currency = serializers.CharField(source="account.currency")
    cash = Amount(help_text="The sum of its books; equals the venue's wallet.")
    equity = Amount(help_text="Cash and unrealised results.")
    exposure = Amount(source="notional", help_text="Notional of positions and live entries.")
    max_exposure = Amount(source="account.max_exposure", allow_null=True, help_text="Limit of exposure over equity.")
    trouble = serializers.CharField(source="account.trouble", allow_blank=True, help_text="Why it does not trade.")
    refusal = serializers.CharField(
        source="account.refusal", allow_blank=True, help_text="What its venue refuses as if it had changed: exits only."
    )
    reconciled_at = serializers.DateTimeField(source="account.reconciled_at", allow_null=True, help_text="Wall time.")
    armed = serializers.BooleanField(source="account.armed", help_text="May take exposure with real money.")
    key_hint = serializers.CharField(source="account.credentials_hint", allow_blank=True, help_text="End of its key.")
    check_passed = serializers.BooleanField(source="account.check_passed", allow_null=True, help_text="Of its key.")
    check_result = serializers.CharField(source="account.check_result", allow_blank=True)
    differences = DifferenceSerializer(many=True, source="watch.differences", help_text="Standing and newest ended.")
    created_at = serializers.DateTimeField(source="account.created_at", help_text="Wall time.")
    books = serializers.ListField(source="book_ids", child=serializers.IntegerField())


class AccountFilters(filters.FilterSet):
    kind = choice(AccountKind)
    feed = filters.ModelChoiceFilter(
        queryset=lambda request: Feed.objects.filter(accounts__owner=request.user).distinct() if request else None,
        error_messages={"invalid_choice": "You have no account on a feed with the id %(value)s."},
    )


class AccountViewSet(LiveActions, Valued):
    """Accounts: money at a venue, newest first."""

    queryset = Account.objects.select_related("feed")
    serializer_class = AccountSerializer
    filterset_class = AccountFilters

    def valued(self, rows: Sequence[Account]) -> Sequence[fragments.AccountLine]:
        return fragments.watched_lines(rows)


class BookSerializer(serializers.Serializer):
    id = serializers.IntegerField(source="book.pk")
    account = serializers.IntegerField(source="book.account_id", allow_null=True)
    kind = serializers.ChoiceField(source="book.kind", choices=BookKind.choices)
    name = serializers.CharField(source="book.name")
    currency = serializers.CharField(source="book.currency")
    state = serializers.ChoiceField(choices=TradingStateKind.choices, help_text="Strictest of system, account, book.")
    cash = Amount(source="holdings.cash")
    equity = Amount(source="holdings.equity", help_text="Cash and unrealised results.")
    unrealised = Amount(source="holdings.unrealised")
    margin = Amount(source="holdings.margin", help_text="Set aside for open positions.")
    reserved = Amount(source="holdings.reserved", help_text="Set aside for live entries.")
    available = Amount(source="holdings.available", help_text="Cash without margin and reserved.")
    exposure = Amount(source="holdings.exposure", help_text="Notional of positions and live entries.")
    deposited = Amount(source="holdings.deposited", help_text="Deposits and transfers, net: the base of the return.")
    positions = serializers.IntegerField(help_text="Open positions.")
    flatten_requested_at = serializers.DateTimeField(
        source="book.flatten_requested_at", allow_null=True, help_text="Market time."
    )
    created_at = serializers.DateTimeField(source="book.created_at", help_text="Wall time.")


class BookFilters(filters.FilterSet):
    account = owned(Account)
    kind = choice(BookKind)


class BookViewSet(Valued):
    """Books: slices of accounts, each with its own cash and positions, newest first."""

    queryset = Book.objects.all()
    serializer_class = BookSerializer
    filterset_class = BookFilters

    def valued(self, rows: Sequence[Book]) -> Sequence[fragments.BookLine]:
        return fragments.book_lines(rows)
