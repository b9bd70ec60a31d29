"""The public half of Hyperliquid: one address that is asked by POST, and mids without a time in its streams."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from markets.domain.candles import TIMEFRAMES

from .answers import as_json, text
from .sockets import Connection, serve
from .world import Listed, World

quote = "USDC"
limit = 1200
WEIGHTS = {"l2Book": 2, "allMids": 2, "candleSnapshot": 4, "exchangeStatus": 2}


def weight(call: Any) -> int:
    try:
        return WEIGHTS.get(json.loads(call.body)["type"], 20) if call.path == "/info" else 1
    except (ValueError, KeyError, TypeError):
        return 20


def find(world: World, name: str) -> Listed | None:
    return next((one for one in world.listed.values() if one.base == name), None)


def contexts(world: World, _: Any) -> list[Any]:
    universe, told_of = [], []
    for one in world.listed.values():
        entry = {"szDecimals": len(one.step.partition(".")[2]), "name": one.base, "maxLeverage": one.max_leverage}
        universe.append({**entry, "marginTableId": 50, **({"isDelisted": True} if one.status == "delisted" else {})})
        price, (bids, asks) = str(world.price(one.symbol)), world.book(one.symbol, 1)
        told_of.append(
            {
                "funding": one.funding_rate,
                "openInterest": one.open_interest,
                "prevDayPx": price,
                "dayNtlVlm": "90000000.0",
                "premium": "0.0001",
                "oraclePx": price,
                "markPx": str(world.mark(one.symbol)),
                "midPx": price,
                "impactPxs": [bids[0][0], asks[0][0]],
                "dayBaseVlm": "1000.0",
            }
        )
    return [{"universe": universe, "marginTables": []}, told_of]


def candle_snapshot(world: World, asked: Any) -> list[Any]:
    wanted = asked["req"]
    one = find(world, wanted["coin"])
    if one is None:
        return []
    found = world.candles(one.symbol, wanted["interval"], wanted["startTime"], wanted.get("endTime"), 5000)
    return [candle(one, wanted["interval"], row) for row in zip(*found.columns(), strict=True)]


def candle(one: Listed, timeframe: str, row: Any) -> dict[str, Any]:
    at, opened, high, low, close, volume = (float(value) for value in row)
    return {
        "t": int(at), "T": int(at) + TIMEFRAMES[timeframe] - 1, "s": one.base, "i": timeframe, "o": text(opened),
        "c": text(close), "h": text(high), "l": text(low), "v": text(volume), "n": 10,
    }  # fmt: skip


def funding_history(world: World, asked: Any) -> list[Any]:
    one = find(world, asked["coin"])
    found = world.settlements(one.symbol, asked.get("startTime"), asked.get("endTime"), 500) if one else []
    return [
        {"coin": asked["coin"], "fundingRate": rate, "premium": "0.0001", "time": at} for at, rate in found
    ]  # fmt: skip


def book(world: World, asked: Any) -> Any:
    one = find(world, asked["coin"])
    if one is None:
        return None
    sides = [[{"px": price, "sz": size, "n": 1} for price, size in side] for side in world.book(one.symbol)]
    return {"coin": asked["coin"], "time": world.price_time(), "levels": sides}


def mids(world: World, _: Any) -> dict[str, str]:
    return {one.base: str(world.price(one.symbol)) for one in world.listed.values()}


def status(world: World, _: Any) -> dict[str, Any]:
    return {"specialStatuses": None, "time": world.now()}


QUESTIONS: dict[str, Callable[[World, Any], Any]] = {
    "metaAndAssetCtxs": contexts,
    "meta": lambda world, asked: contexts(world, asked)[0],
    "candleSnapshot": candle_snapshot,
    "fundingHistory": funding_history,
    "l2Book": book,
    "allMids": mids,
    "exchangeStatus": status,
}


async def info(request: Request) -> Response:
    asked = await request.json()
    answer = QUESTIONS.get(asked.get("type"))
    if answer is None:
        return Response("Failed to deserialize the JSON body into the target type", 422)
    return as_json(answer(request.scope["world"], asked))


# --- Streams ---------------------------------------------------------------------------------------------


async def stream(socket: WebSocket) -> None:
    await serve(socket, heard, told)


def heard(connection: Connection, message: str) -> Iterator[Any]:
    asked = json.loads(message)
    if asked["method"] == "ping":
        yield {"channel": "pong"}
        return
    wanted = asked["subscription"]
    key = (wanted["type"], wanted.get("coin"), wanted.get("interval"))
    if asked["method"] == "subscribe":
        connection.channels[key] = wanted
    else:
        connection.channels.pop(key, None)
    yield {"channel": "subscriptionResponse", "data": asked}


def told(connection: Connection) -> Iterator[Any]:
    world = connection.world
    for (kind, coin, timeframe), _ in list(connection.channels.items()):
        if kind == "allMids":
            yield {"channel": "allMids", "data": {"mids": mids(world, None)}}
        elif kind == "candle" and (one := find(world, coin)):
            rows = [connection.closed_candle((coin, timeframe), one.symbol, timeframe)]
            rows.append(connection.open_candle(one.symbol, timeframe))
            yield from ({"channel": "candle", "data": candle(one, timeframe, row)} for row in rows if row)


routes: list[BaseRoute] = [Route("/info", info, methods=["POST"]), WebSocketRoute("/ws", stream)]
