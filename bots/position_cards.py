"""An open position as its card shows it: figures, the ladder, and the plan in words. Read only."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from ledger.domain.portfolio import HeldPosition
from ledger.models import Position
from ledger.valuation import held
from markets.domain.holdings import Holding
from markets.domain.margin import liquidation_price

from .domain.ladder import Rung, ladder
from .models import DecisionItem
from .templatetags.figures import condition_words, share, span


@dataclass(frozen=True, slots=True)
class Card:
    """`at_stop` and `at_target` are results before fees if closed there; `unprotected` is in market seconds."""

    position: Position
    figures: HeldPosition
    rungs: tuple[Rung, ...]
    at_stop: Decimal | None
    at_target: Decimal | None
    held_for: timedelta | None
    unprotected: float
    plan: tuple[str, ...]
    decision: int | None
    reason: str

    @property
    def gain(self) -> Decimal:
        """Unrealised result over the entry value."""
        return self.figures.unrealised / self.figures.cost

    @property
    def zones(self) -> list[tuple[str, float, float]]:
        """What lies between entry and stop, and between entry and target: name, left end and width in percent."""
        places = {rung.name: rung.at for rung in self.rungs}
        ends = [(name, places[name], places["entry"]) for name in ("stop", "target") if name in places]
        return [(self._zone(name), min(a, b), abs(a - b)) for name, a, b in ends]

    def _zone(self, name: str) -> str:
        worse = self.at_stop is not None and self.at_stop < 0
        return "risk" if name == "stop" and worse else "reward"


def cards(positions: Iterable[Position], now: datetime | None) -> list[Card]:
    """The cards of open positions that came through `valuation.marked`; `now` is market time. One statement."""
    rows = list(positions)
    items = DecisionItem.objects.filter(intent__in=[row.intent_id for row in rows if row.intent_id])
    reasons = {item.intent_id: item for item in items}
    return [_card(row, reasons, now) for row in rows]


def _card(row: Position, reasons: Mapping[Any, DecisionItem], now: datetime | None) -> Card:
    value, holding = held(row), Holding(row.quantity, row.cost)
    item = reasons.get(row.intent_id)
    return Card(
        position=row,
        figures=value,
        rungs=_rungs(row, value),
        at_stop=holding.unrealised(row.stop) if row.stop else None,
        at_target=holding.unrealised(row.target) if row.target else None,
        held_for=now - row.opened_at if now and row.opened_at else None,
        unprotected=_unprotected(row, now),
        plan=_plan(row, item, now),
        decision=item.decision_id if item else None,
        reason=item.reason if item else "",
    )


def _rungs(row: Position, value: HeldPosition) -> tuple[Rung, ...]:
    rules, size = row.instrument.rules, abs(row.quantity)
    liquidation = liquidation_price(row.quantity, row.cost, row.margin, rules.tiers)
    entry = row.cost / size
    return ladder(mark=value.mark, entry=entry, stop=row.stop, target=row.target, liquidation=liquidation)


def _unprotected(row: Position, now: datetime | None) -> float:
    """All market seconds without a resting stop, up to `now`."""
    open_since = row.unprotected_since
    running = (now - open_since).total_seconds() if now and open_since else 0.0
    return row.unprotected_seconds + max(0.0, running)


def _plan(row: Position, item: DecisionItem | None, now: datetime | None) -> tuple[str, ...]:
    """The exit plan in a few words each; how far off stop and target are is the ladder's business."""
    words = []
    if row.trail:
        words.append(f"the stop trails the mark by {share(row.trail)} %")
    if row.expires_at:
        left = f", in {span(row.expires_at - now)}" if now else ""
        words.append(f"closed at {row.expires_at:%d %b %H:%M} at the latest{left}")
    if item and isinstance(item.invalidation, dict):
        words.append(f"out when {condition_words(item.invalidation)}")
    return tuple(words)
