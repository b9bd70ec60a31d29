"""`manage.py feed`: which market the processes of production run. They follow within a second."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ledger import sign_in
from markets.models import Feed
from tradingsite import demo, embedded, feed_options, market

STOP = "stop"


class Command(BaseCommand):
    help = (
        "Choose the market that runs: prepare it at its first use and set it going. With --demo the demo user gets "
        "bots on it. `feed stop` lets none run: time stands still, stops rest at the venue."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "kind",
            nargs="?",
            default=settings.FEED,
            help="simulated, replay, an exchange, or stop (default %(default)s)",
        )
        parser.add_argument("--demo", action="store_true", help="the demo user with its bots, and a sign-in link")
        feed_options.add(parser)

    def handle(self, **options: Any) -> None:
        if options["kind"] == STOP:
            stopped = Feed.objects.running().update(running=False)
            self.say("The market stands still." if stopped else "No market was running.")
            return
        try:
            feed = market.choose(kind=options["kind"], say=self.say, **feed_options.chosen(options))
        except embedded.CannotStart as problem:
            raise CommandError(str(problem), returncode=2) from None
        if options["demo"]:
            self.show_demo(feed)
        self.say(f"{feed.badge}, market time {feed.market_now:%Y-%m-%d %H:%M} UTC.")

    def show_demo(self, feed: Feed) -> None:
        self.say(f"Sign in as {demo.USER} once with this path of the site: {sign_in.link_for(demo.ensure(feed))}")

    def say(self, sentence: str) -> None:
        self.stdout.write(sentence)
