"""The diary as others see it: what happened, newest first, in pages."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from bots import diary
from bots.diary import Asked, Kind
from bots.models import Bot
from ledger.api import Guarded, Own, TimedPages, refuse_unknown
from ledger.keyset import Place
from ledger.models import Account


class IdsSerializer(serializers.Serializer):
    """The rows behind an entry, where there are any."""

    cycle = serializers.IntegerField(required=False)
    decision = serializers.IntegerField(required=False)
    intent = serializers.IntegerField(required=False)
    order = serializers.IntegerField(required=False)
    trade = serializers.IntegerField(required=False)
    position = serializers.IntegerField(required=False)
    cash = serializers.IntegerField(required=False)
    state = serializers.IntegerField(required=False)
    account = serializers.IntegerField(required=False)


class EntrySerializer(serializers.Serializer):
    at = serializers.DateTimeField(help_text="Market time.")
    kind = serializers.ChoiceField(choices=Kind.choices)
    id = serializers.IntegerField(help_text="Of the row behind it; unique within its kind.")
    bot = serializers.IntegerField(allow_null=True)
    book = serializers.IntegerField(allow_null=True)
    text = serializers.CharField(help_text="What happened, in one sentence.")
    ids = IdsSerializer()


class Kinds(serializers.CharField):
    """One or more kinds, separated by commas."""

    def to_internal_value(self, data: Any) -> Any:
        kinds = [word.strip() for word in str(data).split(",")]
        for kind in kinds:
            if kind not in Kind.values:
                raise serializers.ValidationError(
                    f"There is no kind {kind}; choose one or more of {', '.join(Kind.values)}."
                )
        return list(dict.fromkeys(kinds))


class DiaryQuery(serializers.Serializer):
    bot = Own(Bot)
    account = Own(Account)
    kind = Kinds(required=False, help_text=f"Some of {', '.join(Kind.values)}, separated by commas.")
    since = serializers.DateTimeField(required=False, help_text="At this UTC time or later.")
    until = serializers.DateTimeField(required=False, help_text="Before this UTC time.")


class DiaryPages(TimedPages):
    """Pages of rows of every kind, merged by their time."""

    kinds = tuple(Kind.values)


class DiaryViewSet(Guarded, GenericViewSet):
    serializer_class = EntrySerializer
    pagination_class = DiaryPages
    filter_backends = []
    queryset = Bot.objects.none()
    errors = (400, 401, 403, 404, 429)

    @extend_schema(parameters=[DiaryQuery])
    def list(self, request: Request) -> Response:
        """What happened, newest first: cycles, decisions that asked for something, orders, trades, positions closed,
        funding and liquidation, changes of trading states.
        """
        query = DiaryQuery(data=request.query_params, context={"request": request})
        refuse_unknown(request, query.fields)
        query.is_valid(raise_exception=True)
        wanted = dict(query.validated_data)
        wanted["kinds"] = wanted.pop("kind", Kind.values)
        asked = Asked(user=request.user, **wanted)  # type: ignore[arg-type]
        pages: Any = self.paginator
        page = pages.cut(
            request,
            lambda place, count: diary.entries(asked, place, count),
            lambda entry: Place(entry.id, entry.at, entry.kind),
        )
        return pages.get_paginated_response(self.get_serializer(page, many=True).data)
