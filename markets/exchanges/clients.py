"""The only place that makes clients of exchanges (ccxt, and ccxt.pro for streams): what they may do by themselves.

A client asks and orders what it is told and nothing else: no builder fee, referrer, broker id, tag or header, and no
approval of one. ccxt would add all of these; `HIDDEN_ACTS` takes them away, and a test reads every request on the wire.
ccxt takes seconds and a hundred megabytes, so it is imported at the first client, which web and beat never make.
"""

import threading
from collections.abc import Callable, Mapping
from decimal import localcontext
from functools import cache
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings

TIMEOUT_SECONDS = 10.0
DEMO = ("binance", "binanceusdm")
# Only linear perpetuals are listed; a second or third request per start would be for what nobody trades here.
_PERPETUALS: Mapping[str, Mapping[str, Any]] = {
    "aster": {"options": {"defaultType": "swap"}},
    "okx": {"options": {"fetchMarkets": {"types": ["swap"]}, "defaultType": "swap"}},
    "bybit": {"options": {"fetchMarkets": {"types": ["linear"]}, "defaultType": "swap"}},
    "hyperliquid": {"options": {"fetchMarkets": {"types": ["swap"]}, "defaultType": "swap"}},
}

# Their streams tell spot from perpetuals by the host.
_READ_THEIR_HOST = frozenset({"aster"})


class UnknownExchange(ValueError):
    """There is no such exchange in ccxt; the message is the sentence to show."""


class NotAsked(Exception):
    """A request was held back here: nothing was sent. `until` is the wall time (UTC seconds) to wait for."""

    def __init__(self, reason: str, until: float = 0.0) -> None:
        super().__init__(reason)
        self.reason, self.until = reason, until


class Gate(Protocol):
    """Who says whether a request may go out now, and hears how each was answered."""

    def admit(self, cost: float, capacity: float) -> None:
        """Called before each request. `cost` and `capacity` (per minute) are in the exchange's own weights.

        Raises NotAsked where the request must not be sent.
        """

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        """Called with the HTTP status of each answer."""

    def failed(self, reason: str) -> None:
        """Called where a request got no answer."""


def exists(exchange: str) -> bool:
    """Whether ccxt knows the exchange. Imports ccxt."""
    import ccxt

    return exchange in ccxt.exchanges


def client(
    exchange: str,
    *,
    credentials: Mapping[str, Any] | None = None,
    testnet: bool = False,
    gate: Gate | None = None,
    timeout: float = TIMEOUT_SECONDS,
) -> Any:
    """A client that blocks, for one thread at a time. `credentials` are ccxt's own (apiKey, secret, walletAddress, …).

    Without a `gate` requests are not counted anywhere. Raises UnknownExchange.
    """
    import ccxt

    return _made(ccxt, exchange, False, credentials, testnet, gate, timeout)


def streaming_client(exchange: str, *, credentials: Mapping[str, Any] | None = None, testnet: bool = False) -> Any:
    """A client of the exchange's websockets, for one event loop; `await client.close()` ends it.

    It makes no request where it is given the markets of a client that blocks (`share_markets`). Raises UnknownExchange.
    """
    import ccxt.pro

    return _made(ccxt.pro, exchange, True, credentials, testnet, None, TIMEOUT_SECONDS)


def share_markets(source: Any, target: Any) -> None:
    """Spare `target` the request for the instruments that `source` has loaded."""
    target.set_markets(list(source.markets.values()), source.currencies)


def _made(
    module: Any,
    exchange: str,
    streaming: bool,
    credentials: Mapping[str, Any] | None,
    testnet: bool,
    gate: Gate | None,
    timeout: float,
) -> Any:
    kind = getattr(module, exchange, None) if exchange in module.exchanges else None
    if kind is None:
        raise UnknownExchange(f"There is no exchange «{exchange}» that can be {'streamed' if streaming else 'asked'}.")
    config = {"timeout": int(timeout * 1000), "enableRateLimit": gate is not None, **_PERPETUALS.get(exchange, {})}
    made = _quiet(kind, exchange, streaming)({**config, **(credentials or {})})
    made.has["fetchCurrencies"] = False
    made.decimal_to_precision = _apart(made.decimal_to_precision)
    for name, value in HIDDEN_OPTIONS.get(exchange, {}).items():
        made.options[name] = value
    if not streaming:
        made.gate = gate
    if testnet:
        # Binance has closed its futures testnet; demo trading is what came after it.
        made.enable_demo_trading(True) if exchange in DEMO else made.set_sandbox_mode(True)
    if base := settings.EXCHANGE_URLS.get(exchange):
        made.urls["api"] = _moved(made.urls["api"], base, keep=exchange in _READ_THEIR_HOST)
    return made


def _apart(rounding: Callable[..., str]) -> Callable[..., str]:
    """ccxt's rounding without what it does beside: it changes rounding and traps of the whole thread's decimals."""

    def rounded(*args: Any, **kwargs: Any) -> str:
        with localcontext():
            return rounding(*args, **kwargs)

    return rounded


