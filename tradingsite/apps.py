"""The site as an application: it binds tasks to the Celery app and registers the system checks.

Two apps of others are set up here without what only pages need: commands and workers start in half the time.
"""

from typing import Any

from django.apps import AppConfig
from django.contrib import admin
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core import checks


class TradingSiteConfig(AppConfig):
    name = "tradingsite"

    def ready(self) -> None:
        # Shared tasks look for the current app; without this a web process would have none.
        from tradingsite import celery, checks  # noqa: F401


class AdminConfig(SimpleAdminConfig):
    """Its pages are loaded with the addresses of the site (`tradingsite.urls`), and where they are checked."""

    def ready(self) -> None:
        checks.register(check_dependencies, checks.Tags.admin)
        checks.register(_pages, checks.Tags.admin)


def _pages(app_configs: Any, **given: Any) -> list[checks.CheckMessage]:
    admin.autodiscover()
    found: list[checks.CheckMessage] = check_admin_app(app_configs, **given)
    return found


class DaphneConfig(AppConfig):
    """For its `runserver` alone: its own configuration would load the whole server."""

    name = "daphne"
