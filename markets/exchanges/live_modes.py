"""Leverage, margin mode and position mode, looked at before each entry: put right where nothing is held, else denied.

People and other programs change them on the exchange's own pages, so nothing is remembered from one entry to the next.
"""

from collections.abc import Callable, Mapping
from typing import Any

from markets.domain.orders import Denied, Refused, Unknown

from . import live_calls
from .base import KeyRefused, Unanswered
from .live_parsing import number
from .live_wire import attempt

Step = Callable[[], Any]
UNCHANGED = "unchanged"


def unready(client: Any, symbol: str, leverage: int) -> Denied | None:
    """Why an entry with this leverage cannot be sent, or None where account and symbol are as they must be.

    Codes: not_permitted, position_mode, multi_assets, margin_mode, leverage_differs, modes_unknown. Raises KeyRefused.
    """
    try:
        return _account(client) or _symbol(client, symbol, leverage)
    except KeyRefused:
        raise
    except Unanswered as silent:
        return Denied("modes_unknown", f"Leverage and modes could not be verified, so nothing was sent. {silent}"[:280])


def _account(client: Any) -> Denied | None:
    told = live_calls.one(client, client.fapiPrivateGetAccountConfig)
    if told.get("canTrade") is not True:
        return Denied("not_permitted", "The exchange does not let this account trade.")
    if told.get("dualSidePosition") is not False:
        wanted = {"dualSidePosition": "false"}
        if why := _changed(client, lambda: client.fapiPrivatePostPositionSideDual(wanted)):
            return Denied("position_mode", f"The account is in hedge mode and could not be set to one-way. {why}")
    if told.get("multiAssetsMargin") is not False:
        wanted = {"multiAssetsMargin": "false"}
        if why := _changed(client, lambda: client.fapiPrivatePostMultiAssetsMargin(wanted)):
            return Denied("multi_assets", f"The account is in multi-assets mode, which shares margins. {why}")
    return None


def _symbol(client: Any, symbol: str, leverage: int) -> Denied | None:
    market = {"symbol": client.market_id(symbol)}
    told = _configured(client, market)
    if _as_wanted(told, leverage):
        return None
    isolated, set_to = told.get("marginType") == "ISOLATED", int(number(told, "leverage"))
    if _held(client, market):
        if not isolated:
            return Denied(
                "margin_mode", f"The position in {symbol} is in cross margin; only isolated margin is traded."
            )
        text = f"The position in {symbol} has leverage {set_to} and the entry {leverage}; they must be the same."
        return Denied("leverage_differs", text)
    if not isolated:
        wanted = {**market, "marginType": "ISOLATED"}
        if why := _changed(client, lambda: client.fapiPrivatePostMarginType(wanted)):
            return Denied("margin_mode", f"{symbol} is in cross margin and could not be set to isolated. {why}")
    if set_to != leverage:
        levered = {**market, "leverage": leverage}
        if why := _changed(client, lambda: client.fapiPrivatePostLeverage(levered)):
            return Denied("leverage_differs", f"The leverage of {symbol} could not be set to {leverage}. {why}")
    if _as_wanted(_configured(client, market), leverage):
        return None
    return Denied("leverage_differs", f"{symbol} does not keep isolated margin with leverage {leverage}.")


def _as_wanted(told: Mapping[str, Any], leverage: int) -> bool:
    return told.get("marginType") == "ISOLATED" and int(number(told, "leverage")) == leverage


def _configured(client: Any, market: Mapping[str, str]) -> Mapping[str, Any]:
    rows = live_calls.rows(client, lambda: client.fapiPrivateGetSymbolConfig(dict(market)))
    found = next((row for row in rows if row.get("symbol") == market["symbol"]), None)
    if found is None:
        raise Unanswered(f"The exchange told no settings of {market['symbol']}.")
    return dict(found)


def _held(client: Any, market: Mapping[str, str]) -> bool:
    rows = live_calls.rows(client, lambda: client.fapiPrivateV3GetPositionRisk(dict(market)))
    return any(number(row, "positionAmt") for row in rows)


def _changed(client: Any, step: Step) -> str:
    """Why a setting could not be changed; nothing where it is as wanted now. Setting the same again does no harm."""
    answer = attempt(client, step)
    if isinstance(answer, Unknown):
        answer = attempt(client, step)
    if isinstance(answer, Refused) and answer.code == UNCHANGED:
        return ""
    return answer.message if isinstance(answer, Refused | Denied | Unknown) else ""
