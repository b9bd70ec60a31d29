"""Where the diary's events come from: for each kind its rows, their time, and the sentence that tells them.

It decides nothing about order or pages; `bots.diary` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import QuerySet, TextChoices
from django.db.models.functions import Coalesce

from ledger.equity_curve import FLOWS
from ledger.models import Book, CashEntry, CashKind, Order, Position, Trade, TradingState, TradingStateKind

from .domain import telling
from .models import Cycle, Decision, DecisionItem, Outcome
from .models.cycles import TERMINAL

# What models cost is paid at wall time, and the diary runs in the market's.
NOT_TOLD = (*FLOWS, CashKind.MODEL_SPEND)


class Kind(TextChoices):
    """In the order in which they follow from each other, which is kept where times are equal."""

    CYCLE = "cycle", "Cycle"
    DECISION = "decision", "Decision"
    ORDER = "order", "Order"
    TRADE = "trade", "Trade"
    POSITION = "position", "Position closed"
    CASH = "cash", "Funding and liquidation"
    STATE = "state", "Trading state"


class Event(NamedTuple):
    """A row before it is told: `at` is market time, `row` its columns by name."""

    kind: str
    id: int
    at: datetime
    row: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the diary. `ids` leads to the rows behind it, by what they are."""

    at: datetime
    kind: str
    id: int
    bot: int | None
    book: int | None
    text: str
    ids: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Names:
    """What a page needs to tell its events: books by their bot's name, or their own, and what decisions asked for."""

    names: Mapping[int, str]
    bots: Mapping[int, int]  # by book
    books: Mapping[int, int]  # by bot
    asked: Mapping[int, list[tuple[str, str, str]]]

    @classmethod
    def of(cls, books: QuerySet[Book], decisions: Iterable[int]) -> Names:
        """Two statements."""
        rows = list(books.values_list("pk", "name", "bot", "bot__name"))
        asked: dict[int, list[tuple[str, str, str]]] = {}
        items = DecisionItem.objects.filter(decision__in=list(decisions)).exclude(outcome=Outcome.HELD).order_by("id")
        for decision, action, symbol, outcome in items.values_list("decision", "action", "symbol", "outcome"):
            asked.setdefault(decision, []).append((action, symbol, outcome))
        bots = {book: bot for book, _, bot, _ in rows if bot is not None}
        names = {book: bot_name or name for book, name, _, bot_name in rows}
        return cls(names, bots, {bot: book for book, bot in bots.items()}, asked)

    def entry(self, event: Event, book: int | None, text: str, **ids: int | None) -> Entry:
        bot = self.bots.get(book) if book is not None else None
        known = {name: pk for name, pk in ids.items() if pk is not None}
        return Entry(event.at, event.kind, event.id, bot, book, text, {event.kind: event.id, **known})


@dataclass(frozen=True, slots=True)
class Source:
    """`by` is the column of market time, `through` leads to a book or a bot; it is empty where rows stay few."""

    rows: Callable[[], QuerySet[Any]]
    by: str
    through: str
    columns: tuple[str, ...]
    tell: Callable[[Names, Event], Entry]


def _cycle(names: Names, event: Event) -> Entry:
    row, book = event.row, names.books[event.row["bot"]]
    acted, refused = row["decision__acted"], row["decision__refused"]
    text = telling.cycle(names.names[book], row["status"], row["error"], acted, refused)
    return names.entry(event, book, text, decision=row["decision"])


def _decision(names: Names, event: Event) -> Entry:
    book = names.books[event.row["bot"]]
    text = telling.decision(names.names[book], names.asked.get(event.id, ()))
    return names.entry(event, book, text, cycle=event.row["cycle"])


def _order(names: Names, event: Event) -> Entry:
    row, book = event.row, event.row["book"]
    price = row["price"] if row["price"] is not None else row["trigger"]
    text = telling.order(
        names.names[book], row["role"], row["side"], row["quantity"], row["instrument__base"], price, row["state"],
        row["reason"],
    )  # fmt: skip
    return names.entry(event, book, text, intent=row["intent"], position=row["position"])


def _trade(names: Names, event: Event) -> Entry:
    row, book = event.row, event.row["book"]
    text = telling.trade(
        names.names[book], row["side"], row["quantity"], row["instrument__base"], row["price"], row["fee"],
        row["fee_currency"], row["realised"], row["instrument__settle"], row["liquidation"],
    )  # fmt: skip
    return names.entry(event, book, text, order=row["order"], position=row["position"])


def _position(names: Names, event: Event) -> Entry:
    row, book = event.row, event.row["book"]
    net = row["realised"] - row["fees"] + row["funding"]
    text = telling.closed(
        names.names[book], row["long"], row["instrument__base"], row["exit_reason"], net, row["instrument__settle"]
    )
    return names.entry(event, book, text, intent=row["intent"])


def _cash(names: Names, event: Event) -> Entry:
    row, book = event.row, event.row["book"]
    base = row["position__instrument__base"]
    text = telling.cash(names.names[book], row["kind"], row["amount"], row["currency"], base)
    return names.entry(event, book, text, position=row["position"])


def _state(names: Names, event: Event) -> Entry:
    row, book = event.row, event.row["book"]
    scope = "the system"
    if book is not None:
        scope = names.names[book]
    elif row["account"] is not None:
        scope = f"the account {row['account__name']}"
    label = TradingStateKind(row["state"]).label.lower()
    return names.entry(event, book, telling.state(scope, label, row["reason"]), account=row["account"])


SOURCES: Mapping[str, Source] = {
    Kind.CYCLE: Source(
        lambda: Cycle.objects.filter(status__in=TERMINAL), "slot", "bot",
        ("bot", "status", "error", "decision", "decision__acted", "decision__refused"), _cycle,
    ),
    Kind.DECISION: Source(lambda: Decision.objects.all().spoke(), "at", "bot", ("bot", "cycle"), _decision),
    Kind.ORDER: Source(
        Order.objects.all, "at", "book",
        ("book", "role", "side", "quantity", "instrument__base", "price", "trigger", "state", "reason", "intent",
         "position"), _order,
    ),
    Kind.TRADE: Source(
        Trade.objects.all, "at", "book",
        ("book", "side", "quantity", "instrument__base", "instrument__settle", "price", "fee", "fee_currency",
         "realised", "liquidation", "order", "position"), _trade,
    ),
    Kind.POSITION: Source(
        Position.objects.all().closed, "closed_at", "book",
        ("book", "long", "instrument__base", "instrument__settle", "exit_reason", "realised", "fees", "funding",
         "intent"), _position,
    ),
    Kind.CASH: Source(
        # Named by what they are not: asked for by kind, databases would read all of a kind.
        lambda: CashEntry.objects.all().without_trade().exclude(kind__in=NOT_TOLD), "at", "book",
        ("book", "kind", "amount", "currency", "position", "position__instrument__base"), _cash,
    ),
    Kind.STATE: Source(
        lambda: TradingState.objects.annotate(told_at=Coalesce("market_at", "at")), "told_at", "",
        ("book", "account", "account__name", "state", "reason"), _state,
    ),
}  # fmt: skip
