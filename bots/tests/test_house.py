"""House strategies: they answer as a model would, within their policy, and wait while they know too little."""

import dataclasses
from dataclasses import replace
from datetime import timedelta

import jsonschema
import numpy as np
import pytest

from bots import deciders
from bots.deciders import registry
from bots.deciders.house import STRATEGIES
from bots.domain.answer_schema import schema
from bots.domain.decisions import parse
from bots.domain.frequency import frequency
from bots.domain.judgement import Outcome, judge
from bots.domain.policy import PRESETS
from bots.tests.builders import BTC, ETH, NOW, SOL, briefing, candles, d, held, pending, portfolio, rules, view, walk
from markets.domain.candles import TIMEFRAMES, Candles, resample
from markets.domain.snapshot import InstrumentView, Series

SYMBOLS = {BTC: (60_000.0, "0.1", "0.001"), ETH: (3_000.0, "0.01", "0.01"), SOL: (0.15, "0.00001", "1")}
FRAMES = ("1m", "5m", "15m", "1h")
HOUSE = (
    "house:breakout", "house:buy_and_hold", "house:equal_weight", "house:mean_reversion", "house:random",
    "house:random_like", "house:sma_cross", "house:trend",
)  # fmt: skip
RARE = ("house:mean_reversion", "house:random_like")


def market(symbol=BTC, *, seed=1, days=16, frames=FRAMES, now=NOW, ends=None, drift=0.0) -> InstrumentView:
    """A lively walk of minutes, resampled to every timeframe; `ends` is put in place of the last closes."""
    start, tick, step = SYMBOLS[symbol]
    closes = walk(days * 1440, seed=seed, start=start, step=0.001, drift=drift)
    if ends is not None:
        closes[-len(ends) :] = closes[-len(ends) - 1] * np.asarray(ends)
    minutes = candles(closes, "1m", now=now, noise=0.0003)
    series = {name: Series(name, resample(minutes, TIMEFRAMES["1m"], TIMEFRAMES[name])) for name in frames}
    found = rules(symbol, tick=d(tick), step=d(step), min_quantity=d(step))
    return replace(view(float(closes[-1]), rules_=found, now=now), series=series)


def markets(seed=1, **made):
    return [market(symbol, seed=seed + n, **made) for n, symbol in enumerate(SYMBOLS)]


@pytest.fixture(scope="module")
def three():
    return markets()


def ask(name, told, **options):
    """The raw answer by symbol, and the plan that follows from it; the answer must fit the schema."""
    raw = deciders.get(name, options).decide(told)
    shape = schema(sorted(told.symbols))
    full = dict.fromkeys(shape["properties"]["items"]["items"]["properties"])
    jsonschema.validate(raw | {"items": [full | item for item in raw["items"]]}, shape)
    answer = parse(raw, known=told.symbols, timeframes=told.timeframes)
    assert not answer.refused
    return {item["symbol"]: item for item in raw["items"]}, judge(told, answer)


@pytest.mark.requirement("BOT-11")
@pytest.mark.parametrize("name", HOUSE)
def test_every_strategy_answers_for_every_instrument_with_a_reason(name, three):
    raw, _ = ask(name, briefing(*three))

    assert set(raw) == set(SYMBOLS)
    assert all(10 < len(item["reason"]) <= 300 for item in raw.values())


@pytest.mark.requirement("BOT-11")
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", HOUSE)
def test_what_a_strategy_enters_conforms_to_its_policy(name, preset):
    entered = 0
    for slot in range(12):
        told = replace(briefing(*markets(seed=100 * slot)), policy=PRESETS[preset], slot_index=slot)
        _, plan = ask(name, told)
        entries = [item for item in plan.items if item.action.startswith("open")]
        entered += len(entries)
        assert [item for item in entries if item.outcome == Outcome.REFUSED] == []
        assert len(entries) <= PRESETS[preset].max_positions
    if name not in RARE:
        assert entered


@pytest.mark.parametrize("name", ["house:trend", "house:random", "house:mean_reversion", "house:breakout"])
def test_without_enough_candles_it_holds_and_says_so(name):
    young = [market(symbol, days=1, frames=("1h",)) for symbol in SYMBOLS]
    raw, plan = ask(
        name, briefing(*young, timeframes=("1h",)), **({"entry_chance": 1} if name == "house:random" else {})
    )

    assert {item["action"] for item in raw.values()} == {"hold"}
    assert all("Not enough candles" in item["reason"] for item in raw.values())
    assert not plan.drafts


