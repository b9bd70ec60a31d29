"""The rows of an account as the JSON of Binance USD-M."""

from decimal import Decimal
from typing import Any

from .account import ZERO, Account, Conditional, Executed, Moved, Placed
from .text import market_id, plain


def order(one: Placed) -> dict[str, Any]:
    average = one.cost / one.filled if one.filled else ZERO
    return {
        "orderId": one.id, "symbol": market_id(one.symbol), "status": one.status, "clientOrderId": one.client_id,
        "price": plain(one.price), "avgPrice": plain(average), "origQty": plain(one.quantity),
        "executedQty": plain(one.filled), "cumQuote": plain(one.cost), "timeInForce": one.time_in_force,
        "type": one.type, "reduceOnly": one.reduce_only, "closePosition": False, "side": one.side,
        "positionSide": "BOTH", "stopPrice": "0", "workingType": "CONTRACT_PRICE", "priceMatch": "NONE",
        "priceProtect": False, "origType": one.type, "selfTradePreventionMode": "EXPIRE_MAKER", "goodTillDate": 0,
        "time": one.created, "updateTime": one.updated,
    }  # fmt: skip


def algo(one: Conditional) -> dict[str, Any]:
    return {
        "algoId": one.id, "clientAlgoId": one.client_id, "algoType": "CONDITIONAL", "orderType": one.type,
        "symbol": market_id(one.symbol), "side": one.side, "positionSide": "BOTH", "timeInForce": "GTC",
        "quantity": plain(one.quantity), "algoStatus": one.status, "actualOrderId": str(one.actual or ""),
        "actualPrice": "0", "triggerPrice": plain(one.trigger), "price": "0", "icebergQuantity": None,
        "selfTradePreventionMode": "EXPIRE_MAKER", "workingType": one.working, "priceMatch": "NONE",
        "closePosition": one.close_position, "priceProtect": False, "reduceOnly": one.reduce_only,
        "createTime": one.created, "updateTime": one.updated, "triggerTime": one.updated if one.actual else 0,
        "goodTillDate": 0,
    }  # fmt: skip


def trade(one: Executed) -> dict[str, Any]:
    return {
        "symbol": market_id(one.symbol), "id": one.id, "orderId": one.order, "side": one.side,
        "price": plain(one.price), "qty": plain(one.quantity), "realizedPnl": plain(one.realised),
        "quoteQty": plain(one.quantity * one.price), "commission": plain(one.fee), "commissionAsset": one.fee_asset,
        "time": one.at, "positionSide": "BOTH", "maker": one.maker, "buyer": one.side == "BUY", "marginAsset": "USDT",
    }  # fmt: skip


def income(one: Moved) -> dict[str, Any]:
    return {
        "symbol": market_id(one.symbol) if one.symbol else "", "incomeType": one.kind, "income": plain(one.amount),
        "asset": one.asset, "info": one.info or one.kind, "time": one.at, "tranId": one.id, "tradeId": one.trade,
    }  # fmt: skip


def position(account: Account, symbol: str) -> dict[str, Any]:
    """positionRisk, version 3; version 2 has leverage and margin type on top."""
    held, mark = account.position(symbol), account.market.mark(symbol)
    unrealised, value = account.unrealised(symbol), held.quantity * mark
    return {
        "symbol": market_id(symbol), "positionSide": "BOTH", "positionAmt": plain(held.quantity),
        "entryPrice": plain(round(held.entry, 12)), "breakEvenPrice": plain(round(held.entry, 12)),
        "markPrice": plain(mark), "unRealizedProfit": plain(unrealised),
        "liquidationPrice": _liquidation(account, symbol),
        "isolatedMargin": plain(held.margin + unrealised), "notional": plain(value), "marginAsset": account.asset,
        "isolatedWallet": plain(held.margin), "initialMargin": plain(abs(value) / account.setting(symbol).leverage),
        "maintMargin": plain(abs(value) * account.maintenance), "positionInitialMargin": plain(held.margin),
        "openOrderInitialMargin": "0", "adl": 1, "bidNotional": "0", "askNotional": "0",
        "updateTime": account.market.now(),
    }  # fmt: skip


def position_v2(account: Account, symbol: str) -> dict[str, Any]:
    setting = account.setting(symbol)
    isolated = setting.margin_type == "ISOLATED"
    return position(account, symbol) | {
        "leverage": str(setting.leverage), "marginType": "isolated" if isolated else "cross", "isolated": isolated,
        "isAutoAddMargin": "false", "maxNotionalValue": "1000000",
    }  # fmt: skip


def _liquidation(account: Account, symbol: str) -> str:
    held = account.position(symbol)
    if not held.quantity:
        return "0"
    sign = 1 if held.quantity > 0 else -1
    size = abs(held.quantity)
    price = (size * held.entry - sign * held.margin) / (size * (1 - sign * account.maintenance))
    return plain(round(max(price, ZERO), 8))


def assets(account: Account) -> list[dict[str, Any]]:
    unrealised = sum((account.unrealised(symbol) for symbol in account.held), ZERO)
    rows = []
    for asset, wallet in {account.asset: ZERO, **account.wallet}.items():
        own = asset == account.asset
        profit, free = (unrealised, account.available()) if own else (ZERO, wallet)
        rows.append({
            "asset": asset, "walletBalance": plain(wallet), "unrealizedProfit": plain(profit),
            "marginBalance": plain(wallet + profit), "maintMargin": "0", "initialMargin": "0",
            "positionInitialMargin": "0", "openOrderInitialMargin": "0", "crossWalletBalance": plain(wallet),
            "crossUnPnl": plain(profit), "availableBalance": plain(free), "maxWithdrawAmount": plain(free),
            "updateTime": account.market.now(), "balance": plain(wallet), "marginAvailable": True,
        })  # fmt: skip
    return rows


def whole(account: Account) -> dict[str, Any]:
    """/fapi/v3/account (and v2): totals, assets and open positions."""
    rows = assets(account)
    totals = {
        f"total{name[0].upper()}{name[1:]}": rows[0][name]
        for name in ("walletBalance", "unrealizedProfit", "marginBalance", "initialMargin", "maintMargin",
                     "positionInitialMargin", "openOrderInitialMargin", "crossWalletBalance", "crossUnPnl")
    }  # fmt: skip
    positions = [position_v2(account, symbol) for symbol, held in account.held.items() if held.quantity]
    return {
        "feeTier": 0, "canTrade": account.may_trade, "canDeposit": True, "canWithdraw": account.may_withdraw,
        "updateTime": 0, "availableBalance": rows[0]["availableBalance"], "assets": rows, "positions": positions,
    } | totals  # fmt: skip


def brackets(account: Account, symbol: str) -> dict[str, Any]:
    most = account.market.listed[symbol].max_leverage
    row = {"bracket": 1, "initialLeverage": most, "notionalCap": 10**9, "notionalFloor": 0,
           "maintMarginRatio": float(account.maintenance), "cum": 0.0}  # fmt: skip
    return {"symbol": market_id(symbol), "brackets": [row]}


def configured(account: Account, symbol: str) -> dict[str, Any]:
    setting = account.setting(symbol)
    return {"symbol": market_id(symbol), "marginType": setting.margin_type, "isAutoAddMargin": False,
            "leverage": setting.leverage, "maxNotionalValue": str(Decimal(1_000_000))}  # fmt: skip
