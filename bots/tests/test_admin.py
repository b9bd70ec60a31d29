from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.urls import reverse

from bots.models import Bot, BotStatus, Cycle, Decision, RiskPolicy
from bots.tests import rows
from ledger.models import TradingState
from ledger.tests import builders

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("UI-10")]

BUILDERS = {
    Bot: rows.bot,
    Cycle: lambda owner: rows.cycle(rows.bot(owner)),
    Decision: lambda owner: rows.decision(rows.bot(owner)),
    RiskPolicy: rows.policy,
}
HISTORY = (Cycle, Decision)
every_model = pytest.mark.parametrize("model", BUILDERS)
every_history = pytest.mark.parametrize("model", HISTORY)


def page(name, model, *args):
    return reverse(f"admin:bots_{model._meta.model_name}_{name}", args=args)


def text(answer):
    assert answer.status_code == 200
    return answer.content.decode()


def said(answer):
    return [str(message) for message in answer.context["messages"]]


def choose(client, action, *bots, model=Bot, **more):
    chosen = {"action": action, "_selected_action": [bot.pk for bot in bots]}
    return client.post(page("changelist", model), chosen | more, follow=True)


def form_of(row, **changes):
    """What the browser would send for the page of this row, with some fields changed."""
    form = admin.site._registry[type(row)].form(instance=row)
    fixed = {"owner", "book", "status", "next_run_at"}
    sent = {name: field.prepare_value(form.get_initial_for_field(field, name)) for name, field in form.fields.items()}
    if isinstance(row, Bot):
        sent["instruments"] = [instrument.pk for instrument in row.instruments.all()]
        sent |= {f"fallbacks-{name}": 0 for name in ("TOTAL_FORMS", "INITIAL_FORMS")}
    return {name: value for name, value in (sent | changes).items() if value is not None and name not in fixed}


# --- controls --------------------------------------------------------------------------------------------


@pytest.mark.requirement("BOT-01")
def test_bots_are_started_and_paused(root, alice):
    first, second, untouched = rows.bot(alice), rows.bot(alice), rows.bot(alice)

    answer = choose(root, "start", first, second)

    assert said(answer) == [f"{bot.name} is running from its next slot on." for bot in (second, first)]
    states = dict(Bot.objects.values_list("pk", "status"))
    assert states == {first.pk: "running", second.pk: "running", untouched.pk: "paused"}

    choose(root, "pause", first)
    first.refresh_from_db()
    assert first.status == BotStatus.PAUSED


def test_what_was_done_stands_in_the_history_of_the_bot(root, alice):
    bot = rows.bot(alice)
    choose(root, "start", bot)

    assert "is running from its next slot on." in text(root.get(page("history", Bot, bot.pk)))


def test_a_cycle_is_run_now_and_a_second_one_is_refused_in_words(root, alice):
    bot = rows.bot(alice)

    choose(root, "run_now", bot)
    answer = choose(root, "run_now", bot)

    cycle = Cycle.objects.get()
    assert (cycle.bot, cycle.trigger, cycle.status) == (bot, "person", "queued")
    assert said(answer) == [f"{bot.name} is already due at the next instant."]


def test_what_is_not_possible_for_one_bot_is_done_for_the_others(root, alice):
    over = rows.bot(
        alice, book=builders.book(alice, account=builders.account(alice, feed=builders.feed("r", finished=True)))
    )
    bot = rows.bot(alice)

    answer = choose(root, "run_now", over, bot)

    assert Cycle.objects.get().bot == bot
    assert "The replay has reached its end: there is no next instant." in said(answer)


@pytest.mark.requirement("BOT-06")
def test_flattening_says_first_what_it_closes_and_does_nothing_yet(root, alice):
    bot = rows.bot(alice, name="trend", status=BotStatus.RUNNING)
    builders.quote(price="51000")
    builders.position(bot.book)

    shown = text(choose(root, "flatten", bot))

    assert "1 position will be closed" in shown
    assert "+100.00 USDT" in shown
    bot.refresh_from_db()
    bot.book.refresh_from_db()
    assert (bot.status, bot.book.flatten_requested_at) == ("running", None)


