"""`manage.py up`: everything from nothing in one process. Parses, checks, and hands over to `embedded`."""

import sys
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from tradingsite import embedded

HOST = "127.0.0.1"


def instant(text: str) -> datetime:
    """A date or time of the command line as UTC."""
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


class Command(BaseCommand):
    help = "Start everything in one process: pages, bots, market and guardian. Needs no server."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=settings.PORT, help="port on 127.0.0.1 (default %(default)s)")
        parser.add_argument(
            "--feed",
            default=settings.FEED,
            help="where prices come from: simulated or replay (default %(default)s)",
        )
        parser.add_argument(
            "--speed", type=float, help="market seconds per wall second, at most (default: as before, else 60)"
        )
        parser.add_argument("--seed", type=int, default=7, help="seed of the simulated market (default %(default)s)")
        parser.add_argument("--exchange", help="whose stored candles to replay (default: the one that has any)")
        parser.add_argument("--from", dest="starts_at", type=instant, help="first instant of a replay (UTC)")
        parser.add_argument("--until", dest="ends_at", type=instant, help="last instant of a replay (UTC)")
        parser.add_argument("--fresh", action="store_true", help="begin the feed anew, with new bots and accounts")

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

        feed = market.choose(
            kind=options["feed"],
            exchange=options["exchange"],
            seed=options["seed"],
            speed=options["speed"],
            starts_at=options["starts_at"],
            ends_at=options["ends_at"],
            fresh=options["fresh"],
            say=self.say,
        )
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
