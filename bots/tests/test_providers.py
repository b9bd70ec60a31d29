"""Providers and models: presets, keys that go in and never out, trials, the demo's bots, and who may do what."""

import json
import subprocess
import sys
from decimal import Decimal

import pytest
from django.conf import settings as django_settings
from django.urls import reverse
from rest_framework.test import APIClient

from bots import providers, trials
from bots.deciders.language_models import presets
from bots.dispatch import NoBroker
from bots.models import Bot, Budget, FallbackModel, KeySource, LanguageModel, ModelCall, Provider
from bots.tests import fake_models, models, rows
from bots.tests.fake_models import says, status
from ledger import credentials
from ledger.models import AuditEntry
from ledger.tests import builders
from tradingsite import demo

pytestmark = pytest.mark.django_db
KEY = models.KEY


@pytest.fixture
def sent(monkeypatch):
    """The ids of models that a worker was told to try."""
    found = []
    for where in ("bots.api.providers.enqueue_trial", "bots.admin.providers.enqueue_trial"):
        monkeypatch.setattr(where, found.append)
    return found


def page(name, model, *args):
    return reverse(f"admin:bots_{model._meta.model_name}_{name}", args=args)


# --- Presets ---------------------------------------------------------------------------------------------


@pytest.mark.requirement("BOT-03")
def test_there_are_presets_for_the_known_providers_and_servers():
    assert {
        "openai", "anthropic", "deepseek", "qwen", "xai", "gemini", "openrouter", "ollama", "vllm", "llamacpp"
    } == set(presets.names())  # fmt: skip
    for name in presets.names():
        preset = presets.provider(name)
        assert preset.base_url.startswith("http://localhost" if preset.keyless else "https://")
        for model_id in presets.model_ids(name):
            assert presets.model_fields(name, model_id)["price_output"] > 0


def test_a_model_that_no_preset_knows_has_no_price(alice):
    provider = models.provider(owner=alice, name="openai")

    known = providers.add_model(provider=provider, model_id="gpt-5-mini")
    unknown = providers.add_model(provider=provider, model_id="Brand New:1!")

    assert known.price_input == Decimal("0.25")
    assert unknown.price_input is None
    assert not unknown.priced
    assert unknown.name == "openai/brand-new-1"
    assert providers.add_model(provider=provider, model_id="gpt-5-mini") == known


# --- Keys ------------------------------------------------------------------------------------------------


@pytest.mark.requirement("LED-02")
def test_a_key_is_stored_sealed_and_read_with_an_older_key_too(alice, settings):
    provider = models.provider(owner=alice)
    assert KEY not in provider.sealed_key
    assert provider.key == KEY
    settings.CREDENTIALS_KEYS = ["a" * 43 + "=", *settings.CREDENTIALS_KEYS]

    assert provider.key == KEY
    renewed = credentials.resealed(provider.sealed_key)
    settings.CREDENTIALS_KEYS = settings.CREDENTIALS_KEYS[:1]
    assert credentials.unseal(renewed) == KEY
    with pytest.raises(credentials.Unreadable, match="CREDENTIALS_KEYS"):
        credentials.unseal(provider.sealed_key)
    assert provider.masked_key == "unreadable"


def test_only_the_end_of_a_long_key_is_ever_shown():
    assert credentials.masked(KEY) == "…wxyz"
    assert credentials.masked("short") == "…"


def form(**changes) -> dict:
    return {"name": "deepseek", "base_url": "", "key_source": "stored", "new_key": "", "most_calls": "4"} | changes


@pytest.mark.requirement("BOT-03", "LED-02")
def test_a_provider_is_added_with_the_models_of_its_preset(root, alice):
    answer = root.post(page("add", Provider), form(owner=alice.pk, new_key=KEY), follow=True)

    provider = Provider.objects.get()
    assert (provider.base_url, provider.key) == ("https://api.deepseek.com", KEY)
    assert list(provider.models.values_list("name", flat=True).order_by("name")) == [
        "deepseek/deepseek-chat", "deepseek/deepseek-reasoner",
    ]  # fmt: skip
    shown = root.get(page("change", Provider, provider.pk)).content.decode() + answer.content.decode()
    assert KEY not in shown
    assert provider.sealed_key not in shown
    assert "…wxyz" in shown


