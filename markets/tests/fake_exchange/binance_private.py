"""The signed endpoints of the fake Binance USD-M: `answer` checks who asks and carries the request out.

It knows no server: method, path, fields, headers and the signed text come in, a status and JSON go out.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import admission, binance_shapes, trading, user_events
from .account import Account, Placed, Refusal

Fields = Mapping[str, str]
Endpoint = Callable[[Account, Fields], Any]
UNKNOWN = Refusal(-2013, "Order does not exist.")


def answer(
    accounts: Sequence[Account], method: str, path: str, fields: Fields, headers: Mapping[str, str], signed: str
) -> tuple[int, Any] | None:
    """(status, JSON), or None where there is no such private endpoint. `signed` is the text before `&signature=`."""
    endpoint = ENDPOINTS.get((method, path))
    if endpoint is None:
        return None
    try:
        account = _who(accounts, headers)
        with account.lock:
            if not path.endswith("listenKey"):
                _check(account, fields, signed)
            trading.match(account)
            return 200, endpoint(account, fields)
    except Refusal as refusal:
        return refusal.status, {"code": refusal.code, "msg": refusal.message}


def _who(accounts: Sequence[Account], headers: Mapping[str, str]) -> Account:
    key = next((value for name, value in headers.items() if name.lower() == "x-mbx-apikey"), "")
    account = next((account for account in accounts if account.key == key), None)
    if account is None or account.revoked:
        raise Refusal(-2015, "Invalid API-key, IP, or permissions for action, request ip: 127.0.0.1", 401)
    return account


def _check(account: Account, fields: Fields, signed: str) -> None:
    expected = hmac.new(account.secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, fields.get("signature", "")):
        raise Refusal(-1022, "Signature for this request is not valid.")
    sent, now, window = int(fields.get("timestamp", "0")), account.market.now(), int(fields.get("recvWindow", "5000"))
    if not 0 < window <= 60_000:
        raise Refusal(-1131, "recvWindow must be less than 60000")
    if sent > now + 1000 or now - sent > window:
        raise Refusal(-1021, "Timestamp for this request is outside of the recvWindow.")


# --- Orders ---


def place(account: Account, fields: Fields) -> Any:
    if not account.may_trade:
        raise Refusal(-2015, "Invalid API-key, IP, or permissions for action.", 401)
    admitted = admission.order(account, fields)
    if account.hide_next:
        account.hidden[admitted.client_id], account.hide_next = account.hide_next, 0
    return binance_shapes.order(trading.place(account, admitted))


def cancel(account: Account, fields: Fields) -> Any:
    found = _order(account, fields)
    if found is None or not found.live or not account.seen(found.client_id):
        raise Refusal(-2011, "Unknown order sent.")
    trading.end(account, found, "CANCELED")
    return binance_shapes.order(found)


def cancel_all(account: Account, fields: Fields) -> Any:
    for found in list(account.live_orders(admission.symbol_of(account, fields))):
        trading.end(account, found, "CANCELED")
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def amend(account: Account, fields: Fields) -> Any:
    found = _order(account, fields)
    if found is None or not found.live or found.type != "LIMIT":
        raise UNKNOWN
    trial = dict(fields) | {"type": "LIMIT", "newClientOrderId": ""}
    asked = admission.order(account, trial)
    found.quantity, found.price, found.updated = asked.quantity, asked.price, asked.updated
    return binance_shapes.order(found)


def get_order(account: Account, fields: Fields) -> Any:
    found = _order(account, fields)
    if found is None or not account.seen(found.client_id):
        raise UNKNOWN
    return binance_shapes.order(found)


def _order(account: Account, fields: Fields) -> Placed | None:
    """By id, or the newest with the client id."""
    symbol = admission.symbol_of(account, fields)
    if "orderId" in fields:
        found = account.orders.get(int(fields["orderId"]))
        return found if found and found.symbol == symbol else None
    named = [o for o in account.orders.values() if o.client_id == fields.get("origClientOrderId")]
    return next((o for o in reversed(named) if o.symbol == symbol), None)


def open_orders(account: Account, fields: Fields) -> Any:
    symbol = admission.symbol_of(account, fields) if fields.get("symbol") else ""
    return [binance_shapes.order(o) for o in account.live_orders(symbol) if account.seen(o.client_id)]


def all_orders(account: Account, fields: Fields) -> Any:
    """From an `orderId` on, oldest first, or the newest ones."""
    symbol, first, limit = admission.symbol_of(account, fields), fields.get("orderId"), int(fields.get("limit", "500"))
    rows = [o for o in account.orders.values() if o.symbol == symbol and o.created >= int(fields.get("startTime", "0"))]
    if first is not None:
        rows = [o for o in sorted(rows, key=lambda o: o.id) if o.id >= int(first)][:limit]
    return [binance_shapes.order(o) for o in rows if account.seen(o.client_id)][-limit:]


def force_orders(account: Account, _: Fields) -> Any:
    forced = [o for o in account.orders.values() if "autoclose" in o.client_id]
    return [binance_shapes.order(o) for o in forced]


# --- Conditional orders ---


def place_algo(account: Account, fields: Fields) -> Any:
    algo = admission.conditional(account, fields)
    account.algos[algo.id] = algo
    user_events.algo(account, algo)
    return binance_shapes.algo(algo)


def cancel_algo(account: Account, fields: Fields) -> Any:
    found = _algo(account, fields)
    if found is None or found.status != "NEW" or not account.seen(found.client_id):
        raise Refusal(-2011, "Unknown order sent.")
    trading.end_algo(account, found, "CANCELED")
    return {"algoId": found.id, "clientAlgoId": found.client_id, "code": "200", "msg": "success"}


def cancel_all_algos(account: Account, fields: Fields) -> Any:
    for found in list(account.live_algos(admission.symbol_of(account, fields))):
        trading.end_algo(account, found, "CANCELED")
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def get_algo(account: Account, fields: Fields) -> Any:
    found = _algo(account, fields)
    if found is None or not account.seen(found.client_id):
        raise UNKNOWN
    return binance_shapes.algo(found)


def open_algos(account: Account, fields: Fields) -> Any:
    symbol = admission.symbol_of(account, fields) if fields.get("symbol") else ""
    return [binance_shapes.algo(a) for a in account.live_algos(symbol) if account.seen(a.client_id)]


def all_algos(account: Account, fields: Fields) -> Any:
    symbol = admission.symbol_of(account, fields)
    return [binance_shapes.algo(a) for a in account.algos.values() if a.symbol == symbol]


def _algo(account: Account, fields: Fields) -> Any:
    if "algoId" in fields:
        return account.algos.get(int(fields["algoId"]))
    named = [a for a in account.algos.values() if a.client_id == fields.get("clientAlgoId")]
    return named[-1] if named else None


# --- History ---


def trades(account: Account, fields: Fields) -> Any:
    """By `fromId`, or by time within seven days; a hidden order's executions are hidden with it."""
    symbol, limit = admission.symbol_of(account, fields), int(fields.get("limit", "500"))
    hidden = {order.id for order in account.orders.values() if account.hidden.get(order.client_id)}
    rows = [t for t in account.trades if t.symbol == symbol and t.order not in hidden]
    if "fromId" in fields:
        if "startTime" in fields:
            raise Refusal(-1128, "Combination of optional parameters invalid.")
        rows = [t for t in rows if t.id >= int(fields["fromId"])]
    else:
        first, last = _window(account, fields)
        rows = [t for t in rows if first <= t.at <= last]
    chosen = rows[:limit]
    if account.disorder is not None:
        chosen = [*chosen, *chosen[: len(chosen) // 2]]
        account.disorder.shuffle(chosen)
    return [binance_shapes.trade(t) for t in chosen]


def income(account: Account, fields: Fields) -> Any:
    first, last = _window(account, fields)
    rows = [m for m in account.income if first <= m.at <= last and fields.get("incomeType", m.kind) == m.kind]
    if fields.get("symbol"):
        rows = [m for m in rows if m.symbol == admission.symbol_of(account, fields)]
    page, limit = int(fields.get("page", "1")), int(fields.get("limit", "100"))
    return [binance_shapes.income(m) for m in rows[(page - 1) * limit : page * limit]]


def _window(account: Account, fields: Fields) -> tuple[int, int]:
    week, now = 7 * 86_400_000, account.market.now()
    last = int(fields.get("endTime", "0"))
    first = int(fields.get("startTime", "0")) or (last or now) - week
    last = last or first + week
    if last - first > week:
        raise Refusal(-4166, "Search window is restricted to recent 7 days only.")
    return first, last


# --- Account ---


def positions(account: Account, fields: Fields) -> Any:
    """Version 3 tells open positions alone."""
    named = [admission.symbol_of(account, fields)] if fields.get("symbol") else list(account.held)
    return [binance_shapes.position(account, s) for s in named if account.position(s).quantity]


def positions_v2(account: Account, fields: Fields) -> Any:
    named = [admission.symbol_of(account, fields)] if fields.get("symbol") else list(account.market.listed)
    return [binance_shapes.position_v2(account, s) for s in named]


def configurations(account: Account, fields: Fields) -> Any:
    named = [admission.symbol_of(account, fields)] if fields.get("symbol") else list(account.market.listed)
    return [binance_shapes.configured(account, s) for s in named]


def account_configuration(account: Account, _: Fields) -> Any:
    return {
        "feeTier": 0, "canTrade": account.may_trade, "canDeposit": True, "canWithdraw": account.may_withdraw,
        "dualSidePosition": account.hedge, "updateTime": 0, "multiAssetsMargin": account.multi_assets,
        "tradeGroupId": -1,
    }  # fmt: skip


def set_leverage(account: Account, fields: Fields) -> Any:
    symbol = admission.symbol_of(account, fields)
    admission.change_leverage(account, symbol, int(fields["leverage"]))
    user_events.configuration(account, ac={"s": fields["symbol"], "l": int(fields["leverage"])})
    return {"leverage": int(fields["leverage"]), "maxNotionalValue": "1000000", "symbol": fields["symbol"]}


def set_margin_type(account: Account, fields: Fields) -> Any:
    admission.change_margin_type(account, admission.symbol_of(account, fields), fields["marginType"])
    return {"code": 200, "msg": "success"}


def set_hedge(account: Account, fields: Fields) -> Any:
    admission.change_mode(account, "hedge", fields["dualSidePosition"] == "true")
    return {"code": 200, "msg": "success"}


def set_multi_assets(account: Account, fields: Fields) -> Any:
    admission.change_mode(account, "multi_assets", fields["multiAssetsMargin"] == "true")
    user_events.configuration(account, ai={"j": account.multi_assets})
    return {"code": 200, "msg": "success"}


def leverage_brackets(account: Account, fields: Fields) -> Any:
    named = [admission.symbol_of(account, fields)] if fields.get("symbol") else list(account.market.listed)
    return [binance_shapes.brackets(account, s) for s in named]


def commission(account: Account, fields: Fields) -> Any:
    return {"symbol": fields.get("symbol", ""), "makerCommissionRate": str(account.maker),
            "takerCommissionRate": str(account.taker)}  # fmt: skip


def restrictions(account: Account, _: Fields) -> Any:
    return {
        "ipRestrict": True, "createTime": 1, "enableReading": True, "enableWithdrawals": account.may_withdraw,
        "enableInternalTransfer": False, "enableMargin": False, "enableFutures": account.may_trade,
        "permitsUniversalTransfer": False, "enableVanillaOptions": False, "enableSpotAndMarginTrading": False,
        "enablePortfolioMarginTrading": False,
    }  # fmt: skip


def listen_key(account: Account, _: Fields) -> Any:
    return {"listenKey": f"listen-{account.key}"}


V1, V2, V3 = "/fapi/v1/", "/fapi/v2/", "/fapi/v3/"
ENDPOINTS: dict[tuple[str, str], Endpoint] = {
    ("POST", f"{V1}order"): place,
    ("DELETE", f"{V1}order"): cancel,
    ("PUT", f"{V1}order"): amend,
    ("GET", f"{V1}order"): get_order,
    ("GET", f"{V1}openOrder"): get_order,
    ("GET", f"{V1}openOrders"): open_orders,
    ("GET", f"{V1}allOrders"): all_orders,
    ("DELETE", f"{V1}allOpenOrders"): cancel_all,
    ("GET", f"{V1}forceOrders"): force_orders,
    ("POST", f"{V1}algoOrder"): place_algo,
    ("DELETE", f"{V1}algoOrder"): cancel_algo,
    ("GET", f"{V1}algoOrder"): get_algo,
    ("GET", f"{V1}openAlgoOrders"): open_algos,
    ("GET", f"{V1}allAlgoOrders"): all_algos,
    ("DELETE", f"{V1}algoOpenOrders"): cancel_all_algos,
    ("GET", f"{V1}userTrades"): trades,
    ("GET", f"{V1}income"): income,
    ("GET", f"{V2}positionRisk"): positions_v2,
    ("GET", f"{V3}positionRisk"): positions,
    ("GET", f"{V2}account"): lambda account, _: binance_shapes.whole(account),
    ("GET", f"{V3}account"): lambda account, _: binance_shapes.whole(account),
    ("GET", f"{V2}balance"): lambda account, _: binance_shapes.assets(account),
    ("GET", f"{V3}balance"): lambda account, _: binance_shapes.assets(account),
    ("GET", f"{V1}accountConfig"): account_configuration,
    ("GET", f"{V1}symbolConfig"): configurations,
    ("POST", f"{V1}leverage"): set_leverage,
    ("POST", f"{V1}marginType"): set_margin_type,
    ("GET", f"{V1}positionSide/dual"): lambda account, _: {"dualSidePosition": account.hedge},
    ("POST", f"{V1}positionSide/dual"): set_hedge,
    ("GET", f"{V1}multiAssetsMargin"): lambda account, _: {"multiAssetsMargin": account.multi_assets},
    ("POST", f"{V1}multiAssetsMargin"): set_multi_assets,
    ("GET", f"{V1}leverageBracket"): leverage_brackets,
    ("GET", f"{V1}commissionRate"): commission,
    ("GET", "/sapi/v1/account/apiRestrictions"): restrictions,
    ("POST", f"{V1}listenKey"): listen_key,
    ("PUT", f"{V1}listenKey"): listen_key,
    ("DELETE", f"{V1}listenKey"): lambda account, _: {},
}
