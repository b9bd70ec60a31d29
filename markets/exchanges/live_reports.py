"""What has happened on a live account, gathered by questions: executions, income, and what became of our orders.

A place in this stream is the exchange's time in milliseconds. Late news is looked for again `OVERLAP` before the last
place, so things are told more than once: whoever books knows them by the exchange's own ids.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from markets.domain.orders import Fill, Income, OrderReport, Refused, Report

from . import live_calls, live_clock, live_looks, live_parsing
from .base import Numbered, Unanswered
from .live_parsing import Row, milliseconds
from .sent import SentOrder, SentOrders

OVERLAP = int(timedelta(minutes=15).total_seconds() * 1000)
WEEK = int(timedelta(days=7).total_seconds() * 1000) - 1
PAGE = 1000
ONE_BY_ONE = 5  # orders whose names are asked for singly; more of them come by the page, which costs as much
MOST_NAMES = 50_000
# Lists in which nothing of ours can have changed are read so often: income and trades cost most of the budget.
LOOK_EVERY = 10.0
INCOME_SELDOM = 6.0  # times as long for income, which costs six times as much as trades
# An execution whose order the exchange does not show (yet) waits so long before it counts as nobody's.
NAMELESS = int(timedelta(minutes=5).total_seconds() * 1000)


def gather(client: Any, sent: SentOrders, after: int, *, rest: float | None = None) -> list[Numbered]:
    """All reports after this place and some before it, oldest first. Raises Unanswered and KeyRefused."""
    return _numbered(_Gathering(client, sent, after, LOOK_EVERY if rest is None else rest).everything(), after)


def history(client: Any, sent: SentOrders, since: int) -> list[Numbered]:
    """The same from the venue's time `since` on."""
    return gather(client, sent, since + OVERLAP, rest=0)


def _numbered(reports: Sequence[Report], after: int) -> list[Numbered]:
    """In the order of their times; places never go back behind the one that was asked for."""
    numbered, place = [], after
    for report in sorted(reports, key=_order):
        place = max(place, milliseconds(report.at))
        numbered.append(Numbered(place, report))
    return numbered


def _order(report: Report) -> tuple[Any, ...]:
    """By time; at one time executions come first, by their number, and the end of an order last."""
    if isinstance(report, Fill):
        return report.at, 0, _digits(report.trade_id), report.trade_id
    if isinstance(report, Income):
        return report.at, 1, _digits(report.income_id.rpartition(":")[2]), report.income_id
    return report.at, 2, 0, report.client_id


def _digits(name: str) -> int:
    return int(name) if name.isdecimal() else 0


