"""Celery tasks of the ledger: each makes one call. The schedule names them; nothing imports them."""

from celery import shared_task

from . import key_checks


@shared_task(name="ledger.tasks.check_keys", ignore_result=True)
def check_keys() -> int:
    """Ask exchanges what new keys may do: it takes a client of theirs, which no web process has."""
    return key_checks.run_asked()
