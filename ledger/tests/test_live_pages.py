"""Live accounts by page and API: a key goes in and never out, arming is audited, differences and alerts are shown."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from ledger import alerts, credentials, key_checks, live_accounts
from ledger.models import Account, AccountKind, Alert, AuditEntry, Discrepancy
from ledger.tests import builders
from ledger.tests.live_desk import LiveDesk
from markets.domain.orders import OrderRequest, OrderType, Side
from markets.exchanges.base import KeyRefused, Unanswered
from markets.exchanges.live_permissions import Permissions
from markets.models import FeedKind

pytestmark = pytest.mark.django_db
KEY, SECRET = "key-of-the-exchange-0123456789", "a-secret-nobody-may-see-0123456789"


@pytest.fixture
def feed():
    return builders.feed("live", kind=FeedKind.LIVE, exchange="binanceusdm", running=True)


@pytest.fixture
def signed_in(client):
    client.force_login(builders.user())
    return client


def make(client, on, **changes):
    given = {"name": "main", "feed": on.pk, "currency": "USDT", "key": KEY, "secret": SECRET} | changes
    return client.post(reverse("new-live"), given, follow=True)


def says(monkeypatch, answer):
    def permissions(client):
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(key_checks, "client_of", lambda account: None)
    monkeypatch.setattr(key_checks, "permissions", permissions)
    monkeypatch.setattr(key_checks.accounts, "open_books", _opened)


def _opened(*, account, wall):
    Account.objects.filter(pk=account.pk).update(books_from=wall)


@pytest.mark.requirement("LED-02")
def test_an_account_is_made_with_a_sealed_key_that_is_never_shown(signed_in, feed):
    answer = make(signed_in, feed)

    account = Account.objects.get(name="main")
    assert (account.kind, account.armed, account.check_passed) == (AccountKind.LIVE, False, None)
    assert KEY not in account.sealed_credentials
    assert KEY in credentials.unseal(account.sealed_credentials)
    page = answer.content.decode()
    assert account.credentials_hint in page
    assert "The key is being checked." in page
    assert KEY not in page
    assert SECRET not in page
    assert SECRET not in str(list(AuditEntry.objects.values()))
    assert AuditEntry.objects.get().kind == "keys"


@pytest.mark.requirement("LED-02")
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"key": ""}, "The API key is missing."),
        ({"secret": ""}, "The secret is missing."),
        ({"feed": 999999}, "There is no such live feed."),
        ({"feed": ""}, "Choose the exchange."),
    ],
)
def test_bad_input_is_answered_in_a_sentence_and_changes_nothing(signed_in, feed, changes, sentence):
    answer = make(signed_in, feed, **changes)
    assert sentence in answer.content.decode()
    assert not Account.objects.exists()


@pytest.mark.requirement("LED-02")
def test_a_key_that_may_withdraw_is_refused_and_not_kept(signed_in, feed, monkeypatch):
    make(signed_in, feed)
    says(monkeypatch, Permissions(trading=True, withdrawals=True))

    assert key_checks.run_asked() == 1

    account = Account.objects.get()
    assert (account.check_passed, account.sealed_credentials, account.credentials_hint) == (False, "", "")
    assert "may withdraw money" in signed_in.get("/accounts/").content.decode()
    assert key_checks.run_asked() == 0


@pytest.mark.requirement("LED-02")
@pytest.mark.parametrize(
    ("answer", "passed", "words"),
    [
        (Permissions(True, False, False), True, "may trade and may not withdraw. The key works from any address"),
        (Permissions(False, False, True), False, "may not trade futures"),
        (KeyRefused("invalid API key"), False, "does not take the key: invalid API key"),
        (Unanswered("No answer within 10 s."), None, "asked again"),
    ],
)
def test_what_the_check_found_stands_in_words(signed_in, feed, monkeypatch, answer, passed, words):
    make(signed_in, feed)
    says(monkeypatch, answer)
    key_checks.run_asked()

    assert Account.objects.get().check_passed is passed
    assert words in signed_in.get("/accounts/").content.decode()


def test_arming_takes_a_good_key_agreement_and_live_trading(signed_in, feed, monkeypatch, settings):
    make(signed_in, feed)
    account = Account.objects.get()

    def armed():
        return signed_in.post(reverse("arm", args=[account.pk]), {"armed": "yes"}, follow=True).content.decode()

    assert "LIVE_TRADING is not set" in armed()
    settings.LIVE_TRADING = True
    assert "has not passed its check" in armed()
    says(monkeypatch, Permissions(True, False, True))
    key_checks.run_asked()
    Account.objects.update(trouble="The wallet differs.")
    assert "does not agree with its exchange yet" in armed()
    Account.objects.update(trouble="")
    assert not Account.objects.get().armed
    armed()
    assert Account.objects.get().armed
    assert AuditEntry.objects.order_by("id").last().change == '{"armed": [false, true]}'

    signed_in.post(reverse("set-key", args=[account.pk]), {"key": KEY, "secret": SECRET})
    assert not Account.objects.get().armed


def test_paper_accounts_are_never_armed(signed_in):
    paper = builders.account()
    with pytest.raises(live_accounts.NotPossible, match="paper account"):
        live_accounts.arm(account=paper, by=paper.owner, wall=datetime.now(UTC))


@pytest.mark.requirement("SEC-02")
def test_another_users_account_is_not_found(client, feed):
    account = builders.account(kind=AccountKind.LIVE, feed=feed)
    client.force_login(builders.user("bob"))
    for name in ("compare", "set-key", "arm"):
        assert client.post(reverse(name, args=[account.pk]), {"key": KEY, "secret": SECRET}).status_code == 404
    for name in ("confirm-key", "confirm-arm"):
        assert client.get(reverse(name, args=[account.pk])).status_code == 404


@pytest.mark.requirement("LED-06")
def test_what_is_not_ours_is_adopted_on_the_page(client, monkeypatch):
    desk = LiveDesk.connect(monkeypatch)
    client.force_login(desk.account.owner)
    request = OrderRequest("x", desk.instrument.symbol, Side.BUY, OrderType.MARKET, Decimal("0.2"), leverage=5)
    desk.exchange.elsewhere(request)
    desk.wait(70, rounds=2)
    position = desk.position()

    page = client.get("/accounts/").content.decode()
    assert f'id="foreign-{position.pk}"' in page
    assert "that no bot opened" in page
    dialog = client.get(reverse("confirm-adopt", args=[position.pk])).content.decode()
    assert desk.book.name in dialog
    wrong = {"book": desk.book.pk, "stop": "60000"}
    answer = client.post(reverse("adopt", args=[position.pk]), wrong, follow=True).content.decode()
    assert "must be below the price" in answer
    client.post(reverse("adopt", args=[position.pk]), {"book": desk.book.pk, "stop": "49000"})
    assert desk.position().book == desk.book
    assert "that no bot opened" in page
    desk.round()
    assert f'id="foreign-{position.pk}"' not in client.get("/accounts/").content.decode()


@pytest.mark.requirement("LED-06")
def test_differences_are_shown_and_accepted_and_a_comparison_is_asked_for(signed_in, feed):
    account = builders.account(kind=AccountKind.LIVE, feed=feed, books_from=datetime.now(UTC))
    now = datetime.now(UTC)
    row = Discrepancy.objects.create(
        account=account, what="wallet", ledger="100", venue="97", found_at=now, seen_at=now
    )
    page = signed_in.get("/accounts/").content.decode()
    assert "Accept the venue" in page
    assert "97" in page

    answer = signed_in.post(reverse("accept", args=[row.pk]), headers={"HX-Request": "true"})
    assert answer.headers["HX-Redirect"] == "/accounts/"
    row.refresh_from_db()
    assert row.by == account.owner
    signed_in.post(reverse("compare", args=[account.pk]))
    account.refresh_from_db()
    assert account.compare_asked_at is not None


def test_alerts_open_once_end_by_themselves_and_have_a_page(signed_in):
    account = builders.account(trouble="The wallet differs.")
    for _ in range(3):
        alerts.refresh(wall=datetime.now(UTC))
    assert Alert.objects.count() == 1
    page = signed_in.get("/alerts/").content.decode()
    assert "does not trade. The wallet differs." in page

    Account.objects.filter(pk=account.pk).update(trouble="")
    alerts.refresh(wall=datetime.now(UTC))
    assert not Alert.objects.open().exists()
    page = signed_in.get("/alerts/").content.decode()
    assert "Nothing needs you" in page
    assert "It ended by itself." in page


def test_a_long_sentence_is_cut_once_and_not_written_again():
    account = builders.account(name="A" * 80)
    told = {"kind": AccountKind.LIVE, "check_passed": False, "check_result": "No. " * 100}
    Account.objects.filter(pk=account.pk).update(**told)
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            alerts.refresh(wall=datetime.now(UTC))

    assert len(Alert.objects.get().sentence) == 400
    assert not any(one["sql"].startswith("UPDATE") for one in queries)


@pytest.mark.requirement("SEC-02")
def test_alerts_of_others_are_not_shown(client):
    builders.account(trouble="The wallet differs.")
    alerts.refresh(wall=datetime.now(UTC))
    client.force_login(builders.user("bob"))
    assert "The wallet differs" not in client.get("/alerts/").content.decode()


@pytest.fixture
def api(client):
    def call(method, path, data=None, scope="admin"):
        text = f"{scope}-".ljust(43, "x")
        from ledger.models import ApiToken
        from ledger.tokens import digest

        if not ApiToken.objects.filter(digest=digest(text)).exists():
            builders.token(text=text, scope=scope)
        how = {"headers": {"Authorization": f"Token {text}"}, "content_type": "application/json"}
        return getattr(client, method)(f"/api/v1/{path}", **({"data": data} if data is not None else {}), **how)

    return call


def test_the_api_makes_arms_and_compares(api, feed, settings):
    given = {"name": "main", "feed": feed.pk, "key": KEY, "secret": SECRET}
    assert api("post", "accounts/", given, scope="trade").status_code == 403
    answer = api("post", "accounts/", given)
    assert answer.status_code == 202
    assert KEY not in answer.content.decode()
    account = Account.objects.get(name="main")

    row = api("get", f"accounts/{account.pk}/", scope="read").json()
    assert (row["armed"], row["check_passed"], row["differences"]) == (False, None, [])
    refused = api("post", f"accounts/{account.pk}/arm/", {})
    assert (refused.status_code, "LIVE_TRADING" in refused.json()["detail"]) == (409, True)
    assert api("post", f"accounts/{account.pk}/reconcile/", {}, scope="trade").status_code == 202
    assert api("post", f"accounts/{account.pk}/disarm/", {}, scope="trade").status_code == 202


def test_the_api_tells_alerts_and_adopts(api, monkeypatch):
    desk = LiveDesk.connect(monkeypatch)
    request = OrderRequest("x", desk.instrument.symbol, Side.BUY, OrderType.MARKET, Decimal("0.2"), leverage=5)
    desk.exchange.elsewhere(request)
    desk.wait(70, rounds=2)
    position = desk.position()

    [alert] = api("get", "alerts/?open=true").json()["results"]
    assert (alert["kind"], alert["account"]) == ("foreign", desk.account.pk)
    path = f"positions/{position.pk}/adopt/"
    assert api("post", path, {"book": desk.book.pk, "stop": "60000"}).status_code == 409
    assert api("post", path, {"book": 999, "stop": "49000"}).status_code == 404
    assert api("post", path, {"book": desk.book.pk, "stop": "49000"}).status_code == 202
    desk.round()
    assert api("get", "alerts/?open=true").json()["results"] == []
