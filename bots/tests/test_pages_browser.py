"""The pages in a real browser, served by Daphne in this process, so that a test can change a row and announce it."""

import asyncio
import socket
import threading
from datetime import timedelta

import pytest

from bots import consumers, tasks
from bots.models import Bot, BotStatus
from bots.tests import rows
from ledger import sign_in, states
from ledger.tests import builders
from markets import broadcast, history
from markets.models import Feed, Quote
from markets.tests import samples

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PHONE = {"width": 390, "height": 844}
SERVER = {}


@pytest.fixture
def site(settings):
    """The address of the site. The server lives as long as the process: its reactor cannot be started twice."""
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    if not SERVER:
        start_server()
    broadcast.attach(SERVER["loop"])
    yield SERVER["address"]
    broadcast.attach(None)


def start_server():
    from daphne.server import Server

    from tradingsite.asgi import application

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    listening = threading.Event()

    def ready():
        SERVER.update(loop=asyncio.get_event_loop(), address=f"http://127.0.0.1:{port}")
        listening.set()

    server = Server(
        application=application,
        endpoints=[f"tcp:port={port}:interface=127.0.0.1"],
        signal_handlers=False,
        ready_callable=ready,
        verbosity=0,
    )
    threading.Thread(target=server.run, daemon=True).start()
    assert listening.wait(20)


@pytest.fixture
def bot():
    feed = builders.feed(running=True)
    Feed.objects.update(stepped_at="2100-01-01T00:00:00Z")  # never late while the test looks
    builders.quote(price="50000", day_open=49000, funding_rate="0.0001")
    made = rows.bot(builders.user("alice", is_staff=True), name="Trend", monogram="TR", status=BotStatus.RUNNING)
    for minute, equity in enumerate([10000, 10050, 10020]):
        builders.equity_point(made.book, str(equity), at=builders.NOW.replace(minute=minute))
    builders.position(made.book)
    rows.decision(made)
    assert feed.pk
    return made


@pytest.fixture
def page(site, browser, bot):
    """A page of the signed-in owner; whatever its console says ends up in `page.complaints`."""
    tab = browser.new_page()
    tab.complaints = []
    tab.on("pageerror", lambda error: tab.complaints.append(str(error)))
    tab.on("console", lambda line: line.type in ("error", "warning") and tab.complaints.append(line.text))
    tab.goto(site + sign_in.link_for(bot.owner))
    live(tab)
    yield tab
    tab.close()


def live(tab):
    tab.locator('#connection[data-state="live"]').wait_for()
    # A mark in the page's own memory: it is gone after a reload.
    tab.evaluate("window.unbroken = true")


def shown(tab, selector, text):
    tab.locator(selector, has_text=text).first.wait_for()
    assert tab.evaluate("window.unbroken === true")


def move(bot, price):
    Quote.objects.update(last=price, mark=price)
    broadcast.announce(f"feed-{bot.book.account.feed_id}", kind="instant")


@pytest.mark.requirement("UI-01")
@pytest.mark.requirement("UI-09")
def test_the_arena_changes_without_a_reload(page, bot):
    move(bot, 51234)
    shown(page, "#ticker .last", "51\u202f234.0")
    shown(page, "#ranking .equity", "10\u202f123.40")
    rows.decision(bot, items=0, acted=False, refused=True, summary="Said no.")
    broadcast.announce(f"book-{bot.book_id}", kind="decision")
    shown(page, "#stream .what", "Said no.")
    assert page.locator("#race canvas").count() == 1
    assert page.complaints == []


@pytest.mark.requirement("UI-09")
def test_what_a_person_reads_is_not_pushed_away(page, bot):
    page.locator("#stream details summary").first.click()
    shown(page, "#stream .inside", "risk per trade")
    rows.decision(bot, summary="Newer.")
    broadcast.announce(f"book-{bot.book_id}", kind="decision")
    page.get_by_role("button", name="1 new").click()
    assert page.locator("#stream > .decision").count() == 2
    assert page.locator("#stream details[open]").count() == 0
    assert page.complaints == []


@pytest.mark.requirement("UI-02")
def test_a_bot_is_steered_from_its_page(page, bot, site):
    page.goto(f"{site}/bots/{bot.pk}/")
    live(page)
    page.get_by_role("button", name="Pause").click()
    shown(page, "#bot-head .pill", "Paused")
    page.get_by_role("button", name="Flatten…").click()
    page.get_by_role("button", name="Close 1 position").click()
    shown(page, "#bot-head .pill", "flattening")
    assert not page.locator("dialog[open]").count()
    assert Bot.objects.get(pk=bot.pk).book.flatten_requested_at
    assert page.locator(".ladder").count() == 1
    assert page.complaints == []


