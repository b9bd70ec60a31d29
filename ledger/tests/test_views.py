from datetime import UTC, datetime
from decimal import Decimal as D

import pytest
from django.test import Client

from ledger import sign_in, states
from ledger.models import TradingState, TradingStateKind
from ledger.tests import builders

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff():
    return builders.user("carol", is_staff=True)


@pytest.fixture
def page(client, alice):
    client.force_login(alice)
    return client


# --- Signing in


@pytest.mark.requirement("UI-11")
def test_a_password_signs_in(client, alice):
    answer = client.post("/sign-in/", {"username": "alice", "password": "secret-alice", "next": "/bots/"})
    assert answer.url == "/bots/"
    assert client.get("/").status_code == 200


def test_a_wrong_password_is_said_in_one_sentence(client, alice):
    answer = client.post("/sign-in/", {"username": "alice", "password": "guess"})
    assert "This name and password do not go together." in answer.content.decode()
    assert client.get("/").status_code == 302


def test_nobody_is_sent_to_another_site(client, alice):
    answer = client.post(
        "/sign-in/", {"username": "alice", "password": "secret-alice", "next": "https://evil.example/"}
    )
    assert answer.url == "/"


def test_a_link_signs_in_once(client, alice):
    link = sign_in.link_for(alice)
    assert client.get(link).url == "/"
    assert client.get("/").status_code == 200
    late = Client().get(link)
    assert late.status_code == 410
    assert "This sign-in link was used or is too old." in late.content.decode()
    assert 'name="password"' in late.content.decode()


def test_the_own_link_a_second_time_does_no_harm(client, alice):
    link = sign_in.link_for(alice)
    client.get(link)
    assert client.get(link).url == "/"


def test_a_look_ahead_does_not_use_a_link_up(client, alice):
    link = sign_in.link_for(alice)
    client.head(link)
    assert client.get(link).url == "/"


def test_a_made_up_link_signs_nobody_in(client, alice):
    assert client.get("/sign-in/MQ/c0ffee-123/").status_code == 410
    assert client.get("/").status_code == 302


def test_signing_out_is_a_post(page):
    assert page.get("/sign-out/").status_code == 405
    assert page.post("/sign-out/").url == "/sign-in/"
    assert page.get("/").status_code == 302


def test_forms_need_their_token(alice):
    strict = Client(enforce_csrf_checks=True)
    answer = strict.post("/sign-in/", {"username": "alice", "password": "secret-alice"})
    assert answer.status_code == 403
    assert "too old" in answer.content.decode()


# --- The state of the system


@pytest.mark.requirement("RSK-05")
def test_staff_halts_everything(client, staff):
    client.force_login(staff)
    answer = client.post("/trading-state/", {"state": "halted", "reason": "fire drill"})
    assert answer.url == "/"
    now = states.current_system()
    assert (now.state, now.reason, now.changed_by) == ("halted", "fire drill", staff)


def test_htmx_gets_the_pill_and_the_dialog_closes(client, staff):
    client.force_login(staff)
    answer = client.post("/trading-state/", {"state": "reduce_only"}, headers={"HX-Request": "true"})
    assert answer.headers["HX-Trigger"] == '{"dialog:close": {}}'
    assert 'class="pill reduce_only"' in answer.content.decode()
    assert states.current_system().reason == "Reduce-only by hand"


@pytest.mark.parametrize("state", TradingStateKind.values)
def test_a_dialog_says_what_will_happen_with_numbers(client, staff, state):
    builders.quote()
    book = builders.book()
    builders.position(book)
    builders.order(book)
    client.force_login(staff)
    words = " ".join(client.get(f"/trading-state/{state}/").content.decode().split())
    if state == "active":
        assert "<b>1</b> book," in words
    else:
        assert "<b>1</b> waiting entry order is cancelled" in words
        assert "<b>1</b> open position worth <b>5 000.00</b>" in words


def test_others_may_not_touch_the_system(page):
    assert page.get("/trading-state/halted/").status_code == 403
    answer = page.post("/trading-state/", {"state": "halted"})
    assert answer.status_code == 403
    assert "Only staff may change" in answer.content.decode()
    assert not TradingState.objects.exists()


def test_an_unknown_state_changes_nothing(client, staff):
    client.force_login(staff)
    assert client.post("/trading-state/", {"state": "asleep"}).status_code == 400
    assert client.get("/trading-state/asleep/").status_code == 404
    assert not TradingState.objects.exists()


def test_a_get_changes_nothing(client, staff):
    client.force_login(staff)
    assert client.get("/trading-state/").status_code == 405


# --- Accounts


@pytest.mark.requirement("UI-07")
def test_accounts_with_their_books(page, alice):
    builders.quote()
    account = builders.account(alice, name="Paper one", reconciled_at=datetime.now(UTC))
    builders.position(builders.book(alice, account=account, name="trend", cash=D(9990)))
    builders.account(alice, name="Broken", trouble="The wallet differs by 3 USDT.")
    text = page.get("/accounts/").content.decode()
    assert "Paper one" in text
    assert "9\u202f990.00" in text
    assert "reconciled" in text
    assert "The wallet differs by 3 USDT." in text


def test_accounts_of_others_are_not_shown(page, bob):
    builders.account(bob, name="secret plan")
    text = page.get("/accounts/").content.decode()
    assert "secret plan" not in text
    assert "You have no accounts yet." in text
