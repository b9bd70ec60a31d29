"""What pages are made of: one context and a list of templates per page, shared by view, HTMX GET and socket.

A fragment is a template with one root element and a stable id; so the part of the page, the answer to a poll and
the message of a socket are the same text. Everything starts from its owner; nothing here changes anything.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.utils.functional import SimpleLazyObject

from ledger import fragments as ledger
from ledger import states
from ledger.models import Account, Alert, Book, Lock, Order, Position, Role, User
from ledger.valuation import marked, portfolio
from markets import connections
from markets.feeds import clock
from markets.models import Feed, Instrument, Quote

from . import charts, market_page, policies, statistics_table, timeline
from .domain.what_if import counted
from .leaderboard import Standing, standings
from .limits import uses
from .models import Bot, Budget
from .position_cards import cards
from .pulse import Pulse, pulse

Context = dict[str, Any]
Asked = Mapping[str, str]  # the query of a page or a socket


@dataclass(frozen=True, slots=True)
class Page:
    """`build` makes the context of the whole page, `parts` are the templates that live on.

    `want` leaves word for a worker of what the page needs computed: before the reading, which changes nothing.
    """

    build: Callable[[User, Asked, datetime], Context]
    parts: tuple[str, ...] = ()
    want: Callable[[User, Asked, datetime], None] | None = None


def frame(request: HttpRequest) -> Context:
    """Context processor: the frame of pages that bring none, read only where a template asks for it."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"version": version()}
    built = SimpleLazyObject(lambda: pulse(user=user, feed=feed_of(user, {}), now=datetime.now(UTC)))
    return {"pulse": built, "version": version()}


def version() -> str:
    return str(getattr(settings, "VERSION", ""))


def feed_of(user: User, asked: Asked) -> Feed | None:
    """The feed asked for, else the running one, else the newest. Raises Http404 for one that is not to be seen."""
    if wanted := asked.get("feed"):
        mine = Exists(Account.objects.of(user).filter(feed=OuterRef("pk")))
        return get_object_or_404(Feed.objects.filter(Q(running=True) | mine), pk=number(wanted))
    return Feed.objects.order_by("-running", "-id").first()


def number(text: str) -> int:
    """An id out of a query. Raises Http404 for anything else."""
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Http404("There is no such page.")
    return int(text)


def bots_of(user: User, feed: Feed | None) -> list[Bot]:
    if feed is None:
        return []
    return list(Bot.objects.of(user).on(feed).select_related("book", "policy").order_by("id"))


def around(user: User, feed: Feed | None, now: datetime) -> Context:
    """What every page has: its feed and the pulse for bar and footer."""
    beat: Pulse = pulse(user=user, feed=feed, now=now)
    return {"user": user, "feed": feed, "pulse": beat, "market_now": beat.market_now, "version": version()}


def only_frame(user: User, asked: Asked, now: datetime) -> Context:
    return around(user, feed_of(user, asked), now)


def arena(user: User, asked: Asked, now: datetime) -> Context:
    feed = feed_of(user, asked)
    bots = bots_of(user, feed)
    ranking = standings(bots)
    return {
        **around(user, feed, now),
        "bots": bots,
        "feeds": Feed.objects.filter(accounts__owner=user).distinct().order_by("-running", "-id"),
        "quotes": quotes_of(feed),
        "ranking": ranking,
        "ranking_costs": costs_in(ranking),
        "entries": timeline.of_bots(bots),
        "chart": charts.race(ranking, since=asked.get("since")),
    }


def leaderboard(user: User, asked: Asked, now: datetime) -> Context:
    feed = feed_of(user, asked)
    ranking = standings(bots_of(user, feed))
    return {**around(user, feed, now), "ranking": ranking, "ranking_costs": costs_in(ranking)}


def costs_in(ranking: Iterable[Standing]) -> bool:
    """Whether a bot of the list asks a language model, so that its cost is worth a column."""
    return any(line.asks_a_model for line in ranking)


def bot_list(user: User, asked: Asked, now: datetime) -> Context:
    rows = Bot.objects.of(user).select_related("book__account__feed", "policy", "prompt_version__prompt")
    rows = rows.prefetch_related("instruments")
    bots = list(rows.order_by("-book__account__feed__running", "id"))
    lines = {line.bot.pk: line for line in standings(bots)}
    return {**around(user, feed_of(user, asked), now), "lines": [lines[bot.pk] for bot in bots]}


