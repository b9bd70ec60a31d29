"""Writes versions of prompts and gives them to bots; tells what differs between two.

A version is never changed. Writing one that says the same as the newest gives the newest back.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from django.db import transaction
from django.db.models import QuerySet

from ledger.models import User

from . import prompts
from .models import Bot, Prompt, PromptVersion

LONGEST = 8_000


class Unfit(ValueError):
    """A wording that cannot be a version; the message is for people."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a comparison: `kind` is same, gone or new."""

    kind: str
    text: str


@transaction.atomic
def write(*, owner: User, name: str, text: str, note: str = "") -> PromptVersion:
    """The next version of the owner's prompt of this name. Raises Unfit."""
    clean = cleaned(text)
    prompt, _ = Prompt.objects.select_for_update().get_or_create(owner=owner, name=name)
    newest = prompt.versions.order_by("-number").first()
    if newest is not None and newest.text == clean:
        return newest
    number = 1 if newest is None else newest.number + 1
    return PromptVersion.objects.create(prompt=prompt, number=number, text=clean, note=note[:200])


def cleaned(text: str) -> str:
    """Without control characters and trailing blanks. Raises Unfit where nothing or too much is left."""
    lines = ("".join(c for c in line.replace("\t", " ") if c.isprintable()).rstrip() for line in text.splitlines())
    clean = "\n".join(lines).strip()
    if not clean:
        raise Unfit("Say something: an empty prompt tells a model nothing.")
    if len(clean) > LONGEST:
        raise Unfit(f"That is {len(clean):,} characters; a prompt has at most {LONGEST:,}.")
    return clean


@transaction.atomic
def adopt(*, bot: Bot, version: PromptVersion | None) -> None:
    """From its next cycle on the bot's model gets this wording; None: the one that ships. Raises Unfit."""
    if version is not None and version.prompt.owner_id != bot.owner_id:
        raise Unfit("That prompt belongs to somebody else.")
    Bot.objects.filter(pk=bot.pk).update(prompt_version=version)
    bot.prompt_version = version


def versions_of(user: User) -> QuerySet[PromptVersion]:
    """All versions of a user's prompts, newest of each first, with the bots that get them."""
    rows = PromptVersion.objects.of(user).select_related("prompt").prefetch_related("bots")
    return rows.order_by("prompt__name", "-number")


def text_of(version: PromptVersion | None) -> str:
    return prompts.shipped("standard").text if version is None else version.text


def compare(before: str, after: str) -> list[Line]:
    """Both wordings line by line; what is gone stands before what is new in its place."""
    old, new = before.splitlines(), after.splitlines()
    lines: list[Line] = []
    for kind, i, j, m, n in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            lines += _lines("same", old[i:j])
        else:
            lines += [*_lines("gone", old[i:j]), *_lines("new", new[m:n])]
    return lines


def between(before: PromptVersion | None, after: PromptVersion | None) -> list[Line]:
    """What differs between two versions, sentence by sentence; None is the wording that ships."""
    return compare(sentences(text_of(before)), sentences(text_of(after)))


def sentences(text: str) -> str:
    """One sentence on each line, so that a comparison of long lines shows what has changed in them."""
    return re.sub(r"(?<=[.!?;]) +", "\n", text)


def _lines(kind: str, texts: Sequence[str]) -> list[Line]:
    return [Line(kind, text) for text in texts]
