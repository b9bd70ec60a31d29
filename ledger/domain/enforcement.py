"""What a plan asks for by itself at an instant: which positions must close, which entries have outlived themselves.

Guardian and backtest read the same answers here. Nothing is sent, and each answer is a reason in a few words.
"""

from collections.abc import Collection, Container
from datetime import datetime, timedelta
from decimal import Decimal

# A limit entry is a decision about a moment: past this it is no longer what was decided.
ENTRY_LIFETIME = timedelta(hours=1)


def exit_due(
    *, planned: bool, stop: Decimal | None, expires_at: datetime | None, now: datetime, flatten: bool = False
) -> str:
    """Why an open position without a live exit must be closed at once, or nothing.

    `planned`: it was opened by a plan of ours, which always has a stop.
    """
    if flatten:
        return "flatten"
    if expires_at is not None and expires_at <= now:
        return "time limit"
    return "no stop" if planned and stop is None else ""


def exposed(
    *,
    covered: bool,
    stop: Decimal | None,
    stop_rests: bool,
    target: Decimal | None,
    target_rests: bool,
    mark: Decimal,
    long: bool,
) -> str:
    """Why a position cannot stay open after its brackets were sent, or nothing.

    `covered`: live stops protect all of it, be it at another price than the planned one; `stop_rests`: one at that.
    """
    if not covered:
        return "stop refused"
    if stop is not None and not stop_rests and (mark <= stop if long else mark >= stop):
        return "stop passed"
    beyond = target is not None and (mark >= target if long else mark <= target)
    return "target reached" if beyond and not target_rests else ""


def target_to_place(
    target: Decimal | None, sizes: Collection[Decimal], refused: Container[tuple[Decimal | None, Decimal]]
) -> Decimal | None:
    """The planned target; none where the venue has refused this very one: it would refuse it again.

    `sizes` are those of its orders, `refused` trigger and quantity of the refused targets of the position.
    """
    return None if any((target, size) in refused for size in sizes) else target


def exit_reason(*, role: str | None, source: str) -> str:
    """Why a position ended, in a word or two: its stop, its target, or what asked for the exit.

    `role` is that of the order that closed it (None: no order of ours), `source` who asked for it.
    """
    if role is None:
        return "closed at the venue"
    return source.lower() if role == "exit" else role
