"""Every risk rule, once where it fires and once where it just does not."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from bots.domain.exit_plan import CloseBelow
from bots.domain.locks import Lock
from bots.domain.policy import PRESETS
from bots.domain.risk import Candidate, Context, Prices, Verdict, written
from bots.domain.rules import RULES, examine, rule_list
from bots.tests.builders import BTC, ETH, NOW, candles, d, held, pending, policy, portfolio, rules, view
from ledger.domain.intents import Kind
from markets.domain.covariance import Covariance

CHECKS = {rule.code: rule.check for rule in RULES}
FREE = policy(
    risk_per_trade=1, max_position_notional=20, max_exposure=20, max_margin_use=1, max_slippage=0, max_leverage=50,
    max_side_exposure=20, max_depth_share=100,
)  # fmt: skip


def candidate(price=100, **fields) -> Candidate:
    """A long of 1 BTC at 100 with its stop at 95 and its target at 110, all prices the same."""
    at = d(price)
    defaults = {
        "view": view(price), "kind": Kind.OPEN, "long": True, "quantity": d(1), "prices": Prices(at, at, at, at),
        "stop": d(95), "target": d(110), "leverage": 2, "conviction": d("0.7"),
    }  # fmt: skip
    read = {name: d(value) if name in ("quantity", "stop", "target", "conviction", "trail") else value
            for name, value in fields.items()}  # fmt: skip
    return Candidate(**defaults | read)


def context(*positions, policy_=FREE, **fields) -> Context:
    own = {name: fields.pop(name) for name in ("cash", "pending", "blocked") if name in fields}
    return Context(policy_, portfolio(*positions, **own), **fields)


def ask(code, candidate_=None, context_=None) -> Verdict:
    verdict = written(CHECKS[code](candidate_ or candidate(), context_ or context()))
    assert verdict.code == code
    assert verdict.text.endswith(".")
    return verdict


def allows(code, candidate_=None, context_=None) -> bool:
    return ask(code, candidate_, context_).effect == "allow"


def denies(code, candidate_=None, context_=None) -> Verdict:
    verdict = ask(code, candidate_, context_)
    assert verdict.effect == "deny"
    return verdict


def shrinks(code, candidate_=None, context_=None) -> Decimal:
    verdict = ask(code, candidate_, context_)
    assert verdict.effect == "shrink"
    assert verdict.max_quantity is not None
    return verdict.max_quantity


@pytest.mark.requirement("RSK-05")
def test_trading_state():
    assert allows("trading_state", context_=context(state="active"))
    assert "reduce-only" in denies("trading_state", context_=context(state="reduce_only")).text
    assert "halted" in denies("trading_state", context_=context(state="halted")).text


@pytest.mark.requirement("RSK-03")
def test_safe_mode():
    assert allows("safe_mode", context_=context())
    assert "only exit" in denies("safe_mode", context_=context(safe_mode=True)).text


@pytest.mark.requirement("RSK-03")
def test_locked_for_the_instrument_and_the_side_until_its_time():
    def lock(**fields):
        made = Lock("stop_guard", NOW + timedelta(minutes=1), "Three stops.", limit=d(3), value=d(3))
        return context(locks=(replace(made, **fields),))

    found = denies("locked", context_=lock())
    assert (found.limit, found.value) == (3, 3)
    assert "until 02 Mar 12:01 UTC: Three stops." in found.text
    denies("locked", context_=lock(symbol=BTC, side="long"))
    assert allows("locked", context_=lock(until=NOW))
    assert allows("locked", context_=lock(symbol=ETH))
    assert allows("locked", context_=lock(side="short"))
    assert allows("locked")


def test_instrument_blocked():
    assert allows("instrument_blocked", context_=context(blocked={ETH: "an order of unknown fate"}))
    blocked = denies("instrument_blocked", context_=context(blocked={BTC: "an order of unknown fate"}))
    assert "an order of unknown fate" in blocked.text


def test_instrument_blocked_by_a_live_entry():
    assert allows("instrument_blocked", context_=context(pending=(pending(ETH),)))
    denies("instrument_blocked", context_=context(pending=(pending(BTC),)))


def test_spot_cannot_be_sold_short():
    spot = candidate(view=view(rules_=rules(kind="spot")))

    assert allows("instrument_blocked", spot)
    denies("instrument_blocked", replace(spot, long=False))


def test_stale_price():
    assert allows("stale_data", candidate(view=view(age=180)))
    assert denies("stale_data", candidate(view=view(age=181))).value == 181


def test_stale_candles():
    def late(seconds):
        now = NOW + timedelta(minutes=15, seconds=seconds)
        return candidate(view=view(series={"15m": candles([100, 100], "15m", now=NOW)}, now=now))

    assert allows("stale_data", late(180))
    assert "15m candle" in denies("stale_data", late(181)).text


def test_confidence():
    strict = context(policy_=policy(min_confidence="0.5"))

    assert allows("confidence", candidate(conviction="0.5"), strict)
    assert denies("confidence", candidate(conviction="0.499999"), strict).limit == d("0.5")


def test_price_band():
    assert allows("price_band", candidate(110, view=view(100)))
    denies("price_band", candidate("110.1", view=view(100)))
    denies("price_band", candidate("89.9", view=view(100)))
    narrow = context(policy_=policy(price_band="0.02"))
    assert allows("price_band", candidate(102, view=view(100)), narrow)
    denies("price_band", candidate("102.1", view=view(100)), narrow)


def test_spread():
    at_limit = candidate(view=view(1000, spread="0.002"))

    assert allows("spread", at_limit)
    assert denies("spread", candidate(view=view(1000, spread="0.0022"))).value == d("0.0022")


def test_funding_is_limited_for_the_side_that_pays():
    def paying(rate, long=True, hours=8):
        seen = view(rules_=rules(funding_hours=hours))
        return candidate(view=replace(seen, quote=replace(seen.quote, funding_rate=d(rate))), long=long)

    assert allows("funding", paying("0.001"))
    assert denies("funding", paying("0.001001")).limit == d("0.003")
    assert allows("funding", paying("0.05", long=False))
    denies("funding", paying("-0.001001", long=False))
    assert allows("funding", paying("0.000125", hours=1))
    denies("funding", paying("0.000126", hours=1))
    assert ask("funding", paying("-0.001")).value == d("-0.003")
    assert allows("funding")  # nothing is known of it


def test_depth_counts_the_whole_position():
    half = context(policy_=policy(max_depth_share="0.5"))
    deep = view(liquidity=2000)

    assert allows("depth", candidate(quantity=10 - d("0.001"), view=deep), half)
    assert shrinks("depth", candidate(quantity=12, view=deep), half) == d("9.999")
    held_already = replace(half, portfolio=portfolio(held(quantity=9)))
    assert shrinks("depth", candidate(quantity=3, view=deep), held_already) == d("0.999")
    denies("depth", candidate(quantity=3, view=deep), replace(half, portfolio=portfolio(held(quantity=10))))


def test_an_unknown_depth_is_a_small_one():
    half = context(policy_=policy(max_depth_share="0.5"))

    assert allows("depth", candidate(quantity=49), half)
    assert shrinks("depth", candidate(quantity=60), half) == d("49.999")


def test_side_exposure_counts_one_side_with_its_live_entries():
    most = policy(max_side_exposure="0.1")
    longs = context(held(ETH, quantity=5), policy_=most, pending=(pending("SOL", quantity=2),))

    assert allows("side_exposure", candidate(quantity="2.999"), longs)
    assert shrinks("side_exposure", candidate(quantity=4), longs) == d("2.999")
    assert allows("side_exposure", candidate(quantity="9.999", long=False, stop=105), longs)
    assert shrinks("side_exposure", candidate(quantity=11, long=False, stop=105), longs) == d("9.999")
    denies("side_exposure", candidate(quantity=1), context(held(ETH, quantity=10), policy_=most))


@pytest.mark.requirement("RSK-04")
def test_user_exposure_is_over_all_accounts():
    def over(exposure, limit="1", equity=20_000):
        return context(user_exposure=d(exposure), user_equity=d(equity), user_max_exposure=d(limit))

    assert allows("user_exposure", candidate(quantity=99), over(10_000))
    assert shrinks("user_exposure", candidate(quantity=120), over(10_000)) == d("99.999")
    denies("user_exposure", context_=over(20_000))
    assert allows("user_exposure")  # the owner has no limit
    assert "not known" in denies("user_exposure", context_=context(user_max_exposure=d(1))).text


SIGMA = Covariance((BTC, ETH), np.array([[0.0004, 0.0003], [0.0003, 0.0009]]))  # 2 % and 3 % a day, hand in hand


@pytest.mark.requirement("RSK-04")
def test_portfolio_volatility_is_the_root_of_the_quadratic_form():
    one = context(held(ETH, quantity=50), policy_=policy(max_volatility="0.03"), covariance=SIGMA)

    found = ask("portfolio_volatility", candidate(quantity=50), one)  # half of equity each
    assert found.value == pytest.approx(d((0.25 * 0.0004 + 0.25 * 0.0009 + 0.5 * 0.0003) ** 0.5))
    assert allows("portfolio_volatility", candidate(quantity=50), one)
    left = shrinks("portfolio_volatility", candidate(quantity=200), one)
    assert ask("portfolio_volatility", candidate(quantity=left), one).value <= d("0.03")
    assert ask("portfolio_volatility", candidate(quantity=left + d("0.01")), one).value > d("0.03")


def test_portfolio_volatility_counts_live_entries_and_the_other_side_takes_away():
    waiting = context(policy_=policy(max_volatility="0.03"), covariance=SIGMA, pending=(pending(ETH, quantity=100),))

    denies("portfolio_volatility", candidate(quantity=1), waiting)  # 3 % already
    hedge = ask("portfolio_volatility", candidate(quantity=50, long=False, stop=105), waiting)
    assert hedge.effect == "allow"
    assert hedge.value < d("0.03")


def test_a_book_beyond_its_volatility_may_only_take_what_does_not_raise_it():
    beyond = context(held(ETH, quantity=200), policy_=policy(max_volatility="0.03"), covariance=SIGMA)

    hedge = candidate(quantity=50, long=False, stop=105)
    assert allows("portfolio_volatility", hedge, beyond)
    assert shrinks("portfolio_volatility", replace(hedge, quantity=d(400)), beyond) == d("299.999")
    denies("portfolio_volatility", candidate(quantity=1), beyond)


def test_portfolio_volatility_of_what_is_not_known_is_left_to_the_other_rules():
    assert allows("portfolio_volatility")
    other = Covariance((ETH,), np.array([[0.0009]]))
    assert allows("portfolio_volatility", context_=context(covariance=other))


def test_stop_missing():
    assert allows("stop_missing")
    denies("stop_missing", candidate(stop=None))


def test_stop_side_of_a_long():
    spread = Prices(d("100.2"), d("99.9"), d("100.2"), d("100.2"))

    assert allows("stop_side", candidate(prices=spread, stop="99.8"))
    denies("stop_side", candidate(prices=spread, stop="99.9"))


def test_stop_side_of_a_short():
    spread = Prices(d("99.8"), d("99.8"), d("100.1"), d("100.2"))

    assert allows("stop_side", candidate(prices=spread, long=False, stop="100.2"))
    denies("stop_side", candidate(prices=spread, long=False, stop="100.1"))


def test_target_side():
    spread = Prices(d("100.2"), d("99.9"), d("100.2"), d("100.2"))

    assert allows("target_side", candidate(prices=spread, target="100.3"))
    denies("target_side", candidate(prices=spread, target="100.2"))
    assert allows("target_side", candidate(prices=spread, long=False, target="99.8"))
    denies("target_side", candidate(prices=spread, long=False, target="99.9"))
    assert allows("target_side", candidate(target=None))


def test_stop_distance():
    bounds = context(policy_=policy(min_stop_distance="0.01", max_stop_distance="0.05"))

    assert allows("stop_distance", candidate(stop=99), bounds)
    assert allows("stop_distance", candidate(stop=95), bounds)
    assert "less than 1 %" in denies("stop_distance", candidate(stop="99.1"), bounds).text
    assert "more than 5 %" in denies("stop_distance", candidate(stop="94.9"), bounds).text
    assert allows("stop_distance", candidate(long=False, stop=105), bounds)
    denies("stop_distance", candidate(long=False, stop="105.1"), bounds)


def test_a_trail_is_no_nearer_than_a_stop():
    bounds = context(policy_=policy(min_stop_distance="0.01"))

    assert allows("stop_distance", candidate(trail="0.01"), bounds)
    denies("stop_distance", candidate(trail="0.0099"), bounds)


def test_reward_to_risk():
    wanted = context(policy_=policy(min_reward_to_risk="1.5"))

    assert allows("reward_to_risk", candidate(stop=98, target=103), wanted)
    assert denies("reward_to_risk", candidate(stop=98, target="102.9"), wanted).value == d("1.45")
    assert allows("reward_to_risk", candidate(long=False, stop=102, target=97), wanted)
    denies("reward_to_risk", candidate(long=False, stop=102, target="97.1"), wanted)
    assert allows("reward_to_risk", candidate(target=None), wanted)


def test_already_invalid():
    market = view(series={"1m": [100, 99]})

    assert allows("already_invalid", candidate(view=market, invalidation=CloseBelow("1m", d(99))))
    denies("already_invalid", candidate(view=market, invalidation=CloseBelow("1m", d("99.1"))))


def test_leverage_above_the_policy_is_cut():
    three = context(policy_=policy(max_leverage=3))

    assert allows("leverage", candidate(leverage=3), three)
    verdict = ask("leverage", candidate(leverage=4), three)
    assert (verdict.effect, verdict.leverage) == ("shrink", 3)


def test_leverage_above_the_tier_of_the_venue_is_cut():
    assert allows("leverage", candidate(quantity=499, leverage=50))
    assert ask("leverage", candidate(quantity=500, leverage=50)).leverage == 20


def test_an_add_keeps_the_leverage_of_its_position():
    own = context(held(leverage=3), policy_=policy(max_leverage=3))

    assert allows("leverage", candidate(kind=Kind.ADD, leverage=3), own)
    assert ask("leverage", candidate(kind=Kind.ADD, leverage=1), own).leverage == 3


def test_a_position_above_the_allowed_leverage_may_not_grow():
    denies("leverage", candidate(kind=Kind.ADD), context(held(leverage=4), policy_=policy(max_leverage=3)))


def test_spot_has_no_leverage():
    assert ask("leverage", candidate(view=view(rules_=rules(tiers=())), leverage=2)).leverage == 1


def test_open_positions():
    two = policy(max_positions=2)

    assert allows("open_positions", context_=context(held(ETH), policy_=two))
    denies("open_positions", context_=context(held(ETH), pending=(pending("SOL/USDT:USDT"),), policy_=two))
    assert allows("open_positions", candidate(kind=Kind.ADD), context(held(BTC), held(ETH), policy_=two))


def test_risk_per_trade():
    # The stop at 95 loses 5 and fees of 0.05 % of 195 = 0.0975 for each unit: 19.616 of them lose 99.9926.
    one_percent = context(policy_=policy(risk_per_trade="0.01", max_slippage=0))

    assert allows("risk_per_trade", candidate(quantity="19.617"), one_percent)
    assert shrinks("risk_per_trade", candidate(quantity="19.618"), one_percent) == d("19.617")


def test_risk_per_trade_counts_the_slippage_of_the_stop():
    slipping = context(policy_=policy(risk_per_trade="0.01", max_slippage="0.01"))

    assert shrinks("risk_per_trade", candidate(quantity="19.617"), slipping) == d("16.537")


@pytest.mark.requirement("RSK-01")
def test_risk_per_trade_counts_the_whole_position_of_an_add():
    own = context(held(quantity=10, entry=100, mark=100), policy_=policy(risk_per_trade="0.01", max_slippage=0))

    # Held: 50 and an exit fee of 0.475; what is left pays for 9.7 more.
    assert shrinks("risk_per_trade", candidate(kind=Kind.ADD, quantity=15), own) == d("9.715")
    spent = context(held(quantity=20, entry=100, mark=100), policy_=policy(risk_per_trade="0.01", max_slippage=0))
    denies("risk_per_trade", candidate(kind=Kind.ADD, quantity=1), spent)


def test_an_open_profit_does_not_pay_for_an_add():
    winner = context(held(quantity=10, entry=50, mark=100), policy_=policy(risk_per_trade="0.004", max_slippage=0))

    denies("risk_per_trade", candidate(kind=Kind.ADD, quantity=1), winner)


def test_position_notional():
    half = context(policy_=policy(max_position_notional="0.5"))

    assert allows("position_notional", candidate(quantity="49.999"), half)
    assert shrinks("position_notional", candidate(quantity="50.001"), half) == d("49.999")
    own = context(held(quantity=40, mark=100), policy_=policy(max_position_notional="0.5"))
    assert shrinks("position_notional", candidate(kind=Kind.ADD, quantity=20), own) == d("9.999")


def test_total_exposure():
    one = policy(max_exposure=1)

    assert allows("total_exposure", candidate(quantity="59.999"), context(held(ETH, quantity=40), policy_=one))
    both = context(held(ETH, quantity=40), pending=(pending("SOL/USDT:USDT", quantity=30),), policy_=one)
    assert shrinks("total_exposure", candidate(quantity=60), both) == d("29.999")
    denies("total_exposure", context_=context(held(ETH, quantity=101), policy_=one))


@pytest.mark.requirement("RSK-04")
def test_account_exposure():
    def account(exposure):
        return context(account_exposure=d(exposure), account_equity=d(20_000), account_max_exposure=d(2))

    assert allows("account_exposure", candidate(quantity=10), account(38_999))
    assert shrinks("account_exposure", candidate(quantity=10), account(39_500)) == d("4.999")
    denies("account_exposure", candidate(quantity=10), account(40_000))
    assert allows("account_exposure", context_=context())
    denies("account_exposure", context_=context(account_max_exposure=d(2)))


def test_margin_use():
    half = policy(max_margin_use="0.5")

    # 2x: 50.05 for each unit with the fee; 5000 pay for 99.9 of them.
    assert allows("margin_use", candidate(quantity="99.9"), context(policy_=half))
    assert shrinks("margin_use", candidate(quantity="99.901"), context(policy_=half)) == d("99.9")
    used = context(held(ETH, margin=2000), pending=(pending(reserved=1000),), policy_=half)
    assert shrinks("margin_use", candidate(quantity=50), used) == d("39.96")


def test_available_cash():
    assert allows("available_cash", candidate(quantity="1.998"), context(cash=100))
    assert shrinks("available_cash", candidate(quantity="1.999"), context(cash=100)) == d("1.998")


def test_an_open_profit_is_not_cash():
    rich = context(held(ETH, quantity=1, entry=100, mark=10_000, margin=50), cash=60)

    assert shrinks("available_cash", candidate(quantity=1), rich) == d("0.199")
    denies("available_cash", context_=context(held(ETH, margin=60), cash=60))


def test_venue_limits():
    limited = view(rules_=rules(max_quantity=d(10)))

    assert allows("venue_limits", candidate(view=limited, quantity=10))
    assert shrinks("venue_limits", candidate(view=limited, quantity="10.001")) == 10


def test_a_position_must_fit_into_one_order_since_its_stop_is_one():
    limited = view(rules_=rules(max_quantity=d(10)))
    grown = context(held(quantity=8))

    assert allows("venue_limits", candidate(view=limited, kind=Kind.ADD, quantity=2), grown)
    assert shrinks("venue_limits", candidate(view=limited, kind=Kind.ADD, quantity=3), grown) == 2


@pytest.mark.requirement("RSK-01")
def test_market_impact():
    # Impact 0.01 * sqrt(value / 10,000) reaches the allowed 0.2 % at a value of 400, the half spread left out.
    thin = view(rules_=rules(half_spread=d(0), impact=d("0.01")), liquidity=10_000)
    careful = context(policy_=replace(FREE, max_slippage=d("0.002")))

    assert allows("market_impact", candidate(view=thin, quantity=4), careful)
    assert shrinks("market_impact", candidate(view=thin, quantity=5), careful) == d("3.999")


def test_market_impact_counts_what_is_held_and_refuses_where_the_spread_alone_is_too_much():
    thin = view(rules_=rules(half_spread=d(0), impact=d("0.01")), liquidity=10_000)
    wide = view(rules_=rules(half_spread=d("0.003"), impact=d("0.01")), liquidity=10_000)
    careful = context(held(quantity=3), policy_=replace(FREE, max_slippage=d("0.002")))

    assert shrinks("market_impact", candidate(view=thin, kind=Kind.ADD, quantity=2), careful) == d("0.999")
    denies("market_impact", candidate(view=wide), careful)


@pytest.mark.requirement("RSK-01")
def test_liquidation_before_stop():
    # At 10x the margin of 10 is used up at 90 / 0.995 = 90.4523. A stop at 92.4 needs 90.5 (a quarter of 7.6 more).
    assert allows("liquidation_before_stop", candidate(leverage=10, stop="92.4"))
    denies("liquidation_before_stop", candidate(leverage=10, stop="92.3"))
    assert allows("liquidation_before_stop", candidate(leverage=1, stop=1))


def test_liquidation_before_stop_of_a_short():
    # At 10x: 110 / 1.005 = 109.4527; a stop at 107.5 needs 109.375.
    assert allows("liquidation_before_stop", candidate(long=False, leverage=10, stop="107.5"))
    denies("liquidation_before_stop", candidate(long=False, leverage=10, stop="107.6"))


def test_liquidation_counts_the_slippage_of_the_stop():
    slipping = context(policy_=policy(max_slippage="0.01"))

    denies("liquidation_before_stop", candidate(leverage=10, stop="92.4"), slipping)


def test_liquidation_of_an_add_counts_the_whole_position():
    deep = context(held(quantity=10, entry=110, mark=100, leverage=10))

    denies("liquidation_before_stop", candidate(kind=Kind.ADD, leverage=10, stop="92.4"), deep)


def test_minimum_quantity():
    least = view(rules_=rules(min_quantity=d("0.01")))

    assert allows("minimum_quantity", candidate(view=least, quantity="0.01"))
    denies("minimum_quantity", candidate(view=least, quantity="0.009"))


def test_minimum_notional_of_policy_and_venue():
    ten = context(policy_=policy(min_notional=10))
    cheap = Prices(d(100), d(99), d(100), d(100))

    assert allows("minimum_notional", candidate(quantity="0.1"), ten)
    denies("minimum_notional", candidate(quantity="0.099"), ten)
    denies("minimum_notional", candidate(quantity="0.1", prices=cheap), ten)
    denies("minimum_notional", candidate(view=view(rules_=rules(min_notional=d(100))), quantity="0.999"), ten)


@pytest.mark.parametrize("cash", [0, -100])
def test_without_equity_nothing_fits(cash):
    for code in ("risk_per_trade", "position_notional", "total_exposure", "margin_use", "available_cash"):
        denies(code, context_=context(cash=cash))


@pytest.mark.requirement("RSK-01")
def test_every_rule_has_a_test_here_and_a_stable_code():
    codes = [rule.code for rule in RULES]
    source = Path(__file__).read_text()

    assert len(set(codes)) == len(codes)
    for code in codes:
        assert f'denies("{code}"' in source or f'shrinks("{code}"' in source, code
        assert f'allows("{code}"' in source, code


@pytest.mark.requirement("RSK-08")
def test_the_rule_list_states_the_limits_of_its_policy():
    default = {info.code: info for info in rule_list()}
    cautious = {info.code: info for info in rule_list(PRESETS["cautious"])}

    assert [info.code for info in rule_list()] == [rule.code for rule in RULES]
    assert default["risk_per_trade"].limit == "1 %"
    assert cautious["risk_per_trade"].limit == "0.5 %"
    assert all(info.meaning.endswith(".") and "{" not in info.meaning for info in rule_list())
    assert all(info.limit in info.meaning for info in rule_list())


def test_examining_stops_at_the_first_denial_and_hands_shrinks_on():
    tight = context(policy_=policy(max_leverage=3, max_position_notional="0.001", max_exposure="0.0005"))

    left, said, effect = examine(candidate(quantity=10, leverage=9, stop="98.5", target=105), tight)

    verdicts = [written(one) for one in said]
    assert [verdict.code for verdict in verdicts] == [rule.code for rule in RULES[: len(verdicts)]]
    assert [v.code for v in verdicts if v.effect == "shrink"] == ["leverage", "position_notional", "total_exposure"]
    assert (left.leverage, left.quantity) == (3, d("0.049"))
    assert verdicts[-1].code == "minimum_notional"
    assert (verdicts[-1].effect, effect) == ("deny", "deny")


def test_no_rule_writes_the_verdict_of_what_it_allows_before_it_is_read():
    _, said, _ = examine(
        candidate(quantity=10, leverage=9), context(policy_=policy(max_leverage=3, min_notional=9_000))
    )

    assert [one.code for one in said if isinstance(one, Verdict)] == ["leverage", "minimum_notional"]
    assert [written(one).code for one in said] == [rule.code for rule in RULES]
    assert [written(one).effect for one in said] == [
        one.effect if isinstance(one, Verdict) else "allow" for one in said
    ]


def test_a_verdict_is_stored_with_code_limit_and_value():
    verdict = Verdict("shrink", "margin_use", d("0.60"), Decimal(2) / 3, "Too much.", d(1))

    assert verdict.as_json() == {
        "code": "margin_use",
        "effect": "shrink",
        "limit": "0.6",
        "value": "0.666666666667",
        "text": "Too much.",
    }
