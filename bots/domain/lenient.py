"""Text that is nearly JSON, made JSON: curly and full-width signs, comments, trailing commas, Python's words.

Only what stands outside of strings is changed, so nothing inside a reason can become a field. What is not a spelling
of JSON stays as it is and is refused by who reads it.
"""

import re

CURLY = {"“": "”", "”": "”", "„": "“", "«": "»", "＂": "＂", "‟": "”"}
SINGLE = {"'": "'", "‘": "’", "＇": "＇"}
SIGNS = str.maketrans("，：；｛｝［］（）", ",:;{}[]()") | {
    ord(c): " " for c in "\u00a0\u3000\ufeff\u200b\u200c\u200d\u2060"
}
WORDS = {"True": "true", "False": "false", "None": "null"}
# NaN and its like stay: whoever reads the result refuses them by name.
_COLON = re.compile(r"\s*[:：]")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def plain_json(text: str) -> str:
    """The text with every such spelling replaced; of the same meaning where it was JSON already."""
    out: list[str] = []
    at = 0
    while at < len(text):
        sign = text[at]
        closing = '"' if sign == '"' else CURLY.get(sign) or SINGLE.get(sign)
        if closing is not None:
            string, at = _string(text, at + 1, closing)
            out.append(string)
        elif text.startswith(("//", "/*"), at) or sign == "#":
            at = _after_comment(text, at)
        elif sign.isalpha() and (word := _WORD.match(text, at)):
            out.append(_word(word[0], text, word.end()))
            at = word.end()
        else:
            out.append(sign.translate(SIGNS))
            at += 1
    return _without_trailing_commas(out)


def _string(text: str, at: int, closing: str) -> tuple[str, int]:
    """The string that opened before `at`, in straight quotes, and where it ends."""
    out = ['"']
    while at < len(text):
        sign = text[at]
        if sign == "\\" and at + 1 < len(text):
            # JSON knows no escaped single quote.
            out.append(text[at + 1] if text[at + 1] in "'’" else text[at : at + 2])
            at += 2
            continue
        if sign == closing or (closing == "”" and sign == '"'):
            return "".join([*out, '"']), at + 1
        out.append('\\"' if sign == '"' else sign)
        at += 1
    return "".join(out), at


def _after_comment(text: str, at: int) -> int:
    end = text.find("*/", at + 2) + 2 if text.startswith("/*", at) else text.find("\n", at)
    return end if end > at else len(text)


def _word(word: str, text: str, end: int) -> str:
    """A word outside of strings: a literal, or a field's name without quotes."""
    if word not in WORDS and _COLON.match(text, end):
        return f'"{word}"'
    return WORDS.get(word, word)


def _without_trailing_commas(pieces: list[str]) -> str:
    out: list[str] = []
    for piece in pieces:
        if piece in ("}", "]"):
            last = next((i for i in range(len(out) - 1, -1, -1) if out[i].strip()), None)
            if last is not None and out[last] == ",":
                del out[last]
        out.append(piece)
    return "".join(out)
