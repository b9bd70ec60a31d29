"""Named points on the path of an order, put into the product's modules from outside, before a process starts.

At a point that the laboratory has armed, one process does what it was told: die, freeze, wait or fail. Arming is a
file; taking it is a rename, so of all processes and threads exactly one obeys.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

CONTROL = Path(os.environ.get("FAULTS_CONTROL", "."))
FAMILY = os.environ.get("FAULTS_FAMILY", "")
ROLES = ("entry", "stop", "exit")
Condition = Callable[..., bool]


def slug(point: str) -> str:
    """The name of a point as a file's name; `market: stop claimed` is reached in a process of that family only."""
    return point.replace(": ", "@").replace(" ", "-")


def shares(points: Sequence[str], runs: int) -> Counter[str]:
    """How often each point is to be reached: all of them as often, the first ones once more where it does not go."""
    return Counter(points[number % len(points)] for number in range(runs))


def reach(point: str) -> None:
    """Obey, where this point is armed and nobody else has taken it."""
    for name in (slug(point), slug(f"{FAMILY}: {point}")):
        armed = CONTROL / name
        if not armed.exists():
            continue
        taken = CONTROL / f"{name}.{os.getpid()}.taken"
        try:
            os.rename(armed, taken)
        except FileNotFoundError:
            continue
        act(*taken.read_text().split())


def act(deed: str, amount: str = "0") -> None:
    match deed:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "freeze":
            os.kill(os.getpid(), signal.SIGSTOP)
            time.sleep(0.5)  # the signal stops other threads first, and this one must not run on until then
        case "wait":
            time.sleep(float(amount))
        case _:
            raise ValueError(f"There is no deed {deed}.")


def always(*_: object, **__: object) -> bool:
    return True


def before(owner: Any, name: str, point: str, when: Condition = always) -> None:
    """Reach `point` before each call of `owner.name` for which `when` holds."""
    original = getattr(owner, name)

    @wraps(original)
    def reaching(*args: Any, **kwargs: Any) -> Any:
        if when(*args, **kwargs):
            reach(point)
        return original(*args, **kwargs)

    setattr(owner, name, reaching)


def after(owner: Any, name: str, point: str, when: Callable[[Any], bool] = bool) -> None:
    """Reach `point` after each call of `owner.name` for whose result `when` holds."""
    original = getattr(owner, name)

    @wraps(original)
    def reaching(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        if when(result):
            reach(point)
        return result

    setattr(owner, name, reaching)


def install() -> None:
    """Put every point in place. A name that the product no longer has fails here, at the start."""
    from bots import claiming, cycle, dispatch
    from ledger import booking, ordering, protection, reports, valuation
    from markets import quotes
    from markets.exchanges import paper_rows

    before(claiming, "_chain", "claiming", bool)
    before(cycle, "validate", "answered")
    after(ordering, "commit", "committing", lambda result: bool(result[1]))
    for role in ROLES:
        before(ordering, "send", f"{role} planned", lambda *, orders, role=role, **_: _any(orders, role))
        _around_claim(ordering, role)
        _around_venue(role)
    before(reports, "cancel", "cancelling", lambda *, orders, **_: bool(orders))
    before(reports, "collect", "before booking", lambda *, answers=None, **_: bool(answers))
    before(booking, "write", "booking", lambda batch: bool(batch.trades))
    before(protection, "cover", "filled")
    before(dispatch, "settle", "settling")
    before(valuation, "record", "valuing")
    before(quotes, "write", "stepping", lambda **given: "day_opens" in given)
    before(paper_rows, "save", "venue booking", lambda loaded, changes: any(change.requests for change in changes))
    _along_the_wire()


def _any(orders: Any, role: str) -> bool:
    return any(order.role == role for order in orders)


def _around_claim(ordering: Any, role: str) -> None:
    original = ordering.claim

    @wraps(original)
    def claiming(order: Any) -> bool:
        claimed: bool = original(order)
        if claimed and order.role == role:
            reach(f"{role} claimed")
        return claimed

    ordering.claim = claiming


def _around_venue(role: str) -> None:
    """An answer that is on its way: the venue has accepted, the sender does not know it yet."""
    from ledger.models import Order
    from markets.domain.orders import Confirmed
    from markets.exchanges.paper import PaperVenue

    original = PaperVenue.send

    @wraps(original)
    def sending(self: PaperVenue, request: Any) -> Any:
        answer = original(self, request)
        point = f"{role} accepted"
        armed = any((CONTROL / slug(name)).exists() for name in (point, f"{FAMILY}: {point}"))
        if armed and isinstance(answer, Confirmed) and Order.objects.get(client_id=request.client_id).role == role:
            reach(point)
        return answer

    PaperVenue.send = sending  # type: ignore[method-assign]


def _along_the_wire() -> None:
    """The way of an order to an exchange: verified, about to leave, accepted and not yet known here."""
    from markets.exchanges import live_modes
    from markets.exchanges.live import LiveVenue

    before(live_modes, "unready", "live: verifying")
    for role in (*ROLES, "target"):
        before(LiveVenue, "_placed", f"live: {role} leaves", lambda _, order, role=role: _role(order) == role)
    original = LiveVenue._placed

    @wraps(original)
    def placing(self: LiveVenue, order: Any) -> Any:
        answer = original(self, order)
        reach(f"live: {_role(order)} accepted")
        return answer

    LiveVenue._placed = placing  # type: ignore[method-assign]
    before(LiveVenue, "cancel", "live: cancelling")


def _role(order: Any) -> str:
    if order.type in ("stop", "target"):
        return str(order.type)
    return "exit" if order.reduce_only else "entry"
