import json
from decimal import Decimal as D

import pytest
from rest_framework.test import APIClient

from bots import policies
from bots.domain.policy import PRESETS
from bots.models import RiskPolicy
from bots.tests import rows
from ledger.models import AuditEntry, Scope
from ledger.tests import builders

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("RSK-08")]


@pytest.fixture
def policy(alice):
    return rows.policy(alice)


@pytest.fixture
def api(alice):
    client = APIClient()
    client.force_login(alice)
    return client


def patch(api, policy, status=200, **given):
    answer = api.patch(f"/api/v1/risk-policies/{policy.pk}/", given, format="json")
    assert answer.status_code == status, answer.json()
    return answer.json()


def test_a_change_is_a_version_and_an_entry_of_the_trail(policy, alice):
    assert policies.change(policy=policy, limits={"max_exposure": D("1.2")}, by=alice) is None
    assert (policy.version, policy.max_exposure) == (2, D("1.2"))
    [entry] = AuditEntry.objects.all()
    assert (entry.kind, entry.actor) == ("limits", "alice")
    assert json.loads(entry.change) == {"max_exposure": ["1.5", "1.2"], "version": 2}


def test_nothing_is_written_where_nothing_changes(policy, alice):
    assert policies.change(policy=policy, limits={"max_exposure": D("1.50")}, by=alice) is None
    assert (policy.version, AuditEntry.objects.count()) == (1, 0)


def test_what_makes_no_sense_is_refused_with_a_sentence_for_each(policy, alice):
    refused = policies.change(policy=policy, limits={"risk_per_trade": D(0), "max_leverage": 99}, by=alice)
    assert set(refused.why) == {"risk_per_trade", "max_leverage"}
    policy.refresh_from_db()
    assert policy.version == 1


def test_who_looked_at_an_older_version_is_told(policy, alice):
    policies.change(policy=policy, limits={"max_positions": 3}, by=alice, seen=1)
    assert "version 2" in policies.change(policy=policy, limits={"max_positions": 2}, by=alice, seen=1).why["version"]


@pytest.mark.requirement("API-01")
def test_the_api_shows_and_changes_policies(api, policy):
    [row] = api.get("/api/v1/risk-policies/").json()["results"]
    assert (row["name"], row["version"], row["risk_per_trade"], row["cooldown_minutes"]) == ("balanced", 1, "0.01", 5)
    changed = patch(api, policy, risk_per_trade="0.02", seen_version=1)
    assert (changed["version"], changed["risk_per_trade"]) == (2, "0.02")
    assert patch(api, policy, preset="cautious")["max_exposure"] == "0.6"
    policy.refresh_from_db()
    assert policy.limits.risk_per_trade == PRESETS["cautious"].risk_per_trade


def test_the_api_refuses_in_words(api, policy):
    assert "above 0 and at most 0.1 of equity" in patch(api, policy, 400, risk_per_trade="0.5")["risk_per_trade"]
    assert "version 1" in patch(api, policy, 400, max_positions=3, seen_version=7)["version"]
    assert "keeps its name" in patch(api, policy, 400, name="other")["name"]
    assert api.put(f"/api/v1/risk-policies/{policy.pk}/", {}, format="json").status_code == 405
    assert api.delete(f"/api/v1/risk-policies/{policy.pk}/").status_code == 405


def test_the_api_makes_a_policy_from_a_preset(api, policy, alice):
    given = {"name": "mine", "preset": "bold", "max_leverage": 4}
    answer = api.post("/api/v1/risk-policies/", given, format="json")
    assert answer.status_code == 201
    assert (answer.json()["max_leverage"], answer.json()["max_exposure"]) == (4, "3")
    assert RiskPolicy.objects.get(name="mine").owner == alice
    assert "already" in api.post("/api/v1/risk-policies/", given, format="json").json()["name"]


def test_policies_of_others_are_not_there(api, bob):
    theirs = rows.policy(bob)
    assert api.get("/api/v1/risk-policies/").json()["results"] == []
    assert api.get(f"/api/v1/risk-policies/{theirs.pk}/").status_code == 404
    patch(api, theirs, 404, max_positions=1)
    assert api.post(f"/api/v1/risk-policies/{theirs.pk}/what-if/", {}, format="json").status_code == 404


