"""Backtests: to ask for, to follow, to cancel, and to read whole. A worker runs them; who asks does not wait."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from bots.backtests import reading, runs
from bots.backtests.loader import NotThere
from bots.backtests.options import Unclear
from bots.backtests.request import Request as Wanted
from bots.models import Asker, Backtest, BacktestState
from bots.tasks import enqueue_backtests
from ledger.api import OwnRows, Row, choice

TEXT = {"json": "application/json", "csv": "text/csv; charset=utf-8", "html": "text/html; charset=utf-8"}


class BacktestRequestSerializer(serializers.Serializer):
    """Words as `manage.py backtest` takes them; see docs/backtests.md."""

    decider = serializers.CharField(max_length=140, help_text="sma_cross, house:trend, model:<name>, recorded:<bot>, …")
    exchange = serializers.CharField(max_length=60)
    symbols = serializers.ListField(child=serializers.CharField(max_length=60), max_length=50)
    timeframe = serializers.CharField(max_length=8, help_text="Of the decisions, such as 5m.")
    start = serializers.CharField(allow_null=True, default=None, max_length=30, help_text="UTC; null: all there is.")
    end = serializers.CharField(allow_null=True, default=None, max_length=30, help_text="Not included.")
    cash = serializers.CharField(default="10000", max_length=30)
    settings = serializers.ListField(
        child=serializers.CharField(max_length=200), default=list, max_length=100, help_text="key=value."
    )
    check = serializers.BooleanField(default=False, help_text="Look for look-ahead and too little warm-up too.")

    def wanted(self) -> Wanted:
        asked = dict(self.validated_data)
        return Wanted(**asked | {"symbols": tuple(asked["symbols"]), "settings": tuple(asked["settings"])})


class BacktestSerializer(Row):
    request = BacktestRequestSerializer(read_only=True)
    summary = serializers.JSONField(read_only=True, allow_null=True, help_text="What the command tells, once done.")
    made = serializers.JSONField(read_only=True, allow_null=True, help_text="Code, data, policy, decider, seed.")

    class Meta:
        model = Backtest
        fields = [
            "id", "asked_by", "decider", "state", "progress", "note", "error", "cancel_asked", "queued_at",
            "started_at", "ended_at", "request", "summary", "made",
        ]  # fmt: skip


class BacktestFilters(filters.FilterSet):
    state = choice(BacktestState)
    decider = filters.CharFilter()


class BacktestViewSet(OwnRows):
    """Your backtests, newest first."""

    queryset = Backtest.objects.light()
    serializer_class = BacktestSerializer
    filterset_class = BacktestFilters

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        # What a report is asked for with chooses no rows.
        return queryset if self.action == "report" else super().filter_queryset(queryset)

    @extend_schema(request=BacktestRequestSerializer, responses={202: BacktestSerializer})
    def create(self, request: Request) -> Response:
        """Ask for one. What cannot be is refused in a sentence; else it is queued, and a worker runs it."""
        asked = BacktestRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        try:
            made = runs.ask(owner=request.user, wanted=asked.wanted(), by=Asker.API, wall=datetime.now(UTC))  # type: ignore[arg-type]
        except (Unclear, NotThere) as problem:
            raise ValidationError({"detail": [str(problem)]}) from None
        enqueue_backtests()
        return Response(self.get_serializer(made).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(
        responses={204: OpenApiResponse(description="It is gone."), 409: OpenApiResponse(description="It runs.")}
    )
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Remove one that does not run."""
        return self._done(runs.remove, {}, status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses={202: BacktestSerializer, 409: OpenApiResponse(description="It has ended.")})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """End it: at once while it waits, within a second or two while it runs."""
        return self._done(runs.cancel, {"wall": datetime.now(UTC)}, status.HTTP_202_ACCEPTED)

    @extend_schema(request=None, responses={202: BacktestSerializer, 409: OpenApiResponse(description="It is done.")})
    @action(detail=True, methods=["post"])
    def again(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Run one that failed or was cancelled once more; what a model has answered before costs nothing."""
        answer = self._done(runs.again, {"wall": datetime.now(UTC)}, status.HTTP_202_ACCEPTED)
        enqueue_backtests()
        return answer

    @extend_schema(
        parameters=[OpenApiParameter("as", str, enum=list(TEXT), description="Default: json.")],
        responses={(200, kind): OpenApiTypes.STR for kind in ("text/csv", "text/html")}
        | {(200, "application/json"): OpenApiTypes.OBJECT},
    )
    @action(detail=True, methods=["get"], filter_backends=[], pagination_class=None)
    def report(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        """The whole report: every figure, table, line and trade. As csv: its trades; as html: one page by itself."""
        form = request.query_params.get("as", "json")
        if form not in TEXT:
            raise ValidationError({"as": [f"There is no {form[:40]}; choose one of {', '.join(TEXT)}."]})
        report = self.get_object().report
        if report is None:
            raise NotFound("This backtest has no report.")
        return HttpResponse(reading.written(report, form), content_type=TEXT[form])

    def _done(self, verb: Any, given: dict[str, Any], done: int) -> Response:
        row = self.get_object()
        try:
            verb(backtest=row, **given)
        except runs.NotPossible as refusal:
            return Response({"detail": str(refusal)}, status=status.HTTP_409_CONFLICT)
        if done == status.HTTP_204_NO_CONTENT:
            return Response(status=done)
        row.refresh_from_db(fields=["state", "progress", "note", "error", "cancel_asked", "queued_at", "ended_at"])
        return Response(self.get_serializer(row).data, status=done)
