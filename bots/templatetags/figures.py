"""How pages write figures: money, changes, prices, quantities, times, and the mark of a bot.

One form for each kind of figure: a true minus sign, narrow spaces between thousands, a dash where nothing is
known. Nothing here computes results; it writes what it is given.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from markets.domain.instruments import InstrumentRules
from markets.domain.rounding import nearest_to, plain
from markets.models import Instrument

register = template.Library()

MINUS = "−"
THIN = "\u202f"  # narrow and without a line break
UNKNOWN = "–"
CENT = Decimal("0.01")
SPANS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def written(value: Decimal, places: int, signed: bool = False) -> str:
    """`value` with this many places; a value that rounds to zero has no sign."""
    rounded = nearest_to(value, Decimal(1).scaleb(-places))
    digits = f"{abs(rounded):,.{places}f}".replace(",", THIN)
    if rounded < 0:
        return MINUS + digits
    return f"+{digits}" if signed and rounded > 0 else digits


@register.filter
def money(value: Decimal | None) -> str:
    """An amount at two places: 1 234.50."""
    return UNKNOWN if value is None else written(Decimal(value), 2)


@register.filter
def dollars(value: Decimal | None) -> str:
    """What a model cost: to the cent, and small amounts to two digits that are not zero."""
    if value is None:
        return UNKNOWN
    places = 2 if not value or abs(value) >= 1 else min(1 - value.adjusted(), 8)
    return written(value, max(places, 2))


@register.filter
def thousands(value: int | None) -> str:
    """A count with its thousands apart."""
    return UNKNOWN if value is None else written(Decimal(value), 0)


@register.filter
def change(value: Decimal | None) -> str:
    """An amount that was won or lost: +1 234.50."""
    return UNKNOWN if value is None else written(Decimal(value), 2, signed=True)


@register.filter
def percent(value: Decimal | float | None, places: int = 2) -> str:
    """A fraction as a signed change in percent, without the unit: +1.24."""
    return UNKNOWN if value is None else written(Decimal(str(value)) * 100, places, signed=True)


@register.filter
def since(value: Decimal, base: Decimal | None) -> Decimal | None:
    """How far `value` is from `base`, as a fraction of it."""
    return value / base - 1 if base else None


@register.filter
def yearly(rate: Decimal, hours: int) -> str:
    """What a rate for so many hours comes to in a year, in percent, without interest on it."""
    return percent(rate * 24 * 365 / hours, 1)


@register.filter
def words(name: str) -> str:
    """A stored name as it is read: open_long is "open long", house:trend is "house · trend"."""
    return str(name).replace("_", " ").replace(":", " · ")


@register.filter
def share(value: Decimal | float | None, places: int = 2) -> str:
    """A fraction as a part in percent, without the unit: 32.00."""
    return UNKNOWN if value is None else written(Decimal(str(value)) * 100, places)


@register.filter
def tone(value: Decimal | float | None, places: int = 4) -> str:
    """The class of a gain or a loss, by which it gets its colour and arrow; none for what is written as zero.

    `places` are those that are shown: 4 of a fraction in percent, 2 of an amount.
    """
    if value is None or abs(value) * 10**places < 0.5:
        return "even"
    return "gain" if value > 0 else "loss"


@register.filter
def price(value: Decimal | None, instrument: Instrument | InstrumentRules | None) -> str:
    """A price with as many places as its instrument's tick; a computed one is put on the tick first."""
    if value is None:
        return UNKNOWN
    if instrument is None:
        return quantity(value)
    return written(nearest_to(value, instrument.tick), places_of(instrument.tick))


@register.filter
def quantity(value: Decimal | None, instrument: Instrument | InstrumentRules | None = None) -> str:
    """A quantity with as many places as its instrument's step, or as many as it has."""
    if value is None:
        return UNKNOWN
    return written(value, places_of(plain(value) if instrument is None else instrument.step))


@register.filter
def size(value: Decimal, instrument: Instrument) -> str:
    """A signed quantity without its sign, where the side is said beside it."""
    return quantity(abs(value), instrument)


def places_of(unit: Decimal) -> int:
    return max(0, -int(plain(unit).as_tuple().exponent))


@register.filter
def span(value: timedelta | float | None) -> str:
    """A length of time in its two largest units: 2 h 14 min."""
    if value is None:
        return UNKNOWN
    seconds = int(value.total_seconds() if isinstance(value, timedelta) else value)
    sign, seconds = (MINUS, -seconds) if seconds < 0 else ("", seconds)
    for i, (size, unit) in enumerate(SPANS):
        if seconds >= size or size == 1:
            whole, rest = divmod(seconds, size)
            finer_size, finer = SPANS[i + 1] if i + 1 < len(SPANS) else (1, "")
            tail = f" {rest // finer_size}\u00a0{finer}" if rest // finer_size and finer else ""
            return f"{sign}{whole}\u00a0{unit}{tail}"
    raise AssertionError("unreachable: the finest unit is one second")


