"""The one place that rounds. Cash goes to eight decimals, prices to the tick, quantities to the step.

Whoever rounds says in which direction; nothing here guesses, and nothing elsewhere quantises.
"""

from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_UP, Context, Decimal

CASH_UNIT = Decimal("0.00000001")
ZERO, ONE = Decimal(0), Decimal(1)
# Python computes with 28 digits; stripping zeros must not cut a longer number to that.
_EVERY_DIGIT = Context(prec=1000)


def round_cash(amount: Decimal) -> Decimal:
    """`amount` of a currency at eight decimals, half to even: for values that favour nobody."""
    return amount.quantize(CASH_UNIT, ROUND_HALF_EVEN)


def round_cash_up(amount: Decimal) -> Decimal:
    """`amount` at eight decimals, away from zero: for what is owed, such as fees and margins."""
    return amount.quantize(CASH_UNIT, ROUND_UP)


def floor_to(value: Decimal, unit: Decimal) -> Decimal:
    """The largest multiple of `unit` not above `value`. `unit` must be positive."""
    return (value / unit).to_integral_value(ROUND_FLOOR) * unit


def ceil_to(value: Decimal, unit: Decimal) -> Decimal:
    """The smallest multiple of `unit` not below `value`. `unit` must be positive."""
    return (value / unit).to_integral_value(ROUND_CEILING) * unit


def nearest_to(value: Decimal, unit: Decimal) -> Decimal:
    """The multiple of `unit` nearest to `value`, half to even. `unit` must be positive."""
    return (value / unit).to_integral_value(ROUND_HALF_EVEN) * unit


def toward_zero(value: Decimal, unit: Decimal) -> Decimal:
    """The multiple of `unit` nearest to `value` that is not further from zero: for quantities."""
    return (value / unit).to_integral_value(ROUND_DOWN) * unit


def plain(value: Decimal) -> Decimal:
    """The same number without trailing zeros and without an exponent, so that 10 reads 10 and not 1E+1.

    Exact for any number of digits; a negative zero is zero.
    """
    if not value:
        return ZERO
    short = value.normalize(_EVERY_DIGIT)
    return short.quantize(ONE, context=_EVERY_DIGIT) if short == short.to_integral_value() else short
