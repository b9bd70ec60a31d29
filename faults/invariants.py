"""What must hold after every fault: the invariants of the contract, as sentences about what does not.

It reads the ledger's tables and the paper venue's, each by itself and against the other, on any database. It mends
nothing, and knows nothing of processes: `faults.inspection` says when to look.
"""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from django.db.models import Count, F

from ledger import reconciliation, valuation
from ledger.models import Account, Order, Role, Trade
from markets.domain.holdings import Holding
from markets.models import Feed, PaperAccount, PaperOrder, PaperPosition, PaperReport, Quote

from . import endings

# One order of an intent opens, adds, reduces or closes; stops and targets are replaced by the next of their chain.
ONCE = (Role.ENTRY, Role.EXIT)
ENDINGS = (endings.cycles, endings.slots, endings.moments, endings.stuck, endings.told)


def broken(feed: Feed) -> Iterator[str]:
    """Everything on a feed that is not as it must be. What the venue has reported must be booked before."""
    for account in Account.objects.on(feed).select_related("feed"):
        yield from (f"{account}: {found}" for found in reconciliation.differences(account))
        yield from _equity(account)
    for invariant in (_booked, uncovered, orphans, _sent_once, *ENDINGS):
        yield from invariant(feed)


# --- I1: fills, trades and positions are one ---


def _booked(feed: Feed) -> Iterator[str]:
    """Each fill of the venue is one trade, and trades add up to the position at the venue."""
    keys = dict(Account.objects.on(feed).values_list("key", "pk"))
    fills = PaperReport.objects.filter(kind="fill", account__feed=feed).values_list("account__key", "ref")
    trades = Trade.objects.filter(account__feed=feed)
    reported = {(keys[key], ref) for key, ref in fills}
    booked = {(account, str(trade)) for account, trade in trades.values_list("account", "venue_trade_id")}
    for account, ref in sorted(reported ^ booked):
        yield f"Fill {ref} of account {account} {'is not booked' if (account, ref) in reported else 'is no fill'}."
    sums: dict[tuple[int, int], Decimal] = defaultdict(Decimal)
    for account, instrument, side, quantity in trades.values_list("account", "instrument", "side", "quantity"):
        sums[account, instrument] += quantity if side == "buy" else -quantity
    held = PaperPosition.objects.filter(account__feed=feed)
    for key, instrument, quantity in held.values_list("account__key", "instrument", "quantity"):
        sums[keys[key], instrument] -= quantity
    wrong = {place: rest for place, rest in sums.items() if rest}
    yield from (f"Account {a}, instrument {i}: trades and position differ by {rest}." for (a, i), rest in wrong.items())


# --- I2: every position has its stop, and every stop its position ---


def uncovered(feed: Feed) -> Iterator[str]:
    """Positions at the venue whose live stops do not cover them."""
    for position in PaperPosition.objects.filter(account__feed=feed):
        side = "sell" if position.quantity > 0 else "buy"
        stops = PaperOrder.objects.filter(account=position.account_id, instrument=position.instrument_id, live=True)
        stops = stops.filter(type="stop", reduce_only=True, side=side)
        covered = sum((stop.quantity - stop.filled for stop in stops), Decimal(0))
        if covered < abs(position.quantity):
            yield (
                f"{position.quantity} of instrument {position.instrument_id} is held at the venue "
                f"(customer {position.account_id}) with stops for {covered} only."
            )


def orphans(feed: Feed) -> Iterator[str]:
    """Stops and targets at the venue that have outlived their position."""
    held = set(PaperPosition.objects.filter(account__feed=feed).values_list("account", "instrument"))
    for order in PaperOrder.objects.filter(account__feed=feed, live=True, reduce_only=True):
        if (order.account_id, order.instrument_id) not in held:
            yield f"A {order.type} of instrument {order.instrument_id} rests at the venue without a position."


# --- I3: one order for each intent and role, sent once ---


def _sent_once(feed: Feed) -> Iterator[str]:
    """Each order reached the venue at most once and was committed before; none filled more than it asked for."""
    sent = PaperOrder.objects.filter(account__feed=feed)
    twice = sent.values("account", "client_id").annotate(times=Count("id")).filter(times__gt=1)
    yield from (f"The order {row['client_id']} was sent {row['times']} times." for row in twice)
    orders = Order.objects.filter(account__feed=feed)
    ours = {str(client_id) for client_id in orders.values_list("client_id", flat=True)}
    foreign = set(sent.values_list("client_id", flat=True)) - ours
    yield from (f"The venue has an order {client_id} that was never committed." for client_id in sorted(foreign))
    doubled = orders.filter(role__in=ONCE).values("intent", "role").annotate(times=Count("id")).filter(times__gt=1)
    yield from (f"Intent {row['intent']} has {row['times']} orders of role {row['role']}." for row in doubled)
    for order in orders.filter(filled__gt=F("quantity")):
        yield f"The {order.role} {order.client_id} filled {order.filled} of {order.quantity}."


# --- I4: cash and equity (the journal against the wallet is `reconciliation`) ---


def _equity(account: Account) -> Iterator[str]:
    """What the books of an account are worth together is the venue's wallet and unrealised results."""
    told = valuation.account_portfolio(account=account).equity
    customer = PaperAccount.objects.get(key=account.key)
    marks = dict(Quote.objects.filter(feed=account.feed).values_list("instrument", "mark"))
    worth = customer.wallet
    for position in customer.positions.all():
        worth += Holding(position.quantity, position.cost).unrealised(marks[position.instrument_id])
    if told != worth:
        yield f"{account}: its books are worth {told}, and the venue's wallet and positions {worth}."