@pytest.mark.requirement("BOT-06")
def test_flattening_is_asked_for_once_it_is_confirmed(root, alice):
    bot, untouched = rows.bot(alice, status=BotStatus.RUNNING), rows.bot(alice)

    choose(root, "flatten", bot, confirmed="yes")

    bot.refresh_from_db()
    bot.book.refresh_from_db()
    untouched.book.refresh_from_db()
    assert bot.status == BotStatus.PAUSED
    assert bot.book.flatten_requested_at == builders.NOW
    assert untouched.book.flatten_requested_at is None
    assert TradingState.objects.current().get(book=bot.book).changed_by == alice


def test_flattening_bots_that_hold_nothing_says_so(root, alice):
    assert "There is no open position to close." in text(choose(root, "flatten", rows.bot(alice)))


# --- bots ------------------------------------------------------------------------------------------------


def test_a_bot_leads_to_its_live_page_where_that_opens(root, alice, bob):
    mine, foreign = rows.bot(alice), rows.bot(bob)

    shown = text(root.get(page("changelist", Bot)))

    assert f'href="/bots/{mine.pk}/"' in shown
    assert f'href="/bots/{foreign.pk}/"' not in shown


def test_a_bot_is_set(root, alice):
    bold = rows.policy(alice, name="bold")
    ether = builders.instrument("ETH/USDT:USDT")
    bot = rows.bot(alice)
    changes = {
        "name": "Trend",
        "policy": bold.pk,
        "decider": "house:mean_reversion",
        "timeframes": "1h, 5m,15m",
        "interval_seconds": "300",
        "instruments": [ether.pk],
    }

    answer = root.post(page("change", Bot, bot.pk), form_of(bot, **changes))

    assert answer.status_code == 302, answer.context["errors"]
    bot.refresh_from_db()
    assert (bot.name, bot.policy, bot.decider) == ("Trend", bold, "house:mean_reversion")
    assert (bot.timeframes, bot.interval_seconds) == (["5m", "15m", "1h"], 300)
    assert list(bot.instruments.all()) == [ether]


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("timeframes", "5m, 7m", "There is no timeframe 7m; choose from 1m, 3m, 5m"),
        ("timeframes", " , ", "A bot needs a timeframe; choose from"),
        ("interval_seconds", "59", "A bot decides once a minute at most: give 60 seconds or more."),
        ("decider", "house:magic", "Select a valid choice."),
        ("colour", "8", "less than or equal to 7"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_in_one_sentence(root, alice, field, value, sentence):
    bot = rows.bot(alice)

    answer = root.post(page("change", Bot, bot.pk), form_of(bot, **{field: value}))

    assert answer.status_code == 200
    assert sentence in answer.context["adminform"].form.errors[field][0]


def test_a_bot_keeps_the_instrument_it_holds(root, alice):
    bot = rows.bot(alice)
    builders.position(bot.book)
    ether = builders.instrument("ETH/USDT:USDT")

    answer = root.post(page("change", Bot, bot.pk), form_of(bot, instruments=[ether.pk]))

    assert "has an open position that the bot would no longer look after" in text(answer)
    assert [row.symbol for row in bot.instruments.all()] == ["BTC/USDT:USDT"]


@pytest.mark.parametrize("wrong", [{"exchange": "elsewhere"}, {"settle": "USDC"}, {"active": False}])
def test_a_bot_trades_only_what_its_account_can(root, alice, wrong):
    bot = rows.bot(alice)
    coin = builders.instrument("DOGE/USDT:USDT", **wrong)

    answer = root.post(page("change", Bot, bot.pk), form_of(bot, instruments=[coin.pk]))

    assert "instruments" in answer.context["adminform"].form.errors


def test_a_bot_does_not_take_the_policy_of_another_owner(root, alice, bob):
    bot = rows.bot(alice)

    answer = root.post(page("change", Bot, bot.pk), form_of(bot, policy=rows.policy(bob).pk))

    assert "policy" in answer.context["adminform"].form.errors


def test_bots_are_neither_made_nor_deleted_here(root, alice):
    bot = rows.bot(alice)

    assert root.post(page("add", Bot), {}).status_code == 403
    assert root.post(page("delete", Bot, bot.pk), {"post": "yes"}).status_code == 403
    choose(root, "delete_selected", bot, post="yes")
    assert Bot.objects.get() == bot


# --- policies --------------------------------------------------------------------------------------------


@pytest.mark.requirement("RSK-08")
def test_a_change_of_a_policy_makes_a_new_version(root, alice):
    policy = rows.policy(alice)

    answer = root.post(page("change", RiskPolicy, policy.pk), form_of(policy, risk_per_trade="0.02"))

    assert answer.status_code == 302, answer.context["errors"]
    policy.refresh_from_db()
    assert (policy.risk_per_trade, policy.version) == (Decimal("0.02"), 2)


def test_saving_a_policy_without_a_change_keeps_its_version(root, alice):
    policy = rows.policy(alice)

    root.post(page("change", RiskPolicy, policy.pk), form_of(policy))

    policy.refresh_from_db()
    assert policy.version == 1


def test_a_policy_is_added_with_version_one(root, alice):
    form = form_of(RiskPolicy(), name="mine") | {"owner": alice.pk}

    answer = root.post(page("add", RiskPolicy), form)

    assert answer.status_code == 302, answer.context["errors"]
    assert RiskPolicy.objects.get().version == 1


@pytest.mark.requirement("RSK-08")
@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"risk_per_trade": "0.2"}, "risk_per_trade", "This must be above 0 and at most 0.1 of equity."),
        ({"risk_per_trade": "0"}, "risk_per_trade", "This must be above 0 and at most 0.1 of equity."),
        ({"risk_per_trade": "NaN"}, "risk_per_trade", "Enter a number."),
        ({"min_stop_distance": "0.2"}, "max_stop_distance", "The largest stop distance, 0.1, is below the smallest"),
        ({"max_leverage": "0"}, "max_leverage", "This must be at least 1 and at most 50."),
        ({"min_confidence": "1.5"}, "min_confidence", "This must be at least 0 and at most 1."),
    ],
)
def test_limits_that_make_no_sense_are_refused_and_change_nothing(root, alice, changes, field, sentence):
    policy = rows.policy(alice)
    before = RiskPolicy.objects.values().get()

    answer = root.post(page("change", RiskPolicy, policy.pk), form_of(policy, **changes))

    assert answer.context["adminform"].form.errors[field][0].startswith(sentence)
    assert RiskPolicy.objects.values().get() == before


