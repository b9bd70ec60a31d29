import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.urls import reverse

from ledger.models import (
    Account,
    Alert,
    ApiToken,
    AuditEntry,
    Book,
    CashEntry,
    Discrepancy,
    EquityPoint,
    Lock,
    Order,
    Position,
    Trade,
    TradingState,
    TradingStateKind,
    User,
)
from ledger.tests import builders
from ledger.tokens import digest

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("UI-10")]


def book_state(owner):
    book = builders.book(owner)
    return builders.state(f"book:{book.pk}", book=book)


# Who owns the row is said; the rest is as it comes.
BUILDERS = {
    Account: builders.account,
    Alert: lambda owner: builders.alert(builders.book(owner)),
    ApiToken: lambda owner: builders.token(owner, text=owner.username * 10),
    Book: builders.book,
    CashEntry: lambda owner: builders.cash_entry(builders.book(owner)),
    Discrepancy: lambda owner: builders.discrepancy(builders.account(owner)),
    EquityPoint: lambda owner: builders.equity_point(builders.book(owner)),
    Lock: lambda owner: builders.lock(builders.book(owner)),
    Order: lambda owner: builders.order(builders.book(owner)),
    Position: lambda owner: builders.position(builders.book(owner)),
    Trade: lambda owner: builders.trade(builders.book(owner)),
    TradingState: book_state,
    User: lambda owner: owner,
}
HISTORY = (Alert, CashEntry, Discrepancy, EquityPoint, Lock, Order, Position, Trade, TradingState)
every_model = pytest.mark.parametrize("model", BUILDERS)
every_history = pytest.mark.parametrize("model", HISTORY)


def page(name, model, *args):
    return reverse(f"admin:ledger_{model._meta.model_name}_{name}", args=args)


def text(answer):
    assert answer.status_code == 200
    return answer.content.decode()


def rows_of(answer):
    assert answer.status_code == 200
    return list(answer.context["cl"].queryset)


def choose(client, model, action, *rows, **more):
    chosen = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(page("changelist", model), chosen | more, follow=True)


# --- accounts, books and states --------------------------------------------------------------------------


@pytest.mark.requirement("RSK-05")
@pytest.mark.parametrize("model", [Account, Book])
@pytest.mark.parametrize("state", ["reduce_only", "halted"])
def test_trading_of_an_account_or_a_book_is_restrained_and_let_go_again(root, alice, model, state):
    row, untouched = BUILDERS[model](alice), BUILDERS[model](alice)

    choose(root, model, f"make_{state}", row)

    change = TradingState.objects.current().get()
    assert (change.state, change.changed_by) == (state, alice)
    assert change.scope == f"{model._meta.model_name}:{row.pk}"
    assert {r.pk: r.own_state for r in rows_of(root.get(page("changelist", model)))} == {
        row.pk: state,
        untouched.pk: None,
    }

    for address in (page("changelist", model), page("change", model, row.pk)):
        assert change.get_state_display() in text(root.get(address))

    choose(root, model, "make_active", row)
    assert TradingState.objects.current().get().state == TradingStateKind.ACTIVE


def test_an_account_can_be_renamed_and_limited(root, alice):
    account = builders.account(alice)

    answer = root.post(page("change", Account, account.pk), {"name": "main", "max_exposure": "2.5"})

    assert answer.status_code == 302
    account.refresh_from_db()
    assert (account.name, str(account.max_exposure)) == ("main", "2.5")


def test_the_place_and_the_money_of_an_account_cannot_be_edited(root, alice, bob):
    account, book = builders.account(alice), builders.book(alice)
    other = builders.feed("other")

    root.post(page("change", Account, account.pk), {"name": "a", "max_exposure": "", "feed": other.pk, "owner": bob.pk})
    root.post(page("change", Book, book.pk), {"name": "b", "cash": "1000000", "owner": bob.pk})

    account.refresh_from_db()
    book.refresh_from_db()
    assert (account.name, account.owner, account.feed.name) == ("a", alice, "simulated-7")
    assert (book.name, book.owner, book.cash) == ("b", alice, 10000)


@pytest.mark.parametrize("model", [Account, Book, User])
def test_what_history_hangs_on_is_never_deleted(root, bob, model):
    row = BUILDERS[model](bob)

    assert root.post(page("delete", model, row.pk), {"post": "yes"}).status_code == 403
    choose(root, model, "delete_selected", row, post="yes")

    assert model.objects.filter(pk=row.pk).exists()


def test_amounts_are_shown_as_they_are(root, alice):
    builders.quote(price="51000")
    builders.position(builders.book(alice))
    builders.cash_entry(builders.book(alice), amount="12.345")

    assert "12.345<" in re.sub(r"\s", "", text(root.get(page("changelist", CashEntry))))
    positions = text(root.get(page("changelist", Position)))
    assert "+100.00" in positions
    assert "000000000" not in positions


