"""The site as an application: it binds tasks to the Celery app and registers the system checks."""

from django.apps import AppConfig


class TradingSiteConfig(AppConfig):
    name = "tradingsite"

    def ready(self) -> None:
        # Shared tasks look for the current app; without this a web process would have none.
        from tradingsite import celery, checks  # noqa: F401
