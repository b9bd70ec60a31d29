"""Providers of language models with their models, and the test that a worker makes of them. Keys are never shown."""

from __future__ import annotations

from typing import Any

from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from bots import trials
from bots.dispatch import NoBroker
from bots.models import LanguageModel, Provider
from bots.tasks import enqueue_trial
from ledger.api import OwnRows, Row


class LanguageModelSerializer(Row):
    """Prices are US dollars per million tokens; null where nobody has said."""

    refused = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = LanguageModel
        fields = [
            "id", "name", "model_id", "price_input", "price_cached", "price_output", "price_reasoning",
            "prices_checked", "context_tokens", "most_output", "call_seconds", "takes_schema", "takes_json",
            "takes_tools", "token_limit", "effort", "temperature", "refused", "test_asked_at", "tested_at",
            "test_passed", "test_result",
        ]  # fmt: skip


class ProviderSerializer(Row):
    has_key = serializers.SerializerMethodField(help_text="Whether there is a key. It is never shown.")
    models = LanguageModelSerializer(many=True, read_only=True)

    class Meta:
        model = Provider
        fields = [
            "id", "name", "base_url", "key_source", "has_key", "most_calls", "failures", "resting_until",
            "resting_why", "created_at", "models",
        ]  # fmt: skip

    def get_has_key(self, provider: Provider) -> bool:
        return provider.masked_key not in ("none", "unreadable")


class ProviderFilters(filters.FilterSet):
    name = filters.CharFilter()


class TrialSerializer(serializers.Serializer):
    model = serializers.CharField(required=False, help_text="Name or id of a model. Default: all of the provider.")


class TrialStartedSerializer(serializers.Serializer):
    asked = serializers.ListField(child=serializers.CharField(), help_text="Names of the models that are asked now.")
    detail = serializers.CharField()


class ProviderViewSet(OwnRows):
    """Providers with their models, newest first. What a test found stands with each model."""

    queryset = Provider.objects.prefetch_related("models")
    serializer_class = ProviderSerializer
    filterset_class = ProviderFilters

    @extend_schema(
        request=TrialSerializer,
        responses={202: TrialStartedSerializer, 503: OpenApiResponse(description="No worker can be reached.")},
    )
    @action(detail=True, methods=["post"], url_path="test", filter_backends=[], pagination_class=None)
    def try_models(self, request: Request, pk: str) -> Response:
        """Ask the models of a provider for one word, in a worker. The result stands with the model soon after."""
        provider, asked = self.get_object(), TrialSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        chosen = self._chosen(provider, asked.validated_data.get("model"))
        try:
            started = [one.name for one in chosen if trials.ask_for(model=one, enqueue=enqueue_trial)]
        except NoBroker:
            return Response({"detail": "No worker can be reached: the test was not started."}, status=503)
        told = "Read the provider again in a moment." if started else "Asked a moment ago; read the provider again."
        return Response({"asked": started, "detail": told}, status=202)

    def _chosen(self, provider: Provider, name: str | None) -> Any:
        if name is None:
            return provider.models.order_by("pk")
        chosen = LanguageModel.objects.named(provider.owner_id, name).filter(provider=provider)
        if not chosen.exists():
            raise serializers.ValidationError({"model": [f"This provider has no model {name[:60]}."]})
        return chosen
