"""Rows of the bots app for tests; those of the ledger come from `ledger.tests.builders`."""

from datetime import timedelta
from decimal import Decimal
from itertools import count

from bots.models import Backtest, Bot, Cycle, CycleStatus, Decision, DecisionItem, Outcome, RiskPolicy
from ledger.tests import builders
from ledger.tests.builders import NOW

_numbers = count(1)


def policy(owner=None, **fields) -> RiskPolicy:
    """The policy of this owner and name (default: balanced), made once."""
    name = fields.pop("name", "balanced")
    return RiskPolicy.objects.get_or_create(owner=owner or builders.user(), name=name, defaults=fields)[0]


def bot(owner=None, **fields) -> Bot:
    """A paused trend bot on BTC, with a policy of its owner and a book (and account) of its own."""
    owner = owner or builders.user()
    number = next(_numbers)
    instruments = fields.pop("instruments", None) or [builders.instrument()]
    defaults = {"name": f"bot {number}", "monogram": f"{number % 100:02}", "colour": number % 8}
    made = Bot.objects.create(
        owner=owner,
        book=fields.pop("book", None) or builders.book(owner),
        policy=fields.pop("policy", None) or policy(owner),
        **defaults | fields,
    )
    made.instruments.set(instruments)
    return made


def cycle(bot_=None, **fields) -> Cycle:
    """A finished cycle; each call takes the next slot."""
    defaults = {
        "slot": NOW + timedelta(minutes=3 * next(_numbers)),
        "status": CycleStatus.DONE,
        "steps": [{"name": "decide", "ms": 12.5}],
        "queued_at": NOW,
        "started_at": NOW,
        "ended_at": NOW,
    }
    return Cycle.objects.create(bot=bot_ or bot(), **defaults | fields)


def decision(bot_=None, items=1, **fields) -> Decision:
    """An answer with `items` items, each planned without an intent."""
    ran = fields.pop("cycle", None) or cycle(bot_)
    defaults = {
        "decider": ran.bot.decider,
        "policy_version": 1,
        "raw": {"items": []},
        "summary": "The trend is up.",
        "equity": Decimal(10000),
        "acted": True,
        "refused": False,
        "at": ran.slot,
    }
    made = Decision.objects.create(cycle=ran, bot=ran.bot, **defaults | fields)
    for _ in range(items):
        item(made)
    return made


def item(decision_=None, **fields) -> DecisionItem:
    verdict = {
        "code": "risk_per_trade",
        "effect": "allow",
        "limit": "0.01",
        "value": "0.008",
        "text": "Fits.",
    }
    defaults = {
        "symbol": builders.SYMBOL,
        "action": "open_long",
        "conviction": Decimal("0.7"),
        "stop": Decimal(49000),
        "target": Decimal(53000),
        "reason": "EMA 20 crossed above EMA 50.",
        "outcome": Outcome.PLANNED,
        "verdicts": [verdict],
    }
    chosen = fields.pop("instrument", None) or builders.instrument()
    return DecisionItem.objects.create(decision=decision_ or decision(items=0), instrument=chosen, **defaults | fields)


def backtest(owner=None, **fields) -> Backtest:
    """One that waits, of the trend strategy on BTC."""
    request = {
        "decider": "house:trend", "exchange": "binanceusdm", "symbols": [builders.SYMBOL], "timeframe": "5m",
        "start": None, "end": None, "cash": "10000", "settings": [], "check": False,
    }  # fmt: skip
    defaults = {"request": request, "decider": "house:trend", "queued_at": NOW}
    return Backtest.objects.create(owner=owner or builders.user(), **defaults | fields)
