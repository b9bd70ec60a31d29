"""A process that trades on a live account as a cycle does after its decision: commit, send, book, protect.

It takes one wish after the other from the laboratory: files in the control folder, taken by a rename, so that a process
that dies on the way leaves what it took to the guardian, as a worker does.
"""

import json
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from .points import CONTROL

WISH, DONE = "wish", "done"


def main() -> None:
    from django.db import close_old_connections

    while True:
        wish = CONTROL / WISH
        if not wish.exists():
            time.sleep(0.03)
            continue
        taken = CONTROL / f"{WISH}.{os.getpid()}"
        os.rename(wish, taken)
        told = _fulfilled(json.loads(taken.read_text()))
        draft = CONTROL / "done.draft"
        draft.write_text(json.dumps(told))
        draft.rename(CONTROL / DONE)
        close_old_connections()


def _fulfilled(wish: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {"states": fulfil(wish), "error": ""}
    except Exception as error:  # whatever it is, the laboratory wants to know
        return {"states": [], "error": f"{type(error).__name__}: {error}"}


def fulfil(wish: Mapping[str, Any]) -> list[str]:
    """Trade; the states of the orders that came of it."""
    from ledger import ordering, protection, reports, valuation
    from ledger.models import Book, Order, Source
    from ledger.ordering import Cause

    now = datetime.now(UTC)
    book = Book.objects.select_related("account__feed", "account__owner").get(pk=wish["book"])
    account = book.account
    assert account is not None
    draft, instrument = _draft(wish, now)
    cause = Cause(Source.DECISION, f"lab:{wish['number']}", now, book.fence)
    seen = valuation.account_portfolio(account=account)
    with ordering.locked(book=book, seen=seen, cause=cause) as portfolio:
        _, orders = ordering.commit(
            book=book, portfolio=portfolio, drafts=[draft], instruments={instrument.symbol: instrument}, cause=cause
        )
    answers = ordering.send(account=account, orders=orders)
    reports.collect(account=account, now=now, answers=answers)
    protection.cover(account=account, now=now)
    return list(Order.objects.filter(pk__in=[order.pk for order in orders]).values_list("state", flat=True))


def _draft(wish: Mapping[str, Any], now: datetime) -> tuple[Any, Any]:
    from ledger.domain.intents import IntentDraft, Kind
    from markets.models import Instrument

    instrument = Instrument.objects.get(exchange=wish["exchange"], symbol=wish["symbol"])
    plan: dict[str, Any] = {name: Decimal(wish[name]) for name in ("stop", "target") if wish.get(name)}
    if wish["kind"] == "open":
        plan["expires_at"] = now + timedelta(days=1)
    draft = IntentDraft(
        kind=Kind(wish["kind"]), symbol=instrument.symbol, long=wish.get("long", True),
        quantity=Decimal(wish["quantity"]), price=Decimal(wish["price"]), leverage=5, reserved=Decimal(100), **plan,
    )  # fmt: skip
    return draft, instrument