@dataclass(slots=True)
class _Gathering:
    client: Any
    sent: SentOrders
    after: int
    rest: float  # seconds for which what has not stirred is not asked for again
    names: dict[tuple[str, str], str] = field(init=False)  # client ids by (symbol, venue order id)
    live: Sequence[SentOrder] = field(init=False)

    def __post_init__(self) -> None:
        self.names = _names(self.client)
        self.live = self.sent.live()

    def everything(self) -> list[Report]:
        begin = milliseconds(self.sent.since())
        now = live_clock.venue_now(self.client)
        first = max(begin + 1, min(self.after, now) - OVERLAP)
        # States first: an end that is told has its executions in what is read afterwards.
        states = self._states()
        moved = self._moved(states)
        pause = self.rest if moved else self.rest * INCOME_SELDOM
        lines = list(self._income(first, now)) if live_looks.due(self.client, "income", pause) else []
        listed = {symbol for symbol, line in lines if symbol in self.client.markets}
        starts = dict.fromkeys({*self.sent.symbols(), *listed}, first)
        for order in self._restless(states):
            asked_at = max(begin + 1, live_clock.at_venue(self.client, order.at) - 60_000)
            starts[order.symbol] = min(starts.get(order.symbol, first), asked_at)
        stirred = moved | {symbol for symbol, line in lines if line.get("tradeId")}
        fills = [
            fill
            for symbol, start in sorted(starts.items())
            if live_looks.due(self.client, f"trades of {symbol}", 0 if symbol in stirred else self.rest)
            for fill in self._fills(symbol, start, now)
        ]
        paid = [income for symbol, line in lines if (income := live_parsing.income(line, symbol))]
        return [*fills, *paid, *states]

    def _restless(self, states: Sequence[OrderReport]) -> Iterator[SentOrder]:
        """Orders of ours that may have executions from long ago which are not known: all but those that just rest."""
        told = {report.client_id: report for report in states}
        for order in self.live:
            report = told.get(order.client_id)
            if report is None or not report.status.live or report.filled != order.filled:
                yield order

    def _moved(self, states: Sequence[OrderReport]) -> set[str]:
        """Where an order of ours has traded more than is known."""
        known = {order.client_id: order.filled for order in self.live}
        return {report.symbol for report in states if report.filled > known[report.client_id]}

    # --- What became of our orders ---

    def _states(self) -> list[OrderReport]:
        shown = self._open(self.live)
        found = []
        for order in self.live:
            report = shown.get(order.client_id) or look_up(self.client, order, self.names)
            if report is not None:
                found.append(report)
        return found

    def _open(self, live: Iterable[SentOrder]) -> dict[str, OrderReport]:
        """Open orders where we have some, by client id: one question for each symbol and kind."""
        shown: dict[str, OrderReport] = {}
        for symbol, waiting in sorted({(order.symbol, order.conditional) for order in live}):
            for row in self._ask_open(symbol, waiting):
                if not waiting:
                    report = live_parsing.order(row, symbol)
                    self.names.setdefault((symbol, report.venue_id), report.client_id)
                    shown.setdefault(report.client_id, report)
                elif not live_parsing.actual_id(row):  # a triggered one is looked up by itself
                    report = live_parsing.conditional(row, symbol)
                    shown[report.client_id] = report
        return shown

    def _ask_open(self, symbol: str, waiting: bool) -> Sequence[Row]:
        asked = _kind(waiting)
        rows = live_calls.rows_if_listed(self.client, lambda: self.client.fetch_open_orders(symbol, None, None, asked))
        return live_calls.listed([row["info"] for row in rows])

    # --- Executions ---

    def _fills(self, symbol: str, start: int, now: int) -> Iterator[Fill]:
        rows = {live_parsing.text(row, "id"): row for row in self._trades(self.client.market_id(symbol), start, now)}
        self._learn_names(symbol, {str(live_parsing.whole(row, "orderId")) for row in rows.values()})
        for row in rows.values():
            name = self._name(symbol, row)
            if name is not None:
                yield live_parsing.fill(row, symbol, name)
            elif now - live_parsing.whole(row, "time") > NAMELESS:
                yield live_parsing.fill(row, symbol, "")

    def _trades(self, market: str, start: int, now: int) -> Iterator[Row]:
        for first, last in _windows(start, now):
            rows = self._ask_trades({"symbol": market, "startTime": first, "endTime": last, "limit": PAGE})
            yield from rows
            if len(rows) < PAGE:
                continue
            while len(rows) >= PAGE:  # by their numbers from here to the newest
                newest = max(live_parsing.whole(row, "id") for row in rows)
                rows = self._ask_trades({"symbol": market, "fromId": newest + 1, "limit": PAGE})
                yield from rows
            return

    def _ask_trades(self, params: Mapping[str, Any]) -> Sequence[Row]:
        return live_calls.rows_if_listed(self.client, lambda: self.client.fapiPrivateGetUserTrades(dict(params)))

    def _learn_names(self, symbol: str, ids: set[str]) -> None:
        """The client ids of these orders: of our triggered stops by asking for them, of many others by the page."""
        if any((symbol, name) not in self.names for name in ids):
            for order in self.live:
                if order.conditional and order.symbol == symbol:
                    look_up(self.client, order, self.names)
        missing = sorted(int(name) for name in ids if (symbol, name) not in self.names)
        if len(missing) <= ONE_BY_ONE:
            return
        first, market = missing[0], self.client.market_id(symbol)
        while first <= missing[-1]:
            asked = {"symbol": market, "orderId": first, "limit": PAGE}
            rows = live_calls.rows(self.client, partial(self.client.fapiPrivateGetAllOrders, asked))
            for row in rows:
                key = symbol, live_parsing.text(row, "orderId")
                self.names.setdefault(key, live_parsing.text(row, "clientOrderId"))
            if len(rows) < PAGE:
                break
            first = max(live_parsing.whole(row, "orderId") for row in rows) + 1

    def _name(self, symbol: str, row: Row) -> str | None:
        """The client id of an execution's order; None where the exchange does not show that order."""
        key = symbol, live_parsing.text(row, "orderId")
        if key not in self.names:
            asked = {"symbol": self.client.market_id(symbol), "orderId": key[1]}
            answer = live_calls.read(self.client, lambda: self.client.fapiPrivateGetOrder(dict(asked)))
            if isinstance(answer, Refused):
                return None
            self.names[key] = live_parsing.text(answer, "clientOrderId")
        return self.names[key]

    # --- Income ---

    def _income(self, start: int, now: int) -> Iterator[tuple[str, Row]]:
        for first, last in _windows(start, now):
            page = 1
            while True:
                rows = self._ask_income({"startTime": first, "endTime": last, "limit": PAGE, "page": page})
                yield from ((self._symbol(row), row) for row in rows)
                if len(rows) < PAGE:
                    break
                page += 1

    def _ask_income(self, params: Mapping[str, Any]) -> Sequence[Row]:
        return live_calls.rows(self.client, lambda: self.client.fapiPrivateGetIncome(dict(params)))

    def _symbol(self, row: Row) -> str:
        """Our name of the instrument; empty for what belongs to none."""
        market = str(row.get("symbol") or "")
        found = self.client.markets_by_id.get(market, [])
        return next((str(one["symbol"]) for one in found if one.get("swap")), market)


