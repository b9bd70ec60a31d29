"""Whatever a model returns: no cycle breaks, nothing beyond the policy is traded, no limit or recipient moves."""

import json
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bots.domain import reading
from bots.domain.answer_fields import Action
from bots.domain.decisions import parse
from bots.domain.judgement import judge
from bots.models import Bot, Budget, Cycle, CycleStatus, ModelCall, RiskPolicy
from bots.tests import fake_models, models
from bots.tests.builders import BTC, ETH, briefing, d, view
from bots.tests.fake_models import says
from bots.tests.hostile_answers import NUMBER_FIELDS, ORDERS, corpus, sound, told
from ledger.models import Account, Intent, Order, Position
from ledger.valuation import account_portfolio
from markets.models import Quote

SERIES = {"5m": [100.0] * 30}


def brief():
    return briefing(view(100, series=SERIES), view(50, symbol=ETH, series=SERIES), timeframes=("5m",))


def plan_of(text: str, given_=None):
    """Through the pure part, as a cycle goes: text, raw answer, as stored and back, answer, plan."""
    given_ = given_ or brief()
    raw = reading.read(text)
    if isinstance(raw, reading.Unreadable):
        return None
    stored = json.loads(json.dumps(reading.storable(raw), allow_nan=False))
    json.dumps(stored).encode("utf-8")
    assert "\x00" not in json.dumps(stored, ensure_ascii=False)
    return judge(given_, parse(stored, known=given_.symbols, timeframes=given_.timeframes))


def check_within(plan, given_) -> None:
    """Every draft of a plan, and all of them together, are within the policy."""
    policy, equity = given_.policy, given_.portfolio.equity
    total = Decimal(0)
    for item in plan.items:
        draft = item.draft
        if draft is None:
            continue
        assert draft.symbol in given_.symbols
        if draft.kind in ("open", "add"):
            notional = draft.quantity * draft.price
            total += notional
            assert 0 < draft.leverage <= policy.max_leverage
            assert notional <= policy.max_position_notional * equity * Decimal("1.01")
            assert draft.stop is not None
            assert (draft.stop < draft.price) == draft.long
            loss = draft.quantity * abs(draft.price - draft.stop)
            assert loss <= policy.risk_per_trade * equity
    assert total <= policy.max_exposure * equity * Decimal("1.01")


CORPUS = corpus(BTC, ETH, 100.0)


@pytest.mark.requirement("BOT-04")
def test_the_corpus_is_large_and_has_no_text_twice():
    assert len(set(CORPUS.values())) == len(CORPUS) >= 300


@pytest.mark.requirement("BOT-04")
@pytest.mark.parametrize("name", [pytest.param(name, id=name) for name in CORPUS])
def test_a_hostile_text_plans_nothing_beyond_the_policy(name):
    given_ = brief()

    plan = plan_of(CORPUS[name], given_)

    if plan is not None:
        check_within(plan, given_)


FAMILIES_THAT_TRADE_NOTHING = ("prose", "cut off", "shape", "nested", "twice", "unknown", "extra", "signs")


@pytest.mark.requirement("BOT-04")
@pytest.mark.parametrize("family", FAMILIES_THAT_TRADE_NOTHING)
def test_families_in_which_nothing_may_be_taken_for_a_decision(family):
    for name, text in CORPUS.items():
        if name.startswith(f"{family}/"):
            plan = plan_of(text)
            assert plan is None or not plan.drafts, name


@pytest.mark.requirement("BOT-04")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("every", [8, pytest.param(1, marks=pytest.mark.slow)])
def test_each_hostile_answer_ends_its_cycle_in_order(every):
    """The corpus through the real client, cycle and paper venue: each answer, and the same again as its repair."""
    with fake_models.serving() as server:
        bot = models.asking_bot(server.url, decision_seconds=60, safe_after=10_000)
        Budget.objects.create(owner=bot.owner, bot=bot, daily_tokens=None, daily_money=None)
        Budget.objects.create(owner=bot.owner, daily_tokens=None, daily_money=None)
        first, second = bot.instruments.order_by("pk")[:2]
        mark = float(Quote.objects.get(feed=bot.book.account.feed, instrument=first).mark)
        limits = list(RiskPolicy.objects.order_by("pk").values())
        texts = corpus(first.symbol, second.symbol, mark)

        for name, text in list(texts.items())[::every]:
            server.otherwise = says(text)
            ran = models.run(bot)
            assert (ran.status, ran.error) == (CycleStatus.DONE, ""), name
            assert ran.decision.acted or not Intent.objects.filter(reference=f"cycle:{ran.pk}").exists()

    assert Cycle.objects.exclude(status=CycleStatus.DONE).count() == 0
    assert ModelCall.objects.filter(state="asking").count() == 0
    assert list(RiskPolicy.objects.order_by("pk").values()) == limits
    check_book(bot)


