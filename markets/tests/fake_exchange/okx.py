"""The public half of OKX: perpetuals counted in contracts, times as text, everything in an envelope."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from markets.domain.candles import TIMEFRAMES

from .answers import as_json, text
from .sockets import Connection, serve
from .world import Listed, World

limit = 1200
CONTRACT = Decimal("0.01")  # base units
STATES = {"trading": "live", "halted": "suspend", "delisted": "expired"}
BARS = {"1H": "1h", "2H": "2h", "4H": "4h", "1D": "1d", "1Dutc": "1d", "12H": "12h", "12Hutc": "12h"}
NOTHING = {"code": "51001", "msg": "Instrument ID does not exist", "data": []}


def market_id(one: Listed) -> str:
    return f"{one.base}-{one.quote}-SWAP"


def find(world: World, name: str | None) -> Listed | None:
    return next((one for one in world.listed.values() if market_id(one) == name), None)


def answered(rows: list[Any]) -> Response:
    return as_json({"code": "0", "msg": "", "data": rows})


def described(one: Listed) -> dict[str, Any]:
    step = Decimal(one.step) / CONTRACT
    return {
        "instType": "SWAP", "instId": market_id(one), "uly": f"{one.base}-{one.quote}",
        "instFamily": f"{one.base}-{one.quote}", "baseCcy": "", "quoteCcy": "", "settleCcy": one.quote,
        "ctVal": str(CONTRACT), "ctMult": "1", "ctValCcy": one.base, "ctType": "linear", "lever": str(one.max_leverage),
        "tickSz": one.tick, "lotSz": f"{step:f}", "minSz": f"{step:f}", "maxMktSz": "100000", "maxLmtSz": "1000000",
        "state": STATES[one.status], "listTime": "1606468572000", "expTime": str(one.delists_at or ""),
        "ruleType": "normal",
    }  # fmt: skip


def ticker(one: Listed, world: World) -> dict[str, Any]:
    bids, asks = world.book(one.symbol, 1)
    last, at = world.price(one.symbol), world.price_time()
    return {
        "instType": "SWAP", "instId": market_id(one), "last": str(last), "lastSz": "1", "bidPx": bids[0][0],
        "bidSz": "100", "askPx": asks[0][0], "askSz": "100", "open24h": str(last), "high24h": str(last),
        "low24h": str(last), "vol24h": "5000000", "volCcy24h": "50000", "ts": str(at),
    }  # fmt: skip


async def instruments(request: Request) -> Response:
    swaps = request.query_params.get("instType") == "SWAP"
    return answered([described(one) for one in request.scope["world"].listed.values()] if swaps else [])


async def tickers(request: Request) -> Response:
    world = request.scope["world"]
    return answered([ticker(one, world) for one in world.listed.values() if one.status != "delisted"])


async def candles(request: Request) -> Response:
    world, query = request.scope["world"], request.query_params
    one = find(world, query.get("instId"))
    if one is None:
        return as_json(NOTHING)
    first = int(query["before"]) + 1 if "before" in query else None
    last = int(query["after"]) - 1 if "after" in query else None
    timeframe = BARS.get(query["bar"], query["bar"])
    found = world.candles(one.symbol, timeframe, first, last, min(int(query.get("limit", 100)), 300))
    rows = [row_of(world, row, timeframe) for row in zip(*found.columns(), strict=True)]
    return answered(rows[::-1])  # the newest first


def row_of(world: World, row: Any, timeframe: str) -> list[str]:
    at, *prices, volume = (float(value) for value in row)
    closed = at + TIMEFRAMES[timeframe] <= world.price_time()
    contracts = volume / float(CONTRACT)
    return [str(int(at)), *map(text, prices), text(contracts), text(volume), text(volume * prices[3]), str(int(closed))]


def rate(one: Listed, world: World) -> dict[str, Any]:
    due, step = world.next_funding(one.symbol), one.funding_hours * 3_600_000
    return {
        "instType": "SWAP", "instId": market_id(one), "method": "current_period", "fundingRate": one.funding_rate,
        "nextFundingRate": "", "fundingTime": str(due), "nextFundingTime": str(due + step), "ts": str(world.now()),
    }  # fmt: skip


async def funding_rate(request: Request) -> Response:
    world = request.scope["world"]
    return answered([rate(one, world) for one in world.listed.values()])


async def funding_history(request: Request) -> Response:
    world, query = request.scope["world"], request.query_params
    one = find(world, query.get("instId"))
    if one is None:
        return as_json(NOTHING)
    first = int(query["before"]) + 1 if "before" in query else None
    found = world.settlements(one.symbol, first, None, min(int(query.get("limit", 100)), 100))
    return answered(
        [
            {"instType": "SWAP", "instId": market_id(one), "fundingRate": told, "realizedRate": told,
             "fundingTime": str(at)}
            for at, told in found
        ][::-1]
    )  # fmt: skip


def mark(one: Listed, world: World) -> dict[str, Any]:
    at = str(world.price_time())
    return {"instType": "SWAP", "instId": market_id(one), "markPx": str(world.mark(one.symbol)), "ts": at}


async def mark_price(request: Request) -> Response:
    world = request.scope["world"]
    return answered([mark(one, world) for one in world.listed.values()])


async def open_interest(request: Request) -> Response:
    world = request.scope["world"]
    one = find(world, request.query_params.get("instId"))
    if one is None:
        return as_json(NOTHING)
    contracts = Decimal(one.open_interest) / CONTRACT
    return answered(
        [{"instType": "SWAP", "instId": market_id(one), "oi": f"{contracts:f}", "oiCcy": one.open_interest,
          "ts": str(world.price_time())}]
    )  # fmt: skip


async def books(request: Request) -> Response:
    world = request.scope["world"]
    one = find(world, request.query_params.get("instId"))
    if one is None:
        return as_json(NOTHING)
    sides = world.book(one.symbol)
    bids, asks = ([[p, str(Decimal(q) / CONTRACT), "0", "1"] for p, q in side] for side in sides)
    return answered([{"bids": bids, "asks": asks, "ts": str(world.price_time())}])


async def server_time(request: Request) -> Response:
    return answered([{"ts": str(request.scope["world"].now())}])


# --- Streams ---------------------------------------------------------------------------------------------


async def stream(socket: WebSocket) -> None:
    await serve(socket, heard, told)


def heard(connection: Connection, message: str) -> Iterator[Any]:
    if message == "ping":
        yield "pong"
        return
    asked = json.loads(message)
    for arg in asked.get("args", ()):
        key = (arg["channel"], arg.get("instId"))
        if asked["op"] == "subscribe":
            connection.channels[key] = find(connection.world, arg.get("instId"))
        else:
            connection.channels.pop(key, None)
        yield {"event": asked["op"], "arg": arg, "connId": "1"}


def told(connection: Connection) -> Iterator[Any]:
    world = connection.world
    for (channel, name), one in list(connection.channels.items()):
        if one is None:
            continue
        arg = {"channel": channel, "instId": name}
        if channel == "tickers":
            yield {"arg": arg, "data": [ticker(one, world)]}
        elif channel == "mark-price":
            yield {"arg": arg, "data": [mark(one, world)]}
        elif channel == "funding-rate":
            yield {"arg": arg, "data": [rate(one, world)]}
        elif channel.startswith("candle"):
            timeframe = BARS.get(channel.removeprefix("candle"), channel.removeprefix("candle"))
            rows = [connection.closed_candle((channel, name), one.symbol, timeframe)]
            rows.append(connection.open_candle(one.symbol, timeframe))
            yield from ({"arg": arg, "data": [row_of(world, row, timeframe)]} for row in rows if row)


routes: list[BaseRoute] = [
    Route("/api/v5/public/instruments", instruments),
    Route("/api/v5/public/time", server_time),
    Route("/api/v5/public/funding-rate", funding_rate),
    Route("/api/v5/public/funding-rate-history", funding_history),
    Route("/api/v5/public/mark-price", mark_price),
    Route("/api/v5/public/open-interest", open_interest),
    Route("/api/v5/market/tickers", tickers),
    Route("/api/v5/market/candles", candles),
    Route("/api/v5/market/history-candles", candles),
    Route("/api/v5/market/books", books),
    WebSocketRoute("/ws/v5/public", stream),
    WebSocketRoute("/ws/v5/business", stream),
]