@pytest.mark.requirement("LED-02")
def test_a_stored_key_is_not_sent_to_another_address(root, alice):
    provider = models.provider("https://api.deepseek.com", owner=alice, name="deepseek")
    moved = form(base_url="https://evil.example.com/v1")

    answer = root.post(page("change", Provider, provider.pk), moved)

    assert "Enter the key again" in answer.content.decode()
    provider.refresh_from_db()
    assert provider.base_url == "https://api.deepseek.com"
    root.post(page("change", Provider, provider.pk), moved | {"new_key": "another-key"})
    provider.refresh_from_db()
    assert (provider.base_url, provider.key) == ("https://evil.example.com/v1", "another-key")


@pytest.mark.requirement("LED-08")
def test_the_audit_trail_tells_that_a_key_changed_and_never_the_key(root, alice):
    root.post(page("add", Provider), form(owner=alice.pk, new_key=KEY))
    provider = Provider.objects.get()
    root.post(page("change", Provider, provider.pk), form(base_url="https://api.deepseek.com", new_key="another-key"))
    root.post(page("delete", Provider, provider.pk), {"post": "yes"})

    told = list(AuditEntry.objects.filter(subject=f"provider:{provider.pk}").order_by("id"))
    assert [(entry.kind, entry.actor) for entry in told] == [("keys", alice.username)] * 3
    given, replaced, deleted = (json.loads(entry.change) for entry in told)
    assert given["key"] == "given"
    assert given["base_url"] == [None, "https://api.deepseek.com"]
    assert replaced == {"key": "replaced"}
    assert deleted == {"deleted": "deepseek"}
    assert not any(KEY in entry.change or "gAAAA" in entry.change for entry in told)


@pytest.mark.requirement("LED-02")
def test_the_environments_keys_are_for_superusers(staff, bob, settings):
    settings.PROVIDERS = {"openai": {"api_key": KEY}}

    answer = staff.post(page("add", Provider), form(owner=bob.pk, name="openai", key_source="environment"))

    assert "Only a superuser" in answer.content.decode()
    assert not Provider.objects.exists()


def test_a_key_that_the_environment_does_not_have_is_refused(root, alice):
    answer = root.post(page("add", Provider), form(owner=alice.pk, key_source="environment"))

    assert "The environment has no DEEPSEEK_API_KEY." in answer.content.decode()


def test_staff_see_and_choose_only_their_own(staff, alice, bob):
    theirs, mine = models.model(models.provider(owner=alice)), models.model(models.provider(owner=bob), name="mine")
    bot = rows.bot(bob)

    listed = staff.get(page("changelist", LanguageModel)).content.decode()
    edited = staff.get(page("change", Bot, bot.pk)).content.decode()

    assert "mine" in listed
    assert theirs.name not in listed + edited
    assert f"model:{mine.name}" in edited
    assert staff.get(page("change", Provider, theirs.provider_id)).status_code == 302


def test_a_fallback_is_chosen_on_the_bots_page(root, alice):
    bot, second = rows.bot(alice), models.model(models.provider(owner=alice), name="second")
    sent = {
        "name": bot.name, "policy": bot.policy_id, "decider": "model:second", "seed": 0, "timeframes": "5m",
        "interval_seconds": 180, "question_cap_minutes": 60, "shadow_share": "0.05",
        "decision_seconds": 20, "safe_after": 2, "colour": 1, "monogram": "AB",
        "instruments": [one.pk for one in bot.instruments.all()],
        "fallbacks-TOTAL_FORMS": 1, "fallbacks-INITIAL_FORMS": 0, "fallbacks-0-place": 1,
        "fallbacks-0-model": second.pk, "fallbacks-0-bot": bot.pk,
    }  # fmt: skip

    answer = root.post(page("change", Bot, bot.pk), sent)

    assert answer.status_code == 302, answer.context["errors"]
    bot.refresh_from_db()
    assert (bot.decider, bot.decision_seconds) == ("model:second", 20)
    assert FallbackModel.objects.get().model == second
    assert Budget.objects.filter(bot=bot).exists(), "its limits can be set before it asks"


