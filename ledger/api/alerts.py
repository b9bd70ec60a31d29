"""Alerts as others see them: what is wrong now and what was, newest first."""

from __future__ import annotations

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from rest_framework import serializers

from ledger.models import Alert, AlertKind, Severity

from .filtering import choice, yes_or_no
from .rows import OwnRows


class AlertSerializer(serializers.ModelSerializer):
    class Meta:
        model = Alert
        fields = (
            "id", "kind", "severity", "account", "book", "sentence", "opened_at", "resolved_at", "resolution"
        )  # fmt: skip


class AlertFilters(filters.FilterSet):
    kind = choice(AlertKind)
    severity = choice(Severity)
    open = yes_or_no("resolved_at", method="still_open")

    def still_open(self, rows: QuerySet[Alert], name: str, wanted: bool) -> QuerySet[Alert]:
        return rows.filter(resolved_at__isnull=wanted)


class AlertViewSet(OwnRows):
    """Alerts: what a person should know of, open until the trouble has ended. Times are wall times."""

    queryset = Alert.objects.all()
    serializer_class = AlertSerializer
    filterset_class = AlertFilters
