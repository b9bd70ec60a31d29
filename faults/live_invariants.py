"""What must hold of a live account after every fault, read from the exchange's own rows and compared with the ledger.

Sentences about what does not hold; nothing is mended. What belongs to somebody else must be known and left alone.
"""

from collections import Counter
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
    scene: "Scene", *, flat: bool = False, halted: bool = False, told: frozenset[str] = frozenset()
) -> list[str]:
    """Everything that is not as it must be. `flat`: nothing may be held; `halted`: the account must not trade on;
    `told`: kinds of alerts that must have been opened.
    """
    with scene.customer.lock:
        found = [*_booked(scene), *_covered(scene), *_once(scene), *_cash(scene), *_stuck(scene)]
        if flat and scene.held:
            found.append(f"{scene.held} is still held.")
    return [*found, *_states(scene, halted), *(f"No alert of kind {kind}." for kind in sorted(told - scene.alerts()))]


def _booked(scene: "Scene") -> Iterator[str]:
    """I1: executions, trades and position are one."""
    from .exchange import SYMBOL

    there = {str(trade.id) for trade in scene.customer.trades}
    here = set(Trade.objects.filter(account=scene.account).values_list("venue_trade_id", flat=True))
    if there != here:
        yield f"Executions {sorted(there - here)} are not booked, {sorted(here - there)} are none."
    made = sum((t.quantity if t.side == "BUY" else -t.quantity for t in scene.customer.trades), ZERO)
    if made != scene.held:
        yield f"The exchange's executions make {made}, and it holds {scene.held}."
    position = Position.objects.open().filter(account=scene.account, instrument__symbol=SYMBOL).first()
    ours = position.quantity if position else ZERO
    if ours != scene.held:
        yield f"The ledger holds {ours}, the exchange {scene.held}."


def _covered(scene: "Scene") -> Iterator[str]:
    """I2: our position has live reduce-only stops of its size, and no stop outlives its position."""
    stops = [stop for stop in scene.stops() if stop.reduce_only]
    position = Position.objects.open().filter(account=scene.account).select_related("book").first()
    if scene.held and (position is None or position.book.kind == "bot"):
        side = "SELL" if scene.held > 0 else "BUY"
        size = sum((stop.quantity for stop in stops if stop.side == side), ZERO)
        if size < abs(scene.held):
            yield f"{scene.held} is held with stops for {size}."
    if not scene.held and (left := list(scene.customer.live_algos())):
        yield f"{len(left)} conditional orders rest beside no position."


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


def _states(scene: "Scene", halted: bool) -> Iterator[str]:
    limiting = TradingState.objects.current().exclude(state=TradingStateKind.ACTIVE)
    found = [f"Trading is {limit.state} ({limit.scope}): {limit.reason}" for limit in limiting]
    if halted and not found:
        yield "The account trades on."
    if not halted:
        yield from found
