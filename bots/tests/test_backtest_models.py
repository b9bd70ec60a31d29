"""Language models in a backtest: known answers for nothing, others under a budget, triggers as live, and resumed."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest

from bots import asking, replaying
from bots.backtests import lab, preparing, runs
from bots.backtests.asked_model import PAUSE_SECONDS, TRIES, Stopped
from bots.backtests.document import document
from bots.backtests.loader import NotThere
from bots.backtests.options import Unclear
from bots.backtests.request import Request
from bots.models import Asker, Backtest, BacktestState, Budget, KnownAnswer, LanguageModel, ModelCall, Purpose
from bots.models.backtests import LOST_AFTER
from bots.tests import fake_models, models, rows
from bots.tests.test_backtest_command import BTC, stored  # noqa: F401
from bots.tests.test_backtest_engine import START, minutes
from bots.tests.test_backtest_runs import WALL
from markets.domain.candles import MINUTE, instant

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("stored"),
    pytest.mark.requirement("BKT-03"),
]
HOLD = {"summary": "Nothing.", "items": [{"symbol": BTC, "action": "hold", "reason": "Quiet."}]}
# Two thirds of the price at the beginning.
STOP = round(float(minutes(3, 1500, start=60_000.0, step=0.002).close[930]) * 0.67, 1)
USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}


@pytest.fixture
def server():
    with fake_models.serving(fake_models.says(HOLD, usage=USAGE)) as found:
        yield found


@pytest.fixture
def model(server, alice):
    return models.model(models.provider(server.url, owner=alice), name="fake/one")


def wanted(*settings, **fields):
    defaults = {
        "decider": "model:fake/one", "exchange": "binanceusdm", "symbols": (BTC,), "timeframe": "5m",
        "start": f"{instant(START + 900 * MINUTE):%Y-%m-%dT%H:%M}",
        "settings": ("cap=60", "shadow=0", "timeframes=5m,1h", *settings),
    }  # fmt: skip
    return Request(**defaults | fields)


def ask(owner, *settings, **fields):
    return runs.ask(owner=owner, wanted=wanted(*settings, **fields), by=Asker.PAGE, wall=WALL)


def work():
    lab.work(draining=lambda: False)


def again(row):
    return Backtest.objects.get(pk=row.pk)


def test_without_money_nobody_is_asked_and_the_report_says_so(alice, model, server):
    row = ask(alice)
    work()

    done = again(row)
    assert done.state == BacktestState.DONE
    assert server.count == 0
    told = done.report["questions"]
    assert (told["paid"], told["asked"]) == (0, 0)
    assert told["unanswered"] > 0
    assert any("no known answer" in sentence for sentence in done.report["warnings"])


def test_with_money_it_is_asked_where_triggers_ask_and_every_call_is_counted(alice, model, server):
    row = ask(alice, "money=1")
    work()

    done = again(row)
    assert (done.state, done.error) == (BacktestState.DONE, "")
    told = done.report["questions"]
    calls = ModelCall.objects.filter(backtest=row)
    assert told["paid"] == server.count == calls.count() > 5
    assert told["skipped"] > 0
    assert told["unanswered"] == 0
    assert set(calls.values_list("purpose", flat=True)) == {Purpose.BACKTEST}
    assert told["cost"] == pytest.approx(float(sum(call.cost for call in calls)))
    assert Budget.objects.get(owner=alice, bot=None).total_cost == sum(call.cost for call in calls)
    assert done.made["model"]["model"] == "one"
    assert done.made["prompt"] == "the wording that ships"
    assert KnownAnswer.objects.count() == told["paid"]


def test_the_same_again_costs_nothing_and_gives_the_same(alice, model, server):
    first = ask(alice, "money=1")
    work()
    paid = server.count
    second = ask(alice)
    work()

    one, other = again(first).report, again(second).report
    assert server.count == paid
    assert (other["questions"]["paid"], other["questions"]["known"]) == (0, one["questions"]["asked"])
    assert one["listing"] == other["listing"]
    assert one["final_equity"] == other["final_equity"]


def test_where_the_money_ends_it_stops_and_goes_on_from_there(alice, model, server):
    row = ask(alice, "money=0.03")
    work()
    stopped = again(row)
    asked = server.count
    assert stopped.state == BacktestState.FAILED
    assert "The money set aside for this backtest, 0.03 USD" in stopped.error
    assert asked > 0
    assert sum(call.cost for call in ModelCall.objects.filter(backtest=row)) <= Decimal("0.03")

    runs.again(backtest=stopped, wall=WALL, settings=["cap=60", "shadow=0", "timeframes=5m,1h", "money=1"])
    work()

    done = again(row)
    assert done.state == BacktestState.DONE
    assert done.report["questions"]["known"] == asked
    assert server.count == asked + done.report["questions"]["paid"]


def test_the_page_gives_more_money(client, alice, model):
    row = ask(alice, "money=0.02")
    work()
    client.force_login(alice)
    assert 'name="money"' in client.get(f"/backtests/{row.pk}/").content.decode()

    client.post(f"/backtests/{row.pk}/again/", {"money": "1"})

    assert again(row).request["settings"] == ["cap=60", "shadow=0", "timeframes=5m,1h", "money=1"]
    assert again(row).state == BacktestState.QUEUED


def test_a_model_trades_is_reminded_of_what_it_said_and_is_judged_as_live(alice, model, server):
    answers = {"entered": 0}

    def trade(handler, body):
        words = json.dumps(body["messages"])
        answers["reminded"] = answers.get("reminded") or "Going up, I think." in words
        item = {
            "symbol": BTC,
            "action": "open_long",
            "conviction": 0.8,
            "stop": STOP,
            "reason": "Going up, I think.",
        }
        answers["entered"] += 1
        fake_models.says({"summary": "Up.", "items": [item]}, usage=USAGE)(handler, body)

    server.otherwise = trade
    row = ask(alice, "money=5", "max_stop_distance=0.5")
    work()

    done = again(row)
    assert done.state == BacktestState.DONE, done.error
    assert answers["entered"] > 1
    assert answers["reminded"]
    assert done.report["questions"]["paid"] >= 2


def test_what_was_answered_live_is_known(alice, model, server, monkeypatch):
    prepared = preparing.prepare(wanted(), owner=alice)
    seen = []
    monkeypatch.setattr(type(prepared.setup.decider), "_known", lambda self, prompt: seen.append(prompt))
    prepared.run()
    monkeypatch.undo()
    replaying.remember(
        model="model:fake/one", prompt=seen[0], answer=HOLD, parameters=replaying.deciding.parameters_of(model),
        owner=alice.pk,
    )  # fmt: skip

    again_ = preparing.prepare(wanted(), owner=alice)
    result, seconds = again_.run()

    assert document(again_, result, seconds)["questions"]["known"] == 1


@pytest.mark.parametrize(
    ("decider", "settings", "sentence"),
    [
        ("model:nobody", (), "You have no model named «nobody»; there are fake/one"),
        ("model:fake/one", ("money=-1",), "money must be a number from 0"),
        ("model:fake/one", ("shadow=2",), "shadow must be a number from 0"),
        ("model:fake/one", ("prompt=mine",), "You have no prompt «mine»"),
        ("model:fake/one", ("prompt=mine v²",), "You have no prompt «mine v²»"),
        ("model:fake/one", ("prompt=mine v99999999999999999999",), "You have no prompt «mine v9"),
        ("model:fake/one", ("money=1", "stop_atr=2"), "There is no setting «stop_atr»"),
        ("recorded:Nobody", (), "You have no bot named «Nobody»"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_sentence(alice, model, decider, settings, sentence):
    with pytest.raises((Unclear, NotThere), match=sentence):
        ask(alice, *settings, decider=decider) if decider.startswith("model") else runs.ask(
            owner=alice, wanted=wanted(decider=decider, settings=()), by=Asker.PAGE, wall=WALL
        )


def test_a_run_shows_that_it_lives_before_each_question(alice, model, server):
    beats = []
    prepared = preparing.prepare(
        wanted("money=1"), owner=alice, run=ask(alice, "money=1"), alive=lambda: beats.append(server.count)
    )
    prepared.run()

    assert beats == list(range(server.count))
    assert server.count > 0


def test_one_call_ends_before_a_silent_run_is_given_up(alice, model, monkeypatch):
    LanguageModel.objects.update(call_seconds=32_000)
    prepared, seconds = preparing.prepare(wanted("money=1"), owner=alice, run=ask(alice, "money=1")), []

    def answer(question):
        seconds.append(question.seconds)
        return asking.Found({}, "allowance", "Enough.")

    monkeypatch.setattr(asking, "answer", answer)
    with pytest.raises(Stopped):
        prepared.run()

    assert timedelta(seconds=seconds[0] + TRIES * PAUSE_SECONDS) < LOST_AFTER


def test_money_for_a_decider_that_takes_none_is_refused_before_it_runs(client, alice):
    row = ask(alice, decider="house:trend", settings=())
    runs.cancel(backtest=row, wall=WALL)
    client.force_login(alice)

    page = client.post(f"/backtests/{row.pk}/again/", {"money": "1"}, follow=True)

    assert "There is no setting «money»" in page.content.decode()
    assert again(row).state == "cancelled"


def test_a_model_without_prices_gets_no_money(alice, server):
    models.model(models.provider(server.url, owner=alice), name="fake/free", price_input=None)

    with pytest.raises(Unclear, match="has no prices"):
        ask(alice, "money=1", decider="model:fake/free")


def test_models_of_others_are_not_there(alice, bob, model):
    with pytest.raises(NotThere, match="You have no model"):
        ask(bob)


def test_a_record_is_traded_again_under_other_limits(alice):
    bot = rows.bot(alice, name="Trend")
    at = instant(START + 950 * MINUTE)
    item = {"symbol": BTC, "action": "open_long", "conviction": 0.8, "stop": STOP, "reason": "Up: 1.5 over 1.4."}
    for n, items in enumerate(([item], [], [{"symbol": BTC, "action": "close", "conviction": 0.5, "reason": "Down."}])):
        cycle = rows.cycle(bot, slot=at + n * timedelta(minutes=60))
        rows.decision(bot, cycle=cycle, items=0, raw={"summary": "", "items": items})
    fields = {"decider": "recorded:Trend", "settings": ("max_stop_distance=0.5",)}
    row = runs.ask(owner=alice, wanted=wanted(**fields), by=Asker.PAGE, wall=WALL)
    work()

    done = again(row)
    assert done.state == BacktestState.DONE, done.error
    [trade] = done.report["listing"]
    assert (trade[2], trade[3], trade[-2]) == (
        f"{at:%Y-%m-%dT%H:%M:%SZ}",
        f"{at + timedelta(hours=2):%Y-%m-%dT%H:%M:%SZ}",
        "Up",
    )
    assert done.report["questions"]["known"] == 3
    assert done.made["answers"] == 3
