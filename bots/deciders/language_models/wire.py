"""The connection to a provider: every wait ends at one deadline, an answer has a largest size, no proxy is guessed.

Time-outs of HTTP clients count for each read anew, so a server that sends a byte now and then would hold a worker for
ever. Here each wait is cut to what is left until the deadline of the call.
"""

import threading
from collections.abc import Iterator
from functools import cache
from time import monotonic
from typing import Any

MOST_BYTES = 5_000_000
CONNECT_SECONDS = 10.0
CONNECTIONS = 400

_until = threading.local()


class TooLong(Exception):
    """The answer is larger than what is read."""


class Packed(Exception):
    """The answer came compressed although that was not asked for: unpacked, it could be of any size."""


def left() -> float:
    """Seconds until this thread's call must be over; never below zero."""
    return max(_until.at - monotonic(), 0.0)


def transport(seconds: float) -> Any:
    """A transport for one call of this thread, which may take so long. It shares its connections with all others."""
    _until.at = monotonic() + seconds
    return _bounded()(_shared())


@cache
def _bounded() -> Any:
    import httpx2

    class Bounded(httpx2.BaseTransport):
        """Counts the bytes of an answer. Closing it leaves the shared connections alone."""

        def __init__(self, inner: httpx2.BaseTransport) -> None:
            self.inner = inner

        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            response = self.inner.handle_request(request)
            if response.headers.get("content-encoding", "identity") != "identity":
                response.close()
                raise Packed
            response.stream = Counted(response.stream)
            return response

        def close(self) -> None:
            pass

    class Counted(httpx2.SyncByteStream):
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def __iter__(self) -> Iterator[bytes]:
            size = 0
            for chunk in self.inner:
                size += len(chunk)
                if size > MOST_BYTES:
                    raise TooLong
                yield chunk

        def close(self) -> None:
            self.inner.close()

    return Bounded


@cache
def _shared() -> Any:
    import httpcore2
    import httpx2

    shared = httpx2.HTTPTransport(trust_env=False)
    # The transport offers no place for a network of one's own; its pool does.
    context = httpx2.create_ssl_context(trust_env=False)
    shared._pool = httpcore2.ConnectionPool(
        ssl_context=context, max_connections=CONNECTIONS, keepalive_expiry=20.0, network_backend=_network()
    )
    return shared


@cache
def _network() -> Any:
    import httpcore2

    class Punctual(httpcore2.NetworkStream):
        """A stream whose every wait is cut to what is left for the call of this thread."""

        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            remaining = left()
            if not remaining:
                raise httpcore2.ReadTimeout
            return bytes(self.inner.read(max_bytes, remaining))

        def write(self, buffer: bytes, timeout: float | None = None) -> None:
            self.inner.write(buffer, left() or 0.001)

        def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> Any:
            return Punctual(self.inner.start_tls(ssl_context, server_hostname, left() or 0.001))

        def get_extra_info(self, info: str) -> Any:
            return self.inner.get_extra_info(info)

        def close(self) -> None:
            self.inner.close()

    class Network(httpcore2.SyncBackend):
        def connect_tcp(self, host: str, port: int, timeout: float | None = None, *more: Any, **options: Any) -> Any:
            return Punctual(super().connect_tcp(host, port, min(left(), CONNECT_SECONDS) or 0.001, *more, **options))

    return Network()
