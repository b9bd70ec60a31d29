"""The risk rules of entries, in the order in which they are asked. Exits are not asked: they always pass.

The sentences of prompts and pages are rendered from this list, so nothing is claimed that is not enforced.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from . import account_rules as account
from . import entry_rules as entry
from . import market_rules as market
from . import size_rules as size
from .policy import PRESETS, Policy
from .risk import Candidate, Context, Effect, Said, Verdict
from .wording import exact, percent, ratio

Check = Callable[[Candidate, Context], Said]


@dataclass(frozen=True, slots=True)
class Rule:
    """`code` is stable and that of its verdicts; `meaning` says with `{limit}` what must hold.

    `brief` says the same in the few words of a prompt.
    """

    code: str
    check: Check
    meaning: str
    brief: str
    limit: Callable[[Policy], str] = lambda policy: ""

    def statement(self, policy: Policy) -> str:
        """What must hold under this policy, as one sentence for pages."""
        return self.meaning.format(limit=self.limit(policy))

    def told(self, policy: Policy) -> str:
        """The same as models are told it, where each word is paid for at every call."""
        return self.brief.format(limit=self.limit(policy))


# Top to bottom: may it be made, is it well formed, is there a place, how large may it be, is that enough.
# The liquidation price depends on the final quantity of an add, so it is asked after the shrinks.
RULES: tuple[Rule, ...] = (
    Rule(
        "trading_state",
        entry.trading_state,
        "Trading is active for system, account and bot.",
        "entries only while trading is active",
    ),
    Rule("locked", account.locked, "No lock holds for the instrument and the side.", "none where a lock holds"),
    Rule(
        "safe_mode",
        entry.safe_mode,
        "In safe mode, after repeated failures to answer, nothing new is entered.",
        "none in the first answer after repeated failures",
    ),
    Rule(
        "instrument_blocked",
        entry.instrument_blocked,
        "No order of the instrument is live or of unknown fate, and no other bot of the account holds it.",
        "none where an entry waits or another bot holds",
    ),
    Rule(
        "stale_data",
        entry.stale_data,
        "Prices and candles are at most {limit} late.",
        "data <= {limit} late",
        lambda policy: f"{policy.max_data_age_seconds} s",
    ),
    Rule(
        "confidence",
        entry.confidence,
        "Conviction is at least {limit}.",
        "conviction >= {limit}",
        lambda policy: ratio(policy.min_confidence),
    ),
    Rule(
        "price_band",
        entry.price_band,
        "The entry price is within {limit} of the mark price.",
        "entry within {limit} of the price",
        lambda policy: percent(policy.price_band),
    ),
    Rule(
        "spread",
        market.spread,
        "The spread is at most {limit} of the price.",
        "spread <= {limit}",
        lambda policy: percent(policy.max_spread),
    ),
    Rule(
        "funding",
        market.funding,
        "A position pays at most {limit} of its value a day in funding.",
        "funding paid <= {limit} a day",
        lambda policy: percent(policy.max_funding),
    ),
    Rule("stop_missing", entry.stop_missing, "Every entry has a stop.", "every entry has a stop"),
    Rule(
        "stop_side",
        entry.stop_side,
        "The stop of a long is below the market, of a short above it.",
        "stop of a long below the market, of a short above",
    ),
    Rule(
        "target_side",
        entry.target_side,
        "The target of a long is above the entry price, of a short below it.",
        "target of a long above the entry, of a short below",
    ),
    Rule(
        "stop_distance",
        entry.stop_distance,
        "The stop is {limit} of the price away from the entry price, and a trail is no nearer.",
        "stop {limit} from the entry, trail no nearer",
        lambda policy: f"{percent(policy.min_stop_distance)} to {percent(policy.max_stop_distance)}",
    ),
    Rule(
        "reward_to_risk",
        entry.reward_to_risk,
        "Distance of the target over that of the stop, counted from the entry price, is at least {limit}.",
        "target distance / stop distance >= {limit}",
        lambda policy: ratio(policy.min_reward_to_risk),
    ),
    Rule(
        "already_invalid",
        entry.already_invalid,
        "The invalidation condition does not hold at the entry.",
        "invalidation not true at the entry",
    ),
    Rule(
        "leverage",
        entry.leverage,
        "Leverage is at most {limit} and never above the venue's own limit; more is cut.",
        "leverage <= {limit} and the venue's",
        lambda policy: str(policy.max_leverage),
    ),
    Rule(
        "open_positions",
        entry.open_positions,
        "At most {limit} positions at a time, live entries included.",
        "positions <= {limit}",
        lambda policy: str(policy.max_positions),
    ),
    Rule(
        "market_impact",
        size.market_impact,
        "Spread and market impact of a whole position are at most {limit} of the price.",
        "spread and impact <= {limit} of price",
        lambda policy: percent(policy.max_slippage),
    ),
    Rule(
        "depth",
        market.depth,
        "A position is worth at most {limit} of what usually trades in one candle.",
        "worth <= {limit} of a candle's volume",
        lambda policy: percent(policy.max_depth_share),
    ),
    Rule(
        "risk_per_trade",
        size.risk_per_trade,
        "A whole position loses at most {limit} of equity at its stop, slippage and fees included.",
        "loss at the stop <= {limit} of equity",
        lambda policy: percent(policy.risk_per_trade),
    ),
    Rule(
        "position_notional",
        size.position_notional,
        "A position is worth at most {limit} of equity.",
        "a position <= {limit} of equity",
        lambda policy: percent(policy.max_position_notional),
    ),
    Rule(
        "total_exposure",
        size.total_exposure,
        "All positions and live entries together are worth at most {limit} of equity.",
        "exposure <= {limit} of equity",
        lambda policy: percent(policy.max_exposure),
    ),
    Rule(
        "side_exposure",
        account.side_exposure,
        "All longs together, and all shorts together, are worth at most {limit} of equity.",
        "longs, shorts <= {limit} of equity each",
        lambda policy: percent(policy.max_side_exposure),
    ),
    Rule(
        "account_exposure",
        size.account_exposure,
        "All bots of the account together stay within its own limit.",
        "account within its own limit",
    ),
    Rule(
        "user_exposure",
        account.user_exposure,
        "All accounts of the bot's owner together stay within the owner's own limit.",
        "owner within its own limit",
    ),
    Rule(
        "portfolio_volatility",
        account.portfolio_volatility,
        "The book as a whole moves at most {limit} of equity a day, by 30 days of hourly returns.",
        "book moves <= {limit} a day",
        lambda policy: percent(policy.max_volatility),
    ),
    Rule(
        "margin_use",
        size.margin_use,
        "Margins and reservations are at most {limit} of equity.",
        "margin and reserved <= {limit} of equity",
        lambda policy: percent(policy.max_margin_use),
    ),
    Rule(
        "available_cash",
        size.available_cash,
        "Margin and fee of an entry are covered by available cash.",
        "margin and fee within available",
    ),
    Rule(
        "venue_limits",
        size.venue_limits,
        "A position is no larger than the venue takes in one order.",
        "not above the venue's largest order",
    ),
    Rule(
        "liquidation_before_stop",
        entry.liquidation_before_stop,
        "The liquidation price lies beyond the stop by at least {limit} of the stop's distance.",
        "liquidation beyond the stop by {limit} of its distance",
        lambda policy: percent(policy.liquidation_buffer),
    ),
    Rule(
        "minimum_quantity",
        size.minimum_quantity,
        "An order is at least the venue's smallest quantity.",
        "not below its smallest",
    ),
    Rule(
        "minimum_notional",
        size.minimum_notional,
        "An entry is worth at least {limit} in the book's currency, and the venue's own minimum.",
        "worth >= {limit} and the venue's minimum",
        lambda policy: exact(policy.min_notional),
    ),
)

CHECKS = tuple(rule.check for rule in RULES)


class RuleInfo(NamedTuple):
    """`limit` is empty where a rule has no number of its own."""

    code: str
    meaning: str
    limit: str


def rule_list(policy: Policy = PRESETS["balanced"]) -> tuple[RuleInfo, ...]:
    """Every rule in order, with its sentence and limit under `policy` (by default the balanced preset)."""
    return tuple(RuleInfo(rule.code, rule.statement(policy), rule.limit(policy)) for rule in RULES)


def examine(candidate: Candidate, context: Context) -> tuple[Candidate, tuple[Said, ...], Effect]:
    """Ask the rules in order: each sees what the shrinks before it left; the first denial ends the list.

    Gives what is left of the entry, what each rule said, and what came of it all.
    """
    answers: list[Said] = []
    effect: Effect = "allow"
    for check in CHECKS:
        said = check(candidate, context)
        answers.append(said)
        if said.__class__ is not Verdict:
            continue
        effect = said.effect
        if effect == "deny":
            break
        candidate = candidate.changed(quantity=said.max_quantity, leverage=said.leverage)
    return candidate, tuple(answers), effect