@pytest.mark.requirement("RSK-05")
def test_the_kill_switch_asks_first(page):
    page.get_by_role("button", name="Halt", exact=True).click()
    page.get_by_role("button", name="Cancel").click()
    assert states.current_system().state == "active"
    page.get_by_role("button", name="Halt", exact=True).click()
    page.get_by_role("button", name="Halt everything").click()
    shown(page, "#trading-state .pill", "Halted")
    assert states.current_system().state == "halted"


@pytest.mark.requirement("UI-09")
def test_a_lost_line_is_said_and_polling_takes_over(page, bot, monkeypatch):
    async def refuse(self):
        await self.close(4404)

    with monkeypatch.context() as patch:
        patch.setattr(consumers.Pages, "connect", refuse)
        page.evaluate("document.querySelector('[ws-connect]')['htmx-internal-data'].webSocket.socket.close()")
        page.locator('#connection[data-state="stale"]').wait_for()
        Quote.objects.update(last=52000)
        shown(page, "#ticker .last", "52\u202f000.0")
        assert page.locator("#connection").inner_text() == "stale · reconnecting"
    page.locator('#connection[data-state="live"]').wait_for()
    assert page.evaluate("window.unbroken === true")


@pytest.fixture
def market(bot):
    """The address of a market with candles, which the chart shows."""
    bitcoin = builders.instrument()
    candles = samples.candles(700, begin=builders.NOW - timedelta(minutes=700), price=50_000)
    history.store(instrument=bitcoin, timeframe="1m", candles=candles)
    builders.trade(bot.book, at=builders.NOW - timedelta(minutes=7))
    return f"/markets/{bitcoin.pk}/?timeframe=1m&show=ema20,rsi"


@pytest.mark.requirement("UI-03")
@pytest.mark.requirement("UI-09")
def test_a_market_moves_without_a_reload_and_a_worker_brings_its_indicators(page, bot, site, market):
    page.goto(site + market)
    live(page)
    shown(page, "#market-why", "being computed by a worker")
    tasks.answer_pages()
    shown(page, "#readout", "EMA 20")
    shown(page, "#readout", "RSI 14")
    assert page.locator("#market-chart canvas").count() > 4
    move(bot, "51234")
    shown(page, "#market-head .price", "51\u202f234.0")
    shown(page, "#readout", "51\u202f234.0")
    page.locator("#market-chart").focus()
    for _ in range(7):
        page.keyboard.press("ArrowLeft")
    shown(page, "#readout", "Trend buy 0.1 at 50000")
    page.keyboard.press("Escape")
    shown(page, "#readout", "runs")
    page.locator(".account > summary").click()
    page.get_by_label("Dark").check()
    shown(page, "#readout", "EMA 20")
    assert page.complaints == []


def test_keys_on_a_chart_without_candles_do_nothing(page, bot, site):
    page.goto(site + f"/markets/{builders.instrument(symbol='SOL/USDT:USDT').pk}/?timeframe=1m")  # no price either
    chart = page.locator("#market-chart")
    chart.dispatch_event("keydown", {"key": "ArrowLeft"})
    for key in ("ArrowRight", "+", "-", "End", "Escape"):
        chart.dispatch_event("keydown", {"key": key})

    page.wait_for_load_state("networkidle")
    assert page.complaints == []


@pytest.mark.requirement("UI-09")
def test_nothing_is_wider_than_a_phone(page, bot, site, market):
    page.set_viewport_size(PHONE)
    pages = (
        "/",
        "/bots/",
        f"/bots/{bot.pk}/",
        f"/bots/{bot.pk}/trades/",
        "/leaderboard/",
        "/accounts/",
        "/markets/",
        market,
    )
    for address in pages:
        page.goto(site + address)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], address
    assert page.complaints == []


def test_the_theme_is_kept(page):
    page.locator(".account > summary").click()
    page.get_by_label("Dark").check()
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_the_crosshair_follows_the_arrow_keys(page):
    page.locator("#race").focus()
    page.keyboard.press("ArrowLeft")
    shown(page, ".tip .row", "Trend")