def bot_page(user: User, asked: Asked, now: datetime) -> Context:
    bot = owned_bot(user, asked.get("id", ""))
    book, feed = bot.book, feed_behind(bot)
    beat = around(user, feed, now)
    positions = list(marked(Position.objects.current().filter(book=book)).select_related("instrument"))
    entries = Order.objects.live().filter(book=book, role=Role.ENTRY).select_related("instrument")
    holdings = portfolio(book, positions, entries)
    timeline_entries, older = timeline.of_bot(bot)
    tables = {f"{name}_listing": rows for name, rows in ledger.newest(book).items()}
    [line] = standings([bot])
    return {
        **beat,
        "bot": bot,
        "line": line,
        "state": states.strictest(book),
        "budget": budget_of(bot, now),
        "instruments": bot.instruments.all(),
        "cards": cards([p for p in positions if p.quantity], beat["market_now"]),
        "waiting": [p for p in positions if not p.quantity],
        "uses": uses(holdings, bot.policy.limits),
        "holdings": holdings,
        "alerts": Alert.objects.open().filter(book=book).order_by("-id"),
        "locks": Lock.objects.holding(beat["market_now"] or now).filter(book=book).order_by("until"),
        "entries": timeline_entries,
        "older": older,
        "chart": charts.equity(line, since=asked.get("since")),
        # Read for the whole page only: its living parts do not show them.
        "statistics": SimpleLazyObject(lambda: statistics_table.tables(bot)),
        **tables,
    }


def budget_of(bot: Bot, now: datetime) -> Budget | None:
    """What the models of a bot may use today and have used; None for a bot that asks none."""
    found = Budget.objects.filter(bot=bot).first() if bot.decider.startswith("model:") else None
    if found is not None and found.day != now.date():
        found.tokens, found.money = 0, Decimal(0)
    return found


def of_policy(user: User, bot: Bot, form: Any, now: datetime) -> Context:
    """The limits of a bot in a form, with what they would have said to its last entries: nothing where one is wrong."""
    found = policies.what_if(bots=[bot], policy=form.instance.limits) if form.is_valid() else []
    feed = feed_behind(bot)
    return {
        **around(user, feed, now),
        "page": "frame",
        "query": f"feed={feed.pk}",
        "bot": bot,
        "form": form,
        "sharing": bot.policy.bots.exclude(pk=bot.pk).order_by("id"),
        "counts": counted(answer for _, answer in found),
        "entries": [(item, answer) for item, answer in found if answer.outcome != "passed"][:20],
    }


def market_list(user: User, asked: Asked, now: datetime) -> Context:
    beat = around(user, feed := feed_of(user, asked), now)
    return {**beat, **market_page.listing(user, feed, beat["market_now"])}


def market(user: User, asked: Asked, now: datetime) -> Context:
    instrument, feed = market_of(user, asked)
    view = market_page.View(user, instrument, feed, clock.now(feed, now), asked)
    return {**around(user, feed, now), **market_page.of(view)}


def want_chart(user: User, asked: Asked, now: datetime) -> None:
    instrument, feed = market_of(user, asked)
    market_page.want(market_page.View(user, instrument, feed, clock.now(feed, now), asked), now)


def market_of(user: User, asked: Asked) -> tuple[Instrument, Feed]:
    """The instrument and the feed of a market's page. Raises Http404 where the user has no such market."""
    feed = number(asked["feed"]) if asked.get("feed") else None
    return market_page.instrument_and_feed(user, number(asked.get("id", "")), feed)


def owned_bot(user: User, pk: str) -> Bot:
    """A bot with all its page needs. Raises Http404 where it is not the user's."""
    rows = Bot.objects.of(user).select_related("book__account__feed", "policy", "prompt_version__prompt")
    rows = rows.prefetch_related("instruments")
    return get_object_or_404(rows, pk=number(pk))


def feed_behind(bot: Bot) -> Feed:
    """The feed on which a bot trades: only books of model spend have no account, and those are no bot's."""
    account = bot.book.account
    assert account is not None
    return account.feed


