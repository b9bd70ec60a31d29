"""AsterDEX speaks like Binance USD-M, one version later and with its streams in an envelope."""

from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from . import binanceusdm as binance
from .answers import as_json
from .sockets import Connection, serve

weight = binance.weight


async def spot(request: Request) -> Response:
    return as_json({"timezone": "UTC", "serverTime": request.scope["world"].now(), "symbols": []})


async def stream(socket: WebSocket) -> None:
    await serve(socket, binance.heard, told)


def told(connection: Connection) -> Iterator[Any]:
    for name, one in list(connection.channels.items()):
        if one is not None:
            yield from ({"stream": name, "data": message} for message in binance.pushed(connection, name, one))


routes: list[BaseRoute] = [
    Route("/api/v3/exchangeInfo", spot),
    *(
        Route(f"/fapi/v3/{name}", answer)
        for name, answer in {
            "ping": binance.ping,
            "time": binance.server_time,
            "exchangeInfo": binance.exchange_info,
            "klines": binance.klines,
            "ticker/24hr": binance.ticker_24hr,
            "ticker/bookTicker": binance.book_ticker,
            "ticker/price": binance.ticker_price,
            "premiumIndex": binance.premium_index,
            "fundingRate": binance.funding_rate,
            "fundingInfo": binance.funding_info,
            "depth": binance.depth,
        }.items()
    ),
    WebSocketRoute("/fstream/stream", stream),
]
