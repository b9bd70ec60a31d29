import csv
import io
import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bots.models import BotStatus, Cycle, Outcome
from bots.tests import rows
from ledger.models import Book
from ledger.tests import builders
from ledger.tests.builders import NOW

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def page(client, alice):
    client.force_login(alice)
    return client


@pytest.fixture
def bot(alice):
    builders.quote()
    return rows.bot(alice, name="Trend", monogram="TR")


def text(answer, status=200):
    assert answer.status_code == status, answer
    return answer.content.decode()


def fill(bot, times=1):
    """History of every kind for a bot."""
    for _ in range(times):
        builders.closed_position(bot.book)
        builders.order(bot.book)
        builders.trade(bot.book, order=builders.order(bot.book))
        builders.cash_entry(bot.book)
        rows.decision(bot, refused=True)
        rows.decision(bot, items=0, acted=False)
    for minute in range(times + 1):
        builders.equity_point(bot.book, at=NOW + timedelta(minutes=minute))


# --- Pages


@pytest.mark.requirement("UI-01")
def test_the_arena(page, bot):
    builders.position(bot.book)
    rows.decision(bot)
    html = text(page.get("/"))
    assert "Trend" in html
    assert "50\u202f000.0" in html
    assert "EMA 20 crossed above EMA 50." in html
    assert "SIMULATED · seed 7 · 60x" in html
    assert 'ws-connect="/ws/pages?page=arena' in html


@pytest.mark.requirement("UI-02")
def test_the_page_of_a_bot(page, bot):
    builders.position(bot.book)
    fill(bot)
    html = text(page.get(f"/bots/{bot.pk}/"))
    for part in ("bot-head", "figures", "positions", "limits", "timeline", "closed", "orders", "trades"):
        assert f'id="{part}"' in html
    assert 'class="ladder"' in html
    assert "50 % of 150 %" in html
    assert f'ws-connect="/ws/pages?page=bot&amp;id={bot.pk}&amp;since=' in html


@pytest.mark.requirement("RSK-03")
def test_a_lock_is_shown_and_lifted(page, bot, alice):
    lock = builders.lock(bot.book)
    builders.lock(
        bot.book, kind="cooldown", reason="Over.", at=NOW - timedelta(hours=2), until=NOW - timedelta(hours=1)
    )
    html = text(page.get(f"/bots/{bot.pk}/"))
    assert "Loss streak" in html
    assert "3 losses in a row." in html
    assert "Over." not in html
    answer = text(page.post(f"/locks/{lock.pk}/lift/", headers=HTMX))
    assert "Trend may enter again." in answer
    assert "3 losses in a row." not in answer
    lock.refresh_from_db()
    assert lock.lifted_by == alice
    assert "was lifted before" in text(page.post(f"/locks/{lock.pk}/lift/", headers=HTMX))


def test_a_lock_of_others_is_not_there(page, bob):
    other = builders.lock(rows.bot(bob).book)
    assert page.post(f"/locks/{other.pk}/lift/").status_code == 404
    assert page.get(f"/locks/{other.pk}/lift/").status_code == 405
    other.refresh_from_db()
    assert other.lifted_at is None


@pytest.mark.requirement("LED-05")
def test_the_figures_of_a_bot_stand_in_tables(page, bot):
    for number in range(12):
        won = builders.closed_position(bot.book, "30" if number % 3 else "-45", closed_at=NOW + timedelta(hours=number))
        builders.cash_entry(bot.book, "1", kind="realised", position=won)
    html = text(page.get(f"/bots/{bot.pk}/"))
    for name in ("Sharpe", "Drawdown by days", "Buy and hold", "Profit factor", "SQN", "Turnover"):
        assert name in html
    assert re.search(r"Win rate <small>\d+ % to \d+ %</small></th><td class=\"n\">67 %", html)
    assert "30.00, −45.00" in html
    assert "Figures of a year begin after 30 days." in html


def test_figures_of_a_year_are_told_after_a_month(page, bot):
    for day in range(31):
        builders.equity_point(bot.book, str(10000 + day * 10 - day % 3 * 25), at=NOW + timedelta(days=day))
    html = text(page.get(f"/bots/{bot.pk}/"))
    assert "Figures of a year begin" not in html
    assert re.search(r"Sharpe <small>[\d.−]+ to [\d.]+</small>", html)


def test_a_waiting_entry_is_told(page, bot):
    builders.position(bot.book, state="opening", quantity="0", opened_at=None)
    assert "the entry order is waiting to be filled" in text(page.get(f"/bots/{bot.pk}/"))


