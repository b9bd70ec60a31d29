"""From answers to plans: one story for each action, and for any market, book and answer no limit is broken."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from bots.domain.decisions import parse
from bots.domain.judgement import Outcome, Plan, judge
from bots.domain.policy import Policy
from bots.domain.risk import prices
from bots.tests import builders
from bots.tests.builders import BTC, ETH, NOW, SOL, briefing, d, held, pending, policy, portfolio, rules, view
from ledger.domain.intents import IntentDraft, Kind
from ledger.domain.portfolio import HeldPosition, Portfolio
from markets.domain.book_depth import UNKNOWN_LIQUIDITY
from markets.domain.covariance import Covariance
from markets.domain.margin import liquidation_price

LONG = {"symbol": BTC, "action": "open_long", "conviction": 0.7, "stop": 95, "target": 112}
SHORT = {"symbol": BTC, "action": "open_short", "conviction": 0.7, "stop": 105, "target": 88}


def plan(*items, at=None, **made) -> Plan:
    told = at or briefing(**made)
    return judge(told, parse({"summary": "So.", "items": list(items)}, known=told.symbols))


def only(*items, **made):
    (item,) = plan(*items, **made).items
    return item


def code(item) -> str:
    assert item.outcome == Outcome.REFUSED
    assert item.draft is None
    assert item.verdicts[-1].effect == "deny"
    return item.verdicts[-1].code


@pytest.mark.requirement("RSK-02")
def test_an_entry_is_sized_and_planned():
    item = only(LONG | {"minutes": 60, "trail": 0.03, "reason": "Up."})

    # Judged at 100.1 * 1.002 = 100.4; the stop slips to 94.81. Each loses 5.59 and 0.0976 of fees: 17.582 for 100.
    assert item.outcome == Outcome.PLANNED
    assert item.draft == IntentDraft(
        kind=Kind.OPEN, symbol=BTC, long=True, quantity=d("17.582"), price=d("100.4"), leverage=2,
        reserved=d("883.49901640"), stop=d(95), target=d(112), trail=d("0.03"),
        expires_at=NOW + timedelta(minutes=60), reason="Up.",
    )  # fmt: skip
    assert item.proposal is not None
    assert (item.symbol, item.action, item.reason) == (BTC, "open_long", "Up.")


def test_a_short_is_sized_for_risk_at_the_low_side_and_reserved_at_the_high_side():
    item = only(SHORT)

    assert item.draft.price == d("99.7")
    assert item.draft.reserved == d("0.5005") * d("100.4") * item.draft.quantity


def test_a_share_of_the_risk_budget_is_a_share_of_the_size():
    whole, half = only(LONG).draft.quantity, only(LONG | {"risk_share": 0.5}).draft.quantity

    assert abs(whole - 2 * half) <= 2 * rules().step


def test_a_plan_keeps_the_words_of_its_answer_and_is_the_same_every_time():
    first, second = plan(LONG), plan(LONG)

    assert first == second
    assert first.summary == "So."
    assert first.drafts == (first.items[0].draft,)


def test_a_limit_entry_is_judged_at_its_limit():
    item = only(LONG | {"limit": 98.04})

    assert (item.draft.limit, item.draft.price) == (d("98.0"), d("98.0"))


@pytest.mark.requirement("RSK-07")
def test_an_item_that_is_cut_says_by_which_limit():
    item = only(LONG | {"leverage": 40}, policy_=policy(max_position_notional="0.1"))

    assert item.outcome == Outcome.SHRUNK
    cut = {verdict.code: verdict for verdict in item.verdicts if verdict.effect == "shrink"}
    assert set(cut) == {"leverage", "position_notional"}
    assert item.draft.leverage == 3
    assert item.draft.quantity == cut["position_notional"].max_quantity == d("9.96")


def test_a_refused_entry_has_its_verdicts_and_no_draft():
    item = only(LONG | {"stop": 101})

    assert code(item) == "stop_side"
    assert [verdict.effect for verdict in item.verdicts[:-1]] == ["allow"] * (len(item.verdicts) - 1)


def test_an_unreadable_item_is_refused_beside_good_ones():
    made = plan({"symbol": "DOGE", "action": "hold"}, LONG)

    assert [(item.symbol, item.outcome) for item in made.items] == [(BTC, "planned"), ("DOGE", "refused")]
    assert made.items[1].proposal is None
    assert made.items[1].verdicts[0].code == "unknown_symbol"


def test_hold_is_held():
    item = only({"symbol": BTC, "action": "hold", "reason": "Calm."})

    assert (item.outcome, item.draft, item.verdicts) == (Outcome.HELD, None, ())


def test_the_least_leverage_leaves_room_for_the_other_positions():
    # Four positions share margins of 0.6 equity: 1500 each. A notional of 1765 needs 2x, one of 5000 needs 4x.
    assert only(LONG).draft.leverage == 2
    wide = policy(max_leverage=10, risk_per_trade="0.1")
    assert only(LONG, policy_=wide).draft.leverage == 4
    assert only(LONG, policy_=policy(risk_per_trade="0.1")).draft.leverage == 3


def test_leverage_is_lowered_until_the_stop_comes_before_liquidation():
    far = policy(max_leverage=10, max_stop_distance="0.3", risk_per_trade="0.1", max_positions=10)
    item = only(LONG | {"stop": 75, "target": 150}, policy_=far)

    assert item.draft.leverage == 3
    assert code(only(LONG | {"stop": 75, "target": 150, "leverage": 4}, policy_=far)) == "liquidation_before_stop"


@pytest.mark.requirement("RSK-01")
def test_several_entries_of_one_plan_are_judged_together():
    views = [view(100, symbol=symbol) for symbol in (BTC, ETH, SOL)]
    tight = policy(max_positions=2, max_exposure="0.3")
    told = replace(briefing(*views), policy=tight)

    made = plan(*(LONG | {"symbol": symbol} for symbol in (BTC, ETH, SOL)), at=told)

    assert [item.outcome for item in made.items] == ["planned", "shrunk", "refused"]
    assert sum(draft.quantity * draft.price for draft in made.drafts) <= 3000
    assert code(made.items[2]) == "open_positions"


def test_the_account_limit_is_shared_by_the_entries_of_a_plan():
    told = briefing(
        view(100),
        view(100, symbol=ETH),
        account_exposure=d(17_000),
        account_equity=d(20_000),
        account_max_exposure=d(1),
    )

    first, second = plan(LONG, LONG | {"symbol": ETH}, at=told).items

    assert (first.outcome, second.outcome) == ("planned", "shrunk")
    assert second.draft.quantity == d("12.298")


def test_room_that_an_exit_frees_is_not_used_by_the_same_plan():
    own = portfolio(held(ETH, quantity=50, mark=100, leverage=2))
    told = briefing(view(100), view(100, symbol=ETH), portfolio_=own, policy_=policy(max_positions=1))

    made = plan(LONG, {"symbol": ETH, "action": "close"}, at=told)

    assert [(item.symbol, item.outcome) for item in made.items] == [(ETH, "planned"), (BTC, "refused")]


@pytest.mark.requirement("BOT-04")
def test_opening_what_is_open_is_refused():
    item = only(LONG, portfolio_=portfolio(held(stop=95)))

    assert code(item) == "already_open"
    assert "use add" in item.verdicts[0].text


def test_opening_the_other_side_only_closes():
    item = only(SHORT, portfolio_=portfolio(held(quantity="1.5", stop=95)))

    assert item.outcome == Outcome.SHRUNK
    assert (item.draft.kind, item.draft.long, item.draft.quantity) == (Kind.CLOSE, True, d("1.5"))
    assert "next cycle" in item.verdicts[0].text


@pytest.mark.parametrize("action", ["open_long", "open_short", "add", "close", "reduce"])
def test_an_opening_position_is_left_to_its_fill(action):
    opening = portfolio(held(quantity=0, stop=95), pending=(pending(),))

    assert code(only(LONG | {"action": action, "reduce_share": 1}, portfolio_=opening)) == "entry_pending"


def test_an_add_keeps_stop_target_and_leverage():
    own = portfolio(held(quantity=5, stop=95, target=115, leverage=3))
    item = only({"symbol": BTC, "action": "add", "conviction": 0.6, "leverage": 2}, portfolio_=own)

    assert item.outcome == Outcome.SHRUNK
    assert (item.draft.kind, item.draft.leverage) == (Kind.ADD, 3)
    assert (item.draft.stop, item.draft.target) == (None, None)
    assert item.draft.quantity < only(LONG).draft.quantity


def test_an_add_may_bring_a_new_stop_for_the_whole():
    own = portfolio(held(quantity=5, stop=90, leverage=2))
    item = only({"symbol": BTC, "action": "add", "conviction": 0.6, "stop": 97.01}, portfolio_=own)

    assert item.draft.stop == d("97.1")


@pytest.mark.parametrize("action", ["add", "close", "reduce", "adjust_exits"])
def test_without_a_position_there_is_nothing_to_change(action):
    item = {"symbol": BTC, "action": action, "conviction": 0.5, "reduce_share": 0.5, "stop": 95}

    assert code(only(item)) == "no_position"


@pytest.mark.parametrize("state", ["active", "reduce_only", "halted"])
@pytest.mark.requirement("RSK-05")
def test_exits_pass_in_every_state_and_on_stale_data(state):
    told = briefing(view(100, age=9999), portfolio_=portfolio(held(quantity=3, stop=90, leverage=9)), state=state)

    close = only({"symbol": BTC, "action": "close"}, at=told)
    reduce = only({"symbol": BTC, "action": "reduce", "reduce_share": 0.5}, at=told)
    tighten = only({"symbol": BTC, "action": "adjust_exits", "stop": 96}, at=told)

    assert (close.draft.kind, close.draft.quantity, close.draft.price) == (Kind.CLOSE, 3, d("99.7"))
    assert (reduce.draft.kind, reduce.draft.quantity) == (Kind.REDUCE, d("1.5"))
    assert tighten.draft.stop == 96
    assert {item.outcome for item in (close, reduce, tighten)} == {Outcome.PLANNED}


def test_a_position_outside_of_the_snapshot_can_be_closed():
    item = only({"symbol": ETH, "action": "close"}, portfolio_=portfolio(held(ETH, quantity=2)))

    assert (item.draft.kind, item.draft.quantity, item.draft.price) == (Kind.CLOSE, 2, 100)
    for action in ({"action": "reduce", "reduce_share": 0.5}, {"action": "adjust_exits", "stop": 90}):
        refused = only({"symbol": ETH} | action, portfolio_=portfolio(held(ETH, quantity=2)))
        assert code(refused) == "no_market_data"


def test_a_reduction_that_leaves_dust_closes():
    own = portfolio(held(quantity="0.06"))
    item = only({"symbol": BTC, "action": "reduce", "reduce_share": 0.5}, portfolio_=own)

    assert (item.draft.kind, item.draft.quantity) == (Kind.CLOSE, d("0.06"))
    assert item.verdicts[0].code == "leftover"


def test_a_reduction_by_everything_closes_and_one_by_nothing_is_refused():
    own = portfolio(held(quantity=1))

    assert only({"symbol": BTC, "action": "reduce", "reduce_share": 1}, portfolio_=own).draft.kind == Kind.CLOSE
    tiny = only({"symbol": BTC, "action": "reduce", "reduce_share": 0.0001}, portfolio_=own)
    assert code(tiny) == "minimum_quantity"


def adjust(*, state="active", price=100, age=0, policy_=None, held_=None, **fields):
    own = portfolio(held_ or held(quantity=10, stop=95, target=115))
    told = briefing(view(price, age=age), portfolio_=own, state=state, policy_=policy_ or policy())
    return only({"symbol": BTC, "action": "adjust_exits"} | fields, at=told)


def test_a_plan_is_adjusted_part_by_part():
    item = adjust(target=120.04, minutes=30, trail=0.02)

    assert item.outcome == Outcome.PLANNED
    assert item.draft == IntentDraft(
        kind=Kind.ADJUST_EXITS, symbol=BTC, long=True, quantity=d(0), price=d(100), leverage=2,
        target=d("120.0"), trail=d("0.02"), expires_at=NOW + timedelta(minutes=30),
    )  # fmt: skip


def test_an_adjustment_to_the_wrong_side_is_refused():
    assert code(adjust(stop=100)) == "stop_side"
    assert code(adjust(target=100)) == "target_side"
    short = held(quantity=10, long=False, stop=105)
    assert code(adjust(stop=100, held_=short)) == "stop_side"
    assert code(adjust(target=100, held_=short)) == "target_side"


def test_a_stop_is_loosened_within_the_budget_only():
    assert adjust(stop=93).outcome == Outcome.PLANNED
    assert code(adjust(stop=90.1)) == "risk_per_trade"
    assert code(adjust(stop=89, policy_=policy(risk_per_trade="0.1"))) == "stop_distance"
    assert code(adjust(stop=94, state="reduce_only")) == "trading_state"
    assert code(adjust(stop=94, age=999)) == "stale_data"
    geared = held(quantity=10, stop=97, leverage=15)
    assert code(adjust(stop=95, held_=geared)) == "liquidation_before_stop"


def test_a_stop_cannot_be_removed():
    item = only({"symbol": BTC, "action": "adjust_exits", "stop": 0}, portfolio_=portfolio(held(quantity=10, stop=95)))
    assert code(item) == "out_of_range"
    assert adjust(stop=None, target=120).draft.stop is None  # which keeps the one there is


def test_a_position_without_a_stop_may_be_given_any():
    assert adjust(stop=60, held_=held(quantity=10)).outcome == Outcome.PLANNED


@pytest.mark.parametrize("before", [None, 105])
def test_a_stop_that_the_tick_takes_to_zero_is_no_stop(before):
    item = adjust(stop=0.04, held_=held(long=False, quantity=10, stop=before))

    assert (item.outcome, code(item)) == (Outcome.REFUSED, "stop_side")


def test_an_adjustment_that_changes_nothing_is_held():
    item = adjust(stop=94.95, target=115)

    assert (item.outcome, item.verdicts[0].code) == (Outcome.HELD, "no_change")


def test_an_opening_position_may_be_adjusted_around_its_limit():
    opening = portfolio(held(quantity=0, stop=85), pending=(pending(quantity=10, price=90),))

    def stop_at(stop):
        return only({"symbol": BTC, "action": "adjust_exits", "stop": stop}, portfolio_=opening)

    assert stop_at(89).outcome == Outcome.PLANNED
    assert code(stop_at(91)) == "stop_side"
    assert code(stop_at(75)) == "stop_distance"


# The property: whatever is decided, on whatever book and market, executing the plan breaks no limit.

SYMBOLS = (BTC, ETH, SOL)
PRICES = {BTC: "60000", ETH: "3000", SOL: "0.5"}
GRIDS = {BTC: ("0.1", "0.001"), ETH: ("0.01", "0.01"), SOL: ("0.0001", "1")}


def fractions(low, high, unit=1000):
    return st.integers(low, high).map(lambda n: Decimal(n) / unit)


POLICIES = st.builds(
    builders.policy,
    st.sampled_from(["cautious", "balanced", "bold"]),
    risk_per_trade=fractions(2, 100), max_position_notional=fractions(100, 3000), max_positions=st.integers(2, 5),
    max_exposure=fractions(200, 5000), max_leverage=st.integers(1, 60), max_margin_use=fractions(200, 1000),
    min_reward_to_risk=fractions(0, 1500), min_stop_distance=fractions(1, 5), max_stop_distance=fractions(50, 300),
    min_notional=st.integers(1, 50), max_slippage=fractions(0, 10), max_side_exposure=fractions(200, 4000),
    max_depth_share=fractions(100, 100_000), max_spread=fractions(1, 10), liquidation_buffer=fractions(0, 1000),
    max_funding=fractions(0, 5), max_volatility=fractions(5, 200),
)  # fmt: skip


@st.composite
def covariances(draw):
    """Any mixture of three independent moves: symmetric, and never negative for any book."""
    mixture = np.array(draw(st.lists(st.integers(-60, 60), min_size=9, max_size=9))).reshape(3, 3) / 1000
    return Covariance(SYMBOLS, mixture @ mixture.T)


COVARIANCES = covariances()


@st.composite
def views(draw, symbol):
    tick, step = GRIDS[symbol]
    price = d(PRICES[symbol]) * draw(fractions(500, 2000))
    price -= price % d(tick)
    found = rules(
        symbol, tick=d(tick), step=d(step), min_quantity=d(step) * draw(st.integers(1, 3)),
        max_quantity=draw(st.none() | st.just(d(step) * 50)), taker_fee=draw(fractions(0, 2)),
    )  # fmt: skip
    mark = price * draw(fractions(990, 1010))
    made = view(
        price, rules_=found, spread=draw(fractions(0, 5)), mark=mark - mark % d(tick),
        liquidity=draw(st.sampled_from([0, 1_000, 100_000])),
    )  # fmt: skip
    return replace(made, quote=replace(made.quote, funding_rate=draw(st.none() | fractions(-1, 1))))


@st.composite
def positions(draw, market):
    mark, step = market.quote.mark, market.rules.step
    long, worth = draw(st.booleans()), draw(st.integers(50, 6000))
    size = max(step, market.rules.quantity(worth / mark))
    entry = mark * draw(fractions(800, 1200))
    stop = market.rules.price(mark * (1 - draw(fractions(5, 200)) if long else 1 + draw(fractions(5, 200))))
    return held(
        market.symbol, long=long, quantity=size, entry=entry, mark=mark, leverage=draw(st.integers(1, 20)),
        stop=draw(st.just(stop) | st.none()), fees=draw(st.integers(0, 5)),
    )  # fmt: skip


@st.composite
def proposals(draw, market, own):
    price, long = market.quote.mark, draw(st.booleans())
    if own is not None:
        long = draw(st.sampled_from([own.long] * 4 + [not own.long]))
    opening = "open_long" if long else "open_short"
    action = draw(
        st.sampled_from([opening] if own is None else ["add"] * 4 + ["adjust_exits", "reduce", "close", opening])
    )
    side = draw(st.sampled_from([1] * 9 + [-1]))
    down, up = (1 - draw(fractions(15, 120)) * side), (1 + draw(fractions(60, 400)) * side)
    return {
        "symbol": market.symbol,
        "action": action,
        "conviction": float(draw(fractions(500, 1000))),
        "risk_share": draw(st.none() | fractions(100, 1000).map(float)),
        "leverage": draw(st.sampled_from([None, None, 1, 3, 10, 100])),
        "limit": draw(st.sampled_from([None, None, float(price), float(price * d("0.99")), float(price * d("1.03"))])),
        "stop": draw(st.sampled_from([float(price * (down if long else up))] * 9 + [None])),
        "target": draw(st.sampled_from([None, float(price * (up if long else down))])),
        "reduce_share": float(draw(fractions(1, 1000))),
    }


@st.composite
def situations(draw):
    markets = [draw(views(symbol)) for symbol in SYMBOLS]
    own = [draw(positions(market)) for market in markets if draw(st.sampled_from([True, False, False]))]
    free = [market for market in markets if market.symbol not in {position.symbol for position in own}]
    waiting = tuple(
        pending(
            market.symbol, quantity=market.rules.step * 50, price=market.quote.mark, reserved=draw(st.integers(0, 900))
        )
        for market in free
        if draw(st.sampled_from([True] + [False] * 7))
    )
    book, others = (
        portfolio(*own, cash=draw(st.sampled_from([10_000, 3_000, 50_000, 600, 0, -100])), pending=waiting),
        st.integers(0, 10_000),
    )
    told = briefing(
        *markets, policy_=draw(POLICIES), portfolio_=book, state=draw(st.sampled_from(["active"] * 8 + ["halted"])),
        account_exposure=book.exposure + draw(others), account_equity=book.equity + draw(others),
        account_max_exposure=draw(st.none() | fractions(100, 4000)),
        user_exposure=book.exposure + draw(others), user_equity=book.equity + draw(others),
        user_max_exposure=draw(st.none() | fractions(100, 4000)), covariance=draw(st.none() | COVARIANCES),
    )  # fmt: skip
    return told, [draw(proposals(market, book.position(market.symbol))) for market in markets]


DUST = Decimal("0.0000001")


def executed(book: Portfolio, drafts, markets) -> Portfolio:
    """The book once every entry has filled at its judged price and every adjustment holds; exits have failed."""
    after = {position.symbol: position for position in book.positions}
    for draft in drafts:
        old, value = after.get(draft.symbol), draft.quantity * draft.price
        fee = value * markets[draft.symbol].rules.taker_fee
        if draft.kind == Kind.OPEN:
            after[draft.symbol] = held(
                draft.symbol, long=draft.long, quantity=draft.quantity, entry=draft.price, mark=draft.price,
                leverage=draft.leverage, stop=draft.stop, target=draft.target, fees=fee,
            )  # fmt: skip
        elif draft.kind == Kind.ADD:
            after[draft.symbol] = replace(
                old, quantity=old.quantity + (draft.quantity if draft.long else -draft.quantity), cost=old.cost + value,
                margin=old.margin + value / draft.leverage, stop=draft.stop or old.stop, fees=old.fees + fee,
            )  # fmt: skip
        elif draft.kind == Kind.ADJUST_EXITS:
            after[draft.symbol] = replace(old, stop=draft.stop or old.stop)
    fees = sum(position.fees for position in after.values()) - sum(position.fees for position in book.positions)
    return replace(book, positions=tuple(after.values()), cash=book.cash - fees)


def lots(position: HeldPosition, before: HeldPosition | None, draft: IntentDraft | None):
    """Size, worth and cost of what was held (at its mark) and of what was added (at its judged price)."""
    if before is not None:
        size = abs(before.quantity)
        yield size, size * before.mark, before.cost
    if draft is not None:
        yield draft.quantity, draft.quantity * draft.price, draft.quantity * draft.price


def figures(book: Portfolio, start: Portfolio, drafts, limits: Policy, markets) -> dict[tuple[str, str], Decimal]:
    """Every figure that has a limit, in money or as a count, by name and symbol; without a symbol for the book."""
    found = {
        ("positions", ""): Decimal(len(book.occupied)),
        ("exposure", ""): sum((entry.notional for entry in book.pending), Decimal(0)),
        ("side", "long"): sum((entry.notional for entry in book.pending if entry.long), Decimal(0)),
        ("side", "short"): sum((entry.notional for entry in book.pending if not entry.long), Decimal(0)),
        ("margin", ""): book.margin + book.reserved,
        ("short of cash", ""): max(Decimal(0), -book.available),
    }
    for position in book.positions:
        symbol, fee = position.symbol, markets[position.symbol].rules.taker_fee
        parts = list(lots(position, start.position(symbol), drafts.get(symbol)))
        worth = sum(worth for _, worth, _ in parts)
        found["notional", symbol] = worth
        found["exposure", ""] += worth
        found["side", "long" if position.long else "short"] += worth
        liquidity = markets[symbol].quote.liquidity or UNKNOWN_LIQUIDITY
        found["depth", symbol] = worth / liquidity
        found["leverage", symbol] = Decimal(position.leverage)
        if position.stop is None:
            found["risk", symbol] = Decimal("Infinity")
            continue
        end = position.stop * (1 - limits.max_slippage if position.long else 1 + limits.max_slippage)
        lost = [max(w, c) - s * end if position.long else s * end - min(w, c) for s, w, c in parts]
        size = sum(size for size, _, _ in parts)
        found["risk", symbol] = sum(max(Decimal(0), one) for one in lost) + position.fees + size * end * fee
    return found


def volatility(told, entries) -> float:
    """Of the book with these entries, worth what they are worth at most."""
    book, shares = told.portfolio, dict.fromkeys(SYMBOLS, 0.0)
    for part in (*book.positions, *book.pending):
        shares[part.symbol] += float(part.notional / book.equity) * (1 if part.long else -1)
    for draft in entries.values():
        market = told.snapshot.instruments[draft.symbol]
        value = prices(market, draft.long, told.policy.max_slippage, draft.limit).value
        shares[draft.symbol] += float(draft.quantity * value / book.equity) * (1 if draft.long else -1)
    return told.covariance.volatility(told.covariance.weights(shares))


def caps(equity: Decimal, limits: Policy) -> dict[str, Decimal]:
    return {
        "positions": Decimal(limits.max_positions),
        "exposure": limits.max_exposure * equity,
        "side": limits.max_side_exposure * equity,
        "depth": limits.max_depth_share,
        "margin": limits.max_margin_use * equity,
        "short of cash": Decimal(0),
        "notional": limits.max_position_notional * equity,
        "leverage": Decimal(limits.max_leverage),
        "risk": limits.risk_per_trade * equity,
    }


@settings(max_examples=300, deadline=None)
@given(situations())
@pytest.mark.requirement("RSK-01")
@pytest.mark.requirement("BOT-04")
def test_no_plan_exceeds_a_limit_or_grows_an_excess(situation):
    told, items = situation
    limits, book = told.policy, told.portfolio
    markets = told.snapshot.instruments

    made = plan(*items, at=told)
    after = executed(book, made.drafts, markets)

    for item in made.items:
        event(f"{item.outcome} {item.draft.kind if item.draft else item.verdicts[-1].code}")
    entries = {draft.symbol: draft for draft in made.drafts if draft.kind in (Kind.OPEN, Kind.ADD)}
    old = figures(book, book, {}, limits, markets)
    new, most = figures(after, book, entries, limits, markets), caps(book.equity, limits)
    for (name, symbol), value in new.items():
        assert value <= max(most[name], old.get((name, symbol), Decimal(0))) + DUST, (name, symbol)
    if told.account_max_exposure is not None and entries:
        grown = told.account_exposure + new["exposure", ""] - old["exposure", ""]
        assert grown <= told.account_max_exposure * told.account_equity + DUST
    if told.user_max_exposure is not None and entries:
        grown = told.user_exposure + new["exposure", ""] - old["exposure", ""]
        assert grown <= told.user_max_exposure * told.user_equity + DUST
    if told.covariance is not None and book.equity > 0 and entries:
        first, last = (volatility(told, one) for one in ({}, entries))
        assert last <= max(first, float(limits.max_volatility)) + 1e-9
    for item in made.items:
        _entries_are_sound(item, told, markets, after)


def _entries_are_sound(item, told, markets, after):
    draft, limits = item.draft, told.policy
    assert (draft is not None) == (item.outcome in ("planned", "shrunk"))
    if item.outcome == "shrunk":
        assert any(verdict.effect == "shrink" for verdict in item.verdicts)
    if draft is None:
        return
    market = markets[draft.symbol]
    quote, found = market.quote, market.rules
    if draft.kind == Kind.ADJUST_EXITS:
        if draft.stop is not None:
            assert draft.stop < quote.mark if draft.long else draft.stop > quote.mark
        return
    if draft.kind in (Kind.CLOSE, Kind.REDUCE):
        assert draft.quantity <= abs(told.portfolio.position(draft.symbol).quantity)
        return
    position = after.position(draft.symbol)
    assert told.state == "active"
    assert draft.quantity % found.step == 0
    assert found.min_quantity <= draft.quantity <= (found.max_quantity or draft.quantity)
    assert draft.quantity * draft.price >= max(limits.min_notional, found.min_notional)
    assert position.stop is not None
    assert position.stop % found.tick == 0 or draft.stop is None
    assert position.stop < draft.price if draft.long else position.stop > draft.price
    assert limits.min_stop_distance <= abs(draft.price - position.stop) / draft.price <= limits.max_stop_distance
    assert draft.leverage <= limits.max_leverage
    assert draft.leverage <= found.tier(position.notional).max_leverage
    assert draft.reserved >= draft.quantity * draft.price * (1 / Decimal(draft.leverage) + found.taker_fee) - DUST
    liquidated = liquidation_price(position.quantity, position.cost, position.margin, found.tiers)
    if liquidated is not None:
        assert liquidated < position.stop if draft.long else liquidated > position.stop