def test_a_row_leads_to_the_live_page_of_its_book_where_that_opens(root, alice, bob):
    mine, foreign = builders.order(builders.book(alice)), builders.order(builders.book(bob))

    shown = text(root.get(page("changelist", Order)))

    assert f'href="/books/{mine.book_id}/"' in shown
    assert f'href="/books/{foreign.book_id}/"' not in shown


# --- history ---------------------------------------------------------------------------------------------


@every_history
def test_history_is_neither_added_to_nor_changed_nor_deleted(root, alice, model):
    row = BUILDERS[model](alice)
    before = model.objects.values().get(pk=row.pk)

    assert root.post(page("add", model), {}).status_code == 403
    forged = {"amount": "1", "reason": "forged", "state": "active", "quantity": "9"}
    assert root.post(page("change", model, row.pk), forged).status_code == 403
    assert root.post(page("delete", model, row.pk), {"post": "yes"}).status_code == 403
    choose(root, model, "delete_selected", row, post="yes")

    assert model.objects.values().get(pk=row.pk) == before


@every_history
def test_a_page_of_history_has_no_field_to_write_in(root, alice, model):
    row = BUILDERS[model](alice)

    shown = text(root.get(page("change", model, row.pk)))

    assert 'name="_save"' not in shown
    assert not re.findall(r'<(?:input|select|textarea)[^>]* id="id_', shown)


# --- people and tokens -----------------------------------------------------------------------------------


def test_a_person_is_added_and_given_a_password(root):
    form = {"username": "carol", "usable_password": "true", "password1": "blue-Kiwi-81", "password2": "blue-Kiwi-81"}

    answer = root.post(page("add", User), form)

    assert answer.status_code == 302, answer.context["errors"]
    assert User.objects.get(username="carol").check_password("blue-Kiwi-81")


def test_a_person_is_switched_off(root, bob):
    form = {"username": "bob", "email": "", "first_name": "", "last_name": "", "is_active": ""}

    answer = root.post(page("change", User, bob.pk), form)

    assert answer.status_code == 302, answer.context["errors"]
    bob.refresh_from_db()
    assert not bob.is_active


def test_the_form_of_a_password_opens(root, bob):
    assert root.get(reverse("admin:auth_user_password_change", args=[bob.pk])).status_code == 200


@pytest.mark.requirement("API-02")
def test_a_token_is_known_by_its_prefix_and_can_be_deleted(root, bob):
    token = builders.token(bob, text="abcdefgh" + "x" * 43)

    assert "abcdefgh…" in text(root.get(page("changelist", ApiToken)))
    assert root.post(page("delete", ApiToken, token.pk), {"post": "yes"}).status_code == 302
    assert not ApiToken.objects.exists()


@pytest.mark.requirement("API-02")
def test_a_token_and_its_digest_are_never_shown(root, bob):
    secret = "abcdefgh" + "x" * 43
    token = builders.token(bob, text=secret)

    for address in (
        page("changelist", ApiToken),
        page("change", ApiToken, token.pk),
        page("delete", ApiToken, token.pk),
    ):
        shown = text(root.get(address))
        assert secret not in shown
        assert digest(secret) not in shown


def test_a_token_is_neither_made_nor_changed_here(root, bob):
    token = builders.token(bob)

    assert root.post(page("add", ApiToken), {}).status_code == 403
    assert root.post(page("change", ApiToken, token.pk), {"scope": "admin"}).status_code == 403
    token.refresh_from_db()
    assert token.scope == "read"


# --- staff who are no superusers -------------------------------------------------------------------------


@every_model
@pytest.mark.requirement("SEC-02")
def test_staff_see_what_they_own_and_nothing_else(staff, alice, bob, model):
    mine, foreign = BUILDERS[model](bob), BUILDERS[model](alice)

    assert rows_of(staff.get(page("changelist", model))) == [mine]
    assert staff.get(page("change", model, mine.pk)).status_code == 200
    # Django sends people who ask for a row that is not there back to the front page.
    assert staff.get(page("change", model, foreign.pk)).url == reverse("admin:index")
    assert staff.get(page("history", model, foreign.pk)).url == reverse("admin:index")


@every_model
@pytest.mark.requirement("SEC-02")
def test_no_filter_or_choice_tells_staff_of_others(staff, alice, bob, model):
    alice.username = "somebody-else"
    alice.save()
    builders.book(alice, name="unseen book", account=builders.account(alice, name="unseen account"))
    mine = BUILDERS[model](bob)

    for address in (page("changelist", model), page("change", model, mine.pk)):
        shown = text(staff.get(address))
        assert "somebody-else" not in shown
        assert "unseen" not in shown