@pytest.mark.requirement("RSK-07")
def test_a_decision_with_every_verdict(page, bot):
    deny = {"code": "max_positions", "effect": "deny", "limit": "4", "value": "4", "text": "No room for a fifth."}
    made = rows.decision(bot, items=0, acted=False, refused=True, raw={"answer": "<script>"})
    rows.item(made, outcome=Outcome.REFUSED, verdicts=[deny])
    builders.order(bot.book, intent=builders.intent(bot.book))
    html = text(page.get(f"/decisions/{made.pk}/"))
    assert "No room for a fifth." in html
    assert "max positions" in html
    assert "12.5" in html  # milliseconds of the step
    assert "&lt;script&gt;" in html
    inside = text(page.get(f"/decisions/{made.pk}/inside/"))
    assert "No room for a fifth." in inside
    assert "<html" not in inside


def test_orders_that_a_decision_caused(page, bot):
    made = rows.decision(bot, items=0)
    cause = builders.intent(bot.book)
    rows.item(made, intent=cause)
    builders.order(bot.book, intent=cause, state="refused", reason="The price is outside the band.")
    assert "The price is outside the band." in text(page.get(f"/decisions/{made.pk}/"))


def test_an_opened_fold_of_holds(page, bot, bob):
    one, other = rows.decision(bot, summary="Too quiet."), rows.decision(rows.bot(bob), summary="Secret.")
    html = text(page.get(f"/holds/?ids={one.pk},{other.pk}"))
    assert "Too quiet." in html
    assert "Secret." not in html
    assert page.get("/holds/?ids=x").status_code == 404


@pytest.mark.parametrize("table", ["positions", "orders", "trades", "journal", "decisions"])
def test_tables_are_read_page_by_page_into_the_past(page, bot, table):
    fill(bot, times=80)
    first = text(page.get(f"/bots/{bot.pk}/{table}/"))
    seen, older = set(ids(first, table)), re.search(r'rel="next" href="(\?before=\d+)"', first)
    while older:
        html = text(page.get(f"/bots/{bot.pk}/{table}/{older[1]}"))
        assert not seen & set(ids(html, table))
        seen |= set(ids(html, table))
        older = re.search(r'rel="next" href="(\?before=\d+)"', html)
    assert len(seen) >= 80
    assert ">Newest<" in html


def ids(html, table):
    kind = {"positions": "closed", "orders": "order", "trades": "trade", "journal": "entry"}.get(table)
    pattern = rf'id="{kind}-(\d+)"' if kind else r'id="(d\d+)"'
    return re.findall(pattern, html)


@pytest.mark.parametrize("before", ["0", "-1", "x", "9" * 20])
def test_a_page_that_does_not_exist(page, bot, before):
    assert page.get(f"/bots/{bot.pk}/trades/?before={before}").status_code == 404


@pytest.mark.requirement("LED-04")
@pytest.mark.parametrize("table", ["trades", "journal"])
def test_tables_as_csv(page, bot, table):
    fill(bot, times=3)
    answer = page.get(f"/bots/{bot.pk}/{table}.csv")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="bot-{bot.pk}-{table}.csv"'
    assert len(list(csv.reader(io.StringIO(text(answer))))) == 4


def test_a_book_leads_to_its_bot(page, bot):
    assert page.get(f"/books/{bot.book_id}/").url == f"/bots/{bot.pk}/"


# --- Numbers of statements


PAGES = {"/": 25, "/leaderboard/": 20, "/bots/": 20, "/accounts/": 20, "/living/arena/": 25}


@pytest.mark.parametrize("address", PAGES)
def test_statements_do_not_grow_with_bots_or_history(page, alice, address):
    builders.quote()

    def statements(count):
        for _ in range(count):
            made = rows.bot(alice)
            builders.position(made.book)
            fill(made, times=3)
        page.get(address)  # what the session and the caches need once
        with CaptureQueriesContext(connection) as queries:
            text(page.get(address))
        return len(queries)

    one = statements(1)
    assert statements(5) == one <= PAGES[address]


def test_statements_of_a_bot_do_not_grow_with_history(page, bot):
    def statements(times):
        fill(bot, times=times)
        page.get(f"/bots/{bot.pk}/")
        with CaptureQueriesContext(connection) as queries:
            text(page.get(f"/bots/{bot.pk}/"))
        Book.objects.get(pk=bot.book_id).equity_points.all().delete()
        return len(queries)

    builders.position(bot.book)
    assert statements(2) == statements(40) <= 32


# --- Controls


@pytest.mark.requirement("BOT-01")
def test_start_pause_and_run_now(page, bot):
    assert page.post(f"/bots/{bot.pk}/start/").url == f"/bots/{bot.pk}/"
    bot.refresh_from_db()
    assert bot.status == BotStatus.RUNNING
    page.post(f"/bots/{bot.pk}/pause/")
    bot.refresh_from_db()
    assert bot.status == BotStatus.PAUSED
    page.post(f"/bots/{bot.pk}/run-now/")
    assert Cycle.objects.filter(bot=bot, trigger="person").count() == 1


