"""Answers of Binance USD-M, as ccxt hands them through, turned into our own values. Pure, and strict about numbers.

What cannot be read raises Unreadable: a guess about money is worse than no answer.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from markets.domain.orders import Fill, Income, OrderReport, OrderType, Side, VenuePosition, VenueStatus
from markets.domain.rounding import ZERO, round_cash

from .base import Unanswered

Row = Mapping[str, Any]
P = ParamSpec("P")
Parsed = TypeVar("Parsed")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

TYPES = {
    "MARKET": OrderType.MARKET, "LIMIT": OrderType.LIMIT, "LIQUIDATION": OrderType.MARKET,
    "STOP_MARKET": OrderType.STOP, "STOP": OrderType.STOP, "TRAILING_STOP_MARKET": OrderType.STOP,
    "TAKE_PROFIT_MARKET": OrderType.TARGET, "TAKE_PROFIT": OrderType.TARGET,
}  # fmt: skip
STATUSES = {
    "NEW": VenueStatus.OPEN, "PARTIALLY_FILLED": VenueStatus.PARTLY_FILLED, "FILLED": VenueStatus.FILLED,
    "CANCELED": VenueStatus.CANCELLED, "EXPIRED": VenueStatus.CANCELLED, "EXPIRED_IN_MATCH": VenueStatus.CANCELLED,
    "REJECTED": VenueStatus.REFUSED, "NEW_ADL": VenueStatus.OPEN, "NEW_INSURANCE": VenueStatus.OPEN,
}  # fmt: skip
WAITING = ("NEW", "TRIGGERING")
# What the exchange names orders that it makes by itself.
FORCED = (
    ("autoclose-", "liquidation"), ("adl_autoclose", "adl"), ("settlement_autoclose-", "settlement"),
    ("delivery_autoclose-", "settlement"),
)  # fmt: skip
# Results and fees of trades come with the trades themselves.
OF_TRADES = ("REALIZED_PNL", "COMMISSION")
KINDS = {
    "FUNDING_FEE": "funding", "INSURANCE_CLEAR": "liquidation", "TRANSFER": "transfer",
    "INTERNAL_TRANSFER": "transfer", "CROSS_COLLATERAL_TRANSFER": "transfer", "STRATEGY_UMFUTURES_TRANSFER": "transfer",
    "COIN_SWAP_DEPOSIT": "transfer", "COIN_SWAP_WITHDRAW": "transfer", "DELIVERED_SETTELMENT": "settlement",
    "DELIVERED_SETTLEMENT": "settlement", "COMMISSION_REBATE": "fee", "API_REBATE": "fee", "REFERRAL_KICKBACK": "fee",
    "FEE_RETURN": "fee",
}  # fmt: skip
ID_PREFIX = "algo-"


class Unreadable(Unanswered):
    """An answer that does not say what it must; the message names what is missing."""


def strict(parse: Callable[P, Parsed]) -> Callable[P, Parsed]:
    """A row that is not what it should be, in whatever way, is Unreadable."""

    @wraps(parse)
    def parsed(*args: P.args, **kwargs: P.kwargs) -> Parsed:
        try:
            return parse(*args, **kwargs)
        except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise Unreadable(f"An answer cannot be read ({type(error).__name__}).") from error

    return parsed


def number(row: Row, *names: str) -> Decimal:
    """The first of these fields that is there, as an exact and finite number."""
    for name in names:
        if row.get(name) not in (None, ""):
            try:
                value = Decimal(str(row[name]))
            except InvalidOperation:
                raise Unreadable(f"{name} is «{row[name]}» and no number.") from None
            if not value.is_finite():
                raise Unreadable(f"{name} is {row[name]}.")
            return value
    raise Unreadable(f"There is no {' or '.join(names)} in the answer.")


def whole(row: Row, name: str) -> int:
    """A whole number: an id that counts, or milliseconds."""
    value = number(row, name)
    if value != int(value):
        raise Unreadable(f"{name} is {value} and no whole number.")
    return int(value)


def text(row: Row, name: str) -> str:
    value = row.get(name)
    if value in (None, ""):
        raise Unreadable(f"There is no {name} in the answer.")
    return str(value)


def moment(row: Row, *names: str) -> datetime:
    """A time in milliseconds as UTC."""
    return EPOCH + timedelta(milliseconds=int(number(row, *names)))


def milliseconds(at: datetime) -> int:
    return int((at - EPOCH) / timedelta(milliseconds=1))


@strict
def order(row: Row, symbol: str, client_id: str = "") -> OrderReport:
    """An order of the matching engine. `client_id` where it is known by another name (a triggered stop)."""
    status, kind = text(row, "status"), text(row, "type")
    if status not in STATUSES or kind not in TYPES:
        raise Unreadable(f"An order is {kind} and {status}, which is not known here.")
    price = number(row, "price")
    return OrderReport(
        client_id=client_id or text(row, "clientOrderId"), venue_id=text(row, "orderId"), symbol=symbol,
        side=Side(text(row, "side").lower()), type=TYPES[kind], status=STATUSES[status],
        quantity=number(row, "origQty"), filled=number(row, "executedQty"), at=moment(row, "updateTime", "time"),
        price=price if price > 0 and TYPES[kind] is OrderType.LIMIT else None,
        reduce_only=row.get("reduceOnly") is True, reason=_reason(status),
    )  # fmt: skip


@strict
def conditional(row: Row, symbol: str, actual: OrderReport | None = None) -> OrderReport:
    """A conditional order; once triggered it is what the order is that it became (`actual`)."""
    status, kind = text(row, "algoStatus"), text(row, "orderType")
    if kind not in TYPES:
        raise Unreadable(f"A conditional order is {kind}, which is not known here.")
    # Others may close whole positions without a quantity, or trail without a trigger.
    closing, trailing = row.get("closePosition") is True, kind == "TRAILING_STOP_MARKET"
    quantity = ZERO if closing else number(row, "quantity")
    return OrderReport(
        client_id=text(row, "clientAlgoId"), venue_id=ID_PREFIX + text(row, "algoId"), symbol=symbol,
        side=Side(text(row, "side").lower()), type=TYPES[kind], status=_state(status, actual),
        quantity=quantity, filled=actual.filled if actual else ZERO,
        at=max(moment(row, "updateTime", "createTime"), actual.at if actual else EPOCH),
        trigger=None if trailing else number(row, "triggerPrice"), reduce_only=closing or row.get("reduceOnly") is True,
        reason=_reason(status) if actual is None else actual.reason,
    )  # fmt: skip


def of(client_id: str, report: OrderReport) -> OrderReport:
    """The report, where it is about the order that was asked for. Raises Unreadable."""
    if report.client_id != client_id:
        raise Unreadable("The venue told of another order than the one asked for.")
    return report


def _state(status: str, actual: OrderReport | None) -> VenueStatus:
    if actual is not None:
        return actual.status
    if status in (*WAITING, "TRIGGERED"):
        return VenueStatus.OPEN
    if status in ("CANCELED", "EXPIRED", "FINISHED"):
        return VenueStatus.CANCELLED
    if status == "REJECTED":
        return VenueStatus.REFUSED
    raise Unreadable(f"A conditional order is {status}, which is not known here.")


@strict
def actual_id(row: Row) -> str:
    """The id of the order that a triggered one became, or nothing."""
    found = str(row.get("actualOrderId") or "")
    return "" if found == "0" else found


def _reason(status: str) -> str:
    return {
        "EXPIRED": "The venue ended it: it expired.",
        "EXPIRED_IN_MATCH": "The venue ended it: it would have traded with an order of our own.",
        "REJECTED": "The venue rejected it.",
    }.get(status, "")


def forced(client_id: str) -> str:
    """Why the venue acted by itself, from the name that it gives such orders; nothing for anybody else's."""
    return next((why for prefix, why in FORCED if client_id.startswith(prefix)), "")


