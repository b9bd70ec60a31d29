"""What the user data stream of Binance USD-M says: one function for each event, to whoever listens to the account."""

from typing import Any

from .account import ZERO, Account, Conditional, Executed, Placed
from .text import market_id, plain


def order(account: Account, order: Placed, happened: str, done: Executed | None = None) -> None:
    """ORDER_TRADE_UPDATE: an order was taken, traded or ended."""
    fields: dict[str, Any] = {
        "s": market_id(order.symbol), "c": order.client_id, "S": order.side, "o": order.type, "f": order.time_in_force,
        "q": plain(order.quantity), "p": plain(order.price), "sp": "0", "x": happened, "X": order.status,
        "i": order.id, "z": plain(order.filled), "ap": plain(order.cost / order.filled if order.filled else ZERO),
        "T": order.updated, "R": order.reduce_only, "wt": "CONTRACT_PRICE", "ot": order.type, "ps": "BOTH",
        "l": "0", "L": "0", "t": 0, "rp": "0", "m": False,
    }  # fmt: skip
    if done is not None:
        fields |= {
            "l": plain(done.quantity), "L": plain(done.price), "t": done.id, "n": plain(done.fee), "N": done.fee_asset,
            "rp": plain(done.realised), "m": done.maker,
        }  # fmt: skip
    _tell(account, "ORDER_TRADE_UPDATE", o=fields)


def algo(account: Account, algo: Conditional) -> None:
    fields = {
        "caid": algo.client_id, "aid": algo.id, "at": "CONDITIONAL", "o": algo.type, "s": market_id(algo.symbol),
        "S": algo.side, "ps": "BOTH", "f": "GTC", "q": plain(algo.quantity), "X": algo.status,
        "ai": str(algo.actual or ""), "tp": plain(algo.trigger), "p": "0", "wt": algo.working,
        "cp": algo.close_position, "pP": False, "R": algo.reduce_only, "rm": algo.reason,
    }  # fmt: skip
    _tell(account, "ALGO_UPDATE", o=fields)


def balances(account: Account, why: str, symbol: str) -> None:
    held, asset = account.position(symbol), account.asset
    wallet = plain(account.wallet.get(asset, ZERO))
    position = {
        "s": market_id(symbol), "pa": plain(held.quantity), "ep": plain(held.entry), "up": "0", "mt": "isolated",
        "iw": plain(held.margin), "ps": "BOTH", "cr": "0", "bep": plain(held.entry),
    }  # fmt: skip
    _tell(account, "ACCOUNT_UPDATE", a={"m": why, "B": [{"a": asset, "wb": wallet, "cw": wallet}], "P": [position]})


def margin_call(account: Account, symbol: str) -> None:
    held = account.position(symbol)
    position = {"s": market_id(symbol), "ps": "BOTH", "pa": plain(held.quantity), "mt": "ISOLATED",
                "iw": plain(held.margin), "mp": plain(account.market.mark(symbol))}  # fmt: skip
    _tell(account, "MARGIN_CALL", p=[position])


def configuration(account: Account, **changed: Any) -> None:
    _tell(account, "ACCOUNT_CONFIG_UPDATE", **changed)


def _tell(account: Account, event: str, **fields: Any) -> None:
    now = account.market.now()
    account.tell({"e": event, "E": now, "T": now, **fields})
