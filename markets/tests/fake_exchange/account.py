"""A customer of the fake Binance USD-M: wallet, one-way positions, orders, executions and income, as plain rows.

The rows are the truth that invariants are read from. Nothing here is shared with the product's own paper venue, so
that an error there cannot excuse itself here. `trading` moves them; `binance_private` shows them.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any, Protocol

ZERO = Decimal(0)
UNIT = Decimal("0.00000001")
FINAL = ("FILLED", "CANCELED", "EXPIRED", "REJECTED")
ALGO_FINAL = ("FINISHED", "CANCELED", "EXPIRED", "REJECTED")


class Market(Protocol):
    """What an account needs to know of the world around it."""

    listed: dict[str, Any]

    def now(self) -> int: ...
    def price(self, symbol: str) -> Decimal: ...
    def mark(self, symbol: str) -> Decimal: ...
    def book(self, symbol: str, levels: int = 20) -> tuple[list[list[str]], list[list[str]]]: ...


class Refusal(Exception):
    """An answer with an error code; nothing was changed."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


@dataclass(slots=True)
class Held:
    """`quantity` is signed, `entry` the average price, `margin` the isolated wallet of the position."""

    quantity: Decimal = ZERO
    entry: Decimal = ZERO
    margin: Decimal = ZERO


@dataclass(slots=True)
class Setting:
    leverage: int = 20
    margin_type: str = "CROSSED"


@dataclass(slots=True)
class Placed:
    """An order in the matching engine. `cost` is the sum of quantity times price of its executions."""

    id: int
    client_id: str
    symbol: str
    side: str
    type: str
    quantity: Decimal
    price: Decimal
    time_in_force: str
    reduce_only: bool
    created: int
    updated: int
    status: str = "NEW"
    filled: Decimal = ZERO
    cost: Decimal = ZERO
    algo: int | None = None

    @property
    def live(self) -> bool:
        return self.status not in FINAL

    @property
    def sign(self) -> int:
        return 1 if self.side == "BUY" else -1


@dataclass(slots=True)
class Conditional:
    """An order in the algo service, waiting for its trigger. `actual` is the order that it became."""

    id: int
    client_id: str
    symbol: str
    side: str
    type: str
    quantity: Decimal
    trigger: Decimal
    working: str
    reduce_only: bool
    close_position: bool
    created: int
    updated: int
    status: str = "NEW"
    actual: int | None = None
    reason: str = ""

    @property
    def live(self) -> bool:
        return self.status not in ALGO_FINAL


@dataclass(frozen=True, slots=True)
class Executed:
    id: int
    order: int
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_asset: str
    realised: Decimal
    maker: bool
    at: int


@dataclass(frozen=True, slots=True)
class Moved:
    id: int
    kind: str
    symbol: str
    amount: Decimal
    asset: str
    at: int
    trade: str = ""
    info: str = ""


@dataclass
class Account:
    """One customer. A test may change any row at any moment, under `lock`; that is what outsiders do.

    `disorder` lets lists of executions come shuffled and repeated; `hidden` counts for a client id the look-ups that
    do not see it yet, and `hide_next` hides the next order for so many; `share` is the part of each market order that
    fills; `renames` gives a triggered order an id of its own.
    """

    market: Market
    key: str = "key"
    secret: str = "secret"
    asset: str = "USDT"
    wallet: dict[str, Decimal] = field(default_factory=dict)
    held: dict[str, Held] = field(default_factory=dict)
    settings: dict[str, Setting] = field(default_factory=dict)
    orders: dict[int, Placed] = field(default_factory=dict)
    algos: dict[int, Conditional] = field(default_factory=dict)
    trades: list[Executed] = field(default_factory=list)
    income: list[Moved] = field(default_factory=list)
    hedge: bool = False
    multi_assets: bool = False
    revoked: bool = False
    may_trade: bool = True
    may_withdraw: bool = False
    taker: Decimal = Decimal("0.0005")
    maker: Decimal = Decimal("0.0002")
    maintenance: Decimal = Decimal("0.01")
    share: Decimal = Decimal(1)
    disorder: Random | None = None
    renames: bool = False
    hidden: dict[str, int] = field(default_factory=dict)
    hide_next: int = 0
    fee_asset: str = ""
    fee_price: Decimal = Decimal(600)
    listeners: list[Callable[[dict[str, Any]], None]] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    numbers: int = 1000

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def setting(self, symbol: str) -> Setting:
        return self.settings.setdefault(symbol, Setting())

    def position(self, symbol: str) -> Held:
        return self.held.setdefault(symbol, Held())

    def live_orders(self, symbol: str = "") -> Iterator[Placed]:
        return (o for o in list(self.orders.values()) if o.live and symbol in ("", o.symbol))

    def live_algos(self, symbol: str = "") -> Iterator[Conditional]:
        return (a for a in list(self.algos.values()) if a.live and symbol in ("", a.symbol))

    def unrealised(self, symbol: str) -> Decimal:
        held = self.position(symbol)
        return (held.quantity * (self.market.mark(symbol) - held.entry)).quantize(UNIT) if held.quantity else ZERO

    def available(self) -> Decimal:
        waiting = sum(
            ((o.quantity - o.filled) * o.price / self.setting(o.symbol).leverage
             for o in self.live_orders() if not o.reduce_only),
            ZERO,
        )  # fmt: skip
        margins = sum((held.margin for held in self.held.values()), ZERO)
        return self.wallet.get(self.asset, ZERO) - margins - waiting

    def move(self, kind: str, amount: Decimal, symbol: str = "", *, asset: str = "", trade: str = "") -> Moved:
        """Cash in or out with its line in the income history; execution results are moved by `trading`."""
        asset = asset or self.asset
        self.wallet[asset] = self.wallet.get(asset, ZERO) + amount
        moved = Moved(self.number(), kind, symbol, amount, asset, self.market.now(), trade)
        self.income.append(moved)
        return moved

    def deposit(self, amount: str | Decimal) -> None:
        """What the customer has before anybody looks: no line in the history."""
        self.wallet[self.asset] = self.wallet.get(self.asset, ZERO) + Decimal(amount)

    def tell(self, event: dict[str, Any]) -> None:
        for listener in list(self.listeners):
            listener(event)

    def seen(self, client_id: str) -> bool:
        """Whether a look-up finds it already; each look counts."""
        left = self.hidden.get(client_id, 0)
        if left > 0:
            self.hidden[client_id] = left - 1
        return left <= 0
