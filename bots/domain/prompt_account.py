"""The account as a prompt tells it: what the book holds with its exit plans, what it has left, how it has done.

One word for each quantity, the words of the dictionary in `prompt_contract`. Distances are in per cent of the price.
"""

from collections.abc import Iterator
from decimal import Decimal

from ledger.domain.portfolio import HeldPosition, PendingEntry, Portfolio
from markets.domain.instruments import InstrumentRules
from markets.domain.margin import liquidation_price
from markets.domain.rounding import ZERO, nearest_to

from .briefing import Briefing
from .exit_plan import describe
from .locks import Lock
from .prompt_market import minutes, name
from .significant import at_tick
from .story import ClosedTrade, Record, Said, Story
from .untrusted import text
from .wording import exact, percent

_POINT = Decimal("0.01")
_ONE = Decimal(1)
REASON_LENGTH = 60


def account(briefing: Briefing) -> str:
    """Portfolio, positions, live entries, then what was and what was said."""
    portfolio, story = briefing.portfolio, briefing.story
    lines = [_totals(portfolio), *(position(held, briefing) for held in portfolio.positions)]
    if not portfolio.positions:
        lines.append("no positions")
    lines += [_pending(entry, briefing) for entry in portfolio.pending]
    lines += [f"blocked {symbol}: {why}" for symbol, why in sorted(portfolio.blocked.items())]
    lines += [_locked(lock, briefing) for lock in briefing.locks if lock.until > briefing.now]
    if briefing.state != "active":
        lines.append(f"trading is {briefing.state.replace('_', '-')}: only exits")
    return "\n".join([*lines, *_story(story, briefing)])


def position(held: HeldPosition, briefing: Briefing) -> str:
    """One position with its plan; the distance to each level is what the price would have to move."""
    side, rules = "long" if held.long else "short", _rules(held.symbol, briefing)
    label = name(held.symbol, briefing)
    if not held.quantity:
        return f"{label} {side} entry on its way"
    tick = rules.tick if rules is not None else None
    parts = [f"{label} {side} {exact(abs(held.quantity))} x{held.leverage} entry {_price(held.entry_price, tick)}"]
    parts.append(f"unrealised {money(held.unrealised)}")
    levels = [("stop", held.stop), ("target", held.target), ("liquidation", _liquidation(held, rules))]
    parts += [f"{word} {_price(level, tick)} {_away(level, held)}" for word, level in levels if level is not None]
    if held.trail is not None:
        parts.append(f"trail {_percent(held.trail)}")
    if held.expires_at is not None:
        parts.append(f"closes in {minutes(held.expires_at - briefing.now)}")
    if (condition := briefing.story.conditions.get(held.symbol)) is not None:
        parts.append(f"out when {describe(condition)}")
    if held.opened_at is not None:
        parts.append(f"held {minutes(briefing.now - held.opened_at)}")
    return " ".join(parts)


def money(amount: Decimal) -> str:
    """An amount of the book's currency, to the cent; below a cent two digits stay."""
    if amount and abs(amount) < _POINT:
        return f"{amount:.2g}"
    return f"{nearest_to(amount, _POINT):f}"


def _totals(portfolio: Portfolio) -> str:
    parts = [f"equity {money(portfolio.equity)} {portfolio.currency}"]
    if portfolio.deposited > ZERO:
        parts.append(f"return {_percent(portfolio.equity / portfolio.deposited - 1)}")
    parts += [f"available {money(portfolio.available)}", f"margin {money(portfolio.margin)}"]
    if portfolio.reserved:
        parts.append(f"reserved {money(portfolio.reserved)}")
    return " ".join([*parts, f"exposure {money(portfolio.exposure)}"])


def _locked(lock: Lock, briefing: Briefing) -> str:
    """What nothing may be entered in for a while, and why."""
    what = " ".join(part for part in (lock.symbol and name(lock.symbol, briefing), lock.side) if part) or "all"
    return f"locked {what} for {minutes(lock.until - briefing.now)}: {text(lock.reason, REASON_LENGTH)}"


def _pending(entry: PendingEntry, briefing: Briefing) -> str:
    side = "long" if entry.long else "short"
    return f"{name(entry.symbol, briefing)} {side} entry order waits, {exact(entry.quantity)} at {exact(entry.price)}"


def _story(story: Story, briefing: Briefing) -> Iterator[str]:
    yield _record(story.record)
    if story.closed:
        yield "closed trades:"
        yield from (_closed(trade, briefing) for trade in story.closed)
    if story.said_at is not None:
        yield f"your answer {minutes(briefing.now - story.said_at)} ago:"
        yield from (_said(said, briefing) for said in story.said)


def _record(record: Record) -> str:
    parts = [f"closed {record.closed} won {record.wins} net {money(record.net)}"]
    parts += [f"fees {money(record.fees)} funding {money(record.funding)}"]
    if record.drawdown is not None:
        parts.append(f"drawdown {percent(record.drawdown)}")
    if record.sharpe is not None:
        parts.append(f"sharpe {exact(nearest_to(record.sharpe, _POINT))}")
    return " ".join(parts)


def _closed(trade: ClosedTrade, briefing: Briefing) -> str:
    side = "long" if trade.long else "short"
    held = minutes(trade.closed_at - trade.opened_at)
    why = f" {text(trade.reason, 30)}" if trade.reason else ""
    moved = _percent(trade.exit / trade.entry - 1)
    return f"{name(trade.symbol, briefing)} {side} price {moved} net {money(trade.net)} in {held}{why}"


def _said(said: Said, briefing: Briefing) -> str:
    fate = "" if said.outcome in ("planned", "held") else f" ({said.outcome})"
    return f"{name(said.symbol, briefing)} {said.action}{fate}: {text(said.reason, REASON_LENGTH)}"


def _rules(symbol: str, briefing: Briefing) -> InstrumentRules | None:
    view = briefing.snapshot.instruments.get(symbol)
    return None if view is None else view.rules


def _liquidation(held: HeldPosition, rules: InstrumentRules | None) -> Decimal | None:
    if rules is None or not rules.tiers:
        return None
    return liquidation_price(held.quantity, held.cost, held.margin, rules.tiers)


def _price(value: Decimal | None, tick: Decimal | None) -> str:
    if value is None:
        return "?"
    return exact(value) if tick is None else at_tick(value, tick)


def _away(level: Decimal, held: HeldPosition) -> str:
    return _percent(level / held.mark - 1)


def _percent(fraction: Decimal) -> str:
    """0.0152 as +1.52%; whole per cents are enough from ten on."""
    points = fraction * 100
    return f"{nearest_to(points, _ONE if abs(points) >= 10 else _POINT):+f}%"
