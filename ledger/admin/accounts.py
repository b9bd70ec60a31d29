"""Accounts, books and their trading states. Money never moves here; a state changes through `ledger.states`.

Accounts and books are opened where money is put into them, and kept for good: their history hangs on them.
"""

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.db.models import CharField, Count, Model, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Cast, Concat
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from ledger import live_accounts, states
from ledger.models import (
    Account,
    AccountKind,
    Book,
    BookKind,
    Position,
    PositionState,
    TradingState,
    TradingStateKind,
    User,
)
from markets.admin import Exact, History, coloured, exact, link
from markets.feeds import clock

from .account_forms import AccountForm
from .auditing import Audited
from .ownership import Own, Owned

STATE_COLOURS = {
    TradingStateKind.ACTIVE: "success",
    TradingStateKind.REDUCE_ONLY: "warning",
    TradingStateKind.HALTED: "danger",
}
STATE_WORDS = {str(state.label): colour for state, colour in STATE_COLOURS.items()}


def own_state(prefix: str) -> Subquery:
    """The current state of a row's own scope; nothing where nobody has ever changed it."""
    scope = Concat(Value(f"{prefix}:"), Cast(OuterRef("pk"), CharField()))
    return Subquery(TradingState.objects.current().filter(scope=scope).values("state")[:1])