@pytest.mark.parametrize("name", HOUSE)
def test_no_entry_while_only_exits_are_allowed(name, three):
    for slot in range(10):
        raw, _ = ask(name, briefing(*three, state="reduce_only", slot_index=slot))
        assert {item["action"] for item in raw.values()} == {"hold"}


def test_nobody_enters_where_something_is_held_pending_or_blocked(three):
    busy = portfolio(
        held(BTC, entry=60_000, mark=60_000, quantity="0.01", stop=50_000),
        pending=(pending(ETH),),
        blocked={SOL: "a position of another book"},
    )
    for name in HOUSE:
        for slot in range(10):
            raw, _ = ask(name, briefing(*three, portfolio_=busy, slot_index=slot))
            assert {item["action"] for item in raw.values()} <= {"hold", "close"}


def test_trend_goes_with_the_averages_and_tells_their_numbers():
    for drift, action in ((0.0001, "open_long"), (-0.0001, "open_short")):
        raw, plan = ask("house:trend", briefing(market(drift=drift)), min_adx=0)

        assert raw[BTC]["action"] == action
        assert "EMA20" in raw[BTC]["reason"]
        assert "5m" in raw[BTC]["reason"]
        assert plan.drafts[0].long is (action == "open_long")


@pytest.mark.requirement("BOT-11")
@pytest.mark.parametrize("drift", [0.0001, -0.0001])
def test_trend_puts_its_stop_beyond_the_last_swing_where_it_is_told_to(drift):
    seen = market(drift=drift)
    roomy = replace(PRESETS["bold"], max_stop_distance=d("0.5"), min_stop_distance=d("0.000001"))
    raw, plan = ask("house:trend", replace(briefing(seen), policy=roomy), min_adx=0, swing=48)
    [draft] = plan.drafts
    last = seen.candles("5m", 48)
    edge, mark = (last.low.min() if drift > 0 else last.high.max()), float(seen.quote.mark)

    assert "beyond the last 48 candles" in raw[BTC]["reason"]
    assert abs(float(draft.price) - float(draft.stop)) > abs(mark - edge)
    assert float(draft.stop) == pytest.approx(edge, rel=0.001)


def test_trend_needs_strength():
    raw, _ = ask("house:trend", briefing(market(drift=0.0001)), min_adx=99)

    assert raw[BTC]["action"] == "hold"
    assert "the ADX is below 99" in raw[BTC]["reason"]


def test_trend_leaves_when_the_averages_cross_back():
    rising = market(drift=0.0001)
    mark = rising.quote.mark

    def action(long):
        own = held(BTC, long=long, entry=mark, mark=mark, quantity="0.01", stop=mark * (d("0.9") if long else d("1.1")))
        return ask("house:trend", briefing(rising, portfolio_=portfolio(own)))[0][BTC]["action"]

    assert action(long=True) == "hold"
    assert action(long=False) == "close"


@pytest.mark.parametrize(("moves", "action"), [((0.985, 0.97), "open_long"), ((1.015, 1.03), "open_short")])
def test_mean_reversion_fades_an_extreme(moves, action):
    # A calm market, so that the stop is small beside the way back to the middle band.
    calm = market(ends=[1.0] * 30 + list(moves))

    raw, plan = ask("house:mean_reversion", briefing(calm), stop_atr=0.5)

    assert raw[BTC]["action"] == action, raw[BTC]["reason"]
    assert plan.items[0].outcome != Outcome.REFUSED
    assert raw[BTC]["target"] == pytest.approx(calm.indicator("1m", "bollinger_middle"), rel=1e-4)


def test_mean_reversion_waits_when_the_way_back_does_not_pay():
    calm = market(ends=[1.0] * 30 + [0.985, 0.97])

    raw, _ = ask("house:mean_reversion", briefing(calm), stop_atr=20)

    assert raw[BTC]["action"] == "hold"
    assert "times the risk" in raw[BTC]["reason"]


