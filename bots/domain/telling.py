"""What happened, as one sentence each: the words of the diary. Pure; amounts come as Decimals and stay exact."""

from collections.abc import Iterable
from decimal import Decimal

from .wording import exact

CYCLE_ENDS = {
    "done": "{who} ran its cycle and {result}.",
    "failed": "A cycle of {who} failed: {error}",
    "skipped": "A cycle of {who} was skipped: {error}",
    "interrupted": "A cycle of {who} was interrupted: {error}",
}


def cycle(who: str, status: str, error: str, acted: bool | None, refused: bool | None) -> str:
    """How a cycle ended. `acted` and `refused` are of its decision, None where it has none."""
    if acted is None:
        result = "decided nothing"
    elif acted:
        result = "acted, with something refused" if refused else "acted"
    else:
        result = "was refused" if refused else "held"
    return CYCLE_ENDS[status].format(who=who, result=result, error=error or "no reason was left.")


def decision(who: str, items: Iterable[tuple[str, str, str]]) -> str:
    """What a decider asked for beyond holding: (action, symbol, outcome) of each item."""
    asked = [f"{action.replace('_', ' ')} {symbol} {outcome}" for action, symbol, outcome in items]
    return f"{who}: {'; '.join(asked) or 'nothing beyond holding'}."


def order(
    who: str, role: str, side: str, quantity: Decimal, base: str, price: Decimal | None, state: str, reason: str
) -> str:
    """An order as it stands now; `price` is its limit or its trigger, None at the market."""
    at = f"at {exact(price)}" if price is not None else "at the market"
    why = f" ({reason.rstrip('.')})" if reason else ""
    return f"{who}: {role} to {side} {exact(quantity)} {base} {at}, {state.replace('_', ' ')}{why}."


def trade(
    who: str,
    side: str,
    quantity: Decimal,
    base: str,
    price: Decimal,
    fee: Decimal,
    fee_currency: str,
    realised: Decimal,
    settle: str,
    liquidation: bool,
) -> str:
    done = {"buy": "bought", "sell": "sold"}[side]
    forced = " by liquidation" if liquidation else ""
    result = f" and realised {signed(realised)} {settle}" if realised else ""
    return f"{who} {done} {exact(quantity)} {base} at {exact(price)}{forced}, paid {exact(fee)} {fee_currency}{result}."


def closed(who: str, long: bool, base: str, reason: str, net: Decimal, settle: str) -> str:
    by = f" ({reason})" if reason else ""
    return f"{who} closed its {'long' if long else 'short'} in {base}{by}: {signed(net)} {settle} net."


def cash(who: str, kind: str, amount: Decimal, currency: str, base: str | None) -> str:
    """Cash that moved without a trade: funding, or what a liquidation took or gave back."""
    verb = "received" if amount > 0 else "paid"
    on = f" on {base}" if base else ""
    return f"{who} {verb} {exact(abs(amount))} {currency} of {kind}{on}."


def state(scope: str, label: str, reason: str) -> str:
    """A change of what trading may do in a scope."""
    why = f": {reason.rstrip('.')}" if reason else ""
    return f"Trading of {scope} became {label}{why}."


def signed(amount: Decimal) -> str:
    """With its sign, and a true minus."""
    return f"{'+' if amount > 0 else '−' if amount < 0 else ''}{exact(abs(amount))}"