def test_an_edit_of_an_older_version_is_refused(root, alice):
    policy = rows.policy(alice)
    first, second = form_of(policy, risk_per_trade="0.02"), form_of(policy, max_leverage="2")

    root.post(page("change", RiskPolicy, policy.pk), first)
    answer = root.post(page("change", RiskPolicy, policy.pk), second)

    assert "Somebody changed this policy while you were editing it; look at version 2" in text(answer)
    policy.refresh_from_db()
    assert (policy.risk_per_trade, policy.max_leverage, policy.version) == (Decimal("0.02"), 3, 2)


def test_a_policy_that_bots_rest_on_is_not_deleted(root, alice):
    bot = rows.bot(alice)

    root.post(page("delete", RiskPolicy, bot.policy_id), {"post": "yes"})

    assert RiskPolicy.objects.get() == bot.policy


def test_a_policy_stays_with_its_owner(root, alice, bob):
    policy = rows.policy(alice)

    root.post(page("change", RiskPolicy, policy.pk), form_of(policy, max_leverage="2") | {"owner": bob.pk})

    policy.refresh_from_db()
    assert (policy.owner, policy.max_leverage) == (alice, 2)


# --- history ---------------------------------------------------------------------------------------------


@pytest.mark.requirement("RSK-07")
def test_a_decision_shows_the_verdicts_and_leads_to_its_page(root, alice):
    decision = rows.decision(rows.bot(alice), items=0)
    rows.item(decision, verdicts=[{"code": "max_exposure", "effect": "deny", "text": "1.8 <b>is</b> too much."}])

    shown = text(root.get(page("change", Decision, decision.pk)))

    # What a model wrote is text and nothing else.
    assert "max_exposure: 1.8 &lt;b&gt;is&lt;/b&gt; too much." in shown
    assert f'href="/decisions/{decision.pk}/"' in text(root.get(page("changelist", Decision)))


