"""The control endpoint: another process reads the log, scripts faults and moves the world over HTTP.

`GET /_control/calls?path=&exchange=&since=` the log, `DELETE` forgets it; `POST /_control/faults` one fault as the
fields of `Fault`, `DELETE` all; `POST /_control/world?exchange=` what `World.change` takes; `GET /_control/state`.
"""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


def _fake(request: Request) -> Any:
    return request.scope["fake"]


async def state(request: Request) -> JSONResponse:
    fake = _fake(request)
    return JSONResponse(
        {
            name: {
                "now": world.now(),
                "prices": {symbol: str(world.price(symbol)) for symbol in world.listed},
                "used_weight": fake.limits_of[name].used,
                "banned_until": fake.limits_of[name].banned_until,
                "calls": fake.log.count(exchange=name),
            }
            for name, world in fake.worlds.items()
        }
    )


async def calls(request: Request) -> JSONResponse:
    log = _fake(request).log
    if request.method == "DELETE":
        log.clear()
        return JSONResponse({"forgotten": True})
    query = request.query_params
    found = log.of(query.get("path", ""), exchange=query.get("exchange", ""), since=int(query.get("since", 0)))
    return JSONResponse(
        {"count": len(found), "last": log.last, "calls": [call.as_json() for call in found], "sockets": log.sockets}
    )


async def faults(request: Request) -> JSONResponse:
    scripted = _fake(request).faults
    if request.method == "DELETE":
        scripted.clear()
        return JSONResponse({"forgotten": True})
    given = await request.json()
    fault = scripted.add(given.pop("kind"), given.pop("path", ""), **given)
    return JSONResponse({"kind": fault.kind, "path": fault.path})


async def world(request: Request) -> JSONResponse:
    fake = _fake(request)
    name = request.query_params.get("exchange", fake.exchange)
    orders = await request.json()
    if "ban" in orders:
        fake.limits_of[name].ban(fake.worlds[name].now(), float(orders["ban"]))
    if "weight_limit" in orders:
        fake.limits_of[name].limit = int(orders["weight_limit"])
    fake.worlds[name].change(orders)
    return JSONResponse({"now": fake.worlds[name].now()})


routes = [
    Route("/state", state),
    Route("/calls", calls, methods=["GET", "DELETE"]),
    Route("/faults", faults, methods=["POST", "DELETE"]),
    Route("/world", world, methods=["POST"]),
]
