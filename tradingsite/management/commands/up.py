"""`manage.py up`: everything from nothing in one process. Parses, checks, and hands over to `embedded`."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from tradingsite import embedded, feed_options

HOST = "127.0.0.1"


class Command(BaseCommand):
    help = "Start everything in one process: pages, bots, market and guardian. Needs no server."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=settings.PORT, help="port on 127.0.0.1 (default %(default)s)")
        parser.add_argument(
            "--feed",
            default=settings.FEED,
            help="where prices come from: simulated, replay, or an exchange such as binanceusdm (default %(default)s)",
        )
        feed_options.add(parser)

    def handle(self, **options: Any) -> None:
        try:
            embedded.check_port(HOST, options["port"])
            lock = embedded.hold(settings.DATA_DIR)
            self.say("Preparing the database.")
            call_command("migrate", verbosity=0, interactive=False)
            link = self.prepare(options)
        except embedded.CannotStart as problem:
            raise CommandError(str(problem), returncode=2) from None
        with lock:
            embedded.serve(host=HOST, port=options["port"], ready=lambda: self.welcome(options["port"], link))
        self.say("Stopped. Everything is stored; the next start resumes here.")

    def prepare(self, options: dict[str, Any]) -> str:
        """Feed, demo bots and recovery; returns the path of the one-time sign-in link."""
        from bots import dispatch
        from ledger import sign_in
        from tradingsite import demo, market

        feed = market.choose(kind=options["feed"], say=self.say, **feed_options.chosen(options))
        user = demo.ensure(feed)
        interrupted = dispatch.recover(feed=feed)
        if interrupted:
            self.say(f"{interrupted} cycles were cut off by the last stop; the ledger has been brought in line.")
        self.say(f"{feed.badge}, market time {feed.market_now:%Y-%m-%d %H:%M} UTC.")
        return sign_in.link_for(user)

    def welcome(self, port: int, link: str) -> None:
        self.say(f"Running on http://{HOST}:{port}/ (stop with Ctrl+C).")
        self.say(f"Sign in once with this link: http://{HOST}:{port}{link}")

    def say(self, sentence: str) -> None:
        self.stdout.write(sentence)
        sys.stdout.flush()