def test_the_answer_of_a_model_cannot_bring_markup_into_its_page(root, alice):
    evil = "<script>alert(1)</script>"
    decision = rows.decision(rows.bot(alice), raw={"note": evil}, summary=evil)

    assert evil not in text(root.get(page("change", Decision, decision.pk)))
    assert evil not in text(root.get(page("changelist", Decision)))


def test_a_cycle_shows_how_long_it_took(root, alice):
    cycle = rows.cycle(rows.bot(alice), started_at=builders.NOW, ended_at=builders.NOW + timedelta(seconds=1.5))
    rows.decision(cycle=cycle)

    shown = text(root.get(page("changelist", Cycle)))

    assert "1.50" in shown
    assert f'href="/decisions/{cycle.decision.pk}/"' in shown


@every_history
def test_history_is_neither_added_to_nor_changed_nor_deleted(root, alice, model):
    row = BUILDERS[model](alice)
    before = model.objects.values().get(pk=row.pk)

    assert root.post(page("add", model), {}).status_code == 403
    assert root.post(page("change", model, row.pk), {"error": "forged", "summary": "forged"}).status_code == 403
    assert root.post(page("delete", model, row.pk), {"post": "yes"}).status_code == 403
    choose(root, "delete_selected", row, model=model, post="yes")

    assert model.objects.values().get(pk=row.pk) == before


# --- staff who are no superusers -------------------------------------------------------------------------


@every_model
@pytest.mark.requirement("SEC-02")
def test_staff_see_what_they_own_and_nothing_else(staff, alice, bob, model):
    mine, foreign = BUILDERS[model](bob), BUILDERS[model](alice)

    assert list(staff.get(page("changelist", model)).context["cl"].queryset) == [mine]
    assert staff.get(page("change", model, mine.pk)).status_code == 200
    assert staff.get(page("change", model, foreign.pk)).url == reverse("admin:index")


@every_model
@pytest.mark.requirement("SEC-02")
def test_no_filter_or_choice_tells_staff_of_others(staff, alice, bob, model):
    alice.username = "somebody-else"
    alice.save()
    rows.bot(alice, name="unseen bot", policy=rows.policy(alice, name="unseen policy"))
    mine = BUILDERS[model](bob)

    for address in (page("changelist", model), page("change", model, mine.pk)):
        shown = text(staff.get(address))
        assert "somebody-else" not in shown
        assert "unseen" not in shown


@pytest.mark.requirement("SEC-02")
@pytest.mark.parametrize("action", ["start", "pause", "run_now", "flatten"])
def test_no_action_reaches_bots_of_others(staff, alice, action):
    foreign = rows.bot(alice, status=BotStatus.STOPPED)

    choose(staff, action, foreign, confirmed="yes")

    foreign.refresh_from_db()
    foreign.book.refresh_from_db()
    assert foreign.status == BotStatus.STOPPED
    assert foreign.book.flatten_requested_at is None
    assert not Cycle.objects.exists()


@pytest.mark.requirement("SEC-02")
def test_staff_cannot_make_a_policy_for_somebody_else(staff, alice):
    form = form_of(RiskPolicy(), name="trap") | {"owner": alice.pk}

    answer = staff.post(page("add", RiskPolicy), form)

    assert "owner" in answer.context["adminform"].form.errors
    assert not RiskPolicy.objects.exists()


def test_who_may_only_look_can_do_nothing_with_a_bot(client, bob):
    bob.is_staff = True
    bob.save()
    bob.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(bob)
    bot, policy = rows.bot(bob), rows.policy(bob)

    choose(client, "start", bot)

    assert client.get(page("change", Bot, bot.pk)).status_code == 200
    assert client.get(page("change", RiskPolicy, policy.pk)).status_code == 200
    assert client.post(page("change", Bot, bot.pk), form_of(bot, name="x")).status_code == 403
    bot.refresh_from_db()
    assert bot.status == BotStatus.PAUSED
