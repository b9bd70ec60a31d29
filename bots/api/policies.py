"""Risk policies: to read, to make, to change, and to hold against the entries of late."""

from __future__ import annotations

from typing import Any

from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from bots import policies
from bots.domain.policy import LIMITS, PRESETS
from bots.domain.what_if import counted
from bots.models import Bot, RiskPolicy
from ledger.api import OwnRows, Row
from ledger.models import Scope


class RiskPolicySerializer(Row):
    """Fractions are of equity unless the name says price, seconds or a count."""

    seen_version = serializers.IntegerField(
        write_only=True, required=False, help_text="The version you looked at: another one is not overwritten."
    )
    preset = serializers.ChoiceField(
        choices=list(PRESETS), write_only=True, required=False, help_text="Limits to begin with."
    )

    class Meta:
        model = RiskPolicy
        fields = ["id", "name", "version", *LIMITS, "created_at", "changed_at", "seen_version", "preset"]
        read_only_fields = ["version", "created_at", "changed_at"]
        extra_kwargs = {name: {"required": False} for name in LIMITS}


class WhatIfSerializer(serializers.Serializer):
    bot = serializers.IntegerField(required=False, help_text="Only the entries of this bot.")
    limits = serializers.DictField(required=False, help_text="Limits to try instead of the stored ones.")


class WhatIfEntrySerializer(serializers.Serializer):
    decision = serializers.IntegerField(source="item.decision_id")
    bot = serializers.IntegerField(source="item.decision.bot_id")
    at = serializers.DateTimeField(source="item.decision.at")
    symbol = serializers.CharField(source="item.symbol")
    action = serializers.CharField(source="item.action")
    then = serializers.CharField(source="item.outcome", help_text="What became of it.")
    now = serializers.ChoiceField(source="told.outcome", choices=["passed", "cut", "refused", "open"])
    code = serializers.CharField(source="told.code", help_text="The rule behind it.")


class WhatIfAnswerSerializer(serializers.Serializer):
    """Entries are judged at the size they had. Open: the rules after the one that refused it were never asked."""

    counts = serializers.DictField(child=serializers.IntegerField())
    results = WhatIfEntrySerializer(many=True)


class PolicyFilters(filters.FilterSet):
    class Meta:
        model = RiskPolicy
        fields: list[str] = []


class RiskPolicyViewSet(OwnRows):
    """The limits that code enforces for every order of a bot. A change is a new version, told to the audit trail."""

    queryset = RiskPolicy.objects.all()
    serializer_class = RiskPolicySerializer
    filterset_class = PolicyFilters

    @property
    def write_scope(self) -> Scope:
        return Scope.READ if self.action == "what_if" else Scope.ADMIN

    @extend_schema(responses={201: RiskPolicySerializer})
    def create(self, request: Request) -> Response:
        """A policy of your own: balanced, or the preset that you name, but for what you give."""
        given = self._given(request, partial=False)
        limits = (policies.preset(given["preset"]) if "preset" in given else {}) | _limits(given)
        made = policies.create(owner=request.user, name=given["name"], limits=limits, by=request.user)  # type: ignore[arg-type]
        if isinstance(made, policies.Refused):
            raise ValidationError(dict(made.why))
        return Response(self.get_serializer(made).data, status=status.HTTP_201_CREATED)

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Other limits, as the next version; all that make no sense are told at once."""
        policy, given = self.get_object(), self._given(request, partial=True)
        if "name" in given:
            raise ValidationError({"name": "A policy keeps its name; make another one."})
        limits = (policies.preset(given["preset"]) if "preset" in given else {}) | _limits(given)
        seen = given.get("seen_version")
        refused = policies.change(policy=policy, limits=limits, by=request.user, seen=seen)  # type: ignore[arg-type]
        if refused:
            raise ValidationError(dict(refused.why))
        return Response(self.get_serializer(policy).data)

    @extend_schema(request=WhatIfSerializer, responses=WhatIfAnswerSerializer)
    @action(detail=True, methods=["post"], url_path="what-if")
    def what_if(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Which of the last 200 entries would have passed under this policy, or with other limits in it."""
        policy, asked = self.get_object(), WhatIfSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        tried = RiskPolicySerializer(policy, data=asked.validated_data.get("limits", {}), partial=True)
        tried.is_valid(raise_exception=True)
        for name, value in _limits(tried.validated_data).items():
            setattr(policy, name, value)
        bots = Bot.objects.of(request.user)  # type: ignore[arg-type]
        wanted = asked.validated_data.get("bot")
        chosen = bots.filter(policy=policy.pk) if wanted is None else bots.filter(pk=wanted)
        found = policies.what_if(bots=chosen, policy=policy.limits)
        results = [{"item": item, "told": told} for item, told in found]
        answer = {"counts": counted(told for _, told in found), "results": results}
        return Response(WhatIfAnswerSerializer(answer).data)

    def _given(self, request: Request, *, partial: bool) -> dict[str, Any]:
        asked = RiskPolicySerializer(data=request.data, partial=partial)
        asked.is_valid(raise_exception=True)
        return dict(asked.validated_data)


def _limits(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name in LIMITS}
