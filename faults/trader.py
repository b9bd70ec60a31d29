"""A process that trades on a live account as a cycle does after its decision: commit, send, book, protect.

It takes one wish after the other from the laboratory: files in the control folder, taken by a rename, so that a process
that dies on the way leaves what it took to the guardian, as a worker does.
"""

import json
import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from .points import CONTROL

WISH, DONE = "wish", "done"
DECIDE = "decide"


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
        if wish["kind"] == DECIDE:
            return {"cycles": decide(wish), "error": ""}
        return {"states": fulfil(wish), "error": ""}
    except Exception as error:  # whatever it is, the laboratory wants to know
        return {"states": [], "cycles": [], "error": f"{type(error).__name__}: {error}"}


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


def decide(wish: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Run one cycle of each bot that is named, all of them at once; how each ended and what became of its proposals."""
    from bots import control, watching
    from bots.models import Bot

    from . import wished

    bots = list(Bot.objects.filter(pk__in=wish["bots"]).select_related("book__account__feed").order_by("pk"))
    for feed in {bot.book.account.feed for bot in bots if bot.book.account}:
        watching.renew(feed=feed, now=datetime.now(UTC))  # as the dispatcher does it
    wished.items[:] = wish["items"]
    queued = [control.run_now(bot=bot, by=None).pk for bot in bots]
    with ThreadPoolExecutor(len(queued)) as threads:
        return list(threads.map(_cycle, queued))


def _cycle(pk: int) -> dict[str, Any]:
    from django.db import connection

    from bots import cycle
    from bots.models import DecisionItem

    try:
        ran = cycle.run(cycle_id=pk)
        items = DecisionItem.objects.filter(decision__cycle=pk).order_by("pk").values("outcome", "quantity", "verdicts")
        told = [
            {
                "outcome": item["outcome"], "quantity": str(item["quantity"]),
                "denied": [verdict["code"] for verdict in item["verdicts"] if verdict["effect"] == "deny"],
            }
            for item in items
        ]  # fmt: skip
        return {"status": ran.status if ran else "", "error": ran.error if ran else "", "items": told}
    finally:
        connection.close()


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
