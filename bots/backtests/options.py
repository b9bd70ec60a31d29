"""What a person asks of a backtest, read from words: decider, period, and `key=value` settings.

A setting is a limit of the policy, an option of the decider, or one of the market's costs. What is not known is refused
in a sentence with the nearest names there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Any

from bots import deciders
from bots.deciders import Decider
from bots.domain.briefing import Briefing
from bots.domain.policy import PRESETS, Policy
from bots.domain.soundness import objections
from markets.domain.candles import TIMEFRAMES
from markets.domain.instruments import InstrumentRules

LIMITS = {one.name: one.type for one in fields(Policy) if one.name not in ("name", "version")}
COSTS = ("fee", "taker_fee", "maker_fee", "half_spread", "impact")
OTHERS = ("policy", "seed", "interval", "timeframes", "walk")
MODEL, RECORDED = "model:", "recorded:"
# What deciders take that are no code by themselves: whoever runs the backtest looks them up (see `preparing`).
ELSEWHERE = {MODEL: ("money", "cap", "shadow", "prompt"), RECORDED: (), deciders.RANDOM_LIKE: ("like",)}
MOST_SEED, MOST_COUNT = 2**63 - 1, 10**9
# Beyond these powers of ten no figure means anything, and arithmetic with it has no end.
_LEAST_POWER, _MOST_POWER = -30, 20
_DAY_FORMS = ("%Y-%m-%d", "%Y%m%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S")


class Unclear(ValueError):
    """What was asked for cannot be read; the message is the sentence to show."""


@dataclass(frozen=True, slots=True)
class Unmade:
    """A decider that has only been named yet: a language model, or what a bot has answered before."""

    name: str
    description: str = ""
    remote: bool = True

    def decide(self, briefing: Briefing) -> dict[str, Any]:
        raise LookupError(f"{self.name} was not looked up.")


@dataclass(frozen=True, slots=True)
class Asked:
    """The settings, read. `walk` is the timeframe whose candles are traded through (None: the finest stored).

    `more` are settings for what has to be looked up, as they were written.
    """

    decider: Decider
    policy: Policy
    timeframes: tuple[str, ...]
    interval: int
    seed: int
    costs: Mapping[str, Decimal]
    walk: str | None = None
    more: Mapping[str, str] = field(default_factory=dict)

    def with_costs(self, rules: InstrumentRules) -> InstrumentRules:
        costs: dict[str, Any] = dict(self.costs)
        return replace(rules, **costs) if costs else rules


def read(decider: str, timeframe: str, settings: Sequence[str]) -> Asked:
    """Raises Unclear."""
    given = dict(_pair(setting) for setting in settings)
    name = _decider_name(decider)
    elsewhere = name.startswith((MODEL, RECORDED))
    options = set() if elsewhere else {one.name for one in fields(type(deciders.get(name)))}  # type: ignore[arg-type]
    more = next((keys for start, keys in ELSEWHERE.items() if name.startswith(start)), ())
    known = (*LIMITS, *COSTS, *OTHERS, *sorted(options), *more)
    for key in given:
        if key not in known:
            near = get_close_matches(key, known, n=3, cutoff=0.4)
            hint = f"Did you mean {', '.join(near)}?" if near else f"There are {', '.join(sorted(known))}."
            raise Unclear(f"There is no setting «{key}». {hint}")
    try:
        taken = {key: value for key, value in given.items() if key in options}
        made = Unmade(name) if elsewhere else deciders.get(name, taken)
    except deciders.UnknownDecider as problem:
        raise Unclear(str(problem)) from None
    frames = _timeframes(given.get("timeframes", timeframe), timeframe)
    return Asked(
        decider=made,
        policy=_policy(given),
        timeframes=frames,
        interval=TIMEFRAMES[_timeframe(given["interval"])] if "interval" in given else TIMEFRAMES[frames[0]],
        seed=_whole("seed", given.get("seed", "0"), 0, MOST_SEED),
        costs=_costs(given),
        walk=_timeframe(given["walk"]) if "walk" in given else None,
        more={key: given[key] for key in more if key in given},
    )


def moment(text: str) -> datetime:
    """A day or a time in UTC, such as 2025-05-01, 20250501 or 1746057600 (Unix). Raises Unclear."""
    if text.isascii() and text.isdigit() and len(text) in (10, 13):
        return datetime.fromtimestamp(int(text[:10]), UTC)
    for form in _DAY_FORMS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise Unclear(f"«{text}» is no day: write it as 2025-05-01 (UTC).")


def timerange(text: str) -> tuple[datetime | None, datetime | None]:
    """freqtrade's form of a period: 20250101-20250201, open at either side. Raises Unclear."""
    first, dash, last = text.partition("-")
    if not dash or not (first or last):
        raise Unclear(f"«{text}» is no time range: write it as 20250101-20250201, or leave one side out.")
    return (moment(first) if first else None), (moment(last) if last else None)


