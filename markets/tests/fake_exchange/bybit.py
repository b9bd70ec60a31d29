"""The public half of Bybit's version 5, linear perpetuals."""

import json
from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from markets.domain.candles import TIMEFRAMES

from .answers import as_json, text
from .sockets import Connection, serve
from .world import Listed, World

limit = 3000
STATES = {"trading": "Trading", "halted": "Closed", "delisted": "Closed"}
INTERVALS = {"1": "1m", "3": "3m", "5": "5m", "15": "15m", "30": "30m", "60": "1h", "120": "2h", "240": "4h",
             "480": "8h", "720": "12h", "D": "1d"}  # fmt: skip


def market_id(one: Listed) -> str:
    return one.base + one.quote


def find(world: World, name: str | None) -> Listed | None:
    return next((one for one in world.listed.values() if market_id(one) == name), None)


def answered(request: Request, result: Any) -> Response:
    return as_json(
        {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": request.scope["world"].now()}
    )


def unknown() -> Response:
    return as_json({"retCode": 10001, "retMsg": "params error: symbol invalid", "result": {}, "retExtInfo": {}})


def described(one: Listed) -> dict[str, Any]:
    least = one.min_quantity or one.step
    return {
        "symbol": market_id(one), "contractType": "LinearPerpetual", "status": STATES[one.status],
        "baseCoin": one.base, "quoteCoin": one.quote, "settleCoin": one.quote, "launchTime": "1584230400000",
        "deliveryTime": str(one.delists_at or 0), "deliveryFeeRate": "", "priceScale": "2",
        "leverageFilter": {"minLeverage": "1", "maxLeverage": f"{one.max_leverage}.00", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": one.tick, "maxPrice": "1999999.80", "tickSize": one.tick},
        "lotSizeFilter": {"maxOrderQty": "1190", "minOrderQty": least, "qtyStep": one.step,
                          "maxMktOrderQty": "500", "minNotionalValue": one.min_notional},
        "unifiedMarginTrade": True, "fundingInterval": one.funding_hours * 60, "copyTrading": "both",
        "isPreListing": False,
    }  # fmt: skip


def ticker(one: Listed, world: World) -> dict[str, Any]:
    last, (bids, asks) = str(world.price(one.symbol)), world.book(one.symbol, 1)
    return {
        "symbol": market_id(one), "lastPrice": last, "indexPrice": last, "markPrice": str(world.mark(one.symbol)),
        "prevPrice24h": last, "price24hPcnt": "0.01", "highPrice24h": last, "lowPrice24h": last, "prevPrice1h": last,
        "openInterest": one.open_interest, "openInterestValue": "1", "turnover24h": "500000000",
        "volume24h": "8000", "fundingRate": one.funding_rate, "nextFundingTime": str(world.next_funding(one.symbol)),
        "bid1Price": bids[0][0], "bid1Size": bids[0][1], "ask1Price": asks[0][0], "ask1Size": asks[0][1],
        "deliveryTime": "0", "fundingIntervalHour": str(one.funding_hours),
    }  # fmt: skip


async def instruments(request: Request) -> Response:
    listed = request.scope["world"].listed.values()
    linear = request.query_params.get("category") == "linear" and "status" not in request.query_params
    rows = [described(one) for one in listed] if linear else []
    return answered(request, {"category": "linear", "list": rows, "nextPageCursor": ""})


async def tickers(request: Request) -> Response:
    world = request.scope["world"]
    rows = [ticker(one, world) for one in world.listed.values() if one.status != "delisted"]
    return answered(request, {"category": "linear", "list": rows})


async def kline(request: Request) -> Response:
    world, query = request.scope["world"], request.query_params
    one = find(world, query.get("symbol"))
    if one is None:
        return unknown()
    first = int(query["start"]) if "start" in query else None
    last = int(query["end"]) if "end" in query else None
    found = world.candles(
        one.symbol, INTERVALS[query["interval"]], first, last, min(int(query.get("limit", 200)), 1000)
    )
    rows = [
        [str(int(at)), *map(text, map(float, prices)), text(float(prices[3]) * float(volume))]
        for at, *prices, volume in zip(*found.columns(), strict=True)
    ]
    for row, volume in zip(rows, found.volume, strict=True):
        row.insert(5, text(float(volume)))
    return answered(request, {"category": "linear", "symbol": market_id(one), "list": rows[::-1]})


async def funding_history(request: Request) -> Response:
    world, query = request.scope["world"], request.query_params
    one = find(world, query.get("symbol"))
    if one is None:
        return unknown()
    first = int(query["startTime"]) if "startTime" in query else None
    found = world.settlements(one.symbol, first, None, min(int(query.get("limit", 200)), 200))
    rows = [
        {"symbol": market_id(one), "fundingRate": rate, "fundingRateTimestamp": str(at)} for at, rate in found
    ]  # fmt: skip
    return answered(request, {"category": "linear", "list": rows[::-1]})


async def open_interest(request: Request) -> Response:
    world = request.scope["world"]
    one = find(world, request.query_params.get("symbol"))
    if one is None:
        return unknown()
    row = {"openInterest": one.open_interest, "timestamp": str(world.price_time())}
    return answered(request, {"symbol": market_id(one), "category": "linear", "list": [row], "nextPageCursor": ""})


async def orderbook(request: Request) -> Response:
    world = request.scope["world"]
    one = find(world, request.query_params.get("symbol"))
    if one is None:
        return unknown()
    bids, asks = world.book(one.symbol)
    return answered(request, {"s": market_id(one), "b": bids, "a": asks, "ts": world.price_time(), "u": 1, "seq": 1})


async def server_time(request: Request) -> Response:
    now = request.scope["world"].now()
    return answered(request, {"timeSecond": str(now // 1000), "timeNano": str(now * 1_000_000)})


# --- Streams ---------------------------------------------------------------------------------------------


async def stream(socket: WebSocket) -> None:
    await serve(socket, heard, told)


def heard(connection: Connection, message: str) -> Iterator[Any]:
    asked = json.loads(message)
    if asked.get("op") == "ping":
        yield {"success": True, "ret_msg": "pong", "op": "ping", "req_id": asked.get("req_id")}
        return
    for topic in asked.get("args", ()):
        if asked["op"] == "subscribe":
            connection.channels[topic] = find(connection.world, topic.rpartition(".")[2])
        else:
            connection.channels.pop(topic, None)
    yield {"success": True, "ret_msg": "", "op": asked["op"], "req_id": asked.get("req_id"), "conn_id": "1"}


def told(connection: Connection) -> Iterator[Any]:
    world, at = connection.world, connection.world.price_time()
    for topic, one in list(connection.channels.items()):
        if one is None:
            continue
        if topic.startswith("tickers."):
            yield {"topic": topic, "type": "snapshot", "data": ticker(one, world), "cs": at, "ts": at}
        elif topic.startswith("kline."):
            interval = topic.split(".")[1]
            timeframe = INTERVALS[interval]
            rows = [(connection.closed_candle(topic, one.symbol, timeframe), True)]
            rows.append((connection.open_candle(one.symbol, timeframe), False))
            yield from (_candle(topic, interval, row, closed, at) for row, closed in rows if row)


def _candle(topic: str, interval: str, row: list[float], closed: bool, at: int) -> dict[str, Any]:
    start, opened, high, low, close, volume = row
    told_row = {
        "start": int(start), "end": int(start) + TIMEFRAMES[INTERVALS[interval]] - 1, "interval": interval,
        "open": text(opened), "close": text(close), "high": text(high), "low": text(low), "volume": text(volume),
        "turnover": text(volume * close), "confirm": closed, "timestamp": at,
    }  # fmt: skip
    return {"topic": topic, "type": "snapshot", "data": [told_row], "ts": at}


routes: list[BaseRoute] = [
    Route("/v5/market/instruments-info", instruments),
    Route("/v5/market/tickers", tickers),
    Route("/v5/market/kline", kline),
    Route("/v5/market/funding/history", funding_history),
    Route("/v5/market/open-interest", open_interest),
    Route("/v5/market/orderbook", orderbook),
    Route("/v5/market/time", server_time),
    WebSocketRoute("/v5/public/linear", stream),
]
