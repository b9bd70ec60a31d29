"""From the text of a model to the raw answer it means, or to the reason why it means none. Never raises.

A decision is an object with `items`, or one item, or a list of items. Numbers are read as Decimals; a list of numbers,
a name given twice, NaN, endless nesting and two different answers in one text are refused.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from .lenient import plain_json
from .untrusted import Refusal, shown

LONGEST = 200_000  # characters; an answer for a hundred instruments needs a tenth of it
DEEPEST = 24
LONGEST_STRING = 4_000
_FENCE = re.compile(r"```[a-zA-Z0-9_-]*[ \t]*\n?(.*?)```", re.DOTALL)
_THOUGHT = re.compile(r"<(/?)(?:think|thinking|reasoning|analysis)>", re.IGNORECASE)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_QUOTES = {'"': '"', "“": "”", "＂": "＂"}
_OPENING, _CLOSING = "{[｛［", "}]｝］"
_DIGITS = 40


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a text is no answer: for the record, and for the model that is asked again."""

    refusal: Refusal


class _Refused(ValueError):
    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.refusal = Refusal(code, sentence)


def read(text: str) -> dict[str, Any] | Unreadable:
    """The raw answer that a text holds: {"summary": …, "items": […]}, numbers as Decimals."""
    if len(text) > LONGEST:
        return _unreadable("too_long", f"The answer has {len(text)} characters; {LONGEST} are the most that is read.")
    if not text.strip():
        return _unreadable("empty", "The answer is empty.")
    spoken = _spoken(cleaned(text))
    try:
        return _answer(spoken)
    except _Refused as refused:
        return Unreadable(refused.refusal)


def cleaned(text: str, longest: int | None = None) -> str:
    """A text that any database stores: without NUL and lone surrogates, cut to `longest`."""
    return _UNSTORABLE.sub("\ufffd", text[:longest])


def storable(value: Any, depth: int = DEEPEST) -> Any:
    """A value as JSON that any database stores: Decimals become text, strings are cleaned and cut."""
    if isinstance(value, str):
        return cleaned(value, LONGEST_STRING)
    if isinstance(value, Mapping):
        items = value.items() if depth else ()
        return {cleaned(str(name), 200): storable(inner, depth - 1) for name, inner in items}
    if isinstance(value, list | tuple):
        return [storable(inner, depth - 1) for inner in value] if depth else []
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int) and value.bit_length() <= 60:
        return value
    return cleaned(str(value), LONGEST_STRING)


def _spoken(text: str) -> str:
    """What was said and not only thought: what follows the last end of a thought, up to where another one begins."""
    ends = [tag.end() for tag in _THOUGHT.finditer(text) if tag[1]]
    text = text[ends[-1] :] if ends else text
    begun = _THOUGHT.search(text)
    return text[: begun.start()] if begun else text


def _answer(text: str) -> dict[str, Any]:
    """The one answer in a text. Raises _Refused."""
    whole = _parsed(text.strip())
    if whole is not None:
        return _meant(whole.value)
    fenced = [found for block in _FENCE.findall(text) if (found := _parsed(block.strip())) is not None]
    inside = [found for found in fenced if _is_answer(found.value)]
    candidates = inside or [found for span in _spans(text) if (found := _parsed(span)) is not None]
    return _meant(_the_one([found.value for found in candidates], text))


def _the_one(values: list[Any], text: str) -> Any:
    answers = [value for value in values if _is_answer(value)]
    if answers and all(_is_item(answer) for answer in answers):
        return answers  # items one after the other, without the list around them
    if not answers:
        if "{" in text or "｛" in text:
            raise _Refused("bad_json", "The answer is not valid JSON, or it was cut off.")
        raise _Refused("no_json", "The answer holds no JSON object with items.")
    if any(answer != answers[0] for answer in answers):
        raise _Refused("several_answers", f"The text holds {len(answers)} different answers; give exactly one.")
    return answers[0]


def _meant(value: Any) -> dict[str, Any]:
    """What a parsed value means as an answer. Raises _Refused where it is none."""
    if isinstance(value, dict) and isinstance(value.get("items"), list):
        return value
    if isinstance(value, dict) and _is_item(value):
        return {"summary": "", "items": [value]}
    if isinstance(value, list) and value and all(isinstance(one, dict) and _is_item(one) for one in value):
        return {"summary": "", "items": value}
    if isinstance(value, dict):
        raise _Refused("no_items", "The JSON object has no list named items.")
    raise _Refused("bad_answer", f"The answer must be an object with items, not {shown(value)}.")


def _is_item(value: Any) -> bool:
    return isinstance(value, dict) and "items" not in value and "symbol" in value and "action" in value


def _is_answer(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(_is_item(one) for one in value)
    return isinstance(value, dict) and (isinstance(value.get("items"), list) or _is_item(value))


def _spans(text: str) -> list[str]:
    """The outermost closed objects and lists in a text, found in one pass: brackets inside of strings do not count."""
    opened: list[int] = []
    closed: list[tuple[int, int]] = []
    at = 0
    while at < len(text):
        sign = text[at]
        if opened and sign in _QUOTES:
            at = _after_string(text, at)
            continue
        if sign in _OPENING:
            opened.append(at)
        elif sign in _CLOSING and opened:
            start = opened.pop()
            while closed and closed[-1][0] > start:
                closed.pop()
            closed.append((start, at + 1))
        at += 1
    # What stands inside of a bracket that is never closed is a part of something that was cut off.
    return [text[start:end] for start, end in closed if not opened or end <= opened[0]]


def _after_string(text: str, at: int) -> int:
    closing = _QUOTES[text[at]]
    at += 1
    while at < len(text) and text[at] != closing:
        at += 2 if text[at] == "\\" else 1
    return at + 1


@dataclass(frozen=True, slots=True)
class _Parsed:
    value: Any


def _parsed(text: str) -> _Parsed | None:
    """The value of a text that is JSON, or nearly. Raises _Refused for JSON that must not be read."""
    if not text or text[0] not in _OPENING or _too_deep(text):
        return None
    return _loaded(text) or _loaded(plain_json(text))


def _loaded(text: str) -> _Parsed | None:
    try:
        found = json.loads(
            text, strict=False, object_pairs_hook=_object, parse_constant=_constant, parse_float=Decimal,
            parse_int=_whole,
        )  # fmt: skip
    except _Refused:
        raise
    except (ValueError, ArithmeticError, RecursionError):
        return None
    return _Parsed(found)


def _too_deep(text: str) -> bool:
    depth = deepest = 0
    for sign in text:
        depth += (sign in _OPENING) - (sign in _CLOSING)
        deepest = max(deepest, depth)
    if deepest > DEEPEST:
        raise _Refused("too_deep", f"The answer is nested more than {DEEPEST} levels deep.")
    return False


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise _Refused("duplicate_field", f"The field {shown(twice)} is given twice in one object.")
    return found


def _constant(name: str) -> Any:
    raise _Refused("bad_number", f"{name} is not a number that JSON knows.")


def _whole(digits: str) -> int | Decimal:
    # Python refuses to read thousands of digits as an int.
    return int(digits) if len(digits) <= _DIGITS else Decimal(digits)


def _unreadable(code: str, sentence: str) -> Unreadable:
    return Unreadable(Refusal(code, sentence))