@register.filter
def exact(at: datetime | None) -> str:
    """An instant to the second, in UTC."""
    return UNKNOWN if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


@register.filter
def moment(at: datetime | None) -> SafeString | str:
    """Day and time of an instant; the exact one on hover."""
    if at is None:
        return UNKNOWN
    text = f"{at.astimezone(UTC):%d %b %H:%M}".lstrip("0")
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), exact(at), text)


@register.filter
def ago(at: datetime | None, now: datetime | None) -> SafeString | str:
    """How long before `now` (of the same clock) it was; the exact instant on hover."""
    if at is None or now is None:
        return UNKNOWN
    passed = max(0, int((now - at).total_seconds()))
    size, unit = next((s, u) for s, u in SPANS if passed >= s or s == 1)
    text = "now" if passed < 1 else f"{passed // size}\u00a0{unit} ago"
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), exact(at), text)


@register.filter
def until(at: datetime, now: datetime) -> str:
    """How long it is from `now` to `at`; nothing below zero."""
    return span(max(timedelta(0), at - now))


@register.filter
def milliseconds(value: float) -> str:
    """A duration in milliseconds, from ten seconds on in seconds."""
    return f"{value:.0f} ms" if value < 10_000 else f"{value / 1000:.1f} s"


@register.filter
def number(value: str | None) -> str:
    """A number that was stored as text, with its digits; anything else as it is."""
    try:
        exact_value = Decimal(value or "")
    except InvalidOperation:
        return UNKNOWN if value is None else str(value)
    return written(exact_value, min(8, places_of(exact_value)))


@register.filter
def figure(value: float | None, places: int = 2) -> str:
    """A ratio or a rounded amount with so many places: 1.38."""
    return UNKNOWN if value is None else written(Decimal(repr(float(value))), places)


@register.filter
def as_is(value: float | None) -> str:
    """A number with the digits that it has."""
    if value is None:
        return UNKNOWN
    found = plain(Decimal(repr(float(value))))
    return written(found, min(8, places_of(found)))


@register.filter
def pretty(value: Any) -> str:
    """JSON for reading: indented, keys as they came."""
    return json.dumps(value, indent=2, ensure_ascii=False)


@register.filter
def place(value: float) -> str:
    """A place on a drawing, in percent, with a point whatever the language."""
    return f"{value:.2f}"


@register.filter
def condition(stored: Mapping[str, Any]) -> str:
    """A stored invalidation condition in words."""
    return condition_words(stored)


@register.filter
def aged(at: datetime) -> SafeString:
    """A market time whose age the page itself keeps (js/ages.js), so that the fragment stays the same while it ages."""
    text = f"{at.astimezone(UTC):%H:%M}"
    return format_html('<time class="aged" datetime="{}" title="{}">{}</time>', at.isoformat(), exact(at), text)


@register.filter
def percent_of(value: float, limit: float) -> float:
    """`value` in percent of `limit`, at most 100: the length of a bar."""
    return round(min(100.0, 100 * float(value) / float(limit)), 2) if limit else 0.0


@register.simple_tag
def badge(bot: Any) -> SafeString:
    """The mark of a bot: its monogram on its colour."""
    mark = '<span class="badge bot-{}" aria-hidden="true">{}</span>'
    return format_html(mark, bot.colour % 8, bot.monogram)


@register.simple_tag
def sparkline(values: list[float]) -> SafeString:
    """A line of at most a few dozen values as an inline drawing; nothing for fewer than two."""
    if len(values) < 2:
        return SafeString("")
    low, high = min(values), max(values)
    reach = (high - low) or 1.0
    step = 96 / (len(values) - 1)
    points = " ".join(f"{2 + i * step:.1f},{22 - 20 * (v - low) / reach:.1f}" for i, v in enumerate(values))
    return format_html(
        '<svg class="spark" viewBox="0 0 100 24" preserveAspectRatio="none" aria-hidden="true">'
        '<polyline points="{}"/></svg>',
        points,
    )


def condition_words(stored: Mapping[str, Any]) -> str:
    """A stored invalidation condition in words. Written from its data, because pages load no indicators."""
    kind = str(stored.get("kind", "")).replace("_", " ")
    what = str(stored.get("indicator", "")) or "the candle"
    level = stored.get("price", stored.get("value", ""))
    verb = kind.replace("close ", "closes ").replace("indicator ", "is ")
    return f"{what} {verb} {level} ({stored.get('timeframe', '')})"


@register.filter
def base(symbol: str) -> str:
    """BTC of BTC/USDT:USDT."""
    return symbol.partition("/")[0]