@strict
def fill(row: Row, symbol: str, client_id: str) -> Fill:
    """One execution; `client_id` is its order's."""
    why, quantity, price = forced(client_id), number(row, "qty"), number(row, "price")
    if quantity <= 0 or price <= 0:
        raise Unreadable(f"An execution of {quantity} at {price} cannot be.")
    return Fill(
        trade_id=text(row, "id"), client_id=None if why else client_id or None, symbol=symbol,
        side=Side(text(row, "side").lower()), quantity=quantity, price=price, fee=number(row, "commission"),
        fee_currency=text(row, "commissionAsset"), maker=row.get("maker") is True,
        realised=number(row, "realizedPnl"), at=moment(row, "time"), liquidation=why == "liquidation", forced=why,
    )  # fmt: skip


@strict
def income(row: Row, symbol: str) -> Income | None:
    """A line of the income history; None for what comes with trades."""
    kind = text(row, "incomeType")
    if kind in OF_TRADES:
        return None
    amount, funding = number(row, "income"), kind == "FUNDING_FEE"
    return Income(
        # The exchange's ids are unique within their kind only.
        income_id=f"{kind}:{text(row, 'tranId')}", kind=KINDS.get(kind, "other"), symbol=symbol, amount=amount,
        currency=text(row, "asset"), at=moment(row, "time"), from_margin=-amount if funding else ZERO,
    )  # fmt: skip


@strict
def position(row: Row, symbol: str, leverage: int) -> VenuePosition | None:
    """An open position, or None where nothing is held."""
    quantity = number(row, "positionAmt")
    if not quantity:
        return None
    return VenuePosition(
        symbol=symbol, quantity=quantity, cost=round_cash(abs(quantity) * number(row, "entryPrice")),
        margin=number(row, "isolatedWallet", "isolatedMargin"), leverage=leverage,
    )  # fmt: skip
