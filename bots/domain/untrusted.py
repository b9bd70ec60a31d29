"""Reading values that a model wrote: numbers become bounded Decimals, texts are cleaned and cut.

Nothing here trusts a type or a size. What does not fit is refused with a sentence that names field and value.
"""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from markets.domain.rounding import ONE, ZERO, floor_to, nearest_to

FRACTION_UNIT = Decimal("0.000001")
PRICE_UNIT = Decimal("0.000000000001")
LARGEST = Decimal(10) ** 12
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something was not taken: `code` is stable, `text` one sentence for people and models."""

    code: str
    text: str


class Unfit(ValueError):
    """Raised while one value is read; whoever reads a whole item turns it into a `Refusal`."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.refusal = Refusal(code, text)


def shown(value: object) -> str:
    """A value as a sentence may quote it: short, on one line, never failing."""
    if isinstance(value, str):
        return f"'{text(value, _SHOWN)}'"
    if isinstance(value, bool) or value is None:
        return "null" if value is None else str(value).lower()
    if isinstance(value, int) and value.bit_length() > 128:
        return "a number of too many digits"
    if isinstance(value, int | float | Decimal):
        return str(value)[:_SHOWN]
    if isinstance(value, list | tuple):
        return "a list"
    return "an object" if isinstance(value, dict) else "something unreadable"


def text(value: object, longest: int) -> str:
    """A text without control characters and lone surrogates, cut to `longest`; empty for anything else."""
    if not isinstance(value, str):
        return ""
    if len(value) <= longest and value.isprintable():
        return value.strip()
    clean = value[: 2 * longest]
    if not clean.isprintable():
        clean = "".join(c if c.isprintable() else " " for c in clean)
    clean = clean.strip()
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"


def number(value: object, field: str) -> Decimal:
    """An int, float, Decimal or numeric text as a finite Decimal of at most 10^12; else raises `Unfit`."""
    found = _decimal(value)
    if found is None:
        raise Unfit("bad_number", f"{field} must be a number, not {shown(value)}.")
    if not found.is_finite():
        raise Unfit("bad_number", f"{field} must be a finite number, not {shown(value)}.")
    if found.copy_abs() > LARGEST:
        raise Unfit("out_of_range", f"{field} {shown(value)} is too large to be meant.")
    return found


def fraction(value: object, field: str, *, above_zero: bool = False, below_one: bool = False) -> Decimal:
    """A number from 0 to 1, cut (never rounded up) to six decimals; else raises `Unfit`."""
    found = floor_to(number(value, field), FRACTION_UNIT)
    if not ZERO <= found <= ONE or (above_zero and not found) or (below_one and found == ONE):
        low = "above 0" if above_zero else "at least 0"
        high = "below 1" if below_one else "at most 1"
        raise Unfit("out_of_range", f"{field} must be {low} and {high}, not {shown(value)}.")
    return found


def price(value: object, field: str) -> Decimal:
    """A number above zero at twelve decimals; the tick of the instrument comes later. Else raises `Unfit`."""
    found = nearest_to(number(value, field), PRICE_UNIT)
    if found <= ZERO:
        raise Unfit("out_of_range", f"{field} must be a price above 0, not {shown(value)}.")
    return found


def whole(value: object, field: str, most: int) -> int:
    """A whole number from 1 to `most`; else raises `Unfit`."""
    found = number(value, field)
    if found != found.to_integral_value() or not 1 <= found <= most:
        raise Unfit("out_of_range", f"{field} must be a whole number from 1 to {most}, not {shown(value)}.")
    return int(found)


def _decimal(value: object) -> Decimal | None:
    if isinstance(value, float):
        return Decimal(float.__repr__(value))  # one of numpy writes its type beside its digits
    if isinstance(value, bool):
        return None
    if isinstance(value, Decimal | int):
        return Decimal(value)
    if isinstance(value, str) and value.isascii() and "_" not in value and len(value) <= _SHOWN:
        try:
            return Decimal(value.strip())
        except InvalidOperation:
            return None
    return None
