from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory, force_authenticate
from rest_framework.views import APIView

from ledger import tokens
from ledger.models import ApiToken, Scope
from ledger.tests import builders

NOW = builders.NOW
pytestmark = pytest.mark.django_db


class Echo(APIView):
    """Reads with `read`, writes with `trade`."""

    permission_classes = [tokens.HasScope]

    def get(self, request):
        return Response({"user": request.user.username})

    def post(self, request):
        return Response({"user": request.user.username})


class Settings(Echo):
    write_scope = Scope.ADMIN


def ask(text=None, method="get", view=Echo, header=None):
    header = header if header is not None else f"Token {text}"
    request = getattr(APIRequestFactory(), method)("/", HTTP_AUTHORIZATION=header)
    return view.as_view()(request)


def issue(user, **fields):
    return tokens.issue(user=user, **{"scope": "read", "name": "script", "now": timezone.now()} | fields)


@pytest.mark.requirement("API-02")
def test_a_token_signs_its_user_in(alice):
    answer = ask(issue(alice))

    assert answer.status_code == 200
    assert answer.data == {"user": "alice"}


def test_a_token_is_long_random_and_starts_with_its_prefix(alice):
    first, second = issue(alice), issue(alice)

    assert first != second
    # 32 random bytes in base64, besides the prefix that lists show
    assert len(first) == 8 + 43
    assert ApiToken.objects.filter(prefix=first[:8]).count() == 1


@pytest.mark.requirement("API-02")
def test_the_token_itself_is_not_stored(alice):
    text = issue(alice)

    stored = ApiToken.objects.values().get()

    assert not any(text in str(value) or text[8:] in str(value) for value in stored.values())
    assert stored["digest"] == tokens.digest(text)


@pytest.mark.parametrize("word", ["token", "TOKEN"])
def test_the_word_before_the_token_may_be_in_any_case(alice, word):
    assert ask(header=f"{word} {issue(alice)}").status_code == 200


def test_signing_in_takes_one_query_once_the_use_is_noted(alice, django_assert_num_queries):
    text = issue(alice)
    ask(text)

    with django_assert_num_queries(1):
        ask(text)


def test_the_last_use_is_written_at_most_once_a_minute(alice):
    row = builders.token(alice)

    def use(seconds):
        fresh = ApiToken.objects.get(pk=row.pk)
        tokens.seen(token=fresh, now=NOW + timedelta(seconds=seconds))
        return ApiToken.objects.get(pk=row.pk).last_used_at - NOW

    assert use(0) == timedelta(0)
    assert use(59) == timedelta(0)
    assert use(60) == timedelta(seconds=60)


def test_of_two_requests_at_once_only_one_writes(alice, django_assert_num_queries):
    row = builders.token(alice)
    twin = ApiToken.objects.get(pk=row.pk)
    tokens.seen(token=row, now=NOW)

    tokens.seen(token=twin, now=NOW + timedelta(seconds=5))

    assert ApiToken.objects.get(pk=row.pk).last_used_at == NOW


@pytest.mark.requirement("API-02")
@pytest.mark.parametrize(
    ("scope", "view", "status"),
    [
        ("read", Echo, 403),
        ("trade", Echo, 200),
        ("admin", Echo, 200),
        ("read", Settings, 403),
        ("trade", Settings, 403),
        ("admin", Settings, 200),
    ],
)
def test_writing_needs_the_scope_of_the_view(alice, scope, view, status):
    assert ask(issue(alice, scope=scope), method="post", view=view).status_code == status


def test_a_refusal_names_both_scopes(alice):
    answer = ask(issue(alice), method="post")

    assert answer.data["detail"] == "This token has the scope read; this needs trade."


def test_a_signed_in_person_has_every_scope(alice):
    request = APIRequestFactory().post("/")
    force_authenticate(request, alice)

    assert Settings.as_view()(request).status_code == 200


def test_a_method_that_does_not_exist_is_told_as_such_whatever_the_scope(alice):
    assert ask(issue(alice), method="delete").status_code == 405


