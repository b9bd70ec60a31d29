"""A Redis cache that may be away: then it is empty and forgets what it is told, and no page fails for it.

After a failure Redis is left alone for some seconds, so that a page pays for the time-out once, not at each key.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

import structlog
from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)
PAUSE_SECONDS = 5.0


class ForgivingClient(RedisCacheClient):
    """Each thread has a client of its own; when to ask again holds for the whole process."""

    asked_again_at = 0.0

    def get(self, key: Any, default: Any) -> Any:
        return self._ask(super().get, default, key, default)

    def get_many(self, keys: Any) -> Any:
        return self._ask(super().get_many, {}, keys)

    def has_key(self, key: Any) -> bool:
        return self._ask(super().has_key, False, key)

    def add(self, key: Any, value: Any, timeout: Any) -> bool:
        return self._ask(super().add, False, key, value, timeout)

    def set(self, key: Any, value: Any, timeout: Any) -> None:
        self._ask(super().set, None, key, value, timeout)

    def set_many(self, data: Any, timeout: Any) -> None:
        self._ask(super().set_many, None, data, timeout)

    def touch(self, key: Any, timeout: Any) -> bool:
        return self._ask(super().touch, False, key, timeout)

    def delete(self, key: Any) -> bool:
        return self._ask(super().delete, False, key)

    def delete_many(self, keys: Any) -> None:
        self._ask(super().delete_many, None, keys)

    def _ask(self, call: Callable[..., Any], otherwise: Any, *arguments: Any) -> Any:
        if monotonic() < ForgivingClient.asked_again_at:
            return otherwise
        try:
            return call(*arguments)
        except RedisError as error:
            ForgivingClient.asked_again_at = monotonic() + PAUSE_SECONDS
            log.warning("cache_away", reason=repr(error), seconds=PAUSE_SECONDS)
            return otherwise


class ForgivingRedisCache(RedisCache):
    def __init__(self, server: Any, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = ForgivingClient
