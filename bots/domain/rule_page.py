"""The page of docs that lists every rule: written from the rules themselves, so that it cannot say anything else."""

from collections.abc import Iterable

from .locks import PROTECTIONS
from .policy import PRESETS
from .rules import RULES

HEAD = """\
# Risk rules

Every order that adds exposure is asked of these rules, in this order, whoever asks for it: model, strategy or person,
on paper, live and in a backtest. A rule allows, shrinks or denies; what it says is stored with its code, its limit and
the value it found. The first denial ends the list. Exits and cancels are not asked: they always pass.

This page is written by `manage.py risk_rules`; a test holds it to the code.
"""


LOCKS = """\
## Locks

What happened may lock entries for a while: of the whole book, of one instrument, or of one side there. Locks are rows
with an end in market time; they survive restarts, end by themselves, and a person may lift them. Code looks at what
happened at the beginning of each cycle, before anything can be entered. A lock ends a lock's time after the last close
that it rests on, so looking twice makes no second one. Stopped out means closed by a stop or a liquidation with a loss;
results are after fees and funding; the day is a UTC day. Drawdown and daily loss count open positions, and neither a
deposit nor a withdrawal.
"""


def page() -> str:
    """The whole page, as Markdown."""
    names = tuple(PRESETS)
    heading = ("", "code", "what must hold, under the policy «balanced»", *names)
    rows = [
        (str(number), f"`{rule.code}`", rule.statement(PRESETS["balanced"]), *(_limit(rule.code, n) for n in names))
        for number, rule in enumerate(RULES, 1)
    ]
    return f"{HEAD}\n{table(heading, rows)}\n{LOCKS}\n{_locks(names)}"


def _locks(names: Iterable[str]) -> str:
    policies = [PRESETS[name] for name in names]
    rows = [
        (
            f"`{one.kind}`",
            one.meaning.format(limit=one.limit(PRESETS["balanced"]) or "…"),
            *(one.limit(policy) or "off" for policy in policies),
        )
        for one in PROTECTIONS
    ]
    times = (f"{policy.lock_look_back_minutes} min, {policy.lock_minutes} min" for policy in policies)
    return table(("kind", "what locks", *names), [*rows, ("", "Look-back, and how long a lock holds", *times)])


def _limit(code: str, preset: str) -> str:
    rule = next(rule for rule in RULES if rule.code == code)
    return rule.limit(PRESETS[preset]) or "–"


def table(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    lines = [tuple(heading), *map(tuple, rows)]
    rule = "|".join(["", *("---" for _ in lines[0]), ""])
    written = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([written[0], rule, *written[1:]]) + "\n"