def test_mean_reversion_leaves_at_the_mean(three):
    rsi = three[0].indicator("1m", "rsi_14")
    mark = three[0].quote.mark

    def action(long):
        own = held(BTC, long=long, entry=mark, mark=mark, quantity="0.01")
        return ask("house:mean_reversion", briefing(three[0], portfolio_=portfolio(own)))[0][BTC]["action"]

    assert action(long=rsi > 50) == "close"
    assert action(long=rsi < 50) == "hold"


def test_buy_and_hold_buys_once_and_never_again(three):
    raw, plan = ask("house:buy_and_hold", briefing(*three))
    assert [item["action"] for item in raw.values()] == ["open_long"] * 3
    assert len(plan.drafts) == 3

    mark = three[0].quote.mark
    holding = portfolio(held(BTC, entry=mark, mark=mark, quantity="0.01", stop=mark / 2), cash=9_999, deposited=10_000)
    raw, plan = ask("house:buy_and_hold", briefing(*three, portfolio_=holding))
    assert {item["action"] for item in raw.values()} == {"hold"}

    stopped = portfolio(cash=9_900, deposited=10_000)
    assert not ask("house:buy_and_hold", briefing(*three, portfolio_=stopped))[1].drafts


def test_buy_and_hold_takes_no_more_than_its_places(three):
    one = replace(PRESETS["balanced"], max_positions=1)
    raw, plan = ask("house:buy_and_hold", briefing(*three, policy_=one))

    assert [item["action"] for item in raw.values()].count("open_long") == 1
    assert len(plan.drafts) == 1


@pytest.mark.requirement("BOT-11")
def test_random_draws_the_same_for_the_same_slot_and_seed_only(three):
    def draws(seed, slots=range(30)):
        decider = deciders.get("house:random")
        return [decider.decide(briefing(*three, seed=seed, slot_index=slot)) for slot in slots]

    assert draws(1) == draws(1)
    assert draws(1) != draws(2)
    first = draws(1)
    assert len({str(answer["items"]) for answer in first}) > 10
    actions = {item["action"] for answer in first for item in answer["items"]}
    assert actions == {"open_long", "open_short", "hold"}


def test_a_position_does_not_shift_the_coins_of_the_others(three):
    own = portfolio(held(BTC, entry=60_000, mark=60_000, quantity="0.01", stop=50_000))
    for slot in range(20):
        without = deciders.get("house:random").decide(briefing(*three, slot_index=slot))
        with_one = deciders.get("house:random").decide(briefing(*three, slot_index=slot, portfolio_=own))
        assert without["items"][1:] == with_one["items"][1:]


@pytest.mark.parametrize("name", ["house:trend", "house:random", "house:buy_and_hold"])
def test_in_a_lively_market_it_trades_within_the_first_cycles(name):
    planned = []
    for slot in range(5):
        now = NOW + timedelta(minutes=3 * slot) - timedelta(hours=1)
        told = briefing(*(replace(one, now=now, quote=replace(one.quote, at=now)) for one in markets()), now=now)
        planned += ask(name, replace(told, slot_index=slot))[1].drafts
    assert planned


def test_get_lists_the_names_there_are():
    assert deciders.names() == HOUSE
    assert {deciders.get(name).name for name in HOUSE} == set(HOUSE)
    assert all(deciders.get(name).description.endswith(".") for name in HOUSE)
    with pytest.raises(
        deciders.UnknownDecider, match="house:breakout, house:buy_and_hold, house:equal_weight, house:mean_reversion"
    ):
        deciders.get("house:luck")


def test_options_are_numbers_of_the_strategy():
    assert deciders.get("house:trend", {"min_adx": "25"}) == deciders.get("house:trend", {"min_adx": 25.0})
    with pytest.raises(deciders.UnknownDecider, match="it has min_adx, stop_atr, target_atr"):
        deciders.get("house:trend", {"luck": 1})
    with pytest.raises(deciders.UnknownDecider, match="must be a number, not 'much'"):
        deciders.get("house:trend", {"min_adx": "much"})


def test_an_empty_market_is_answered(three):
    nothing = [replace(one, series={name: Series(name, Candles.of([])) for name in FRAMES}) for one in three]
    for name in ("house:trend", "house:mean_reversion"):
        assert {item["action"] for item in ask(name, briefing(*nothing))[0].values()} == {"hold"}