def test_nobody_gets_nothing():
    answer = Echo.as_view()(APIRequestFactory().get("/"))

    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Token"


def test_an_unknown_token_is_refused_in_one_sentence(alice):
    answer = ask("0" * 51)

    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Token"
    assert answer.data["detail"] == "This token is unknown; it may have been deleted."


@pytest.mark.requirement("API-02")
def test_an_expired_token_is_refused(alice):
    text = issue(alice, now=NOW, expires_in=timedelta(days=1))

    answer = ask(text)

    assert answer.status_code == 401
    assert answer.data["detail"] == "This token expired on 2025-05-02 at 12:00 UTC."


def test_a_token_ends_at_the_instant_of_its_expiry(alice):
    text = issue(alice, now=NOW, expires_in=timedelta(days=1))
    last = NOW + timedelta(days=1)

    assert tokens.find(text=text, now=last - timedelta(microseconds=1)).user == alice
    with pytest.raises(AuthenticationFailed):
        tokens.find(text=text, now=last)


def test_a_token_of_a_user_who_is_switched_off_is_refused(alice):
    text = issue(alice)
    alice.is_active = False
    alice.save()

    assert ask(text).status_code == 401


@pytest.mark.parametrize("header", ["Token", "Token a b", "Token schlüssel", "Token  "])
def test_a_malformed_header_is_refused_in_one_sentence(db, header):
    answer = ask(header=header.encode("latin-1"))

    assert answer.status_code == 401
    assert answer.data["detail"].startswith("The header must be")


@pytest.mark.parametrize("header", ["Bearer abc", "Basic YTpi"])
def test_other_kinds_of_credentials_are_left_to_others(db, header):
    assert tokens.TokenAuthentication().authenticate(_request(header)) is None


def _request(header):
    return APIView().initialize_request(APIRequestFactory().get("/", HTTP_AUTHORIZATION=header))


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"scope": "root"}, "read, trade, admin"),
        ({"expires_in": timedelta()}, "future"),
        ({"expires_in": timedelta(days=-1)}, "future"),
        ({"name": "x" * 81}, "80"),
    ],
)
def test_an_impossible_token_is_not_made(alice, wrong, word):
    with pytest.raises(ValueError, match=word):
        issue(alice, **wrong)

    assert not ApiToken.objects.exists()


def test_the_default_permission_of_the_api_knows_scopes():
    assert APIView.permission_classes == [tokens.HasScope]
    assert IsAuthenticated not in APIView.permission_classes


# --- the command -----------------------------------------------------------------------------------------


def test_the_command_prints_the_token_alone(alice, capsys):
    call_command("create_token", "alice")

    out, err = capsys.readouterr()
    assert ask(out.removesuffix("\n")).status_code == 200
    assert out.count("\n") == 1
    assert "scope read" in err
    assert out.strip() not in err


def test_the_command_takes_scope_name_and_days(alice, capsys):
    call_command("create_token", "alice", "--scope", "trade", "--name", "laptop", "--days", "7")

    row = ApiToken.objects.get()
    assert (row.scope, row.name) == ("trade", "laptop")
    assert row.expires_at - row.created_at > timedelta(days=6, hours=23)


def test_an_unknown_user_gets_the_nearest_names(alice, capsys):
    with pytest.raises(CommandError, match=r"There is no user alcie; did you mean alice\?") as refusal:
        call_command("create_token", "alcie")

    assert refusal.value.returncode == 2
    assert capsys.readouterr().out == ""
    assert not ApiToken.objects.exists()


def test_a_user_who_is_switched_off_gets_none(alice):
    alice.is_active = False
    alice.save()

    with pytest.raises(CommandError, match="switched off"):
        call_command("create_token", "alice")


@pytest.mark.parametrize("days", ["0", "-1", "1.5", "week", "99999999999"])
def test_days_must_be_a_sensible_number(alice, days):
    with pytest.raises(CommandError, match="whole number of days"):
        call_command("create_token", "alice", "--days", days)

    assert not ApiToken.objects.exists()
