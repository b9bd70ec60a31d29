"""A live account at Binance USD-M, through ccxt: it sends what it is told, once, and says what is known afterwards.

It decides nothing and keeps nothing: what was sent is the ledger's (`sent`), rules and keys are given. A question that
gets no answer raises Unanswered; only orders and cancels answer with what is known (`live_answers`).
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from markets.domain.fitting import fitted
from markets.domain.instruments import InstrumentRules
from markets.domain.orders import (
    Answer,
    Confirmed,
    Denied,
    OrderReport,
    OrderRequest,
    OrderType,
    Refused,
    Report,
    Unknown,
    VenuePosition,
)

from . import live_calls, live_clock, live_looks, live_modes, live_parsing, live_reports
from .base import KeyRefused, Numbered, Unanswered
from .live_wire import attempt, urgent
from .sent import SentOrder, SentOrders

LONGEST_WINDOW_MS = 60_000
WHOLE_EVERY = 60.0
# Stops look at the last price, as the paper venue and the backtests do.
TRIGGERS = {"last": "CONTRACT_PRICE", "mark": "MARK_PRICE"}
Rules = Callable[[str], InstrumentRules | None]


class LiveVenue:
    """One account. `client` is ccxt's, made by `clients` with the opened key; `rules` finds those of a symbol.

    `trigger_by` says which price stops and targets look at: last or mark.
    """

    def __init__(self, client: Any, currency: str, *, sent: SentOrders, rules: Rules, trigger_by: str = "last") -> None:
        self._client, self._currency, self._sent, self._rules = client, currency, sent, rules
        self._working = TRIGGERS[trigger_by]

    # --- Orders ---

    def send(self, request: OrderRequest) -> Answer:
        """Place an order, once. Entries are sent only where leverage and modes have just been verified, and wait like
        any question where the exchange asked us to; what reduces goes out as early as it may.
        """
        rules = self._rules(request.symbol)
        if rules is None:
            return Denied("not_listed", f"No rules of {request.symbol} are known here.")
        order = fitted(request, rules)
        if isinstance(order, Denied):
            return order
        try:
            with urgent(self._client) if order.reduce_only else nullcontext():
                self._load()
                unready = None if order.reduce_only else live_modes.unready(self._client, order.symbol, order.leverage)
                return unready or self._placed(order)
        except KeyRefused as refused:
            return Refused("key_refused", str(refused))
        except Unanswered as silent:
            return Denied("not_sent", f"Nothing was sent: {silent}"[:280])

    def _placed(self, order: OrderRequest) -> Answer:
        answer = self._once(order)
        if isinstance(answer, Refused) and answer.code == "clock":
            # Refused for its time alone: it was not taken. Once more, by a clock that has just been set.
            live_clock.measure(self._client)
            answer = self._once(order)
        if isinstance(answer, Refused | Denied | Unknown):
            return answer
        try:
            return Confirmed(self._report(answer["info"], order))
        except live_parsing.Unreadable as unreadable:
            return Unknown(f"The venue answered, and the answer cannot be read: {unreadable}")

    def _once(self, order: OrderRequest) -> Any:
        sent_at = live_clock.venue_now(self._client)
        window = LONGEST_WINDOW_MS
        if order.valid_until is not None:
            window = min(live_clock.at_venue(self._client, order.valid_until) - sent_at, window)
        if window <= 0:
            return Denied("too_late", f"It is past {order.valid_until:%H:%M:%S}: too late for this order to be meant.")
        # With its own time in it the exchange refuses the order after the window, however long it is under way.
        params = self._params(order) | {"timestamp": sent_at, "recvWindow": window}
        kind = "limit" if order.type is OrderType.LIMIT else "market"
        price = None if order.price is None else f"{order.price:f}"
        return attempt(
            self._client,
            lambda: self._client.create_order(
                order.symbol, kind, order.side.value, f"{order.quantity:f}", price, params
            ),
        )

    def _params(self, order: OrderRequest) -> dict[str, Any]:
        params: dict[str, Any] = {"clientOrderId": order.client_id}
        if order.reduce_only:
            params["reduceOnly"] = True
        if order.trigger is not None:
            name = "stopLossPrice" if order.type is OrderType.STOP else "takeProfitPrice"
            params |= {name: f"{order.trigger:f}", "workingType": self._working}
        return params

    def _report(self, row: live_parsing.Row, order: OrderRequest) -> OrderReport:
        conditional = order.type in (OrderType.STOP, OrderType.TARGET)
        report = (live_parsing.conditional if conditional else live_parsing.order)(row, order.symbol)
        return live_parsing.of(order.client_id, report)

    def cancel(self, client_id: str) -> Answer:
        """Cancel a live order. Repeated once where nothing is known, for cancelling twice does no harm."""
        order = self._sent.find(client_id)
        if order is None:
            return Denied("not_ours", f"No order {client_id} was sent from here.")
        return self._cancel(order)

    def cancel_foreign(self, report: OrderReport) -> Answer:
        """The same for an order that somebody else sent, as `open_orders` shows it."""
        return self._cancel(
            SentOrder(report.client_id, report.symbol, report.side, report.type, report.quantity, report.at)
        )

    def _cancel(self, order: SentOrder) -> Answer:
        try:
            with urgent(self._client):
                self._load()
                for _ in range(2):
                    answer = self._cancelled(order)
                    if not isinstance(answer, Unknown):
                        break
                return self._outcome(order, answer)
        except KeyRefused as refused:
            return Refused("key_refused", str(refused))
        except Unanswered as silent:
            return Unknown(f"Whether it was cancelled is not known: {silent}"[:280])

    def _cancelled(self, order: SentOrder) -> Any:
        params: dict[str, Any] = {"clientOrderId": order.client_id}
        if order.conditional:
            params["trigger"] = True
        return attempt(self._client, lambda: self._client.cancel_order(None, order.symbol, params))

    def _outcome(self, order: SentOrder, answer: Any) -> Answer:
        """What became of it: where the exchange says that it is not live, or nothing, it is asked what it is."""
        if isinstance(answer, Denied) or (isinstance(answer, Refused) and answer.code != "not_live"):
            return answer
        found = live_reports.look_up(self._client, order)
        if found is not None and not found.status.live and not isinstance(answer, Refused):
            return Confirmed(found)
        if isinstance(answer, Refused | Unknown):
            return answer
        return Unknown("The venue took the cancellation, and still shows the order.")

    # --- Questions ---

    def order(self, client_id: str) -> OrderReport | None:
        """The order of ours with this client id. Raises Unanswered and KeyRefused."""
        order = self._sent.find(client_id)
        if order is None:
            return None
        with urgent(self._client):
            self._load()
            return live_reports.look_up(self._client, order)

    def open_orders(self) -> Sequence[OrderReport]:
        """All open orders, conditional ones too, whoever sent them, oldest first. Raises Unanswered and KeyRefused.

        Where nothing of ours is, what somebody else has may be `WHOLE_EVERY` old.
        """
        self._load()
        ours = {order.symbol for order in self._sent.live()} | set(self._sent.symbols())
        elsewhere: list[OrderReport] | None = getattr(self._client, "elsewhere", None)
        if live_looks.due(self._client, "all orders", WHOLE_EVERY) or elsewhere is None:
            self._client.elsewhere = None  # until there is an answer
            found = self._client.elsewhere = self._open({})
        else:
            # Without a symbol the list costs forty times as much: elsewhere it may be a minute old.
            found = [report for report in elsewhere if report.symbol not in ours]
            for symbol in sorted(ours):
                found += self._open({"symbol": self._client.market_id(symbol)})
        return sorted(found, key=lambda report: report.at)

    def _open(self, where: dict[str, str]) -> list[OrderReport]:
        plain = live_calls.rows_if_listed(self._client, lambda: self._client.fapiPrivateGetOpenOrders(dict(where)))
        waiting = live_calls.rows_if_listed(
            self._client, lambda: self._client.fapiPrivateGetOpenAlgoOrders(dict(where))
        )
        # A triggered one is among the plain ones, under its new id.
        still = [row for row in waiting if not live_parsing.actual_id(row)]
        return [
            *(live_parsing.order(row, self._symbol(row)) for row in plain),
            *(live_parsing.conditional(row, self._symbol(row)) for row in still),
        ]

    def positions(self) -> Sequence[VenuePosition]:
        """Raises Unanswered and KeyRefused: a question without an answer never means that nothing is held."""
        self._load()
        rows = live_calls.rows(self._client, self._client.fapiPrivateV3GetPositionRisk)
        held = [row for row in rows if live_parsing.number(row, "positionAmt")]
        if not held:
            return []
        told = live_calls.rows(self._client, self._client.fapiPrivateGetSymbolConfig)
        leverages = {row.get("symbol"): int(live_parsing.number(row, "leverage")) for row in told}
        if missing := [live_parsing.text(row, "symbol") for row in held if row.get("symbol") not in leverages]:
            raise live_parsing.Unreadable(f"The venue told no leverage of {', '.join(missing)}.")
        found = [live_parsing.position(row, self._symbol(row), leverages[row["symbol"]]) for row in held]
        return [position for position in found if position is not None]

    def wallet(self) -> Decimal:
        """Raises Unanswered and KeyRefused."""
        self._load()
        rows = live_calls.rows(self._client, self._client.fapiPrivateV3GetBalance)
        own = next((row for row in rows if row.get("asset") == self._currency), None)
        return live_parsing.number(own, "balance") if own is not None else Decimal(0)

    def reports(self, after: int) -> Sequence[Numbered]:
        """All reports after this place, and some before it once more. Raises Unanswered and KeyRefused."""
        self._load()
        return live_reports.gather(self._client, self._sent, after)

    def history(self, since: datetime) -> Sequence[Report]:
        """Executions and income at or after this time once more. Raises Unanswered and KeyRefused."""
        self._load()
        told = live_reports.history(self._client, self._sent, live_clock.at_venue(self._client, since))
        return [entry.report for entry in told if not isinstance(entry.report, OrderReport)]

    def now(self) -> datetime:
        """The venue's own time. Raises Unanswered and KeyRefused."""
        return live_parsing.EPOCH.fromtimestamp(live_clock.venue_now(self._client) / 1000, UTC)

    def _load(self) -> None:
        """Clock and instruments, before anything that is signed or named."""
        live_clock.known(self._client)
        if self._client.markets is None:
            live_calls.asked(self._client, self._client.load_markets)

    def _symbol(self, row: live_parsing.Row) -> str:
        market = str(row.get("symbol") or "")
        found = self._client.markets_by_id.get(market, [])
        return next((str(one["symbol"]) for one in found if one.get("swap")), market)
