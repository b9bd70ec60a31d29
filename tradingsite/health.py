"""Whether this process lives (`/health`) and whether it can do its work (`/ready`).

Neither needs a sign-in, so neither says more than a word per part: addresses and errors go to the log. How long ago
the other processes gave a sign of life is told too, but pages are ready without them: somebody may want to halt.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypedDict

import redis
import structlog
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from ledger import heartbeats
from tradingsite import __version__

PATIENCE_SECONDS = 60.0  # a worker whose threads are all busy gives its sign of life late
log = structlog.get_logger(__name__)


class Part(TypedDict):
    ok: bool
    detail: str


@never_cache
@require_safe
def health(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok", "version": __version__})


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    parts = {"database": database(), "migrations": migrations(), "broker": broker()}
    complete = all(part["ok"] for part in parts.values())
    status = "ready" if complete else "not ready"
    body = {"status": status, "version": __version__, "parts": parts, "processes": processes(datetime.now(UTC))}
    return JsonResponse(body, status=200 if complete else 503)


def processes(now: datetime) -> dict[str, Part]:
    try:
        ages = heartbeats.ages(now)
    except DatabaseError:
        return {}
    return {name: {"ok": age < PATIENCE_SECONDS, "detail": f"{age:.0f} s ago"} for name, age in ages.items()}


def database() -> Part:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        log.error("database_unreachable", reason=repr(error))
        return {"ok": False, "detail": "unreachable"}
    return {"ok": True, "detail": connection.vendor}


def migrations() -> Part:
    try:
        executor = MigrationExecutor(connection)
        waiting = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except DatabaseError:
        return {"ok": False, "detail": "unknown"}
    return {"ok": waiting == 0, "detail": f"{waiting} to apply" if waiting else "applied"}


def broker() -> Part:
    if not settings.REDIS_URL:
        return {"ok": True, "detail": "in memory"}
    client = redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=1)
    try:
        client.ping()
    except redis.RedisError as error:
        log.error("broker_unreachable", reason=repr(error))
        return {"ok": False, "detail": "unreachable"}
    finally:
        client.close()
    return {"ok": True, "detail": "redis"}
