"""The fake exchange as a server, in a thread of a test or as a process: `python -m markets.tests.fake_exchange`.

Each exchange lives under its own prefix, such as `/binanceusdm`, with one world, one log and one list of faults.
Other processes script and read it under `/_control` (see `control.py`).
"""

import asyncio
import contextlib
import socket
import threading
import time
from importlib import import_module
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from .call_log import CallLog
from .control import routes as control_routes
from .faults import Fault, Faults
from .limits import Limits
from .world import World

# The modules that make up an exchange: each has `routes`, and may have `weight(method, path, params)`, `quote`,
# `errors(status)` and `private` (the signed half). A module that is missing is left out.
MODULES: dict[str, tuple[str, ...]] = {
    "binanceusdm": ("binanceusdm", "binanceusdm_private"),
    "aster": ("aster", "aster_private"),
    "hyperliquid": ("hyperliquid", "hyperliquid_private"),
    "okx": ("okx", "okx_private"),
    "bybit": ("bybit", "bybit_private"),
}


class Dropped(Exception):
    """The connection is cut instead of an answer."""


class FakeExchange:
    """The handle of a test. `with FakeExchange() as fake:` serves until the block ends; `fake.url("okx")` is its base.

    `world`, `limits` and their like are those of `exchange`; `worlds[name]` those of another one.
    """

    def __init__(self, exchange: str = "binanceusdm", *, seed: int = 7, port: int = 0) -> None:
        self.exchange, self.port = exchange, port
        self.log, self.faults = CallLog(), Faults()
        self.worlds: dict[str, World] = {}
        self.limits_of: dict[str, Limits] = {}
        self._weights: dict[str, Any] = {}
        mounts: list[BaseRoute] = [Mount("/_control", routes=control_routes)]
        for name, modules in MODULES.items():
            found = list(filter(None, map(_module, modules)))
            quote = next((m.quote for m in found if hasattr(m, "quote")), "USDT")
            self.worlds[name] = World(seed=seed, quote=quote)
            self.limits_of[name] = Limits(limit=next((m.limit for m in found if hasattr(m, "limit")), 2400))
            self._weights[name] = [m.weight for m in found if hasattr(m, "weight")]
            sink = Route("/{path:path}", _nothing, methods=["GET", "POST", "PUT", "DELETE"])
            mounts.append(Mount(f"/{name}", routes=[*(route for m in found for route in m.routes), sink]))
        self.app = Starlette(routes=mounts)
        self.app.state.fake = self
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._socket: socket.socket | None = None

    @property
    def world(self) -> World:
        return self.worlds[self.exchange]

    @property
    def limits(self) -> Limits:
        return self.limits_of[self.exchange]

    def url(self, exchange: str = "") -> str:
        return f"http://127.0.0.1:{self.port}/{exchange or self.exchange}"

    def environment(self) -> dict[str, str]:
        """The variables that lead a process of the product here instead of to the exchanges."""
        return {f"EXCHANGE_URL_{name.upper()}": self.url(name) for name in self.worlds}

    # --- Serving -------------------------------------------------------------------------------------

    def open(self) -> None:
        """Take the port. Called by `start` and `run`."""
        if self._socket is None:
            # With the protocol named, asyncio sends each answer at once; without, every answer is 40 ms late.
            self._socket = socket.socket(proto=socket.IPPROTO_TCP)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind(("127.0.0.1", self.port))
            self._socket.listen(128)  # whoever comes before the server serves, waits
            self.port = self._socket.getsockname()[1]
        config = uvicorn.Config(
            self.serve, log_level="warning", lifespan="off", http="h11", ws="websockets-sansio", loop="asyncio",
            interface="asgi3", timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._server = uvicorn.Server(config)

    def run(self) -> None:
        """Serve in this thread until stopped."""
        self.open()
        assert self._server is not None
        self._server.run(sockets=[self._socket] if self._socket else None)

    def start(self) -> "FakeExchange":
        self.open()
        assert self._server is not None
        arguments = {"sockets": [self._socket]}
        self._thread = threading.Thread(target=self._server.run, kwargs=arguments, name="fake-exchange", daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)
        return self

    def stop(self) -> None:
        """Nobody answers on the port any more; `start` opens the same one again."""
        if self._server is not None:
            self._server.should_exit = True
        for world in self.worlds.values():
            world.drop_streams()
        if self._thread is not None:
            self._thread.join(5)
        if self._socket is not None:
            self._socket.close()
        self._socket = self._thread = None

    def __enter__(self) -> "FakeExchange":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- The door ------------------------------------------------------------------------------------

    async def serve(self, scope: Any, receive: Any, send: Any) -> None:
        exchange = scope.get("path", "").strip("/").partition("/")[0]
        scope["fake"], scope["world"], scope["exchange"] = self, self.worlds.get(exchange), exchange
        if scope["type"] == "websocket" and exchange in self.worlds:
            self.log.sockets.append((exchange, scope["path"]))
            if self.worlds[exchange].streams_refused:
                await receive()
                await send({"type": "websocket.close", "code": 1013})
                return
        if scope["type"] == "http" and exchange in self.worlds:
            await self._answer(exchange, scope, receive, send)
        else:
            with contextlib.suppress(asyncio.CancelledError):
                await self.app(scope, receive, send)

    async def _answer(self, exchange: str, scope: Any, receive: Any, send: Any) -> None:
        body = await _body(receive)
        path = scope["path"].removeprefix(f"/{exchange}")
        params = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}
        world, limits = self.worlds[exchange], self.limits_of[exchange]
        call = self.log.add(
            at=world.now(), exchange=exchange, method=scope["method"], path=path, params=params, headers=headers,
            body=body.decode("utf-8", "replace"),
        )  # fmt: skip
        call.weight = max((weigh(call) for weigh in self._weights[exchange]), default=1)
        fault = self.faults.due(exchange, call.method, path, f"{scope['query_string'].decode()} {call.body}")
        try:
            answer = await self._outcome(exchange, call, fault, scope, body)
        except Dropped:
            self._cut(scope["client"])
            await asyncio.sleep(0.01)  # until the server has noticed, so that it does not miss the answer
            return
        call.status = answer.status_code
        answer.headers["x-mbx-used-weight-1m"] = str(limits.used)
        await answer(scope, receive, send)

    async def _outcome(self, exchange: str, call: Any, fault: Fault | None, scope: Any, body: bytes) -> Response:
        world, limits = self.worlds[exchange], self.limits_of[exchange]
        if refused := limits.refusal(call.weight, world.now()):
            status, wait = refused
            text = '{"code":-1003,"msg":"Too many requests; current limit is exceeded."}'
            return Response(text, status, {"Retry-After": str(wait)}, "application/json")
        if fault is None:
            return under_maintenance() if world.maintenance else await _carried_out(self.app, scope, body)
        if fault.kind == "drop_before":
            raise Dropped
        if fault.kind == "maintenance":
            return under_maintenance()
        if fault.kind == "status":
            if fault.after:
                await _carried_out(self.app, scope, body)
            return Response(fault.body, fault.status, dict(fault.headers), "application/json")
        answer = await _carried_out(self.app, scope, body)
        if fault.kind == "drop":
            raise Dropped
        if fault.kind == "delay":
            await asyncio.sleep(fault.seconds)
        if fault.kind == "half":
            return Response(answer.body[: len(answer.body) // 2], answer.status_code, media_type="application/json")
        if fault.kind == "body":
            return Response(fault.body, fault.status if fault.status != 500 else 200, media_type="application/json")
        return answer

    def _cut(self, client: tuple[str, int]) -> None:
        assert self._server is not None
        for connection in list(self._server.server_state.connections):
            if getattr(connection, "client", None) == tuple(client):
                connection.transport.abort()  # type: ignore[union-attr]


def under_maintenance() -> Response:
    return Response("<html><body><h1>503 Service Unavailable</h1></body></html>", 503, media_type="text/html")


async def _nothing(_: Request) -> Response:
    """What a fake does not know it takes without a word; the log has it."""
    return Response("{}", media_type="application/json")


def _module(name: str) -> Any:
    try:
        return import_module(f"{__package__}.{name}")
    except ModuleNotFoundError as missing:
        if missing.name != f"{__package__}.{name}":
            raise
        return None


async def _body(receive: Any) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _carried_out(app: Any, scope: Any, body: bytes) -> Response:
    """The exchange's own answer, held back so that a fault can spoil it."""
    sent: dict[str, Any] = {"body": b"", "status": 500, "headers": []}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            sent.update(status=message["status"], headers=message["headers"])
        else:
            sent["body"] += message.get("body", b"")

    await app(scope, receive, send)
    kept = {k.decode(): v.decode() for k, v in sent["headers"] if k.lower() not in (b"content-length",)}
    return Response(sent["body"], sent["status"], kept)
