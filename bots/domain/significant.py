"""Numbers for a reader who pays by the token: as few digits as keep apart what differs.

A price is written with the decimals of its tick, and prices of the past as whole steps of its last decimal away from
it: exact, at two tokens each. What an indicator makes of prices is written in whole grains of the price, `FINE` ones on
the finest timeframe and ten times as coarse ones on those where ten times as much moves: so a series that moves does
not become a flat line, however low the price.
"""

from decimal import Decimal

from markets.domain.rounding import floor_to, nearest_to

from .wording import exact

FINE, COARSE = Decimal("0.00001"), Decimal("0.0001")
_HALF = Decimal("0.5")
_ONE = Decimal(1)


def decimal(value: Decimal | float) -> Decimal:
    """The shortest decimal that is this float."""
    return value if isinstance(value, Decimal) else Decimal(repr(float(value)))


def whole(value: Decimal | float, unit: Decimal) -> int:
    """`value` in whole units, halves up: so two values a unit apart are never the same number."""
    return int(floor_to(decimal(value) / unit + _HALF, _ONE))


def last_decimal(tick: Decimal) -> Decimal:
    """The step of the last decimal of a price at this tick: 0.01 for a tick of 0.25, 1 for a tick of 5."""
    return _ONE.scaleb(min(int(tick.normalize().as_tuple().exponent), 0))


def at_tick(value: Decimal | float, tick: Decimal) -> str:
    """A price at its tick, with all decimals that the tick has; halves up, so a tick apart stays apart."""
    return f"{(whole(value, tick) * tick).quantize(last_decimal(tick)):f}"


def steps(value: Decimal | float, price: Decimal, tick: Decimal) -> int:
    """How far `value` is from `price`, both at the tick, in steps of the last decimal that `price` is written with."""
    return int((whole(value, tick) - whole(price, tick)) * tick / last_decimal(tick))


def grains(value: Decimal | float, price: Decimal, grain: Decimal = FINE) -> int:
    """`value`, an amount of price such as a distance or a width, in grains of `price`, halves up."""
    return whole(value, price * grain)


def signed(number: int) -> str:
    """With its sign; zero has none."""
    return f"{number:+d}" if number else "0"


def short(value: Decimal, digits: int = 4) -> str:
    """So many significant digits, without an exponent; whole numbers keep all of theirs."""
    place = _ONE.scaleb(min(value.adjusted() - digits + 1, 0)) if value else _ONE
    return exact(nearest_to(value, place))
