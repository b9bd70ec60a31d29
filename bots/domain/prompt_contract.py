"""The system part of a prompt: wording, answer, dictionary, instruments and limits. The same bytes at every call.

It depends on wording, policy, timeframes and instruments alone, so that a provider which caches prefixes is paid for
it once. Each limit is a sentence of the rule that enforces it; a limit without a rule cannot be said here.
"""

from collections.abc import Iterable, Iterator

from markets.domain.instruments import InstrumentRules

from .briefing import Briefing
from .rules import RULES
from .wording import percent

DICTIONARY = """\
Words: price, stop, target, liquidation in the quote currency; equity, available (for entries), margin, exposure \
(worth of positions), unrealised, net (after fees and funding) in the book's.
close: minus price, in steps of its last decimal. ema20, ema50 (minus price), macd, atr: in 0.001 % of price on the \
first timeframe, 0.01 % on others. funding: next rate in 0.001 %. vol: volume / its average. oi: open interest in \
base. % beside a level: distance from price.
Series: ten closed candles, oldest first."""

ANSWER = """\
Answer with one JSON object {"summary": one sentence, "items": [one per instrument you act on]}. An item, null where \
not needed:
symbol: as given
action: open_long, open_short, add, reduce, close, adjust_exits, hold
conviction: 0 to 1, for entries
risk_share: share of the risk budget, 0 to 1; code works out the size from it and the stop
leverage: null for the least needed
limit: entry price, null for market
stop, target: prices
trail: trailing stop, such as 0.02
minutes: close after
invalidation: closes when true, {"kind": close_below or close_above, "timeframe", "price"} or {"kind": \
indicator_below or indicator_above, "timeframe", "indicator": such as rsi_14, "value"}
reduce_share: 0 to 1
reason: one sentence with numbers"""


def contract(briefing: Briefing, wording: str) -> str:
    """The system part; ends without a newline."""
    views = sorted(briefing.snapshot.instruments.values(), key=lambda view: view.symbol)
    parts = [
        wording.strip(),
        ANSWER,
        "Limits of entries; code cuts or refuses what breaks one:\n" + "\n".join(limits(briefing)),
        DICTIONARY,
        "\n".join(_fees(view.rules for view in views)),
    ]
    return "\n\n".join(part for part in parts if part)


def limits(briefing: Briefing) -> list[str]:
    """One sentence for each rule, in the order in which they are asked."""
    return [rule.told(briefing.policy) for rule in RULES]


def _fees(rules: Iterable[InstrumentRules]) -> Iterator[str]:
    """Fee and leverage, each group of instruments that share them on one line."""
    groups: dict[str, list[str]] = {}
    for rule in rules:
        most = f", the venue's leverage to {rule.max_leverage}" if rule.tiers else ", no leverage"
        groups.setdefault(f"fee {percent(rule.taker_fee)} a side{most}", []).append(rule.symbol)
    for terms, symbols in groups.items():
        yield f"All: {terms}" if len(groups) == 1 else f"{', '.join(symbols)}: {terms}"
