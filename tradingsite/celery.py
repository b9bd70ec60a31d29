"""The Celery app. Tasks live in the apps and are found by name; this module owns none of them."""

import os

from celery import Celery
from celery.signals import celeryd_init, setup_logging
from django_structlog.celery.steps import DjangoStructLogInitStep

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingsite.settings")

app = Celery("tradingsite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add(DjangoStructLogInitStep)


@setup_logging.connect
def keep_own_logs(**_: object) -> None:
    """Being here is enough: with a receiver Celery leaves the logs as the settings made them."""


@celeryd_init.connect
def refuse_to_wait_in_vain(**_: object) -> None:
    """Only workers that are processes of their own send this signal, and they share no memory with anybody."""
    if app.conf.broker_url.startswith("memory:"):
        raise SystemExit("A worker of its own needs REDIS_URL; `manage.py up` holds everything in one process.")
