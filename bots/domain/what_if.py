"""What a policy would have said to entries that were judged under another one, from the numbers stored with them.

Each verdict holds the value that was compared; so it can be held against another limit without the market of then.
What came after a denial was never asked, and is not made up: such an entry is told as open.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from .policy import Policy

# What each rule compares its value with: the limits it may not go below and above, and whether it cuts or denies.
LEAST = {
    "confidence": "min_confidence",
    "reward_to_risk": "min_reward_to_risk",
    "stop_distance": "min_stop_distance",
    "minimum_notional": "min_notional",
}
MOST = {
    "stale_data": "max_data_age_seconds",
    "price_band": "price_band",
    "spread": "max_spread",
    "funding": "max_funding",
    "stop_distance": "max_stop_distance",
    "leverage": "max_leverage",
    "open_positions": "max_positions",
    "market_impact": "max_slippage",
    "depth": "max_depth_share",
    "risk_per_trade": "risk_per_trade",
    "position_notional": "max_position_notional",
    "total_exposure": "max_exposure",
    "side_exposure": "max_side_exposure",
    "portfolio_volatility": "max_volatility",
    "margin_use": "max_margin_use",
}
CUTS = frozenset(
    ("leverage", "market_impact", "depth", "risk_per_trade", "position_notional", "total_exposure", "side_exposure",
     "portfolio_volatility", "margin_use")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Told:
    """`outcome` is passed, cut, refused or open; `code` names the rule behind the last three.

    Open: what refused it then would not refuse it now, and what the rules after it would have said nobody knows.
    """

    outcome: str
    code: str = ""


def told(verdicts: Iterable[Mapping[str, Any]], policy: Policy) -> Told:
    """What `policy` would have said to an entry with these stored verdicts, at the size that it had then."""
    cut = ""
    for verdict in verdicts:
        code, value = verdict["code"], verdict["value"]
        if code not in LEAST and code not in MOST:
            if verdict["effect"] == "deny":
                return Told("refused", code)
            continue
        if value is None:
            if verdict["effect"] == "deny":
                return Told("open", code)
            continue
        if not _within(code, Decimal(value), policy):
            if code not in CUTS:
                return Told("refused", code)
            cut = cut or code
        elif verdict["effect"] == "deny":
            return Told("open", code)
    return Told("cut", cut) if cut else Told("passed")


def _within(code: str, value: Decimal, policy: Policy) -> bool:
    least = code not in LEAST or value >= getattr(policy, LEAST[code])
    return least and (code not in MOST or value <= getattr(policy, MOST[code]))


def counted(answers: Iterable[Told]) -> dict[str, int]:
    """How many of each outcome, all four named."""
    counts = dict.fromkeys(("passed", "cut", "refused", "open"), 0)
    for one in answers:
        counts[one.outcome] += 1
    return counts
