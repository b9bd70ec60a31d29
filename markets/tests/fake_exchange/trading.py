"""The matching of the fake Binance USD-M: orders against the world's book, triggers, funding, liquidation, ADL.

Written from the exchange's documents alone. `match` must be called before anything is read, so that what the price
has brought about has happened.
"""

from decimal import Decimal

from . import user_events
from .account import UNIT, ZERO, Account, Conditional, Executed, Placed


def place(account: Account, order: Placed) -> Placed:
    """Put an admitted order into the book and trade it as far as it goes."""
    account.orders[order.id] = order
    user_events.order(account, order, "NEW")
    if order.type == "MARKET":
        _take(account, order, share=account.share)
        if order.live:
            end(account, order, "EXPIRED")
    else:
        _take(account, order)
        if order.live and order.time_in_force in ("IOC", "FOK"):
            end(account, order, "EXPIRED")
    return order


def end(account: Account, order: Placed, status: str) -> None:
    order.status, order.updated = status, account.market.now()
    user_events.order(account, order, status)
    _finish_algo(account, order)


def end_algo(account: Account, algo: Conditional, status: str, reason: str = "") -> None:
    algo.status, algo.updated, algo.reason = status, account.market.now(), reason
    user_events.algo(account, algo)


def match(account: Account) -> None:
    """Everything that the present prices bring about: triggers, resting limits, liquidations."""
    with account.lock:
        for algo in sorted(account.live_algos(), key=lambda a: "STOP" not in a.type):
            if algo.status == "NEW" and triggers(account, algo):
                _trigger(account, algo)
        for order in list(account.live_orders()):
            price = account.market.price(order.symbol)
            if (order.price - price) * order.sign > 0:
                _execute(account, order, order.quantity - order.filled, order.price, maker=True)
        for symbol in [symbol for symbol, held in account.held.items() if held.quantity]:
            _liquidate_if_due(account, symbol)


def triggers(account: Account, algo: Conditional) -> bool:
    market = account.market
    price = market.mark(algo.symbol) if algo.working == "MARK_PRICE" else market.price(algo.symbol)
    falling = (algo.side == "SELL") == ("STOP" in algo.type)
    return price <= algo.trigger if falling else price >= algo.trigger


def _trigger(account: Account, algo: Conditional) -> None:
    held, sign = account.position(algo.symbol).quantity, 1 if algo.side == "BUY" else -1
    quantity = abs(held) if algo.close_position else algo.quantity
    if algo.reduce_only or algo.close_position:
        quantity = min(quantity, max(-held * sign, ZERO))
        if not quantity:
            return end_algo(account, algo, "EXPIRED", "Reduce Only reject")
    number, now = account.number(), account.market.now()
    client_id = f"algo_{number}" if account.renames else algo.client_id
    algo.actual, algo.status, algo.updated = number, "TRIGGERED", now
    user_events.algo(account, algo)
    order = Placed(
        number, client_id, algo.symbol, algo.side, "MARKET", quantity, ZERO, "GTC",
        algo.reduce_only or algo.close_position, now, now, algo=algo.id,
    )  # fmt: skip
    place(account, order)


def _finish_algo(account: Account, order: Placed) -> None:
    if order.algo is not None:
        end_algo(account, account.algos[order.algo], "FINISHED")