@pytest.mark.requirement("SEC-02")
@pytest.mark.parametrize("model", [Account, Book])
def test_no_action_reaches_rows_of_others(staff, alice, model):
    foreign = BUILDERS[model](alice)

    choose(staff, model, "make_halted", foreign)

    assert not TradingState.objects.exists()


@pytest.mark.requirement("SEC-02")
def test_staff_do_not_make_superusers_of_themselves(staff, bob):
    form = {"username": "bob", "is_active": "on", "is_staff": "on", "is_superuser": "on"}

    staff.post(page("change", User, bob.pk), form)

    bob.refresh_from_db()
    assert not bob.is_superuser


@pytest.mark.requirement("SEC-02")
def test_staff_do_not_set_the_password_of_somebody_else(staff, alice):
    form = {"usable_password": "true", "password1": "blue-Kiwi-81", "password2": "blue-Kiwi-81"}

    staff.post(reverse("admin:auth_user_password_change", args=[alice.pk]), form)

    alice.refresh_from_db()
    assert alice.check_password("secret-alice")


@pytest.mark.requirement("SEC-02")
def test_staff_do_not_add_people(staff):
    assert staff.get(page("add", User)).status_code == 403


def test_who_may_only_look_at_users_sees_one_without_a_crash(client, bob):
    bob.is_staff = True
    bob.save()
    bob.user_permissions.set(Permission.objects.filter(codename="view_user"))
    client.force_login(bob)

    assert client.get(page("change", User, bob.pk)).status_code == 200


def test_every_model_of_the_ledger_in_the_control_room_is_tried_here():
    registered = {model for model in admin.site._registry if model._meta.app_label == "ledger"}

    assert registered == {*BUILDERS, AuditEntry}  # nobody's own: see test_audit


# --- Live accounts ---------------------------------------------------------------------------------------

KEY, SECRET = "key-of-the-exchange-0123456789", "a-secret-nobody-may-see-0123456789"


@pytest.fixture
def live_feed():
    return builders.feed("live", kind="live", exchange="binanceusdm", running=True)


@pytest.mark.requirement("LED-02")
def test_a_live_account_is_made_with_a_key_that_is_never_shown(root, live_feed):
    form = {"name": "main", "feed": live_feed.pk, "currency": "USDT", "new_key": KEY, "new_secret": ""}
    refused = text(root.post(page("add", Account), form))
    assert "needs both its API key and its secret" in refused
    assert not Account.objects.exists()

    root.post(page("add", Account), form | {"new_secret": SECRET})

    account = Account.objects.get()
    assert (account.kind, account.armed) == ("live", False)
    shown = text(root.get(page("change", Account, account.pk)))
    assert account.credentials_hint in shown
    assert KEY not in shown
    assert SECRET not in shown
    assert account.sealed_credentials not in shown


def test_arming_says_what_is_missing_and_a_comparison_is_asked_for(root, live_feed, alice):
    account = builders.account(alice, kind="live", feed=live_feed)
    chosen = {"_selected_action": account.pk}

    armed = text(root.post(page("changelist", Account), chosen | {"action": "arm"}, follow=True))
    root.post(page("changelist", Account), chosen | {"action": "compare"})

    account.refresh_from_db()
    assert "LIVE_TRADING is not set" in armed
    assert not account.armed
    assert account.compare_asked_at is not None


def test_a_position_is_adopted_with_a_book_and_a_stop(root, alice):
    account = builders.account(alice)
    nobody, bot = builders.book(alice, account=account, kind="unassigned"), builders.book(alice, account=account)
    builders.quote(feed=account.feed)
    position = builders.position(nobody, stop=None, target=None)
    chosen = {"_selected_action": position.pk, "action": "adopt"}

    assert bot.name in text(root.post(page("changelist", Position), chosen))
    wrong = chosen | {"confirmed": "yes", "book": bot.pk, "stop": "51000"}
    assert "must be below the price" in text(root.post(page("changelist", Position), wrong, follow=True))
    root.post(page("changelist", Position), wrong | {"stop": "49000"})

    position.refresh_from_db()
    assert (position.book, position.stop) == (bot, 49000)


def test_a_difference_of_a_live_account_is_accepted(root, live_feed, alice):
    row = builders.discrepancy(builders.account(alice, kind="live", feed=live_feed))
    chosen = {"_selected_action": row.pk, "action": "accept"}

    root.post(page("changelist", Discrepancy), chosen)

    row.refresh_from_db()
    assert row.by == alice
