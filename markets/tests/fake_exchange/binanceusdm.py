"""The public half of Binance USD-M: the shapes of its REST answers and of its market streams.

Signed routes are in `binanceusdm_private`.
"""

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

STATUS = {"trading": "TRADING", "halted": "PENDING_TRADING", "delisted": "SETTLING"}
FOREVER = 4133404800000
_WEIGHTS = {
    "ticker/24hr": (1, 40), "ticker/price": (1, 2), "ticker/bookTicker": (2, 5), "premiumIndex": (1, 10),
}  # fmt: skip


def market_id(one: Listed) -> str:
    return one.base + one.quote


def find(world: World, name: str | None) -> Listed | None:
    return next((one for one in world.listed.values() if market_id(one) == (name or "").upper()), None)


def unknown_symbol() -> Response:
    return as_json({"code": -1121, "msg": "Invalid symbol."}, 400)


def weight(call: Any) -> int:
    """What a call costs, by Binance's table."""
    name = call.path.partition("/v")[2].partition("/")[2]
    if name in _WEIGHTS:
        return _WEIGHTS[name][0 if "symbol" in call.params else 1]
    limit = int(call.params.get("limit", 500))
    if name == "klines":
        return next(cost for most, cost in ((99, 1), (499, 2), (1000, 5), (10**9, 10)) if limit <= most)
    if name == "depth":
        return next(cost for most, cost in ((50, 2), (100, 5), (500, 10), (10**9, 20)) if limit <= most)
    return 1


# --- REST ------------------------------------------------------------------------------------------------


def described(one: Listed, world: World) -> dict[str, Any]:
    tick, step = one.tick, one.step
    return {
        "symbol": market_id(one),
        "pair": market_id(one),
        "contractType": "PERPETUAL",
        "deliveryDate": one.delists_at or FOREVER,
        "onboardDate": 1569398400000,
        "status": STATUS[one.status],
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": one.base,
        "quoteAsset": one.quote,
        "marginAsset": one.quote,
        "pricePrecision": max(0, len(tick.partition(".")[2])),
        "quantityPrecision": max(0, len(step.partition(".")[2])),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "10000000", "tickSize": tick},
            {"filterType": "LOT_SIZE", "stepSize": step, "minQty": one.min_quantity or step, "maxQty": "100000"},
            {
                "filterType": "MARKET_LOT_SIZE",
                "stepSize": step,
                "minQty": one.min_quantity or step,
                "maxQty": one.extra.get("max_quantity", "20000"),
            },
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MIN_NOTIONAL", "notional": one.min_notional},
            {"filterType": "PERCENT_PRICE", "multiplierUp": "1.05", "multiplierDown": "0.95", "multiplierDecimal": "4"},
        ],
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
        **one.extra,
    }


async def exchange_info(request: Request) -> Response:
    world: World = request.scope["world"]
    limits = request.scope["fake"].limits_of[request.scope["exchange"]]
    weights = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": limits.limit}
    orders = {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200}
    return as_json(
        {
            "timezone": "UTC",
            "serverTime": world.now(),
            "rateLimits": [weights, orders],
            "exchangeFilters": [],
            "assets": [],
            "symbols": [described(one, world) for one in world.listed.values()],
        }
    )


async def server_time(request: Request) -> Response:
    return as_json({"serverTime": request.scope["world"].now()})


async def ping(request: Request) -> Response:
    return as_json({})


async def klines(request: Request) -> Response:
    world, query = request.scope["world"], request.query_params
    one = find(world, query.get("symbol"))
    if one is None:
        return unknown_symbol()
    first = int(query["startTime"]) if "startTime" in query else None
    last = int(query["endTime"]) if "endTime" in query else None
    limit = min(int(query.get("limit", 500)), 1500)
    candles = world.candles(one.symbol, query["interval"], first, last, limit)
    rows = zip(*candles.columns(), strict=True)
    return as_json([kline_row(row, query["interval"], one, world) for row in rows])


def kline_row(row: Any, timeframe: str, one: Listed, world: World) -> list[Any]:
    at, opened, high, low, close, volume = (float(value) for value in row)
    value = close * volume
    return [
        int(at), text(opened), text(high), text(low), world.told(one.symbol, "candle", text(close)), text(volume),
        int(at) + TIMEFRAMES[timeframe] - 1, text(value), 100, text(volume / 2), text(value / 2), "0",
    ]  # fmt: skip