def test_limits_are_set_without_touching_what_was_used(root, alice):
    bot = rows.bot(alice)
    budget = Budget.objects.create(owner=alice, bot=bot, tokens=7, total_cost=Decimal("1.5"))

    root.post(page("change", Budget, budget.pk), {"daily_tokens": "100", "daily_money": "0.5"})

    budget.refresh_from_db()
    assert (budget.daily_tokens, budget.daily_money, budget.tokens) == (100, Decimal("0.5"), 7)
    assert budget.total_cost == Decimal("1.5")
    [entry] = AuditEntry.objects.filter(subject=f"budget:{budget.pk}")
    assert json.loads(entry.change) == {"daily_tokens": ["5000000", "100"], "daily_money": ["5", "0.5"]}


# --- Trials ----------------------------------------------------------------------------------------------


@pytest.mark.requirement("BOT-03")
@pytest.mark.django_db(transaction=True)
def test_a_trial_says_how_a_model_answers(alice):
    with fake_models.serving(says({"summary": "ready", "items": []})) as server:
        model = models.model(models.provider(server.url, owner=alice))

        trials.run(model_id=model.pk)

    model.refresh_from_db()
    assert model.test_passed
    assert "Answers with schema in " in model.test_result
    assert "0.0033" in model.test_result
    [call] = ModelCall.objects.all()
    assert (call.purpose, call.bot, call.cost) == ("test", None, Decimal("0.0033"))
    assert Budget.objects.get(bot=None).total_cost == Decimal("0.0033")


@pytest.mark.requirement("BOT-03")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (status(401), "does not accept the key"),
        (status(404), "knows no model 'one'"),
        (status(402), "is used up"),
        (says("hello"), "no JSON"),
    ],
)
def test_a_trial_says_what_is_wrong(alice, behaviour, words):
    with fake_models.serving(behaviour) as server:
        model = models.model(models.provider(server.url, owner=alice))

        trials.run(model_id=model.pk)

    model.refresh_from_db()
    assert model.test_passed is False
    assert words in model.test_result


def test_trials_of_what_is_gone_do_nothing():
    trials.run(model_id=10**6)


@pytest.mark.requirement("BOT-03", "API-01")
def test_the_api_hands_a_test_to_a_worker(alice, bob, sent):
    model = models.model(models.provider(owner=alice))
    api = APIClient()
    api.force_login(alice)
    address = f"/api/v1/providers/{model.provider_id}/test/"

    answer = api.post(address, {}, format="json")

    assert (answer.status_code, answer.json()["asked"], sent) == (202, ["fake/one"], [model.pk])
    again = api.post(address, {"model": "fake/one"}, format="json")
    assert (again.status_code, again.json()["asked"], sent) == (202, [], [model.pk])
    assert api.post(address, {"model": "nobody"}, format="json").status_code == 400
    api.force_login(bob)
    assert api.post(address, {}, format="json").status_code == 404


@pytest.mark.requirement("SEC-02")
@pytest.mark.parametrize(("scope", "code"), [("read", 403), ("trade", 202), ("admin", 202)])
def test_testing_needs_more_than_reading(alice, sent, scope, code):
    model = models.model(models.provider(owner=alice))
    builders.token(alice, scope=scope)

    answer = APIClient().post(
        f"/api/v1/providers/{model.provider_id}/test/",
        {},
        format="json",
        headers={"authorization": f"Token {'t' * 43}"},
    )

    assert answer.status_code == code, answer.content


def test_no_worker_is_said(alice, monkeypatch):
    model = models.model(models.provider(owner=alice))

    def nobody(model_id):
        raise NoBroker("away")

    monkeypatch.setattr("bots.api.providers.enqueue_trial", nobody)
    api = APIClient()
    api.force_login(alice)
    assert api.post(f"/api/v1/providers/{model.provider_id}/test/", {}, format="json").status_code == 503


@pytest.mark.requirement("LED-02")
def test_the_api_never_shows_a_key(alice):
    provider = models.provider(owner=alice)
    models.model(provider)
    api = APIClient()
    api.force_login(alice)

    row = api.get(f"/api/v1/providers/{provider.pk}/").json()

    assert row["has_key"] is True
    assert row["models"][0]["price_input"] == "1"
    told = json.dumps(row) + api.get("/api/v1/providers/").content.decode()
    assert KEY not in told
    assert KEY[-4:] not in told
    assert provider.sealed_key not in told


