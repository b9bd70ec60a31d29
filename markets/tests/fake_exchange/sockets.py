"""The websocket half that all exchanges share: one connection, its subscriptions, and pushes when the world moves.

A module says how a subscription is read and what each channel tells; this keeps the pace and obeys the world's orders
(silent, cut).
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterable
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from markets.domain.candles import TIMEFRAMES

from .world import World


class Connection:
    """`channels` are what the client has subscribed to; `memory` says which closed candles it has been sent."""

    def __init__(self, socket: WebSocket) -> None:
        self.socket, self.exchange = socket, socket.scope["exchange"]
        self.world: World = socket.scope["world"]
        self.channels: dict[Any, Any] = {}
        self.memory: dict[Any, Any] = {}
        self.generation = self.world.stream_generation
        self.news = asyncio.Event()

    async def send(self, message: Any) -> None:
        await self.socket.send_text(message if isinstance(message, str) else json.dumps(message, default=str))

    def closed_candle(self, key: Any, symbol: str, timeframe: str) -> list[float] | None:
        """The candle that has closed since this was last asked, once."""
        step = TIMEFRAMES[timeframe]
        last = self.world.price_time() // step * step - step
        if self.memory.get(key) is None:
            self.memory[key] = last
        if self.memory[key] >= last:
            return None
        self.memory[key] = last
        candles = self.world.candles(symbol, timeframe, last, last, limit=1)
        return [float(column[0]) for column in candles.columns()] if len(candles) else None

    def open_candle(self, symbol: str, timeframe: str) -> list[float] | None:
        candles = self.world.candles(symbol, timeframe, limit=1)
        return [float(column[-1]) for column in candles.columns()] if len(candles) else None


async def serve(
    socket: WebSocket,
    heard: Callable[[Connection, str], Iterable[Any]],
    told: Callable[[Connection], Iterable[Any]],
) -> None:
    """Run one connection: `heard` reads what the client sends and gives the replies, `told` gives what to push now."""
    await socket.accept()
    connection = Connection(socket)
    pair = connection.world.listen(connection.news)
    reader = asyncio.create_task(_read(connection, heard))
    try:
        while not reader.done():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(connection.news.wait(), connection.world.tick_seconds)
            connection.news.clear()
            if connection.generation != connection.world.stream_generation:
                await socket.close(1001)
                return
            if connection.channels and not connection.world.streams_silent:
                for message in told(connection):
                    await connection.send(message)
    except (WebSocketDisconnect, RuntimeError, OSError):
        return
    finally:
        connection.world.leave(pair)
        reader.cancel()


async def _read(connection: Connection, heard: Callable[[Connection, str], Iterable[Any]]) -> None:
    log = connection.socket.scope["fake"].log
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while True:
            text = await connection.socket.receive_text()
            log.messages.append((connection.exchange, text))
            for reply in heard(connection, text):
                await connection.send(reply)
            connection.news.set()