class Stateful(Owned, Exact):
    """A scope with a trading state of its own, which actions change with who and when."""

    actions: tuple[str, ...] = ("make_active", "make_reduce_only", "make_halted")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    @display(description="state", label=STATE_WORDS)
    def state(self, row: Any) -> str:
        return str(TradingStateKind(row.own_state or TradingStateKind.ACTIVE).label)

    @action(description="Let the selected trade again", permissions=["change"])
    def make_active(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._change(request, queryset, TradingStateKind.ACTIVE)

    @action(description="Reduce only: no new entries", permissions=["change"])
    def make_reduce_only(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._change(request, queryset, TradingStateKind.REDUCE_ONLY)

    @action(description="Halt: nothing but exits and cancels", permissions=["change"])
    def make_halted(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._change(request, queryset, TradingStateKind.HALTED)

    def _change(self, request: HttpRequest, rows: QuerySet[Any], state: TradingStateKind) -> None:
        by, now = cast(User, request.user), timezone.now()
        for row in rows:
            states.change(scope=row, state=state, reason="Set in the control room", by=by, now=now)
            self.message_user(request, f"{row} is now {state.label.lower()}.")


@admin.register(Account)
class AccountAdmin(Audited, Stateful):
    audited = ("max_exposure",)
    form = AccountForm
    actions = (*Stateful.actions, "compare", "arm", "disarm", "flatten")
    list_display = (
        "name", "owner", "kind", "feed", "currency", "state", "armed", "books_count", "max_exposure", "trouble",
        "check_result", "reconciled_at",
    )  # fmt: skip
    list_filter = ("kind", "feed", ("owner", Own))
    list_select_related = ("owner", "feed")
    search_fields = ("name", "owner__username", "trouble")
    readonly_fields = (
        "owner", "kind", "state", "armed", "credentials_hint", "check_result", "checked_at", "trouble", "refusal",
        "reconciled_at", "key", "created_at",
    )  # fmt: skip
    made = ("name", "feed", "currency", "new_key", "new_secret")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Live accounts are made here; paper ones where money is put into them."""
        return ModelAdmin.has_add_permission(self, request)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"owner": request.user.pk}

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return (*self.readonly_fields, "feed", "currency") if obj else ()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return self.made
        key = ("new_key", "new_secret") if obj.kind == AccountKind.LIVE else ()
        return ("name", "max_exposure", *key, *self.get_readonly_fields(request, obj))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """A new account is a live one; a new key is sealed and waits for its check."""
        by, wall = cast(User, request.user), timezone.now()
        key, secret = form.cleaned_data.get("new_key"), form.cleaned_data.get("new_secret")
        if not change:
            made = live_accounts.open_account(
                owner=by, name=obj.name, feed=obj.feed, currency=obj.currency, key=key, secret=secret, by=by, wall=wall
            )
            obj.pk = made.pk
            obj.refresh_from_db()
            return
        super().save_model(request, obj, form, change)
        if key:
            live_accounts.set_key(account=obj, key=key, secret=secret, by=by, wall=wall)

    @action(description="Compare with the venue now", permissions=["change"])
    def compare(self, request: HttpRequest, queryset: QuerySet[Account]) -> None:
        for account in queryset:
            live_accounts.ask_comparison(account=account, wall=timezone.now())
            self.message_user(request, f"{account} is compared at the guardian's next round.")

    @action(description="Arm: new exposure with real money", permissions=["change"])
    def arm(self, request: HttpRequest, queryset: QuerySet[Account]) -> None:
        self._arm(request, queryset, live_accounts.arm, "is armed")

    @action(description="Disarm: no new exposure", permissions=["change"])
    def disarm(self, request: HttpRequest, queryset: QuerySet[Account]) -> None:
        self._arm(request, queryset, live_accounts.disarm, "is disarmed")

    def _arm(self, request: HttpRequest, rows: QuerySet[Account], change: Any, said: str) -> None:
        for account in rows:
            try:
                change(account=account, by=cast(User, request.user), wall=timezone.now())
            except live_accounts.NotPossible as refusal:
                self.message_user(request, str(refusal), messages.ERROR)
            else:
                self.message_user(request, f"{account} {said}.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        counted = super().get_queryset(request).annotate(books_count=Count("books"))
        return counted.annotate(own_state=own_state("account"))

    @action(description="Flatten: close everything at these accounts", permissions=["change"])
    def flatten(self, request: HttpRequest, queryset: QuerySet[Account]) -> HttpResponse | None:
        """First says what would be closed, in numbers; the second time does it. No model is asked."""
        if request.POST.get("confirmed") == "yes":
            for account in queryset.select_related("feed"):
                states.flatten_account(account=account, by=cast(User, request.user), now=clock.now(account.feed))
                self.log_change(request, account, "Asked the guardian to close everything.")
                self.message_user(request, f"The guardian closes what {account} holds; its books only reduce.")
            return None
        held = Position.objects.open().filter(account__in=queryset).select_related("account", "instrument")
        context = {
            **self.admin_site.each_context(request),
            "title": "Close everything at these accounts?",
            "opts": self.opts,
            "accounts": queryset,
            "positions": held.order_by("account", "id"),
            "action_checkbox_name": helpers.ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/ledger/flatten.html", context)

    @display(description="books", ordering="books_count")
    def books_count(self, account: Any) -> int:
        return int(account.books_count)


@admin.register(Book)
class BookAdmin(Stateful):
    owner_path = "owner"
    list_display: tuple[str, ...] = (
        "name", "owner", "account", "kind", "currency", "state", "cash", "deposited", "open_positions",
        "flatten_requested_at", "live_page",
    )  # fmt: skip
    list_filter = ("kind", ("account", Own), ("owner", Own))
    list_select_related: tuple[str, ...] = ("owner", "account")
    search_fields = ("name", "owner__username", "account__name")
    readonly_fields = (
        "owner", "account", "kind", "currency", "state", exact(Book, "cash"), exact(Book, "deposited"),
        "open_positions", "flatten_requested_at", "key", "created_at",
    )  # fmt: skip
    fields = ("name", *readonly_fields)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Book]:
        held = Count("positions", filter=Q(positions__state=PositionState.OPEN))
        return super().get_queryset(request).annotate(open_count=held, own_state=own_state("book"))

    @display(description="live page")
    def live_page(self, book: Any) -> str:
        return link("live", f"/books/{book.pk}/") if book.mine and book.kind == BookKind.BOT else "-"

    @display(description="open positions", ordering="open_count")
    def open_positions(self, book: Any) -> int:
        return int(book.open_count)


@admin.register(TradingState)
class TradingStateAdmin(Owned, History):
    list_display = (
        "scope",
        "account",
        "book",
        coloured("state", STATE_COLOURS),
        "reason",
        "changed_by",
        "at",
        "ended_at",
    )
    list_filter = ("state", ("account", Own), ("changed_by", Own))
    list_select_related = ("account", "book", "changed_by")
    search_fields = ("scope", "reason", "account__name", "book__name", "changed_by__username")