def test_the_admin_hands_a_test_to_a_worker(root, alice, sent):
    model = models.model(models.provider(owner=alice))

    chosen = {"action": "try_now", "_selected_action": [model.pk]}
    answer = root.post(page("changelist", LanguageModel), chosen, follow=True)

    assert sent == [model.pk]
    assert "is being asked" in answer.content.decode()


# --- The demo --------------------------------------------------------------------------------------------


@pytest.fixture
def feed():
    running = builders.feed("demo")
    for symbol in ("BTC/USDT:USDT", "ETH/USDT:USDT"):
        builders.quote(builders.instrument(symbol), feed=running)
    return running


@pytest.mark.requirement("BOT-03")
def test_without_a_key_the_demo_is_as_it_was(feed, settings):
    settings.PROVIDERS = {}
    demo.ensure(feed)

    assert sorted(Bot.objects.values_list("name", flat=True)) == ["Buy and hold", "Mean reversion", "Random", "Trend"]
    assert not Provider.objects.exists()


@pytest.mark.requirement("BOT-03")
def test_a_key_in_the_environment_makes_a_bot_of_that_endpoint_and_model(feed, settings):
    settings.PROVIDERS = {
        "openai": {"api_key": KEY, "base_url": "http://127.0.0.1:9/v1/", "model": "gpt-5-mini"},
        "deepseek": {"api_key": "another"},
        "unheard": {"api_key": "x"},
    }
    demo.ensure(feed)
    demo.ensure(feed)

    bot = Bot.objects.get(name="openai")
    assert bot.decider == "model:openai/gpt-5-mini"
    assert bot.instruments.count() == 2
    provider = Provider.objects.get(name="openai")
    assert (provider.base_url, provider.key_source, provider.key) == ("http://127.0.0.1:9/v1", "environment", KEY)
    assert provider.sealed_key == "", "what stands in the environment is not copied"
    assert Bot.objects.get(name="deepseek").decider == "model:deepseek/deepseek-chat"
    assert not Bot.objects.filter(name="unheard").exists()
    assert Bot.objects.count() == 6


def test_the_demos_bot_follows_the_environment_to_another_model(feed, settings):
    settings.PROVIDERS = {"openai": {"api_key": KEY, "model": "gpt-5-mini"}}
    demo.ensure(feed)
    settings.PROVIDERS = {"openai": {"api_key": KEY, "model": "unknown-9", "base_url": "http://127.0.0.1:9/v1"}}
    demo.ensure(feed)

    assert Bot.objects.get(name="openai").decider == "model:openai/unknown-9"
    assert Provider.objects.get().base_url == "http://127.0.0.1:9/v1"
    assert not LanguageModel.objects.get(model_id="unknown-9").priced
    Bot.objects.filter(name="openai").update(decider="house:trend")
    demo.ensure(feed)
    assert Bot.objects.get(name="openai").decider == "house:trend", "what a person chose stays"


# --- Who loads what --------------------------------------------------------------------------------------


def test_the_web_process_never_loads_the_client():
    """Pages, admin, API, sockets and tasks are imported and the client is not: only a question loads it."""
    code = (
        "import django, sys; django.setup(); "
        "import tradingsite.urls, tradingsite.asgi, tradingsite.celery, bots.tasks, bots.admin, bots.api; "
        "print([name for name in ('openai', 'httpx2', 'ccxt') if name in sys.modules])"
    )
    environment = {"PATH": "/usr/bin", "DJANGO_SETTINGS_MODULE": "tradingsite.test_settings"}
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=django_settings.BASE_DIR, env=environment, capture_output=True, text=True
    )
    assert ended.stdout.strip() == "[]", ended.stderr


def test_a_provider_without_a_key_says_so_in_its_own_way(alice):
    keyless = Provider.objects.create(
        owner=alice, name="ollama", base_url="http://localhost:11434/v1", key_source=KeySource.NONE
    )

    assert (keyless.key, keyless.masked_key) == ("", "none")
