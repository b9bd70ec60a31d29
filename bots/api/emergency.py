"""Emergency close by the API: of a bot, of an account, of everything; without a model, or asking it close or keep.

Writing needs a token of the scope `trade`. Each is one call of `bots.control`.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from bots import control
from ledger import api as ledger
from ledger.models import Account

from .resources import BotViewSet as ReadBots


class AskedSerializer(serializers.Serializer):
    detail = serializers.CharField(help_text="What happens now, or why it cannot, in one sentence.")


def said(sentence: str, code: int = status.HTTP_202_ACCEPTED) -> Response:
    return Response({"detail": sentence}, status=code)


ASKED = extend_schema(request=None, responses={202: AskedSerializer, 409: AskedSerializer})


class BotViewSet(ReadBots):
    __doc__ = ReadBots.__doc__

    @ASKED
    @action(detail=True, methods=["post"])
    def flatten(self, request: Request, pk: Any = None) -> Response:
        """Pause the bot and have the guardian close what it holds."""
        bot = self.get_object()
        control.flatten(bot=bot, by=request.user)  # type: ignore[arg-type]
        return said(f"{bot.name} is paused and being flattened.")

    @ASKED
    @action(detail=True, methods=["post"])
    def emergency(self, request: Request, pk: Any = None) -> Response:
        """Ask the bot's decider at the next instant: close or keep, each position."""
        bot = self.get_object()
        try:
            control.emergency(bot=bot, by=request.user)  # type: ignore[arg-type]
        except control.NotPossible as refusal:
            return said(str(refusal), status.HTTP_409_CONFLICT)
        return said(f"{bot.name} is asked at the next instant: close or keep.")


class AccountViewSet(ledger.AccountViewSet):
    __doc__ = ledger.AccountViewSet.__doc__

    @ASKED
    @action(detail=True, methods=["post"])
    def flatten(self, request: Request, pk: Any = None) -> Response:
        """Pause the bots of an account and have the guardian close what it holds."""
        account = self.get_object()
        control.flatten_account(account=account, by=request.user)  # type: ignore[arg-type]
        return said(f"{account.name} is being closed; its bots are paused.")

    @extend_schema(operation_id="accounts_flatten_all")
    @ASKED
    @action(detail=False, methods=["post"], url_path="flatten", url_name="flatten-all")
    def flatten_all(self, request: Request) -> Response:
        """Pause all your bots and have the guardian close all that your accounts hold."""
        for account in Account.objects.of(request.user):  # type: ignore[arg-type]
            control.flatten_account(account=account, by=request.user)  # type: ignore[arg-type]
        return said("Everything is being closed; all your bots are paused.")
