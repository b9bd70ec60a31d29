"""Orders, trades, positions, cash journal and equity: to read, search and filter. Nobody writes them here."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.decorators import action, display

from ledger import adopting
from ledger.forms import AdoptForm
from ledger.models import (
    AuditEntry,
    Book,
    BookKind,
    CashEntry,
    EquityPoint,
    Lock,
    Order,
    OrderState,
    Position,
    PositionState,
    Trade,
)
from ledger.valuation import marked
from markets.admin import History, coloured, link

from .ownership import Own, Owned

ORDER_COLOURS = {
    OrderState.PLANNED: "info",
    OrderState.SENDING: "info",
    OrderState.OPEN: "info",
    OrderState.PARTLY_FILLED: "info",
    OrderState.FILLED: "success",
    OrderState.CANCELLED: "warning",
    OrderState.REFUSED: "danger",
    OrderState.UNKNOWN: "danger",
}
POSITION_COLOURS = {PositionState.OPEN: "info"}
OWN_BOOKS = (("account", Own), ("book", Own))


class OfBook(Owned, History):
    """Rows of a book, whose name leads to the live page of its bot."""

    owner_path = "book__owner"
    list_select_related: tuple[str, ...] = ("book", "instrument")

    @display(description="book", ordering="book__name")
    def of_book(self, row: Any) -> str:
        book = row.book
        return link(book, f"/books/{book.pk}/") if row.mine and book.kind == BookKind.BOT else str(book)


@admin.register(Order)
class OrderAdmin(OfBook):
    list_display = (
        "id", "at", "of_book", "instrument", "role", "side", "type", "quantity", "filled", "price", "trigger",
        coloured("state", ORDER_COLOURS), "reason",
    )  # fmt: skip
    list_filter = ("state", "role", "side", *OWN_BOOKS)
    search_fields = ("client_id", "venue_id", "reason", "instrument__symbol", "book__name")


@admin.register(Trade)
class TradeAdmin(OfBook):
    list_display = (
        "id", "at", "of_book", "instrument", "side", "quantity", "price", "value", "fee", "fee_currency",
        "realised", "liquidation",
    )  # fmt: skip
    list_filter = ("side", "liquidation", "maker", *OWN_BOOKS)
    search_fields = ("venue_trade_id", "instrument__symbol", "book__name")


@admin.register(Position)
class PositionAdmin(OfBook):
    list_display = (
        "id", "of_book", "instrument", "direction", coloured("state", POSITION_COLOURS), "quantity", "entry",
        "mark_price", "unrealised", "stop", "target", "realised", "net_result", "opened_at", "closed_at", "exit_reason",
    )  # fmt: skip
    list_filter = ("state", "long", "exit_reason", *OWN_BOOKS)
    search_fields = ("instrument__symbol", "book__name", "exit_reason")
    also = ("entry", "mark_price", "unrealised", "net_result")
    actions = ("adopt",)

    @action(description="Adopt: give a position that no bot opened to a book")
    def adopt(self, request: HttpRequest, queryset: QuerySet[Position]) -> HttpResponse | None:
        """One position at a time: first asks for book and stop, the second time does it."""
        position = queryset.select_related("book", "instrument").first()
        if position is None or queryset.count() != 1:
            self.message_user(request, "Choose one position.", messages.ERROR)
            return None
        books = Book.objects.filter(account=position.account_id, kind=BookKind.BOT).order_by("name")
        form = AdoptForm(request.POST if request.POST.get("confirmed") == "yes" else None, books=books)
        if not form.is_valid():
            context = {
                **self.admin_site.each_context(request), "title": "Adopt this position?", "opts": self.opts,
                "position": position, "form": form, "action_checkbox_name": helpers.ACTION_CHECKBOX_NAME,
            }  # fmt: skip
            return TemplateResponse(request, "admin/ledger/adopt.html", context)
        given: dict[str, Any] = {"by": request.user, "wall": timezone.now(), **form.cleaned_data}
        try:
            adopting.adopt(position=position, **given)
        except adopting.NotAdopted as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
        else:
            self.message_user(request, f"{position.instrument} is {given['book']}'s now; its stop is being placed.")
        return None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Position]:
        # Django skips `list_select_related` where the rows come with joins already.
        return marked(super().get_queryset(request)).select_related(*self.list_select_related)

    @display(description="entry price")
    def entry(self, position: Position) -> str:
        price = position.entry_price
        return "-" if price is None else f"{position.instrument.rules.price(price):f}"

    @display(description="mark price")
    def mark_price(self, position: Any) -> str:
        return "-" if position.mark is None else f"{position.mark:f}"

    @display(description="unrealised")
    def unrealised(self, position: Any) -> str:
        if position.mark is None or not position.quantity:
            return "-"
        return f"{position.holding.unrealised(position.mark):+.2f}"

    @display(description="net result")
    def net_result(self, position: Position) -> str:
        return f"{position.net:+.2f}"


@admin.register(CashEntry)
class CashEntryAdmin(OfBook):
    list_display = ("id", "at", "of_book", "kind", "amount", "currency", "ref", "trade", "position")
    list_filter = ("kind", "currency", *OWN_BOOKS)
    list_select_related = ("book", "trade", "position")
    search_fields = ("ref", "book__name")


@admin.register(EquityPoint)
class EquityPointAdmin(OfBook):
    list_display = ("id", "of_book", "at", "equity", "cash", "exposure")
    list_filter = (("book", Own),)
    list_select_related = ("book",)
    search_fields = ("book__name",)


@admin.register(Lock)
class LockAdmin(Owned, History):
    list_display = ("id", "book", "kind", "symbol", "side", "reason", "at", "until", "lifted_at", "lifted_by")
    list_filter = ("kind", ("book", Own))
    list_select_related = ("book", "lifted_by")
    search_fields = ("symbol", "reason", "book__name")
    owner_path = "book__owner"


@admin.register(AuditEntry)
class AuditAdmin(History):
    """The trail of the whole system is for those who answer for it."""

    list_display = ("id", "at", "actor", "kind", "subject", "change")
    list_filter = ("kind",)
    search_fields = ("actor", "subject", "change")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)
