"""System checks for settings that work, but not safely, or not as their owner thinks.

What cannot work at all is refused earlier, in `problems`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register


@register(Tags.security)
def live_trading(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    if not settings.LIVE_TRADING:
        return
    if settings.FEED in ("simulated", "replay"):
        yield Warning(
            f"LIVE_TRADING is on, but the feed is {settings.FEED}, so no live account can trade.",
            hint="Set FEED to the exchange of the account, or LIVE_TRADING to false.",
            id="tradingsite.W001",
        )
    if settings.DEBUG:
        yield Error("LIVE_TRADING is on while DEBUG is on.", hint="Turn DEBUG off.", id="tradingsite.E001")


@register(Tags.security)
def production(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    if not settings.PRODUCTION:
        return
    if "*" in settings.ALLOWED_HOSTS:
        yield Error(
            "ALLOWED_HOSTS lets any host name in; sockets would accept any site.",
            hint="List the host names.",
            id="tradingsite.E002",
        )
    if not settings.TLS_PROXY:
        yield Warning(
            "Cookies are sent over https only, and no proxy is declared that speaks it.",
            hint="Put a TLS proxy in front and set TLS_PROXY to true.",
            id="tradingsite.W002",
        )


@register(Tags.database)
def processes(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    """Several processes need a broker between them; one process needs none."""
    sqlite = settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")
    if settings.REDIS_URL and sqlite:
        yield Warning(
            "REDIS_URL is set for several processes, but they would share one SQLite file.",
            hint="Set DATABASE_URL to a PostgreSQL database.",
            id="tradingsite.W003",
        )


@register(Tags.security)
def keys_are_private(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    for path in sorted(settings.KEYS_DIR.glob("*")):
        if path.stat().st_mode & 0o077:
            yield Error(
                f"The key file {path.name} can be read by other users of this machine.",
                hint=f"chmod 600 {path}",
                id="tradingsite.E003",
            )
