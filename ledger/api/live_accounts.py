"""What a script may do with accounts: compare now, make one live, replace its key, arm and disarm, adopt, accept.

Keys go in and never come out. Whatever touches keys or real money needs a token of the scope `admin`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ledger import adopting, live_accounts
from ledger.models import Book, BookKind, Discrepancy, Outcome, Position, Scope
from markets.models import Feed, FeedKind


class SaidSerializer(serializers.Serializer):
    detail = serializers.CharField(help_text="What happens now, or why it cannot, in one sentence.")


class DifferenceSerializer(serializers.Serializer):
    id = serializers.IntegerField(source="pk")
    what = serializers.CharField()
    ledger = serializers.CharField()
    venue = serializers.CharField()
    outcome = serializers.ChoiceField(choices=Outcome.choices)
    done = serializers.CharField(allow_blank=True, help_text="What was done about it.")
    found_at = serializers.DateTimeField(help_text="Wall time.")
    resolved_at = serializers.DateTimeField(allow_null=True, help_text="Wall time.")


class KeySerializer(serializers.Serializer):
    key = serializers.CharField(max_length=300, write_only=True)
    secret = serializers.CharField(max_length=8000, write_only=True)
    demo = serializers.BooleanField(default=False, help_text="A key of the exchange's demo or test network.")


class NewLiveSerializer(KeySerializer):
    name = serializers.CharField(max_length=80)
    feed = serializers.PrimaryKeyRelatedField(queryset=Feed.objects.filter(kind=FeedKind.LIVE))
    currency = serializers.CharField(max_length=20, default="USDT")


class AdoptSerializer(serializers.Serializer):
    book = serializers.IntegerField(help_text="A bot's book on the same account.")
    stop = serializers.DecimalField(max_digits=30, decimal_places=12)
    target = serializers.DecimalField(max_digits=30, decimal_places=12, required=False, allow_null=True)


class DifferenceChoiceSerializer(serializers.Serializer):
    difference = serializers.IntegerField()


REDUCING = ("reconcile", "flatten", "flatten_all", "disarm")
ANSWERS = {202: SaidSerializer, 409: SaidSerializer}


def told(sentence: str, work: Callable[[], object]) -> Response:
    """Do it and say so with 202, or say in one sentence why not, with 409."""
    try:
        work()
    except (live_accounts.NotPossible, adopting.NotAdopted) as refusal:
        return Response({"detail": str(refusal)}, status=status.HTTP_409_CONFLICT)
    return Response({"detail": sentence}, status=status.HTTP_202_ACCEPTED)


def checked(serializer: type[serializers.Serializer], request: Request) -> dict[str, Any]:
    given = serializer(data=request.data)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)


class LiveActions:
    """The writing half of accounts; the reading half is `holdings`."""

    get_object: Callable[[], Any]

    @property
    def write_scope(self) -> Scope:
        return Scope.TRADE if getattr(self, "action", None) in REDUCING else Scope.ADMIN

    @extend_schema(request=NewLiveSerializer, responses=ANSWERS)
    def create(self, request: Request) -> Response:
        """Make a live account, unarmed; a worker checks its key."""
        given = checked(NewLiveSerializer, request)
        sentence = f"{given['name']} is made; its key is being checked."
        made = given | {"owner": request.user, "by": request.user, "wall": datetime.now(UTC)}
        return told(sentence, lambda: live_accounts.open_account(**made))

    @extend_schema(request=None, responses=ANSWERS)
    @action(detail=True, methods=["post"])
    def reconcile(self, request: Request, pk: Any = None) -> Response:
        """Have the guardian compare the account with its venue at its next round."""
        account = self.get_object()
        sentence = f"{account.name} is compared with its venue at the guardian's next round."
        return told(sentence, lambda: live_accounts.ask_comparison(account=account, wall=datetime.now(UTC)))

    @extend_schema(request=KeySerializer, responses=ANSWERS)
    @action(detail=True, methods=["post"])
    def key(self, request: Request, pk: Any = None) -> Response:
        """Replace the key of a live account; it is disarmed until the new one has passed its check."""
        account, given = self.get_object(), checked(KeySerializer, request)
        who = {"account": account, "by": request.user, "wall": datetime.now(UTC)}
        sentence = f"The key of {account.name} is replaced and being checked; the account is disarmed."
        return told(sentence, lambda: live_accounts.set_key(**who, **given))

    @extend_schema(request=None, responses=ANSWERS)
    @action(detail=True, methods=["post"])
    def arm(self, request: Request, pk: Any = None) -> Response:
        """Allow a live account to take exposure with real money."""
        account = self.get_object()
        who: dict[str, Any] = {"account": account, "by": request.user, "wall": datetime.now(UTC)}
        return told(f"{account.name} may take exposure with real money.", lambda: live_accounts.arm(**who))

    @extend_schema(request=None, responses=ANSWERS)
    @action(detail=True, methods=["post"])
    def disarm(self, request: Request, pk: Any = None) -> Response:
        """No new exposure from now on; stops and exits go on."""
        account = self.get_object()
        who: dict[str, Any] = {"account": account, "by": request.user, "wall": datetime.now(UTC)}
        return told(f"{account.name} is disarmed.", lambda: live_accounts.disarm(**who))

    @extend_schema(request=None, responses=ANSWERS)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: Any = None) -> Response:
        """Let an account take new exposure again, whose venue refused what it had always taken."""
        account = self.get_object()
        who: dict[str, Any] = {"account": account, "by": request.user, "wall": datetime.now(UTC)}
        return told(f"{account.name} takes new exposure again.", lambda: live_accounts.resume(**who))

    @extend_schema(request=DifferenceChoiceSerializer, responses=ANSWERS)
    @action(detail=True, methods=["post"])
    def accept(self, request: Request, pk: Any = None) -> Response:
        """Let the venue's figures stand where ledger and venue differ."""
        return self._decided(request, adopting.accept, "The venue's figures are booked at the guardian's next round.")

    @extend_schema(request=DifferenceChoiceSerializer, responses=ANSWERS)
    @action(detail=True, methods=["post"], url_path="adopt-order")
    def adopt_order(self, request: Request, pk: Any = None) -> Response:
        """Take over a reduce-only stop or target that is not ours; ours is placed first, then that one is cancelled."""
        return self._decided(request, adopting.adopt_order, "The order is taken over at the guardian's next rounds.")

    def _decided(self, request: Request, decide: Callable[..., None], sentence: str) -> Response:
        account, given = self.get_object(), checked(DifferenceChoiceSerializer, request)
        row = Discrepancy.objects.filter(account=account, pk=given["difference"]).select_related("account").first()
        if row is None:
            return Response({"detail": f"{account.name} has no such difference."}, status=status.HTTP_409_CONFLICT)
        who: dict[str, Any] = {"by": request.user, "wall": datetime.now(UTC)}
        return told(sentence, lambda: decide(row=row, **who))


class AdoptAction:
    """Adopting a position that is not ours."""

    @extend_schema(request=AdoptSerializer, responses=ANSWERS)
    @action(detail=True, methods=["post"])
    def adopt(self, request: Request, pk: Any = None) -> Response:
        """Give a position of the unassigned book to a bot's book, with a stop; the guardian covers it from then on."""
        given = checked(AdoptSerializer, request)
        position = Position.objects.of(request.user).filter(pk=pk).select_related("instrument").first()  # type: ignore[arg-type]
        book = Book.objects.of(request.user).filter(pk=given["book"], kind=BookKind.BOT).first()  # type: ignore[arg-type]
        if position is None or book is None:
            missing = "position" if position is None else "book of a bot"
            return Response({"detail": f"You have no such {missing}."}, status=status.HTTP_404_NOT_FOUND)
        who: dict[str, Any] = {"by": request.user, "wall": datetime.now(UTC), "target": given.get("target")}
        sentence = f"{position.instrument.symbol} is {book.name}'s now; its stop is being placed."
        return told(sentence, lambda: adopting.adopt(position=position, book=book, stop=given["stop"], **who))
