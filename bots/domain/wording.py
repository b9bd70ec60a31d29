"""Numbers as verdicts and reasons write them: short, with their unit, for people and models alike."""

from decimal import Decimal

from markets.domain.rounding import nearest_to

_CENT = Decimal("0.01")


def percent(fraction: Decimal) -> str:
    """0.015 as "1.5 %"; below a hundredth of a percent two significant digits stay."""
    points = fraction * 100
    if points and abs(points) < _CENT:
        return f"{points:.2g} %"
    return f"{ratio(points)} %"


def amount(value: Decimal, currency: str) -> str:
    """An amount of money at two decimals, such as "153.20 USDT"."""
    return f"{value:.2f} {currency}"


def exact(value: Decimal) -> str:
    """A price or quantity with all its digits and without trailing zeros."""
    return _stripped(f"{value:f}")


def ratio(value: Decimal) -> str:
    """A plain number at two decimals without trailing zeros."""
    return _stripped(f"{nearest_to(value, _CENT):f}")


def _stripped(digits: str) -> str:
    """Without trailing zeros; zero has no sign. On the text, because dozens of these are written for one entry."""
    short = digits.rstrip("0").rstrip(".") if "." in digits else digits
    return "0" if short == "-0" else short
