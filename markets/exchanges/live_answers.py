"""What an error of Binance USD-M proves. Only proof of non-acceptance is a refusal; everything else is unknown.

The exchange's own code decides, and the HTTP status where there is none: ccxt's classes depend on the address asked.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from markets.domain.orders import Denied, Refused, Unknown

MESSAGE_LENGTH = 280
# The exchange itself does not know what became of the request, or says so of an order that it already has.
UNPROVEN = {-1000, -1001, -1006, -1007, -1016, -4116, -20132}
# Refused although the status is one of the server's own faults: an overload that says it did nothing.
OVERLOADED = {-1008}
NOT_THERE = {-2011, -2013}
KEY_REFUSED = {-1022, -2008, -2014, -2015}
LATE = -1021
# The form of the request itself is not taken: a parameter, a type or an address that the exchange does not know (now).
FORM = (
    -1014, -1020, -1100, -1101, -1102, -1103, -1104, -1105, -1106, -1108, -1114, -1115, -1116, -1117, -1118, -1128,
    -1130, -2026, -4120, -5000,
)  # fmt: skip
NO_SUCH_ADDRESS = (404, 405, 410)

CODES: Mapping[int, str] = {
    **dict.fromkeys(FORM, "venue_changed"),
    -1002: "key_refused", -1003: "rate_limited", -1008: "overloaded", -1013: "rejected", -1015: "rate_limited",
    -1021: "clock", -1022: "key_refused", -1111: "precision", -1121: "not_listed", -2008: "key_refused",
    -2010: "rejected", -2011: "not_live", -2013: "not_live", -2014: "key_refused", -2015: "key_refused",
    -2017: "key_refused", -2018: "insufficient_margin", -2019: "insufficient_margin", -2020: "not_filled",
    -2021: "would_trigger", -2022: "no_position", -2023: "liquidation", -2024: "no_position",
    -2025: "too_many_orders", -2027: "leverage_too_high", -2028: "leverage_too_high", -4001: "price_out_of_bounds",
    -4002: "price_out_of_bounds", -4003: "quantity_too_small", -4004: "quantity_too_small",
    -4005: "quantity_too_large", -4014: "price_precision", -4015: "client_id_invalid", -4016: "price_out_of_bounds",
    -4023: "precision", -4024: "price_out_of_bounds", -4028: "leverage_invalid", -4045: "too_many_orders",
    -4046: "unchanged", -4047: "margin_mode", -4048: "margin_mode", -4059: "unchanged", -4061: "position_mode",
    -4067: "position_mode", -4068: "position_mode", -4087: "reduce_only", -4088: "not_permitted",
    -4108: "not_trading", -4118: "no_position", -4131: "price_out_of_bounds", -4140: "not_trading",
    -4144: "not_listed", -4161: "leverage_differs", -4164: "notional_too_small", -4171: "unchanged",
    -4192: "not_permitted", -4202: "leverage_too_high", -4203: "leverage_too_high", -4205: "leverage_too_high",
    -4206: "leverage_too_high", -4400: "reduce_only", -4401: "reduce_only", -4402: "not_permitted",
    -4403: "leverage_too_high", -5021: "not_filled", -5022: "not_filled", -5024: "not_filled",
}  # fmt: skip
_BODY = re.compile(r"\{.*\}", re.DOTALL)


def failure(error: Exception, *, sent: bool, status: int | None) -> Refused | Denied | Unknown:
    """What is known of a request that ended in `error`. `sent`: it left this process; `status`: of its answer."""
    text = said(error)
    if not sent:
        return Denied(_local(error), text)
    code = code_of(error)
    if status is None or (200 <= status < 300 and code is None):
        return Unknown(text)
    if code is not None and code not in UNPROVEN and (status < 500 or code in OVERLOADED):
        return Refused(CODES.get(code, "unknown"), text)
    if code is None and status in NO_SUCH_ADDRESS:
        return Refused("venue_changed", text)
    if code is None and status in (418, 429):
        return Refused("rate_limited", text)
    if code is None and status in (401, 403):
        return Refused("key_refused", text)
    return Unknown(text)


def code_of(error: Exception) -> int | None:
    """The exchange's own code in what ccxt says of an error."""
    code = _json(error).get("code")
    try:
        return int(code) if code is not None else None
    except ValueError:
        return None


def said(error: Exception) -> str:
    """What the exchange says in one sentence, else what ccxt says. Addresses, which hold signatures, are left out."""
    answer = _json(error)
    if answer.get("msg"):
        return f"The venue says: {answer['msg']} ({answer.get('code')})"[:MESSAGE_LENGTH]
    words = [word for word in str(error).split() if "://" not in word and "signature=" not in word]
    return f"{type(error).__name__}: {' '.join(words)}"[:MESSAGE_LENGTH]


def _json(error: Exception) -> Mapping[str, Any]:
    found = _BODY.search(str(error))
    try:
        answer = json.loads(found.group()) if found else {}
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _local(error: Exception) -> str:
    return "rate_limited" if type(error).__name__ == "NotAsked" else "not_sent"