def test_a_token_needs_the_scope_of_an_administrator_to_change_limits(policy, alice):
    for scope, status in ((Scope.TRADE, 403), (Scope.ADMIN, 200)):
        builders.token(alice, text=scope * 10, scope=scope)
        client = APIClient(headers={"Authorization": f"Token {scope * 10}"})
        patch(client, policy, status, max_positions=2)
        assert client.post(f"/api/v1/risk-policies/{policy.pk}/what-if/", {}, format="json").status_code == 200


def asked(bot, conviction, outcome="planned"):
    made = rows.decision(bot, items=0, acted=outcome == "planned", refused=outcome == "refused")
    least = {"code": "confidence", "effect": "allow" if outcome == "planned" else "deny", "limit": "0.3", "text": "."}
    rows.item(made, outcome=outcome, verdicts=[least | {"value": conviction}])


def test_what_if_holds_the_last_entries_against_other_limits(api, policy, alice, bob):
    bot = rows.bot(alice, policy=policy)
    for conviction in ("0.4", "0.6", "0.8"):
        asked(bot, conviction)
    asked(bot, "0.2", "refused")
    asked(rows.bot(bob), "0.9")

    def what_if(**given):
        return api.post(f"/api/v1/risk-policies/{policy.pk}/what-if/", given, format="json").json()

    assert what_if()["counts"] == {"passed": 3, "cut": 0, "refused": 1, "open": 0}
    stricter = what_if(limits={"min_confidence": "0.5"})
    assert stricter["counts"] == {"passed": 2, "cut": 0, "refused": 2, "open": 0}
    assert [row["now"] for row in stricter["results"]] == ["refused", "passed", "passed", "refused"]
    assert stricter["results"][0]["code"] == "confidence"
    assert what_if(limits={"min_confidence": "0.1"})["counts"]["open"] == 1
    policy.refresh_from_db()
    assert policy.version == 1


# --- The page


@pytest.fixture
def page(client, alice, policy):
    client.force_login(alice)
    builders.quote()
    client.bot = rows.bot(alice, policy=policy, name="Trend")
    return client


def sent(policy, **changes):
    policy.refresh_from_db()
    limits = {name: str(value) for name, value in policies.limits_of(policy).items()}
    return {**limits, "seen": policy.version, **changes}


def test_the_page_shows_every_limit_and_saves_the_next_version(page, policy):
    address = f"/bots/{page.bot.pk}/policy/"
    html = page.get(address).content.decode()
    assert all(f'name="{name}"' in html for name in policies.limits_of(policy))
    assert page.post(address, sent(policy, max_exposure="1.2", save=1)).status_code == 302
    policy.refresh_from_db()
    assert (policy.version, policy.max_exposure) == (2, D("1.2"))
    assert "version 2" in page.get(address).content.decode()


def test_the_page_refuses_in_words_and_saves_nothing(page, policy):
    address = f"/bots/{page.bot.pk}/policy/"
    wrong = page.post(address, sent(policy, risk_per_trade="0.5", save=1)).content.decode()
    assert "above 0 and at most 0.1 of equity" in wrong
    assert "Enter a number" in page.post(address, sent(policy, max_exposure="much", save=1)).content.decode()
    stale = page.post(address, sent(policy, max_positions=2, seen=9, save=1)).content.decode()
    assert "Somebody changed this policy meanwhile" in stale
    policy.refresh_from_db()
    assert (policy.version, policy.max_positions) == (1, 4)


def test_limits_are_tried_on_the_last_entries_without_saving(page, policy):
    for conviction in ("0.4", "0.8"):
        asked(page.bot, conviction)
    tried = page.post(f"/bots/{page.bot.pk}/policy/", sent(policy, min_confidence="0.5", **{"try": 1}))
    assert tried.context["counts"] == {"passed": 1, "cut": 0, "refused": 1, "open": 0}
    assert "confidence" in tried.content.decode()
    policy.refresh_from_db()
    assert policy.version == 1


def test_a_preset_fills_the_form_and_saves_nothing(page, policy):
    html = page.get(f"/bots/{page.bot.pk}/policy/?preset=cautious").content.decode()
    assert 'name="risk_per_trade" value="0.005"' in html
    policy.refresh_from_db()
    assert policy.risk_per_trade == D("0.01")


def test_the_limits_of_others_are_not_there(page, bob):
    other = rows.bot(bob)
    assert page.get(f"/bots/{other.pk}/policy/").status_code == 404
    assert page.post(f"/bots/{other.pk}/policy/", sent(other.policy, max_positions=1, save=1)).status_code == 404