def chosen(request: Request) -> tuple[list[Listed], bool] | None:
    """The instruments asked for and whether it was one; None for an unknown one."""
    world, name = request.scope["world"], request.query_params.get("symbol")
    if name is None:
        return [one for one in world.listed.values() if one.status != "delisted"], False
    one = find(world, name)
    return ([one], True) if one else None


def _each(request: Request, tell: Any) -> Response:
    found = chosen(request)
    if found is None:
        return unknown_symbol()
    rows = [tell(one, request.scope["world"]) for one in found[0]]
    return as_json(rows[0] if found[1] else rows)


def day_row(one: Listed, world: World) -> dict[str, Any]:
    last, at = world.price(one.symbol), world.price_time()
    before = world.candles(one.symbol, "5m", at - 86_400_000, limit=1)
    opened = before.open[0] if len(before) else float(last)
    return {
        "symbol": market_id(one), "priceChange": text(float(last) - opened),
        "priceChangePercent": f"{(float(last) / opened - 1) * 100:.3f}", "weightedAvgPrice": str(last),
        "lastPrice": world.told(one.symbol, "last", last), "lastQty": "0.1", "openPrice": text(opened),
        "highPrice": text(float(last) * 1.02), "lowPrice": text(float(last) * 0.98), "volume": "120000",
        "quoteVolume": text(120000 * float(last)),
        "openTime": at - 86_400_000, "closeTime": at, "firstId": 1, "lastId": 2, "count": 2,
    }  # fmt: skip


def book_row(one: Listed, world: World) -> dict[str, Any]:
    bids, asks = world.book(one.symbol, 1)
    return {
        "symbol": market_id(one), "bidPrice": world.told(one.symbol, "bid", bids[0][0]), "bidQty": bids[0][1],
        "askPrice": world.told(one.symbol, "ask", asks[0][0]), "askQty": asks[0][1], "time": world.price_time(),
        "lastUpdateId": world.price_time(),
    }  # fmt: skip


def price_row(one: Listed, world: World) -> dict[str, Any]:
    price = world.told(one.symbol, "last", world.price(one.symbol))
    return {"symbol": market_id(one), "price": price, "time": world.price_time()}


def premium_row(one: Listed, world: World) -> dict[str, Any]:
    mark = world.told(one.symbol, "mark", world.mark(one.symbol))
    return {
        "symbol": market_id(one), "markPrice": mark, "indexPrice": mark, "estimatedSettlePrice": mark,
        "lastFundingRate": one.funding_rate, "interestRate": "0.0001", "time": world.price_time(),
        "nextFundingTime": world.next_funding(one.symbol),
    }  # fmt: skip


async def ticker_24hr(request: Request) -> Response:
    return _each(request, day_row)


async def book_ticker(request: Request) -> Response:
    return _each(request, book_row)


async def ticker_price(request: Request) -> Response:
    return _each(request, price_row)


async def premium_index(request: Request) -> Response:
    return _each(request, premium_row)


async def funding_rate(request: Request) -> Response:
    world, query = request.scope["world"], request.query_params
    one = find(world, query.get("symbol"))
    if one is None:
        return unknown_symbol()
    first = int(query["startTime"]) if "startTime" in query else None
    last = int(query["endTime"]) if "endTime" in query else None
    found = world.settlements(one.symbol, first, last, min(int(query.get("limit", 100)), 1000))
    return as_json(
        [
            {"symbol": market_id(one), "fundingTime": at, "fundingRate": rate, "markPrice": str(world.mark(one.symbol))}
            for at, rate in found
        ]
    )


async def funding_info(request: Request) -> Response:
    """Only instruments whose funding differs from every eight hours, as on the exchange."""
    return as_json(
        [
            {
                "symbol": market_id(one), "adjustedFundingRateCap": "0.02", "adjustedFundingRateFloor": "-0.02",
                "fundingIntervalHours": one.funding_hours, "disclaimer": False,
            }
            for one in request.scope["world"].listed.values()
            if one.funding_hours != 8
        ]
    )  # fmt: skip


async def open_interest(request: Request) -> Response:
    one = find(request.scope["world"], request.query_params.get("symbol"))
    if one is None:
        return unknown_symbol()
    now = request.scope["world"].price_time()
    return as_json({"symbol": market_id(one), "openInterest": one.open_interest, "time": now})


