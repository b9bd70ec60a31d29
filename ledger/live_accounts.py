"""Live accounts as people make them: open one, give it a key, arm and disarm it. Nothing here talks to an exchange.

A key goes in sealed and never comes out; a worker checks it (`key_checks`), and books begin once it is good.
"""

import json
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction

from markets import broadcast
from markets.models import Feed, FeedKind

from . import audit, credentials, states
from .models import Account, AccountKind, AuditKind, TradingStateKind, User

OFF = "Live trading is off here: LIVE_TRADING is not set. Whoever runs this machine can set it and start again."


class NotPossible(Exception):
    """It cannot be done now; the message says why."""


@transaction.atomic
def open_account(
    *, owner: User, name: str, feed: Feed, currency: str, key: str, secret: str, by: User, wall: datetime,
    demo: bool = False,
) -> Account:  # fmt: skip
    """A live account on the live feed of its exchange, unarmed, with its key sealed. Raises NotPossible."""
    if feed.kind != FeedKind.LIVE:
        raise NotPossible("A live account needs the live feed of its own exchange: real money needs real prices.")
    try:
        with transaction.atomic():
            account = Account.objects.create(
                owner=owner, name=name, kind=AccountKind.LIVE, feed=feed, currency=currency
            )
    except IntegrityError:
        raise NotPossible(f"There is an account named {name} on this feed already.") from None
    set_key(account=account, key=key, secret=secret, by=by, wall=wall, demo=demo)
    return account


@transaction.atomic
def set_key(*, account: Account, key: str, secret: str, by: User, wall: datetime, demo: bool = False) -> None:
    """Store a key for an account and ask for its check; until that has passed the account is not armed."""
    _live(account)
    said = {"apiKey": key.strip(), "secret": secret.strip()} | ({"demo": True} if demo else {})
    changes = {
        "sealed_credentials": credentials.seal(json.dumps(said)),
        "credentials_hint": credentials.masked(key.strip()),
        "armed": False,
    }
    Account.objects.filter(pk=account.pk).update(**changes)
    ask_check(account=account, wall=wall)
    change = {"key": [account.credentials_hint or None, changes["credentials_hint"]], "armed": False}
    audit.write(kind=AuditKind.KEYS, subject=f"account:{account.pk}", change=change, by=by, now=wall)
    account.refresh_from_db()
    _announce(account)


def ask_check(*, account: Account, wall: datetime) -> None:
    """Have a worker ask the exchange what the key may do."""
    asked = {"check_asked_at": wall, "check_passed": None, "check_result": "The key is being checked."}
    Account.objects.filter(pk=account.pk).update(**asked)


def ask_comparison(*, account: Account, wall: datetime) -> None:
    """Have the guardian compare an account with its venue at its next round."""
    Account.objects.filter(pk=account.pk).update(compare_asked_at=wall)
    _announce(account)


@transaction.atomic
def arm(*, account: Account, by: User, wall: datetime) -> None:
    """Allow new exposure with real money. Raises NotPossible where the key or this machine is not ready for it."""
    _live(account)
    fresh = Account.objects.select_for_update().get(pk=account.pk)
    if fresh.armed:
        return
    if not settings.LIVE_TRADING:
        raise NotPossible(OFF)
    if not fresh.check_passed:
        raise NotPossible(f"The key of {fresh.name} has not passed its check. {fresh.check_result}".strip())
    if fresh.books_from is None or fresh.trouble:
        raise NotPossible(f"{fresh.name} does not agree with its exchange yet. {fresh.trouble}".strip())
    _set_armed(fresh, True, by, wall)


@transaction.atomic
def disarm(*, account: Account, by: User, wall: datetime) -> None:
    """No new exposure from now on; stops and exits of what is held go on."""
    _live(account)
    fresh = Account.objects.select_for_update().get(pk=account.pk)
    if fresh.armed:
        _set_armed(fresh, False, by, wall)


@transaction.atomic
def resume(*, account: Account, by: User, wall: datetime) -> None:
    """Let an account take new exposure again, after its venue refused what it had always taken. Raises NotPossible."""
    fresh = Account.objects.select_for_update().get(pk=account.pk)
    if not fresh.refusal:
        raise NotPossible(f"{fresh.name} takes new exposure already, as far as its venue goes.")
    if fresh.trouble:
        raise NotPossible(f"{fresh.name} does not agree with its exchange yet. {fresh.trouble}")
    states.change(scope=fresh, state=TradingStateKind.ACTIVE, reason="Resumed by hand", by=by, now=wall)
    _announce(fresh)


def _set_armed(account: Account, armed: bool, by: User, wall: datetime) -> None:
    Account.objects.filter(pk=account.pk).update(armed=armed)
    change = {"armed": [not armed, armed]}
    audit.write(kind=AuditKind.MODE, subject=f"account:{account.pk}", change=change, by=by, now=wall)
    _announce(account)


def _live(account: Account) -> None:
    if account.kind != AccountKind.LIVE:
        raise NotPossible(f"{account.name} is a paper account: it has no key and is never armed.")


def _announce(account: Account) -> None:
    broadcast.announce(f"user-{account.owner_id}", kind="account", account=account.pk)
