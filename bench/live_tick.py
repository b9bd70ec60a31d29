"""From a price at the exchange to the browser: a push of the fake exchange until the page's socket has the number.

The product runs as a user runs it (one process), the exchange and the browser's side of the socket in this one. The
floor is ccxt.pro alone, which only has to hand the same push to a caller. Prints milliseconds.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path
from statistics import quantiles

from markets.tests.fake_exchange import FakeExchange

TICKS, PAUSE = 40, 0.7  # the socket renders twice a second at most: a tick in its pause would measure the pause
BTC, START = "BTC/USDT:USDT", 64_000
STEP, NEAR = 100, 20  # the book arrives before the last trade, and already shows where the price is
PATIENCE = 60.0


def main() -> None:
    with FakeExchange() as fake:
        fake.world.set_price(BTC, START)
        floor = asyncio.run(bare(fake))
        with product(fake) as (process, link):
            ours = watched(fake, link)
            process.terminate()
    found = {"p50": p(ours, 50), "p99": p(ours, 99), "bare_p50": p(floor, 50), "bare_p99": p(floor, 99)}
    sys.stdout.write(json.dumps(found) + "\n")


def p(values: list[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1]


async def bare(fake: FakeExchange) -> list[float]:
    """ccxt.pro alone, unmodified but for its address."""
    import ccxt.pro

    client = ccxt.pro.binanceusdm()
    client.has["fetchCurrencies"] = False
    for name, url in client.urls["api"].items():
        if isinstance(url, str):
            client.urls["api"][name] = fake.url() + "/" + url.split("/", 3)[3]
    client.urls["api"]["ws"]["linear"] = fake.url().replace("http", "ws") + "/ws"
    fake.world.tick_seconds = 3600.0
    took = []
    try:
        await client.load_markets()
        for number in range(TICKS):
            price = START + number
            coming = asyncio.ensure_future(client.watch_bids_asks([BTC]))
            await asyncio.sleep(PAUSE / 7)
            began = time.perf_counter()
            threading.Thread(target=fake.world.set_price, args=(BTC, price)).start()
            await coming
            took.append((time.perf_counter() - began) * 1000)
    finally:
        await client.close()
    return took[1:]


class product:
    """`manage.py up` on the fake exchange until the block ends; gives the process and its sign-in link."""

    def __init__(self, fake: FakeExchange) -> None:
        self.fake = fake

    def __enter__(self) -> tuple["subprocess.Popen[str]", str]:
        self.fake.world.tick_seconds = 0.25
        place = {**os.environ, **self.fake.environment(), "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "manage.py", "up", "--feed", "binanceusdm", "--port", str(port())]
        root = Path(__file__).resolve().parent.parent
        self.process = subprocess.Popen(command, cwd=root, env=place, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if "Sign in once" in line:
                threading.Thread(target=self.process.stdout.read, daemon=True).start()  # or it would block one day
                return self.process, line.split()[-1]
        raise RuntimeError("The product did not start.")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(30)


def port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def watched(fake: FakeExchange, link: str) -> list[float]:
    """The same pushes at the socket of the arena."""
    from websockets.sync.client import connect

    cookies = CookieJar()
    urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies)).open(link)
    host = link.split("/")[2]
    header = "; ".join(f"{cookie.name}={cookie.value}" for cookie in cookies)
    took = []
    with connect(f"ws://{host}/ws/pages?page=arena", additional_headers={"Cookie": header}, max_size=None) as page:
        settle(fake, page)
        fake.world.tick_seconds = 3600.0
        time.sleep(2)
        for number in range(TICKS):
            price = START + STEP * (number % 2)
            drain(page)
            began = time.perf_counter()
            fake.world.set_price(BTC, price)
            until_shown(page, price)
            took.append((time.perf_counter() - began) * 1000)
            time.sleep(PAUSE)
    return took


def settle(fake: FakeExchange, page: object) -> None:
    """Wait until the stream brings what is set."""
    until = time.monotonic() + PATIENCE
    for number in range(1000):
        fake.world.set_price(BTC, START - STEP * (number % 2 + 1))
        try:
            until_shown(page, START - STEP * (number % 2 + 1), 2.0)
            return
        except TimeoutError:
            if time.monotonic() > until:
                raise


def drain(page: object) -> None:
    while True:
        try:
            page.recv(timeout=0)  # type: ignore[attr-defined]
        except TimeoutError:
            return


def until_shown(page: object, price: int, seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while True:
        text = page.recv(timeout=max(until - time.monotonic(), 0.001))  # type: ignore[attr-defined]
        shown = re.findall(r"(\d{5}\.\d)<", re.sub(r"[^\d.<]", "", text))
        if any(abs(float(one) - price) < NEAR for one in shown):
            return


if __name__ == "__main__":
    main()
