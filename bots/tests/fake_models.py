"""An OpenAI-compatible server for tests: the real client talks to it over HTTP, and it counts every request.

It answers well, slowly, in pieces, wrongly, with any status, or cuts the connection. What it does next is a queue of
behaviours; when that is empty it does `server.otherwise` (by default: it holds everything).

    with fake_models.serving() as server:
        server.then(says({"summary": "…", "items": []}), status(429, {"retry-after": "1"}), cut())
"""

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic, sleep
from typing import Any

Behaviour = Callable[["Handler", dict[str, Any]], None]
USAGE = {
    "prompt_tokens": 1200, "completion_tokens": 300, "total_tokens": 1500,
    "prompt_tokens_details": {"cached_tokens": 1000}, "completion_tokens_details": {"reasoning_tokens": 120},
}  # fmt: skip
HOLD = {"summary": "Nothing to do.", "items": []}


@dataclass
class Server:
    """`requests` are the bodies that came, with their `headers` and the monotonic time `at`."""

    url: str = ""
    otherwise: Behaviour | None = None
    requests: list[dict[str, Any]] = field(default_factory=list)
    queue: deque[Behaviour] = field(default_factory=deque)
    lock: Any = field(default_factory=threading.Lock)
    inside: int = 0
    most_inside: int = 0

    @property
    def count(self) -> int:
        return len(self.requests)

    def then(self, *behaviours: Behaviour) -> None:
        """What it does with the next requests, one after the other."""
        self.queue.extend(behaviours)


@contextmanager
def serving(otherwise: Behaviour | None = None, host: str = "127.0.0.1", port: int = 0) -> Iterator[Server]:
    """A server in threads of this process."""
    told = Server(otherwise=otherwise)
    http = type("Http", (ThreadingHTTPServer,), {"daemon_threads": True, "request_queue_size": 512})
    served = http((host, port), type("Told", (Handler,), {"told": told}))
    told.url = f"http://{host}:{served.server_address[1]}/v1"
    thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        served.shutdown()
        served.server_close()


class Handler(BaseHTTPRequestHandler):
    told: Server
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        body = json.loads(raw or b"{}")
        told = self.told
        with told.lock:
            told.requests.append(
                {
                    **body,
                    "headers": {k.lower(): v for k, v in self.headers.items()},
                    "path": self.path,
                    "at": monotonic(),
                    "raw": raw.decode(),
                }
            )
            behaviour = told.queue.popleft() if told.queue else (told.otherwise or says(HOLD))
            told.inside += 1
            told.most_inside = max(told.most_inside, told.inside)
        try:
            behaviour(self, body)
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            with told.lock:
                told.inside -= 1

    def send_whole(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"content-type": "application/json", "x-request-id": "req-7", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def completion(
    text: str | None, *, usage: Any = USAGE, reasoning: str = "", finish: str = "stop", tool: Any = None
) -> dict[str, Any]:
    """The body of a good answer. With `tool` the text goes into the arguments of that tool."""
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if tool:
        call = {"id": "c1", "type": "function", "function": {"name": tool, "arguments": text}}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
    if reasoning:
        message["reasoning_content"] = reasoning
    choice = {"index": 0, "message": message, "finish_reason": finish}
    found = {"id": "chatcmpl-1", "object": "chat.completion", "model": "fake", "choices": [choice]}
    return found if usage is None else {**found, "usage": usage}


def says(answer: Any, **more: Any) -> Behaviour:
    """Answers with this text, or with this value as JSON; through the tool where one was offered."""
    text = answer if isinstance(answer, str) else json.dumps(answer)

    def behave(handler: Handler, body: dict[str, Any]) -> None:
        offered = body.get("tools") or [{}]
        tool = offered[0].get("function", {}).get("name")
        handler.send_whole(200, json.dumps(completion(text, tool=tool, **more)).encode("utf-8", "surrogatepass"))

    return behave


def status(number: int, headers: dict[str, str] | None = None, message: str = "no", **error: Any) -> Behaviour:
    """An error with this status, in OpenAI's form."""
    body = json.dumps({"error": {"message": message, **error}}).encode()
    return lambda handler, _: handler.send_whole(number, body, headers)


def refuses(parameter: str) -> Behaviour:
    """A 400 that says a parameter is not supported."""
    return status(
        400, message=f"Unsupported parameter: '{parameter}' is not supported with this model.", param=parameter
    )


def raw(body: bytes, number: int = 200, headers: dict[str, str] | None = None) -> Behaviour:
    return lambda handler, _: handler.send_whole(number, body, headers)


def slowly(seconds: float, inner: Behaviour | None = None) -> Behaviour:
    """Thinks first."""

    def behave(handler: Handler, body: dict[str, Any]) -> None:
        sleep(seconds)
        (inner or says(HOLD))(handler, body)

    return behave


def in_pieces(text: str, gap: float, pieces: int = 10, before: bytes = b"") -> Behaviour:
    """Sends headers at once and the body bit by bit."""
    body = before + json.dumps(completion(text)).encode()

    def behave(handler: Handler, _: dict[str, Any]) -> None:
        handler.send_response(200)
        handler.send_header("content-type", "application/json")
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        size = len(body) // pieces + 1
        for at in range(0, len(body), size):
            handler.wfile.write(body[at : at + size])
            handler.wfile.flush()
            sleep(gap)

    return behave


def cut(after: int = 0) -> Behaviour:
    """Cuts the connection, after so many bytes of a body that promised more."""

    def behave(handler: Handler, _: dict[str, Any]) -> None:
        handler.close_connection = True
        if after:
            handler.send_response(200)
            handler.send_header("content-length", "100000")
            handler.end_headers()
            handler.wfile.write(b" " * after)
            handler.wfile.flush()
        handler.connection.shutdown(2)

    return behave


def huge(megabytes: int) -> Behaviour:
    """A good answer whose text is this large."""
    return says("x" * megabytes * 1_000_000)


def main() -> None:
    """Serve from the command line for other processes: prints its address, holds everything, and stays."""
    import sys

    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 0.0
    with serving(slowly(seconds) if seconds else None) as server:
        sys.stdout.write(server.url + "\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
