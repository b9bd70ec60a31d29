"""`manage.py stream EXCHANGE`: brings the live prices of one exchange, as a process of its own."""

import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from markets.exchanges import clients
from markets.live import driver


class Command(BaseCommand):
    help = (
        "Bring the live prices, candles and funding of EXCHANGE until SIGTERM or SIGINT: by websocket, and by polling "
        "where that falls silent. Of several such processes one works and the others stand by."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("exchange", help="an exchange by its name in ccxt, such as binanceusdm")
        parser.add_argument("--poll", action="store_true", help="ask by REST only, without a websocket")

    def handle(self, **options: Any) -> None:
        exchange = options["exchange"]
        if not clients.exists(exchange):
            raise CommandError(f"There is no exchange «{exchange}» in ccxt.", returncode=2)
        ended = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.set())
        if driver.feed_of(exchange) is None:
            self.stderr.write(f"No live feed of {exchange} runs yet: `manage.py feed {exchange}` opens one. Waiting.")
        self.stderr.write(f"Bringing the prices of {exchange}.")
        driver.run(exchange, ended, websocket=not options["poll"])
        self.stderr.write("Stopped.")