def _take(account: Account, order: Placed, share: Decimal = Decimal(1)) -> None:
    """Trade against the other side of the book, level by level, each level one execution."""
    bids, asks = account.market.book(order.symbol)
    step = Decimal(account.market.listed[order.symbol].step)
    most = order.quantity if share == 1 else max(order.quantity * share // step * step, step)
    for price_text, size_text in asks if order.side == "BUY" else bids:
        price, left = Decimal(price_text), most - order.filled
        if left <= 0 or (order.type == "LIMIT" and (price - order.price) * order.sign > 0):
            break
        _execute(account, order, min(left, Decimal(size_text)), price, maker=False)


def fill(account: Account, order: Placed, quantity: Decimal, price: Decimal, *, maker: bool = True) -> Executed:
    """A self-made execution at any price, as a test wants it; also beyond the quantity (an overfill)."""
    with account.lock:
        return _execute(account, order, quantity, price, maker=maker)


def _execute(account: Account, order: Placed, quantity: Decimal, price: Decimal, *, maker: bool) -> Executed:
    realised = _change(account, order.symbol, order.sign * quantity, price)
    fee = (quantity * price * (account.maker if maker else account.taker)).quantize(UNIT)
    asset = account.fee_asset or account.asset
    paid = fee if asset == account.asset else (fee / account.fee_price).quantize(UNIT)
    now = account.market.now()
    done = Executed(
        account.number(), order.id, order.symbol, order.side, quantity, price, paid, asset, realised, maker, now
    )
    account.trades.append(done)
    order.filled, order.cost, order.updated = order.filled + quantity, order.cost + quantity * price, now
    order.status = "FILLED" if order.filled >= order.quantity else "PARTIALLY_FILLED"
    if realised:
        account.move("REALIZED_PNL", realised, order.symbol, trade=str(done.id))
    account.move("COMMISSION", -paid, order.symbol, asset=asset, trade=str(done.id))
    user_events.order(account, order, "TRADE", done)
    user_events.balances(account, "ORDER", order.symbol)
    if not order.live:
        _finish_algo(account, order)
    return done


def _change(account: Account, symbol: str, signed: Decimal, price: Decimal) -> Decimal:
    """Move the position; the realised result of what was closed, at eight decimals."""
    held, leverage = account.position(symbol), account.setting(symbol).leverage
    closing = min(abs(signed), abs(held.quantity)) if held.quantity * signed < 0 else ZERO
    realised = ZERO
    if closing:
        sign = 1 if held.quantity > 0 else -1
        realised = ((price - held.entry) * closing * sign).quantize(UNIT)
        left = abs(held.quantity) - closing
        held.margin = (held.margin * left / abs(held.quantity)).quantize(UNIT)
        held.quantity = sign * left
        signed += sign * closing
    if signed:
        total = abs(held.quantity) + abs(signed)
        held.entry = (abs(held.quantity) * held.entry + abs(signed) * price) / total
        held.quantity += signed
        held.margin += (abs(signed) * price / leverage).quantize(UNIT)
    elif not held.quantity:
        held.entry = ZERO
    return realised


# --- What the exchange does by itself ---


def fund(account: Account, symbol: str, rate: str | Decimal, mark: Decimal | None = None) -> None:
    """One funding payment: longs pay a positive rate, out of the position's isolated margin."""
    with account.lock:
        held = account.position(symbol)
        if not held.quantity:
            return
        amount = -(held.quantity * (mark or account.market.mark(symbol)) * Decimal(rate)).quantize(UNIT)
        held.margin += amount
        account.move("FUNDING_FEE", amount, symbol)
        user_events.balances(account, "FUNDING_FEE", symbol)


def force(account: Account, symbol: str, price: Decimal, prefix: str, quantity: Decimal | None = None) -> Placed:
    """An order of the exchange's own: `autoclose-` liquidates, `adl_autoclose` deleverages, `settlement_autoclose-`."""
    with account.lock:
        held = account.position(symbol)
        number, now = account.number(), account.market.now()
        side = "SELL" if held.quantity > 0 else "BUY"
        order = Placed(
            number, f"{prefix}{now}{number}", symbol, side, "LIMIT", quantity or abs(held.quantity), price, "IOC",
            True, now, now,
        )  # fmt: skip
        account.orders[number] = order
        _execute(account, order, order.quantity, price, maker=False)
        return order


def liquidate(account: Account, symbol: str, price: Decimal | None = None) -> None:
    """Close by force; what is left of the isolated margin goes to the insurance fund, what is missing comes from it."""
    with account.lock:
        held = account.position(symbol)
        margin, before = held.margin, account.wallet[account.asset]
        for algo in list(account.live_algos(symbol)):
            end_algo(account, algo, "EXPIRED")
        for order in list(account.live_orders(symbol)):
            end(account, order, "EXPIRED")
        force(account, symbol, price or account.market.mark(symbol), "autoclose-")
        rest = margin - (before - account.wallet[account.asset])
        if rest:
            account.move("INSURANCE_CLEAR", -rest, symbol)


def adl(account: Account, symbol: str, price: Decimal, quantity: Decimal | None = None) -> None:
    force(account, symbol, price, "adl_autoclose", quantity)


def settle(account: Account, symbol: str, price: Decimal) -> None:
    force(account, symbol, price, "settlement_autoclose-")


def outsider(account: Account, symbol: str, side: str, quantity: str | Decimal) -> Placed:
    """A market order that the customer sends by hand, from the exchange's own pages."""
    with account.lock:
        number, now = account.number(), account.market.now()
        order = Placed(
            number, f"web_{number}", symbol, side, "MARKET", Decimal(quantity), ZERO, "GTC", False, now, now
        )  # fmt: skip
        return place(account, order)


def _liquidate_if_due(account: Account, symbol: str) -> None:
    held = account.position(symbol)
    if account.setting(symbol).margin_type != "ISOLATED":
        return
    needed = abs(held.quantity) * account.market.mark(symbol) * account.maintenance
    equity = held.margin + account.unrealised(symbol)
    if equity <= needed:
        liquidate(account, symbol)
    elif equity <= 2 * needed:
        user_events.margin_call(account, symbol)