def test_what_is_not_possible_is_said(page, bot):
    page.post(f"/bots/{bot.pk}/run-now/")
    again = text(page.post(f"/bots/{bot.pk}/run-now/", headers=HTMX))
    assert "Trend is already due at the next instant." in again
    assert "notice warning" in again
    assert Cycle.objects.count() == 1


def test_htmx_gets_the_parts_that_changed(page, bot):
    answer = page.post(f"/bots/{bot.pk}/start/", headers=HTMX)
    html = text(answer)
    assert answer.headers["HX-Trigger"] == '{"dialog:close": {}}'
    assert "Trend is running" in html
    assert 'id="bot-head"' in html
    assert 'id="equity-data"' not in html
    assert 'id="bot-list"' in text(page.post(f"/bots/{bot.pk}/pause/?from=bots", headers=HTMX))


@pytest.mark.requirement("BOT-06")
def test_flatten_says_its_numbers_and_asks_the_guardian(page, bot):
    builders.position(bot.book)
    builders.order(bot.book)
    words = " ".join(text(page.get(f"/bots/{bot.pk}/flatten/confirm/")).split())
    assert "closes <b>1</b> position at the market price; <b>1</b> waiting entry order is cancelled" in words
    assert "Close 1 position" in words
    assert Book.objects.get(pk=bot.book_id).flatten_requested_at is None
    page.post(f"/bots/{bot.pk}/flatten/")
    assert Book.objects.get(pk=bot.book_id).flatten_requested_at is not None
    assert "flattening" in text(page.get(f"/bots/{bot.pk}/"))


def test_flatten_of_a_flat_bot(page, bot):
    assert "The bot holds nothing." in text(page.get(f"/bots/{bot.pk}/flatten/confirm/"))


CONTROLS = ("start", "pause", "run-now", "flatten")


@pytest.mark.requirement("SEC-03")
@pytest.mark.parametrize("action", CONTROLS)
def test_controls_need_a_post_with_its_token(alice, bot, action):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)
    assert strict.get(f"/bots/{bot.pk}/{action}/").status_code == 405
    assert strict.post(f"/bots/{bot.pk}/{action}/").status_code == 403
    token = re.search(r'"X-CSRFToken": "(\w+)"', text(strict.get("/")))[1]
    assert strict.post(f"/bots/{bot.pk}/{action}/", headers={"X-CSRFToken": token}).status_code == 302


def test_an_unknown_action_is_not_found(page, bot):
    assert page.post(f"/bots/{bot.pk}/explode/").status_code == 404


# --- Who may


def addresses(bot):
    made = rows.decision(bot)
    tables = [f"/bots/{bot.pk}/{table}/" for table in ("positions", "orders", "trades", "journal", "decisions")]
    return [
        f"/bots/{bot.pk}/",
        f"/bots/{bot.pk}/flatten/confirm/",
        f"/bots/{bot.pk}/trades.csv",
        f"/bots/{bot.pk}/journal.csv",
        f"/books/{bot.book_id}/",
        f"/decisions/{made.pk}/",
        f"/decisions/{made.pk}/inside/",
        f"/living/bot/?id={bot.pk}",
        *tables,
    ]


@pytest.mark.requirement("SEC-02")
def test_nothing_of_another_user_is_found(client, bot, bob):
    client.force_login(bob)
    for address in addresses(bot):
        assert client.get(address).status_code == 404, address
    for action in CONTROLS:
        assert client.post(f"/bots/{bot.pk}/{action}/").status_code == 404
    assert "Trend" not in "".join(text(client.get(each)) for each in ("/", "/bots/", "/leaderboard/"))
    bot.refresh_from_db()
    assert bot.status == BotStatus.PAUSED


@pytest.mark.requirement("SEC-02")
def test_strangers_are_sent_to_sign_in(client, bot):
    for address in ["/", "/bots/", "/leaderboard/", "/accounts/", "/holds/", *addresses(bot)]:
        answer = client.get(address)
        if address.startswith("/living/"):
            assert answer.headers["HX-Redirect"] == "/sign-in/"
        else:
            assert answer.url.startswith("/sign-in/?next=/"), address
    for action in CONTROLS:
        assert client.post(f"/bots/{bot.pk}/{action}/").url.startswith("/sign-in/?next=/")


@pytest.mark.parametrize("address", ["/bots/0/", "/decisions/0/", "/living/nonsense/", "/?feed=0", "/books/0/"])
def test_what_does_not_exist_is_not_found(page, address):
    assert "There is no such page, or it is not yours." in text(page.get(address), 404)