def symbols(words: Sequence[str]) -> tuple[str, ...]:
    """Symbols separated by commas or blanks. Raises Unclear."""
    found = tuple(symbol.strip() for word in words for symbol in word.split(",") if symbol.strip())
    if not found:
        raise Unclear("Name at least one instrument, such as BTC/USDT:USDT,ETH/USDT:USDT.")
    return found


def changed(settings: Sequence[str], changes: Sequence[str]) -> list[str]:
    """Settings with some of them changed or added. Raises Unclear for what is none."""
    merged = dict(_pair(setting) for setting in (*settings, *changes))
    return [f"{key}={value}" for key, value in merged.items()]


def _pair(setting: str) -> tuple[str, str]:
    key, sign, value = setting.partition("=")
    if not sign or not key.strip() or not value.strip():
        raise Unclear(f"«{setting}» is no setting: write it as key=value, such as risk_per_trade=0.005.")
    return key.strip(), value.strip()


def _decider_name(name: str) -> str:
    known = deciders.names()
    if name in known or (name.startswith((MODEL, RECORDED)) and name.partition(":")[2]):
        return name
    if f"house:{name}" in known:
        return f"house:{name}"
    near = get_close_matches(name, [*known, *(one.partition(":")[2] for one in known)], n=3, cutoff=0.4)
    hint = f"Did you mean {', '.join(near)}?" if near else f"There are {', '.join(known)}."
    raise Unclear(f"There is no decider «{name}». {hint}")


def _timeframe(name: str) -> str:
    if name not in TIMEFRAMES:
        raise Unclear(f"«{name}» is no timeframe; there are {', '.join(TIMEFRAMES)}.")
    return name


def _timeframes(words: str, timeframe: str) -> tuple[str, ...]:
    named = {_timeframe(word.strip()) for word in words.split(",")} | {_timeframe(timeframe)}
    return tuple(sorted(named, key=lambda name: TIMEFRAMES[name]))


def _policy(given: Mapping[str, str]) -> Policy:
    name = given.get("policy", "balanced")
    if name not in PRESETS:
        raise Unclear(f"There is no policy «{name}»; there are {', '.join(PRESETS)}.")
    changes: dict[str, Any] = {}
    for key in LIMITS:
        if key in given:
            counted = isinstance(getattr(PRESETS[name], key), int)
            read_as = _whole(key, given[key], -MOST_COUNT, MOST_COUNT) if counted else _number(key, given[key])
            changes[key] = read_as
    policy = replace(PRESETS[name], **changes)
    if problems := objections(policy):
        key, sentence = next(iter(problems.items()))
        raise Unclear(f"{key}: {sentence}")
    return policy


def _costs(given: Mapping[str, str]) -> dict[str, Decimal]:
    found = {key: _number(key, given[key]) for key in COSTS if key in given}
    if "fee" in found:
        fee = found.pop("fee")
        found = {"taker_fee": fee, "maker_fee": fee, **found}
    for key, value in found.items():
        if not -1 < value < 1 or (value < 0 and key != "maker_fee"):
            raise Unclear(f"{key} is a fraction of the price, such as 0.0005, not {value}.")
    return found


def _number(key: str, text: str) -> Decimal:
    """A number, or one with a percent sign: 0.05% is 0.0005."""
    digits = text.rstrip("%").strip()
    try:
        value = Decimal(digits)
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite():
        raise Unclear(f"{key} must be a number, not «{text}».")
    if value and not _LEAST_POWER <= value.adjusted() <= _MOST_POWER:
        raise Unclear(f"{key} is out of all bounds: «{text}».")
    return value / 100 if text.endswith("%") else value


def _whole(key: str, text: str, least: int, most: int) -> int:
    value = _number(key, text)
    if not least <= value <= most or value != value.to_integral_value():
        raise Unclear(f"{key} must be a whole number from {least:,} to {most:,}, not «{text}».")
    return int(value)
