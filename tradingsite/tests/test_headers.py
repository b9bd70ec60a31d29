"""Pages load nothing from elsewhere, and only listed sites may read the API."""

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from tradingsite.headers import AllowedOrigins, PageHeaders

ASK = RequestFactory()
LISTED, FOREIGN = "https://listed.example", "https://foreign.example"


def page(request):
    return HttpResponse("page")


@pytest.mark.requirement("SEC-03")
def test_a_page_runs_only_its_own_scripts():
    policy = PageHeaders(page)(ASK.get("/bots/")).headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy


def test_the_admin_may_evaluate_its_markup():
    policy = PageHeaders(page)(ASK.get("/admin/login/")).headers["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-inline' 'unsafe-eval';" in policy


@pytest.mark.requirement("SEC-03")
def test_a_listed_site_may_read_the_api(settings):
    settings.CORS_ALLOWED_ORIGINS = [LISTED]
    answer = AllowedOrigins(page)(ASK.get("/api/v1/bots/", headers={"Origin": LISTED}))
    assert answer.headers["Access-Control-Allow-Origin"] == LISTED
    assert "Origin" in answer.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_the_question_before_a_write_is_answered(settings):
    settings.CORS_ALLOWED_ORIGINS = [LISTED]
    question = {"Origin": LISTED, "Access-Control-Request-Method": "POST"}
    answer = AllowedOrigins(page)(ASK.options("/api/v1/bots/", headers=question))
    assert answer.status_code == 204
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]


@pytest.mark.requirement("SEC-03")
@pytest.mark.parametrize(("path", "origin"), [("/api/v1/bots/", FOREIGN), ("/bots/", LISTED)])
def test_nobody_else_may(settings, path, origin):
    settings.CORS_ALLOWED_ORIGINS = [LISTED]
    answer = AllowedOrigins(page)(ASK.get(path, headers={"Origin": origin}))
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.django_db
def test_every_answer_carries_them(client):
    headers = client.get("/health").headers
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "Content-Security-Policy" in headers
    assert "Permissions-Policy" in headers