@pytest.mark.requirement("BOT-11")
@pytest.mark.parametrize(
    ("ends", "action"), [((1.0, 1.02), "open_long"), ((1.0, 0.98), "open_short"), ((1.0,), "hold")]
)
def test_breakout_enters_beyond_the_range_and_not_inside_it(ends, action):
    raw, plan = ask("house:breakout", briefing(market(ends=[1.0] * 30 + list(ends)), timeframes=("1m",)))

    assert raw[BTC]["action"] == action, raw[BTC]["reason"]
    assert [draft.long for draft in plan.drafts] == ([action == "open_long"] if action != "hold" else [])


def test_breakout_leaves_when_the_middle_of_the_range_gives_way():
    rising = market(ends=[1.0] * 30 + [1.02])
    mark = rising.quote.mark

    def action(long):
        own = held(BTC, long=long, entry=mark, mark=mark, quantity="0.01", stop=mark * (d("0.9") if long else d("1.1")))
        told = briefing(rising, portfolio_=portfolio(own), timeframes=("1m",))
        return ask("house:breakout", told)[0][BTC]["action"]

    assert action(long=True) == "hold"
    assert action(long=False) == "close"


@pytest.mark.requirement("BOT-11")
def test_equal_weight_puts_the_same_money_into_each_and_never_again(three):
    wide = replace(PRESETS["bold"], max_positions=3)
    _, plan = ask(
        "house:equal_weight", briefing(*three, policy_=wide, portfolio_=portfolio(cash=100_000)), invested=0.3
    )

    worth = [float(draft.quantity * one.quote.mark) for draft, one in zip(plan.drafts, three, strict=True)]
    assert worth == pytest.approx([10_000] * 3, rel=0.01)

    mark = three[0].quote.mark
    holding = portfolio(held(BTC, entry=mark, mark=mark, quantity="0.01", stop=mark / 2), cash=9_999, deposited=10_000)
    assert {item["action"] for item in ask("house:equal_weight", briefing(*three, portfolio_=holding))[0].values()} == {
        "hold"
    }


@pytest.mark.requirement("BOT-11")
def test_lots_of_the_same_seed_and_slot_are_the_same_and_as_frequent_as_asked(three):
    decider = deciders.get("house:random_like", {"entry_chance": 0.1, "long_share": 1})

    def entries(seed):
        answers = [decider.decide(briefing(*three, seed=seed, slot_index=slot)) for slot in range(400)]
        return [
            (n, i["symbol"], i["action"]) for n, a in enumerate(answers) for i in a["items"] if i["action"] != "hold"
        ]

    found = entries(1)
    assert found == entries(1) != entries(2)
    assert {action for _, _, action in found} == {"open_long"}
    assert 80 < len(found) < 160  # of 1,200 draws a tenth


def test_the_frequency_of_others_is_matched_by_chances():
    found = frequency(positions=20, longs=15, held=20 * 3_600, slots=1_000, interval=60, instruments=2)

    assert found.exit_chance == pytest.approx(1 / 60)
    assert found.entry_chance == pytest.approx(20 / (2_000 - 1_200))
    assert found.long_share == 0.75
    with pytest.raises(ValueError, match="no closed trades"):
        frequency(positions=0, longs=0, held=0, slots=10, interval=60, instruments=1)


def test_every_option_has_bounds():
    options = {field.name for strategy in STRATEGIES.values() for field in dataclasses.fields(strategy)}

    assert options == set(registry.BOUNDS)
    assert all(deciders.get(name, vars_of(name)) == deciders.get(name) for name in HOUSE)


def vars_of(name):
    decider = deciders.get(name)
    return {field.name: getattr(decider, field.name) for field in dataclasses.fields(decider)}


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("trend", "stop_atr", "0"),
        ("trend", "stop_atr", "nan"),
        ("trend", "target_atr", "1e999"),
        ("trend", "swing", "-3"),
        ("mean_reversion", "oversold", "101"),
        ("random_like", "entry_chance", "1.5"),
        ("sma_cross", "stop", "-0.02"),
        ("equal_weight", "invested", "inf"),
    ],
)
def test_an_option_that_means_nothing_is_refused(name, option, value):
    with pytest.raises(deciders.UnknownDecider, match=f"{option} of house:{name} must be from"):
        deciders.get(f"house:{name}", {option: value})