async def depth(request: Request) -> Response:
    world, query = request.scope["world"], request.query_params
    one = find(world, query.get("symbol"))
    if one is None:
        return unknown_symbol()
    bids, asks = world.book(one.symbol, min(int(query.get("limit", 500)), 50))
    now = world.price_time()
    return as_json({"lastUpdateId": now, "E": now, "T": now, "bids": bids, "asks": asks})


# --- Streams ---------------------------------------------------------------------------------------------


async def stream(socket: WebSocket) -> None:
    await serve(socket, heard, told)


def heard(connection: Connection, said: str) -> Iterator[Any]:
    message = json.loads(said)
    for name in message.get("params", ()):
        if message["method"] == "SUBSCRIBE":
            connection.channels[name] = find(connection.world, name.partition("@")[0])
        else:
            connection.channels.pop(name, None)
    yield {"result": None, "id": message.get("id")}


def told(connection: Connection) -> Iterator[Any]:
    for name, one in list(connection.channels.items()):
        if one is not None and one.symbol in connection.world.listed:
            yield from pushed(connection, name, one)


def pushed(connection: Connection, name: str, one: Listed) -> Iterator[Any]:
    world, channel = connection.world, name.partition("@")[2]
    at, key = world.price_time(), market_id(one)
    if channel.startswith("kline_"):
        timeframe = channel.removeprefix("kline_")
        if closed := connection.closed_candle(name, one.symbol, timeframe):
            yield kline_push(one, world, timeframe, closed, at, closed_now=True)
        if opened := connection.open_candle(one.symbol, timeframe):
            yield kline_push(one, world, timeframe, opened, at, closed_now=False)
    elif channel == "bookTicker":
        row = book_row(one, world)
        yield {
            "e": "bookTicker", "u": at, "E": at, "T": at, "s": key, "b": row["bidPrice"], "B": row["bidQty"],
            "a": row["askPrice"], "A": row["askQty"],
        }  # fmt: skip
    elif channel.startswith("markPrice"):
        row = premium_row(one, world)
        yield {
            "e": "markPriceUpdate", "E": at, "s": key, "p": row["markPrice"], "i": row["indexPrice"],
            "P": row["markPrice"], "r": one.funding_rate, "T": row["nextFundingTime"],
        }  # fmt: skip
    elif channel in ("miniTicker", "ticker"):
        row = day_row(one, world)
        yield {
            "e": "24hrMiniTicker" if channel == "miniTicker" else "24hrTicker", "E": at, "s": key,
            "c": row["lastPrice"], "o": row["openPrice"], "h": row["highPrice"], "l": row["lowPrice"],
            "v": row["volume"], "q": row["quoteVolume"],
        }  # fmt: skip


def kline_push(
    one: Listed, world: World, timeframe: str, row: list[float], at: int, *, closed_now: bool
) -> dict[str, Any]:
    key = market_id(one)
    start, opened, high, low, close, volume, end, value, *_ = kline_row(row, timeframe, one, world)
    return {
        "e": "kline", "E": at, "s": key,
        "k": {
            "t": start, "T": end, "s": key, "i": timeframe, "f": 1, "L": 2, "o": opened, "c": close, "h": high,
            "l": low, "v": volume, "n": 100, "x": closed_now, "q": value, "V": volume, "Q": value, "B": "0",
        },
    }  # fmt: skip


routes: list[BaseRoute] = [
    Route("/fapi/v1/ping", ping),
    Route("/fapi/v1/time", server_time),
    Route("/fapi/v1/exchangeInfo", exchange_info),
    Route("/fapi/v1/klines", klines),
    Route("/fapi/v1/ticker/24hr", ticker_24hr),
    Route("/fapi/v1/ticker/bookTicker", book_ticker),
    Route("/fapi/v1/ticker/price", ticker_price),
    Route("/fapi/v2/ticker/price", ticker_price),
    Route("/fapi/v1/premiumIndex", premium_index),
    Route("/fapi/v1/fundingRate", funding_rate),
    Route("/fapi/v1/fundingInfo", funding_info),
    Route("/fapi/v1/openInterest", open_interest),
    Route("/fapi/v1/depth", depth),
    WebSocketRoute("/public/ws/{number}", stream),
    WebSocketRoute("/market/ws/{number}", stream),
]