def accounts(user: User, asked: Asked, now: datetime) -> Context:
    return {**around(user, feed_of(user, asked), now), **ledger.accounts(user)}


def alerts(user: User, asked: Asked, now: datetime) -> Context:
    return {**around(user, feed_of(user, asked), now), **ledger.alerts(user)}


# What a page's own question is made of, beside its name: for its socket and its polls.
KEPT = ("feed", "id", "timeframe", "show")
FRAME = ("_status.html", "_footer.html")
TICKER = "bots/_ticker.html"  # nothing but prices: on live feeds it goes ahead of the rest of its page
PAGES: dict[str, Page] = {
    "frame": Page(only_frame, FRAME),
    "arena": Page(
        arena,
        (*FRAME, TICKER, "bots/_ranking.html", "bots/_stream.html", "bots/_race_data.html"),
    ),
    "leaderboard": Page(leaderboard, (*FRAME, "bots/_ranking.html")),
    "bots": Page(bot_list, (*FRAME, "bots/_list.html")),
    "bot": Page(
        bot_page,
        (
            *FRAME,
            "bots/_head.html",
            "bots/_figures.html",
            "bots/_positions.html",
            "bots/_limits.html",
            "bots/_timeline.html",
            "bots/_equity_data.html",
            "ledger/_positions.html",
            "ledger/_orders.html",
            "ledger/_trades.html",
            "ledger/_journal.html",
        ),
    ),
    "markets": Page(market_list, (*FRAME, "bots/_markets.html")),
    "market": Page(
        market,
        (
            *FRAME,
            "bots/_market_head.html",
            "bots/_market_positions.html",
            "bots/_market_parts.html",
            "bots/_market_funding.html",
            "bots/_market_data.html",
        ),
        want_chart,
    ),
    "accounts": Page(accounts, (*FRAME, "ledger/_accounts.html")),
    "alerts": Page(alerts, (*FRAME, "ledger/_alerts.html")),
}


WITH_TICKER = frozenset(name for name, page in PAGES.items() if TICKER in page.parts)


def context(page: str, user: User, asked: Asked, now: datetime) -> Context:
    """The context of a page at wall time `now`. Raises Http404 for what is not there or not the user's."""
    if page not in PAGES:
        raise Http404("There is no such page.")
    ids = urlencode({name: asked[name] for name in KEPT if asked.get(name)})
    if (want := PAGES[page].want) is not None:
        want(user, asked, now)
    with connections.one_moment():
        return {**PAGES[page].build(user, asked, now), "page": page, "query": ids}


def rendered(page: str, user: User, asked: Asked, now: datetime) -> tuple[dict[str, str], str | None]:
    """Each living part of a page by its template's name, and up to when its chart goes (for `since`)."""
    values = context(page, user, asked, now)
    until = values.get("chart", {}).get("until")
    parts = {name: str(render_to_string(name, values)) for name in PAGES[page].parts}
    return parts, None if until is None else str(until)


def ticker(feed: Feed) -> str:
    """The prices of a feed, which are the same for everybody who may see it."""
    return str(render_to_string(TICKER, {"feed": feed, "quotes": quotes_of(feed)}))


def quotes_of(feed: Feed | None) -> QuerySet[Quote]:
    return Quote.objects.filter(feed=feed).select_related("instrument").order_by("instrument__symbol")


def groups(page: str, user: Any, asked: Asked) -> list[str]:
    """The broadcast groups that concern a page. Raises Http404 for strangers and for what is not the user's."""
    if page not in PAGES or user is None or not user.is_authenticated:
        raise Http404("There is no such page.")
    if page == "bot":
        bot = owned_bot(user, asked.get("id", ""))
        return [f"feed-{feed_behind(bot).pk}", f"book-{bot.book_id}", f"user-{user.pk}"]
    if page == "market":
        instrument, feed = market_of(user, asked)
        return [*_feed_and_books(user, feed), f"market-{instrument.pk}"]
    return _feed_and_books(user, feed_of(user, asked))


def _feed_and_books(user: User, feed: Feed | None) -> list[str]:
    if feed is None:
        return []
    books = Book.objects.of(user).filter(account__feed=feed).order_by("id")
    return [f"user-{user.pk}", f"feed-{feed.pk}", *(f"book-{pk}" for pk in books.values_list("pk", flat=True))]
