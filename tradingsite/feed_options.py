"""The options of commands that choose a market: which one, from when to when, how fast."""

from argparse import ArgumentParser
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

NAMES = ("speed", "seed", "exchange", "starts_at", "ends_at", "fresh")


def add(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--speed",
        type=float,
        default=settings.SPEED,
        help="market seconds per wall second, at most (default: as before, else 60)",
    )
    parser.add_argument("--seed", type=int, default=7, help="seed of the simulated market (default %(default)s)")
    parser.add_argument("--exchange", help="whose stored candles to replay (default: the one that has any)")
    parser.add_argument("--from", dest="starts_at", type=instant, help="first instant of a replay (UTC)")
    parser.add_argument("--until", dest="ends_at", type=instant, help="last instant of a replay (UTC)")
    parser.add_argument("--fresh", action="store_true", help="begin the feed anew, with new bots and accounts")


def chosen(options: Mapping[str, Any]) -> dict[str, Any]:
    """What `add` added, as `market.choose` takes it."""
    return {name: options[name] for name in NAMES}


def instant(text: str) -> datetime:
    """A date or time of the command line as UTC."""
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