def _moved(urls: Any, base: str, *, keep: bool) -> Any:
    """Every address with the host of `base` instead of the exchange's own; paths stay, below the path of `base`.

    With `keep` the first word of the host of a websocket becomes a folder of its path.
    """
    if isinstance(urls, dict):
        return {name: _moved(value, base, keep=keep) for name, value in urls.items()}
    if not isinstance(urls, str):
        return urls
    there, here = urlsplit(base), urlsplit(urls)
    secure = there.scheme == "https"
    scheme = ("wss" if secure else "ws") if here.scheme in ("ws", "wss") else there.scheme
    host = f"/{here.netloc.partition('.')[0]}" if keep and here.scheme in ("ws", "wss") else ""
    return urlunsplit((scheme, there.netloc, there.path.rstrip("/") + host + here.path, here.query, here.fragment))


# --- What ccxt would do by itself ------------------------------------------------------------------------

HIDDEN_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "aster": {"builderFee": False},
    "hyperliquid": {"builderFee": False, "approvedBuilderFee": False, "refSet": True},
    "okx": {"brokerId": None},
}


class _Gated:
    """Asks the gate before each request and tells it each answer. ccxt's own pauses are never waited for."""

    gate: Gate | None = None
    rateLimit: float

    def throttle(self, cost: float | None = None) -> None:
        if self.gate is not None:
            self.gate.admit(float(cost if cost is not None else 1), 60_000 / self.rateLimit)

    def on_rest_response(self, code: int, reason: Any, url: Any, method: Any, headers: Any, *rest: Any) -> Any:
        if self.gate is not None:
            self.gate.answered(int(code), dict(headers or {}))
        return super().on_rest_response(code, reason, url, method, headers, *rest)  # type: ignore[misc]


class _NoBinanceBroker:
    """Orders without an id get one that names no broker."""

    def generate_client_order_id(self, *_: Any, **__: Any) -> str:
        return str(self.uuid22())  # type: ignore[attr-defined]


class _BinanceUsdm(_NoBinanceBroker):
    """What was traded in an instrument that the exchange lists no more is still asked for, by the name it had."""

    def market(self, symbol: Any) -> Any:
        import ccxt

        try:
            return super().market(symbol)  # type: ignore[misc]
        except ccxt.BadSymbol:
            pair, _, settle = str(symbol).partition(":")
            base, _, quote = pair.partition("/")
            if not base or not settle or settle != quote:
                raise
            kind = {"type": "swap", "swap": True, "contract": True, "linear": True, "spot": False, "option": False}
            names = {"id": base + quote, "symbol": symbol, "base": base, "quote": quote, "settle": settle}
            digits = {"precision": {"amount": 1e-8, "price": 1e-8}}
            return self.safe_market_structure({**kind, **names, **digits})  # type: ignore[attr-defined]


class _NoHyperliquidBuilder:
    """No approval of a builder's fee, not even of nothing: orders that carry a builder need one."""

    def handle_builder_fee_approval(self) -> bool:
        return True

    def initialize_client(self) -> bool:
        return True

    def approve_builder_fee(self, *_: Any, **__: Any) -> None:
        return None

    def set_ref(self) -> bool:
        return True


class _NoHyperliquidBuilderAsync:
    async def handle_builder_fee_approval(self) -> bool:
        return True

    async def initialize_client(self) -> bool:
        return True

    async def approve_builder_fee(self, *_: Any, **__: Any) -> None:
        return None

    async def set_ref(self) -> bool:
        return True


class _NoOkxTag:
    """ccxt tags what has no `clOrdId`, and that is every stop and target: they have an `algoClOrdId` of their own."""

    def sign(self, path: str, api: Any = "public", method: str = "GET", params: Any = None, *rest: Any) -> Any:
        params = {} if params is None else params
        if method == "POST" and path in ("trade/order", "trade/order-algo", "trade/batch-orders"):
            for entry in params if isinstance(params, list) else [params]:
                entry.setdefault("clOrdId", entry.get("algoClOrdId") or self.uuid22())  # type: ignore[attr-defined]
        return super().sign(path, api, method, params, *rest)  # type: ignore[misc]


class _NoBybitReferer:
    def sign(self, *given: Any, **named: Any) -> Any:
        signed = super().sign(*given, **named)  # type: ignore[misc]
        if signed.get("headers"):
            signed["headers"] = {name: value for name, value in signed["headers"].items() if name != "Referer"}
        return signed


class _NoAsterBuilder:
    """No look at approved builders and no approval."""

    def initialize_client(self, *_: Any, **__: Any) -> bool:
        return False


class _NoAsterBuilderAsync:
    async def initialize_client(self, *_: Any, **__: Any) -> bool:
        return False


# By the exchange: what the blocking and what the streaming class is made of besides ccxt's own.
HIDDEN_ACTS: Mapping[str, tuple[type, type]] = {
    "binance": (_NoBinanceBroker, _NoBinanceBroker),
    "binanceusdm": (_BinanceUsdm, _NoBinanceBroker),
    "hyperliquid": (_NoHyperliquidBuilder, _NoHyperliquidBuilderAsync),
    "okx": (_NoOkxTag, _NoOkxTag),
    "bybit": (_NoBybitReferer, _NoBybitReferer),
    "aster": (_NoAsterBuilder, _NoAsterBuilderAsync),
}

_making = threading.Lock()


def _quiet(kind: type, exchange: str, streaming: bool) -> Callable[..., Any]:
    with _making:
        return _class(kind, exchange, streaming)


@cache
def _class(kind: type, exchange: str, streaming: bool) -> type:
    acts = HIDDEN_ACTS.get(exchange)
    mixed = () if acts is None else (acts[streaming],)
    gated = () if streaming else (_Gated,)
    return type(kind.__name__, (*mixed, *gated, kind), {})
