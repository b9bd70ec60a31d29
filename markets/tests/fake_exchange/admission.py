"""Whether the fake Binance USD-M takes an order: filters, precision, margin and modes, with the exchange's codes."""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from . import trading
from .account import ZERO, Account, Conditional, Placed, Refusal
from .text import market_id

CLIENT_ID = re.compile(r"^[\.A-Z:/a-z0-9_-]{1,36}$")
CONDITIONAL = ("STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET")
MULTIPLIER = Decimal("0.15")


def symbol_of(account: Account, fields: Mapping[str, str]) -> str:
    """The unified symbol that the request names. Raises Refusal."""
    named = fields.get("symbol", "")
    for symbol in account.market.listed:
        if market_id(symbol) == named:
            return symbol
    raise (
        Refusal(-1121, "Invalid symbol.")
        if named
        else Refusal(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
    )


def order(account: Account, fields: Mapping[str, str]) -> Placed:
    """The order that a request describes, admitted. Raises Refusal."""
    if fields.get("type") in CONDITIONAL:
        message = "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."
        raise Refusal(-4120, message)
    symbol = symbol_of(account, fields)
    client_id = _client_id(account, fields.get("newClientOrderId", ""))
    _open_for(account, symbol, fields)
    quantity, reduce_only = _quantity(account, symbol, fields), fields.get("reduceOnly") == "true"
    price = _price(account, symbol, fields) if fields.get("type") == "LIMIT" else ZERO
    sign = 1 if fields.get("side") == "BUY" else -1
    value = quantity * (price or account.market.price(symbol))
    if reduce_only:
        held = account.position(symbol).quantity
        if held * sign >= 0:
            raise Refusal(-2022, "ReduceOnly Order is rejected.")
        quantity = min(quantity, abs(held))
    else:
        _worth_it(account, symbol, value)
        _affordable(account, symbol, sign, quantity, value)
    now = account.market.now()
    return Placed(
        account.number(), client_id or f"x{account.numbers}", symbol, fields["side"], fields["type"], quantity, price,
        fields.get("timeInForce", "GTC"), reduce_only, now, now,
    )  # fmt: skip


def conditional(account: Account, fields: Mapping[str, str]) -> Conditional:
    """The algo order that a request describes. Margin and reduce-only are looked at when it triggers."""
    if fields.get("algoType") != "CONDITIONAL" or fields.get("type") not in CONDITIONAL:
        raise Refusal(-1116, "Invalid orderType.")
    symbol = symbol_of(account, fields)
    client_id = _client_id(account, fields.get("clientAlgoId", ""))
    _open_for(account, symbol, fields)
    closing = fields.get("closePosition") == "true"
    if closing and fields.get("quantity"):
        raise Refusal(-4137, "Quantity must be zero with closePosition equals true")
    quantity = ZERO if closing else _quantity(account, symbol, fields)
    trigger = _number(fields, "triggerPrice")
    _on_tick(account, symbol, trigger)
    now = account.market.now()
    algo = Conditional(
        account.number(), client_id or f"x{account.numbers}", symbol, fields["side"], fields["type"], quantity, trigger,
        fields.get("workingType", "CONTRACT_PRICE"), fields.get("reduceOnly") == "true", closing, now, now,
    )  # fmt: skip
    if trading.triggers(account, algo):
        raise Refusal(-2021, "Order would immediately trigger.")
    return algo


def _client_id(account: Account, client_id: str) -> str:
    if client_id and not CLIENT_ID.match(client_id):
        raise Refusal(-4015, "Client order id is not valid.")
    # Only among live ones: a used id is accepted again once its order has closed.
    if client_id and client_id in {o.client_id for o in (*account.live_orders(), *account.live_algos())}:
        raise Refusal(-4116, "ClientOrderId is duplicated.")
    return client_id


def _open_for(account: Account, symbol: str, fields: Mapping[str, str]) -> None:
    if account.hedge != (fields.get("positionSide", "BOTH") != "BOTH"):
        raise Refusal(-4061, "Order's position side does not match user's setting.")
    status = account.market.listed[symbol].status
    if status == "delisted":
        raise Refusal(-4108, "Symbol is on delivering or delivered or settling or closed or pre-trading.")
    if status == "halted" and fields.get("reduceOnly") != "true":
        raise Refusal(-4140, "Invalid symbol status for opening position.")


def _quantity(account: Account, symbol: str, fields: Mapping[str, str]) -> Decimal:
    listed, quantity = account.market.listed[symbol], _number(fields, "quantity")
    if quantity <= 0:
        raise Refusal(-4003, "Quantity less than or equal to zero.")
    if quantity % Decimal(listed.step):
        raise Refusal(-1111, "Precision is over the maximum defined for this asset.")
    if quantity < Decimal(listed.min_quantity or listed.step):
        raise Refusal(-4004, "Quantity less than min quantity.")
    if listed.extra.get("max_quantity") and quantity > Decimal(listed.extra["max_quantity"]):
        raise Refusal(-4005, "Quantity greater than max quantity.")
    return quantity


def _price(account: Account, symbol: str, fields: Mapping[str, str]) -> Decimal:
    price, mark = _number(fields, "price"), account.market.mark(symbol)
    _on_tick(account, symbol, price)
    if fields.get("side") == "BUY" and price > mark * (1 + MULTIPLIER):
        raise Refusal(-4016, f"Limit price can't be higher than {mark * (1 + MULTIPLIER)}.")
    if fields.get("side") == "SELL" and price < mark * (1 - MULTIPLIER):
        raise Refusal(-4024, f"Limit price can't be lower than {mark * (1 - MULTIPLIER)}.")
    return price


def _on_tick(account: Account, symbol: str, price: Decimal) -> None:
    if price <= 0:
        raise Refusal(-4001, "Price less than 0.")
    if price % Decimal(account.market.listed[symbol].tick):
        raise Refusal(-4014, "Price not increased by tick size.")


def _number(fields: Mapping[str, str], name: str) -> Decimal:
    try:
        number = Decimal(fields[name])
    except (KeyError, InvalidOperation):
        message = f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
        raise Refusal(-1102, message) from None
    if not number.is_finite():
        raise Refusal(-1100, f"Illegal characters found in parameter '{name}'.")
    return number


def _worth_it(account: Account, symbol: str, value: Decimal) -> None:
    least = Decimal(account.market.listed[symbol].min_notional)
    if value < least:
        message = f"Order's notional must be no smaller than {least} (unless you choose reduce only)."
        raise Refusal(-4164, message)
    bids, asks = account.market.book(symbol)
    best, mark = (Decimal((asks or bids)[0][0]) if asks or bids else ZERO), account.market.mark(symbol)
    if not best or abs(best - mark) > mark * MULTIPLIER:
        raise Refusal(-4131, "The counterparty's best price does not meet the PERCENT_PRICE filter limit.")


def _affordable(account: Account, symbol: str, sign: int, quantity: Decimal, value: Decimal) -> None:
    held = account.position(symbol).quantity
    adding = max(quantity + min(held * sign, ZERO) * 2, ZERO) if held * sign < 0 else quantity
    needed = value * adding / quantity / account.setting(symbol).leverage + value * account.taker
    if needed > account.available():
        raise Refusal(-2019, "Margin is insufficient.")


def change_leverage(account: Account, symbol: str, leverage: int) -> None:
    if not 1 <= leverage <= account.market.listed[symbol].max_leverage:
        raise Refusal(-4028, f"Leverage {leverage} is not valid")
    setting, held = account.setting(symbol), account.position(symbol)
    if held.quantity and setting.margin_type == "ISOLATED" and leverage < setting.leverage:
        raise Refusal(-4161, "Leverage reduction is not supported in Isolated Margin Mode with open positions.")
    setting.leverage = leverage


def change_margin_type(account: Account, symbol: str, margin_type: str) -> None:
    setting = account.setting(symbol)
    if setting.margin_type == margin_type:
        raise Refusal(-4046, "No need to change margin type.")
    if next(account.live_orders(symbol), None) or next(account.live_algos(symbol), None):
        raise Refusal(-4047, "Margin type cannot be changed if there exists open orders.")
    if account.position(symbol).quantity:
        raise Refusal(-4048, "Margin type cannot be changed if there exists position.")
    setting.margin_type = margin_type


def change_mode(account: Account, name: str, wanted: bool) -> None:
    """`name` is hedge or multi_assets."""
    if getattr(account, name) == wanted:
        raise Refusal(-4059 if name == "hedge" else -4171, "No need to change position side.")
    if next(account.live_orders(), None) or next(account.live_algos(), None):
        raise Refusal(-4067, "Position side cannot be changed if there exists open orders.")
    if any(held.quantity for held in account.held.values()):
        raise Refusal(-4068, "Position side cannot be changed if there exists position.")
    setattr(account, name, wanted)


def settings_of(account: Account) -> dict[str, Any]:
    return {symbol: account.setting(symbol) for symbol in account.market.listed}