def _names(client: Any) -> dict[tuple[str, str], str]:
    """What the client has learnt already: an order keeps its name, and what was cut off goes on from there."""
    names: dict[tuple[str, str], str] = client.__dict__.setdefault("names", {})
    if len(names) > MOST_NAMES:
        names.clear()
    return names


def _windows(start: int, now: int) -> Iterator[tuple[int, int]]:
    """From `start` on in pieces that the exchange answers for; the last one is open toward what happens meanwhile."""
    first = start
    while first <= now:
        yield first, first + WEEK
        first += WEEK + 1


def _kind(conditional: bool) -> dict[str, Any]:
    return {"trigger": True} if conditional else {}


def look_up(client: Any, order: SentOrder, names: dict[tuple[str, str], str] | None = None) -> OrderReport | None:
    """What the exchange says of one order of ours now, or None where it does not know it. Raises Unanswered.

    `names` learns which order a triggered one became.
    """
    asked = {"clientOrderId": order.client_id, **_kind(order.conditional)}
    answer = live_calls.read(client, lambda: client.fetch_order(None, order.symbol, dict(asked)))
    if isinstance(answer, Refused):
        if answer.code not in ("not_live", "not_listed"):
            raise Unanswered(answer.message)
        return None
    row = answer["info"]
    if not order.conditional:
        report = live_parsing.of(order.client_id, live_parsing.order(row, order.symbol))
        _learn(names, report.symbol, report.venue_id, report.client_id)
        return report
    actual = live_parsing.actual_id(row)
    if not actual:
        return live_parsing.of(order.client_id, live_parsing.conditional(row, order.symbol))
    _learn(names, order.symbol, actual, order.client_id)
    became = live_calls.read(client, lambda: client.fetch_order(actual, order.symbol))
    if isinstance(became, Refused):  # triggered a moment ago: the order is not shown yet
        return None
    return live_parsing.conditional(row, order.symbol, live_parsing.order(became["info"], order.symbol))


def _learn(names: dict[tuple[str, str], str] | None, symbol: str, venue_id: str, client_id: str) -> None:
    if names is not None:
        names[symbol, venue_id] = client_id
