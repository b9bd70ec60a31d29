"""Whether this process lives (`/health`) and whether it can do its work (`/ready`).

Neither needs a sign-in, so neither says more than a word per part: addresses and errors go to the log.
"""

from __future__ import annotations

from typing import TypedDict

import redis
import structlog
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from tradingsite import __version__

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
    body = {"status": "ready" if complete else "not ready", "version": __version__, "parts": parts}
    return JsonResponse(body, status=200 if complete else 503)


def database() -> Part:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        log.exception("database_unreachable")
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
    except redis.RedisError:
        log.exception("broker_unreachable")
        return {"ok": False, "detail": "unreachable"}
    finally:
        client.close()
    return {"ok": True, "detail": "redis"}
