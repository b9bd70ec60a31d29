"""What must hold of a live account after every fault, read from the exchange's own rows and compared with the ledger.

Sentences about what does not hold; nothing is mended. What belongs to somebody else must be known and left alone.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from ledger.domain.money import balances
from ledger.models import CashEntry, Order, OrderState, Position, Role, Trade, TradingState, TradingStateKind

if TYPE_CHECKING:
    from .exchange import Scene

OPEN_FATE = (OrderState.PLANNED, OrderState.SENDING, OrderState.UNKNOWN)
ZERO = Decimal(0)


def broken(
    scene: "Scene", *, flat: bool = False, halted: bool | None = False, told: frozenset[str] = frozenset()
) -> list[str]:
    """Everything that is not as it must be. `flat`: nothing may be held; `halted`: the account must not trade on (None:
    it may or may not); `told`: kinds of alerts that must have been opened.
    """
    with scene.customer.lock:
        found = [*_booked(scene), *_covered(scene), *_once(scene), *_cash(scene), *_stuck(scene)]
        if flat and scene.held:
            found.append(f"{scene.held} is still held.")
    return [*found, *_states(scene, halted), *(f"No alert of kind {kind}." for kind in sorted(told - scene.alerts()))]


def _booked(scene: "Scene") -> Iterator[str]:
    """I1: executions, trades and position are one, in every instrument."""
    there = {str(trade.id) for trade in scene.customer.trades}
    here = set(Trade.objects.filter(account=scene.account).values_list("venue_trade_id", flat=True))
    if there != here:
        yield f"Executions {sorted(there - here)} are not booked, {sorted(here - there)} are none."
    made: dict[str, Decimal] = defaultdict(Decimal)
    for trade in scene.customer.trades:
        made[trade.symbol] += trade.quantity if trade.side == "BUY" else -trade.quantity
    held = {symbol: held.quantity for symbol, held in scene.customer.held.items()}
    ours = {position.instrument.symbol: position.quantity for position in _open(scene)}
    for symbol in sorted(made.keys() | held.keys() | ours.keys()):
        if made.get(symbol, ZERO) != held.get(symbol, ZERO):
            yield f"The exchange's executions in {symbol} make {made[symbol]}, and it holds {held.get(symbol, ZERO)}."
        if ours.get(symbol, ZERO) != held.get(symbol, ZERO):
            yield f"The ledger holds {ours.get(symbol, ZERO)} of {symbol}, the exchange {held.get(symbol, ZERO)}."


def _covered(scene: "Scene") -> Iterator[str]:
    """I2: our positions have live reduce-only stops of their size, and no stop outlives its position."""
    not_ours = {position.instrument.symbol for position in _open(scene) if position.book.kind != "bot"}
    for symbol, held in list(scene.customer.held.items()):
        resting = list(scene.customer.live_algos(symbol))
        if held.quantity and symbol not in not_ours:
            side = "SELL" if held.quantity > 0 else "BUY"
            stops = [a for a in resting if a.type == "STOP_MARKET" and a.reduce_only and a.side == side]
            size = sum((stop.quantity for stop in stops), ZERO)
            if size < abs(held.quantity):
                yield f"{held.quantity} of {symbol} is held with stops for {size}."
        if (not held.quantity or symbol in not_ours) and resting:
            yield f"{len(resting)} conditional orders rest in {symbol} beside no position of ours."


def _open(scene: "Scene") -> list[Position]:
    return list(Position.objects.open().filter(account=scene.account).select_related("book", "instrument"))


def _once(scene: "Scene") -> Iterator[str]:
    """I3: each order arrived once and was committed before; one live order of each intent and role."""
    sent = [o.client_id for o in scene.customer.orders.values() if o.algo is None]
    sent += [a.client_id for a in scene.customer.algos.values()]
    ours = {str(client_id): None for client_id in Order.objects.values_list("client_id", flat=True)}
    for client_id, times in Counter(sent).items():
        if client_id in ours and times > 1:
            yield f"The order {client_id} arrived {times} times."
        if client_id not in ours and "autoclose" not in client_id and not client_id.startswith("web_"):
            yield f"The exchange has an order {client_id} that was never committed."
    live = Order.objects.live().filter(account=scene.account, replaced_by__isnull=True)
    for (intent, role), times in Counter(live.values_list("intent", "role")).items():
        if times > 1:
            yield f"Intent {intent} has {times} live orders of role {role}."
    for intent, times in Counter(
        Order.objects.filter(account=scene.account, role=Role.ENTRY).values_list("intent", flat=True)
    ).items():
        if times > 1:
            yield f"Intent {intent} has {times} entries."


def _cash(scene: "Scene") -> Iterator[str]:
    """I4: the journal is the wallet, to the last unit and in every currency."""
    entries = balances(CashEntry.objects.filter(account=scene.account).values_list("currency", "amount"))
    for currency, wallet in scene.customer.wallet.items():
        if entries.get(currency, ZERO) != wallet:
            yield f"The journal has {entries.get(currency, ZERO)} {currency}, the wallet {wallet}."


def _stuck(scene: "Scene") -> Iterator[str]:
    """I5: no order's fate stays open."""
    for order in Order.objects.filter(account=scene.account, state__in=OPEN_FATE):
        yield f"A {order.role} ({order.client_id}) is {order.state}: {order.reason}"
    for order in Order.objects.filter(account=scene.account, state=OrderState.REFUSED, reason=""):
        yield f"The {order.role} {order.client_id} was refused and does not say why."


def _states(scene: "Scene", halted: bool | None) -> Iterator[str]:
    limiting = TradingState.objects.current().exclude(state=TradingStateKind.ACTIVE)
    found = [f"Trading is {limit.state} ({limit.scope}): {limit.reason}" for limit in limiting]
    if halted and not found:
        yield "The account trades on."
    if halted is False:
        yield from found