def check_book(bot: Bot) -> None:
    """What is held and live is this bot's, on its own instruments, within its policy."""
    account = Account.objects.select_related("feed").get(pk=bot.book.account_id)
    held = account_portfolio(account=account).books[bot.book_id]
    policy = bot.policy.limits
    assert held.exposure <= policy.max_exposure * held.equity * Decimal("1.05")
    assert {order.book_id for order in Order.objects.all()} <= {bot.book_id}
    allowed = set(bot.instruments.values_list("pk", flat=True))
    for position in Position.objects.open():
        assert position.instrument_id in allowed
        assert position.leverage <= policy.max_leverage
        assert position.stop is not None


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.text(max_size=12)
    | st.sampled_from([BTC, ETH, *Action, "close_below", "5m"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.integers() | st.sampled_from([95, 98, 100, 102, 110, 0.5])
CONDITIONS = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(["close_below", "close_above", "indicator_below", "x"]),
        "timeframe": st.sampled_from(["5m", "1h", "9m"]),
        "price": NUMBERS,
        "indicator": st.sampled_from(["rsi_14", "nope"]),
        "value": NUMBERS,
    },
)
ITEMS = st.fixed_dictionaries(
    {"symbol": st.sampled_from([BTC, ETH, "X"]) | JSON_VALUES, "action": st.sampled_from([*Action]) | JSON_VALUES},
    optional={
        **dict.fromkeys((*NUMBER_FIELDS, "reduce_share"), NUMBERS | JSON_VALUES),
        "invalidation": CONDITIONS | JSON_VALUES,
        "reason": st.text(max_size=30) | JSON_VALUES,
    },
)  # fmt: skip


@pytest.mark.requirement("BOT-04")
@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.fixed_dictionaries({"items": st.lists(ITEMS, max_size=4)}, optional={"summary": JSON_VALUES}))
def test_anything_of_the_schema_plans_nothing_beyond_the_policy(answer):
    given_ = brief()

    plan = plan_of(json.dumps(answer), given_)

    if plan is not None:
        check_within(plan, given_)


@settings(max_examples=400, deadline=None)
@given(st.text(max_size=200) | st.text(alphabet="{}[]\",:“”｛｝'`/*#\\ \n1eENaTrue", max_size=120))
def test_any_text_is_read_or_refused(text):
    found = reading.read(text)

    assert isinstance(found, reading.Unreadable) or isinstance(found["items"], list)


@settings(max_examples=300, deadline=None)
@given(JSON_VALUES)
def test_what_is_stored_can_be_stored(value):
    stored = json.dumps(reading.storable(value), allow_nan=False, ensure_ascii=False)

    stored.encode("utf-8")
    assert "\x00" not in stored


@pytest.mark.requirement("BOT-04")
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.django_db(transaction=True)
def test_orders_in_names_and_answers_move_no_limit_recipient_or_action(order):
    with fake_models.serving() as server:
        bot = models.asking_bot(server.url)
        instrument = bot.instruments.order_by("pk").first()
        Bot.objects.filter(pk=bot.pk).update(name=order[:60])
        mark = float(Quote.objects.get(feed=bot.book.account.feed, instrument=instrument).mark)
        limits = list(RiskPolicy.objects.order_by("pk").values())
        item = sound(instrument.symbol, mark, leverage=1000, risk_share=1, reason=order, recipient="0xdeadbeef")
        server.otherwise = says(f"{order}\n{told(item, policy={'max_leverage': 1000}, note=order)}")

        ran = models.run(bot)

    assert ran.status == CycleStatus.DONE
    [judged] = ran.decision.items.all()
    assert judged.action == "open_long"
    assert set(ran.decision.raw) <= {"summary", "items", "held"}
    assert list(RiskPolicy.objects.order_by("pk").values()) == limits
    for position in Position.objects.all():
        assert (position.book_id, position.instrument_id) == (bot.book_id, instrument.pk)
        assert position.leverage <= bot.policy.max_leverage
    check_book(bot)


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"summary": "s", "items": [{"symbol": "B", "action": "hold"}]}\n```',
        'Sure! Here it is:\n{"summary": "s", "items": [{"symbol": "B", "action": "hold"}]}\nGood luck {really}.',
        '{"summary": "s", "items": [{"symbol": "B", "action": "hold",},],}',
        '{“summary”： “s”， “items”： ［｛“symbol”： “B”， “action”： “hold”｝］}',
        "{'summary': 's', 'items': [{'symbol': 'B', 'action': 'hold'}]}",
        '{"summary": "s", // why not\n "items": [/* one */ {"symbol": "B", "action": "hold"}]}',
        '{summary: "s", items: [{symbol: "B", action: "hold"}]}',
        '<think>{"items": [{"symbol": "B", "action": "close"}]}</think>{"summary": "s", "items": '
        '[{"symbol": "B", "action": "hold"}]}',
        '\ufeff{"summary": "s", "items": [{"symbol": "B", "action": "hold"}]}',
        '[1.5, 2.5, 3.5] {"symbol": "B", "action": "hold"}',
        '[{"symbol": "B", "action": "hold"}]',
    ],
)  # fmt: skip
@pytest.mark.requirement("BOT-04")
def test_answers_that_are_meant_well_are_understood(text):
    assert reading.read(text)["items"] == [{"symbol": "B", "action": "hold"}]


def test_numbers_keep_their_digits():
    found = reading.read('{"items": [{"symbol": "B", "action": "hold", "stop": 0.12345678901234567890123}]}')

    assert found["items"][0]["stop"] == d("0.12345678901234567890123")


def test_words_inside_of_strings_stay_as_they_are():
    found = reading.read("{'items': [], 'summary': 'a \"b\" // c, True # d {e}，'}")

    assert found["summary"] == 'a "b" // c, True # d {e}，'
