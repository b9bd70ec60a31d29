"""Celery tasks of the site: what belongs to no app. Each makes one call."""

import structlog
from celery import shared_task
from django.conf import settings

from .pruning import prune as pruned

log = structlog.get_logger(__name__)


@shared_task(name="tradingsite.tasks.prune", ignore_result=True)
def prune() -> None:
    """Remove what may go by age, and log how much of which table went."""
    removed = {model._meta.db_table: count for model, count in pruned(days=settings.KEEP_DAYS)}
    log.info("pruned", **removed)
