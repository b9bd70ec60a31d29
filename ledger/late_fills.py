"""Fills that a venue showed after later ones: the open position is made anew from its fills in their true order.

Cash needs no mending, because each fill carries the venue's own result; cost and margin of what is held depend on the
order. Works on a batch in memory; `ledger.booking` stores it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import Max, Q

from markets.domain.orders import Fill, Report, Side
from markets.models import Instrument

from .arrivals import in_order
from .booking import Batch
from .domain.positions import Figures, after_fill
from .models import Account, Position, Trade

# What the order of fills decides; fees and results are sums, and stay with the position that they were booked on.
DEPENDS = ("cost", "size", "entry_value", "entry_quantity", "exit_value", "exit_quantity", "margin")
BEFORE = timedelta(hours=1)  # a position that closed this long before a late fill has nothing to do with it


def late(account: Account, reports: Sequence[Report]) -> dict[str, datetime]:
    """Symbols with a fill that is older than what is booked there, and its time. One statement."""
    fills = [report for report in reports if isinstance(report, Fill)]
    if not fills:
        return {}
    booked = Trade.objects.filter(account=account, instrument__symbol__in={fill.symbol for fill in fills})
    newest = dict(booked.values_list("instrument__symbol").annotate(Max("at")))
    found: dict[str, datetime] = {}
    for fill in fills:
        if fill.symbol in newest and fill.at <= newest[fill.symbol]:
            found[fill.symbol] = min(fill.at, found.get(fill.symbol, fill.at))
    return found


def fold_again(batch: Batch, instrument: Instrument, since: datetime) -> None:
    """Bring the open position in line with all its fills, in the order in which they happened."""
    position = batch.positions.get(instrument.pk)
    if position is None:
        return  # flat is flat in any order
    trades = [*_booked(batch, instrument, since), *(t for t in batch.trades if t.instrument_id == instrument.pk)]
    figures, opened_at = Figures(), None
    for fill, leverage in _in_order(trades, position):
        if not figures.quantity:
            figures, opened_at = Figures(), fill.at
        ended, begun = after_fill(figures, fill, leverage)
        figures = begun or ended
        opened_at = fill.at if begun else opened_at
    if figures.quantity != position.quantity:
        return  # what is missing now comes later, and then everything is folded again
    position.opened_at, position.long = opened_at, figures.quantity > 0
    for name in DEPENDS:
        setattr(position, name, getattr(figures, name))


def _booked(batch: Batch, instrument: Instrument, since: datetime) -> Sequence[Trade]:
    near = Position.objects.filter(account=batch.account, instrument=instrument, opened_at__isnull=False)
    near = near.filter(Q(closed_at__isnull=True) | Q(closed_at__gte=since - BEFORE))
    rows = Trade.objects.filter(account=batch.account, instrument=instrument, position__in=near)
    return list(rows.select_related("order"))


def _in_order(trades: Sequence[Trade], position: Position) -> list[tuple[Fill, int]]:
    told = {id(fill := _fill(trade)): (fill, trade) for trade in trades}
    return [
        (fill, trade.order.leverage if trade.order else position.leverage)
        for fill, trade in (told[id(report)] for report in in_order([fill for fill, _ in told.values()]))
    ]


def _fill(trade: Trade) -> Fill:
    return Fill(
        trade_id=trade.venue_trade_id, client_id=None, symbol="", side=Side(trade.side), quantity=trade.quantity,
        price=trade.price, fee=trade.fee, fee_currency=trade.fee_currency, maker=trade.maker,
        realised=trade.realised, at=trade.at,
    )  # fmt: skip
