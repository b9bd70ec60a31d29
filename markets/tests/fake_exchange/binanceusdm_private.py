"""The signed half of Binance USD-M on the wire: requests to `binance_private`, and the user data stream.

A world has the accounts that a test opens in it. Everything about an order is in `trading` and `admission`.
"""

import asyncio
import contextlib
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl
from weakref import WeakKeyDictionary

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from . import binance_private, trading
from .account import Account
from .answers import as_json
from .world import World

_WEIGHTS = {
    "openOrders": (1, 40), "openAlgoOrders": (1, 40), "allOrders": (5, 5), "userTrades": (5, 5), "income": (30, 30),
    "positionRisk": (5, 5), "account": (5, 5), "balance": (5, 5), "symbolConfig": (5, 5), "accountConfig": (5, 5),
    "positionSide/dual": (30, 30), "multiAssetsMargin": (30, 30), "allAlgoOrders": (5, 5), "forceOrders": (20, 50),
    "commissionRate": (20, 20),
}  # fmt: skip
_accounts: WeakKeyDictionary[World, list[Account]] = WeakKeyDictionary()


def open_account(
    world: World, deposit: str | Decimal = "10000", *, key: str = "key", secret: str = "secret"
) -> Account:
    """A customer with this money, whose key is `key`."""
    account = Account(world, key=key, secret=secret)
    account.deposit(deposit)
    _accounts.setdefault(world, []).append(account)
    return account


def accounts(world: World) -> list[Account]:
    return _accounts.get(world, [])


def close_accounts(world: World) -> None:
    _accounts.pop(world, None)


def weight(call: Any) -> int:
    name = call.path.partition("/v")[2].partition("/")[2]
    if (call.method, call.path) not in binance_private.ENDPOINTS or name not in _WEIGHTS:
        return 1
    return _WEIGHTS[name][0 if "symbol" in call.params else 1]


async def signed(request: Request) -> Response:
    body = (await request.body()).decode()
    raw = body or request.url.query
    text, _, _ = raw.partition("&signature=")
    world: World = request.scope["world"]
    path = request.url.path.removeprefix("/binanceusdm")
    found = await asyncio.to_thread(
        binance_private.answer,
        accounts(world), request.method, path, dict(parse_qsl(raw, keep_blank_values=True)),
        dict(request.headers), text,
    )  # fmt: skip
    assert found is not None
    return as_json(found[1], found[0])


async def user_stream(socket: WebSocket) -> None:
    """Whatever happens to the account, as soon as it happens, and what the prices bring about meanwhile."""
    world: World = socket.scope["world"]
    named = socket.query_params.get("listenKey") or socket.path_params.get("key", "")
    account = next((a for a in accounts(world) if f"listen-{a.key}" == named), None)
    await socket.accept()
    if account is None:
        await socket.close(1008)
        return
    loop, news = asyncio.get_running_loop(), asyncio.Queue[dict[str, Any]]()

    def heard(event: dict[str, Any]) -> None:
        loop.call_soon_threadsafe(news.put_nowait, event)

    account.listeners.append(heard)
    generation = world.stream_generation
    try:
        while generation == world.stream_generation:
            trading.match(account)
            with contextlib.suppress(TimeoutError):
                event = await asyncio.wait_for(news.get(), world.tick_seconds)
                if not world.streams_silent:
                    await socket.send_json(event)
        await socket.close(1001)
    except (WebSocketDisconnect, RuntimeError, OSError):
        return
    finally:
        account.listeners.remove(heard)


_methods: dict[str, list[str]] = {}
for _method, _path in binance_private.ENDPOINTS:
    _methods.setdefault(_path, []).append(_method)
routes = [
    *(Route(path, signed, methods=methods) for path, methods in _methods.items()),
    WebSocketRoute("/private/ws", user_stream),
    WebSocketRoute("/private/ws/{key}", user_stream),
]
