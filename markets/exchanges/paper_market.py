"""Moves all customers of the paper venue through market time: the rest of a candle, an open, a funding settlement.

Whoever drives a feed calls `drive` inside the transaction of its step. The number of statements does not depend on
accounts, orders or positions.
"""

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from markets.domain import matching, venue
from markets.domain.instruments import InstrumentRules
from markets.domain.orders import Fill
from markets.domain.rounding import ZERO
from markets.domain.snapshot import QuoteView
from markets.domain.venue_state import Bar, Outcome, VenueState
from markets.models import Feed, PaperAccount, PaperOrder, PaperPosition, PaperReport

from . import paper_rows
from .paper_rows import Change, Loaded
from .report_json import decode


@dataclass(frozen=True, slots=True)
class Stage:
    """What happens to everybody at one moment: `events` by instrument id, and what an event makes of a state.

    `settled` gives the pairs of account and instrument id to which it has happened already.
    """

    events: Mapping[int, Any]
    moved: Callable[[VenueState, Any, InstrumentRules], Outcome]
    settled: Callable[[Loaded], Container[tuple[int, int]]] = lambda _: ()


def rest(bars: Mapping[int, Bar], at: datetime) -> Stage:
    """The rest of the candles, by instrument id, that close at `at`."""
    return Stage(bars, lambda state, bar, rules: venue.through(state, bar, rules, at))


def opens(quotes: Mapping[int, QuoteView], at: datetime) -> Stage:
    """The opens at `at`, by instrument id: gap fills, triggers, liquidations."""
    return Stage(quotes, lambda state, quote, rules: venue.open_at(state, quote, rules, at))


def funding(rates: Mapping[int, tuple[Decimal, Decimal]], at: datetime, *, late: bool = False) -> Stage:
    """Funding of every position, by instrument id: (rate, mark). What is settled already is passed over.

    A `late` one has come after the market has moved on: positions that were opened since owe nothing.
    """

    def fund(state: VenueState, due: tuple[Decimal, Decimal], rules: InstrumentRules) -> Outcome:
        rate, mark = due
        return venue.fund(state, rate, mark, rules, at)

    def exempt(loaded: Loaded) -> set[tuple[int, int]]:
        return _funded(loaded, rates, at) | (_opened_since(loaded, rates, at) if late else set())

    return Stage(rates, fund, exempt)


def delistings(prices: Mapping[int, Decimal], at: datetime) -> Stage:
    """The end of instruments, by id: positions are closed at these prices, orders end."""

    def end(state: VenueState, price: Decimal, rules: InstrumentRules) -> Outcome:
        return matching.settled(Outcome(state), rules.price(price), rules, at)

    return Stage(prices, end)


def _funded(loaded: Loaded, instruments: Iterable[int], at: datetime) -> set[tuple[int, int]]:
    names = {venue.funding_id(loaded.instruments[pk].symbol, at): pk for pk in instruments}
    if not names:
        return set()
    accounts = [customer.account.pk for customer in loaded.customers]
    known = PaperReport.objects.filter(account__in=accounts, kind="income", ref__in=names)
    return {(account, names[ref]) for account, ref in known.values_list("account", "ref")}


def _opened_since(loaded: Loaded, instruments: Iterable[int], at: datetime) -> set[tuple[int, int]]:
    """Positions that were flat at `at`: what was filled since makes up all of them, or turned them round."""
    symbols = {loaded.instruments[pk].symbol: pk for pk in instruments}
    since: dict[tuple[int, int], Decimal] = defaultdict(Decimal)
    accounts = [customer.account.pk for customer in loaded.customers]
    fills = PaperReport.objects.filter(account__in=accounts, kind="fill", body__at__gt=at.isoformat())
    for account, kind, body in fills.values_list("account", "kind", "body"):
        fill = decode(kind, body)
        if isinstance(fill, Fill) and fill.at > at and fill.symbol in symbols:
            since[account, symbols[fill.symbol]] += fill.quantity * fill.side.sign
    found = set()
    for customer in loaded.customers:
        for symbol, pk in symbols.items():
            held = customer.state.positions.get(symbol)
            before = (held.quantity if held else ZERO) - since[customer.account.pk, pk]
            if held is not None and before * held.quantity <= 0:
                found.add((customer.account.pk, pk))
    return found


def drive(feed: Feed, *stages: Stage) -> None:
    """Take every account of the feed that has a position or a live order through these stages, one after the other.

    The accounts are locked, read and written once.
    """
    with transaction.atomic(savepoint=False):
        wanted = {pk for stage in stages for pk in stage.events}
        accounts = list(_concerned(feed, wanted).select_for_update())
        if not accounts:
            return
        loaded = paper_rows.load(accounts, wanted)
        outcomes = [Outcome(customer.state) for customer in loaded.customers]
        for stage in stages:
            done = stage.settled(loaded)
            for number, customer in enumerate(loaded.customers):
                due = [pk for pk in sorted(stage.events) if (customer.account.pk, pk) not in done]
                outcomes[number] = _through(outcomes[number], stage, due, loaded)
        changes = zip(loaded.customers, outcomes, strict=True)
        paper_rows.save(loaded, [Change(customer, outcome.state, outcome.reports) for customer, outcome in changes])


def _through(outcome: Outcome, stage: Stage, due: Iterable[int], loaded: Loaded) -> Outcome:
    """One customer through the events of a stage, instrument by instrument."""
    for pk in due:
        rules = loaded.instruments[pk].rules
        if outcome.state.active(rules.symbol):
            moved = stage.moved(outcome.state, stage.events[pk], rules)
            outcome = outcome.then(moved.state, *moved.reports)
    return outcome


def _concerned(feed: Feed, instruments: Iterable[int]) -> QuerySet[PaperAccount]:
    """Accounts with a live order or a position in any of these instruments, always in the same order."""
    wanted = list(instruments)
    live = PaperOrder.objects.filter(account=OuterRef("pk"), live=True, instrument__in=wanted)
    held = PaperPosition.objects.filter(account=OuterRef("pk"), instrument__in=wanted)
    return PaperAccount.objects.filter(Exists(live) | Exists(held), feed=feed).order_by("pk")
