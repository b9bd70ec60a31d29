"""Asks the models of a bot, one after the other, until one answers in time: repeats, fallbacks, and one repair.

Each request is a reserved and settled call. Whatever a provider does, the end is an answer or a reason to hold; no
connection to the database is kept while somebody waits.
"""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic, sleep
from typing import Any

from ledger.credentials import Unreadable as KeyUnreadable
from markets import connections

from . import reservations
from .deciders import language_model
from .deciders.language_model import Asked, Reply
from .deciders.language_models import asking_form
from .deciders.language_models.asking_form import Endpoint, Form
from .deciders.language_models.troubles import Trouble
from .domain import reading, repair, usage
from .domain.prompt import Prompt
from .models import Bot, Cycle, LanguageModel, ModelCall, Purpose
from .reservations import Denied, Wanted

LEAST_SECONDS = 2.0  # less is not worth a call
LEAST_FOR_REPAIR = 5.0
MOST_REPEATS = 2
MOST_REFUSALS = 8
FIRST_PAUSE = 0.5
SHORT_REST = 5.0
SHARE_BEFORE_FALLBACK = 0.6
STEP_DOWN = {400, 404, 422, 501}

Judge = Callable[[Mapping[str, Any]], Mapping[str, str]]
Messages = list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Question:
    """`judge` gives for a raw answer what a model could mend, by symbol; `schema` is that of an answer."""

    prompt: Prompt
    schema: Mapping[str, Any]
    chain: Sequence[LanguageModel]
    seconds: float
    judge: Judge = lambda raw: {}
    bot: Bot | None = None
    cycle: Cycle | None = None
    purpose: str = Purpose.ASK


@dataclass(frozen=True, slots=True)
class Found:
    """The raw answer, or why there is none: then `code` and `sentence` are set and the answer holds everything."""

    raw: dict[str, Any]
    code: str = ""
    sentence: str = ""
    model: LanguageModel | None = None


def answer(question: Question) -> Found:
    """Ask, and mend once where that helps. Takes at most the seconds of the question."""
    asker = Asker(question, monotonic() + question.seconds)
    failures: list[Denied | Trouble] = []
    for place, model in enumerate(question.chain):
        got = asker.first(model, place)
        if isinstance(got, Reply):
            return asker.read(model, got)
        failures.append(got)
        if asker.left < LEAST_SECONDS:
            break
    if not failures:
        return _held("no_model", "There is no model to ask.")
    words = dict.fromkeys(failure.text for failure in failures)
    return _held(failures[0].code, " ".join(words))


def _held(code: str, sentence: str) -> Found:
    return Found({"summary": f"Held: {sentence}", "items": [], "held": code}, code, sentence[:400])


@dataclass(slots=True)
class Asker:
    """One question under way. `attempt` counts its calls."""

    question: Question
    until: float
    attempt: int = 0
    form: Form = Form.TEXT
    sent: Messages = field(default_factory=list)

    @property
    def left(self) -> float:
        return self.until - monotonic()

    def first(self, model: LanguageModel, place: int) -> Reply | Denied | Trouble:
        """The first reply of a model; forms and parameters it does not take are given up one by one."""
        more = place + 1 < len(self.question.chain)
        purpose = self.question.purpose if not place else Purpose.FALLBACK
        try:
            endpoint = endpoint_of(model)
        except KeyUnreadable as error:
            return Trouble("wrong_key", str(error))
        repeats = refusals = 0
        while True:
            self.form = asking_form.forms(endpoint, model.refused)[0]
            self.sent = asking_form.messages(self.question.prompt, self.form, self.question.schema)
            seconds = min(model.call_seconds, self.left * (SHARE_BEFORE_FALLBACK if more else 1))
            got, refused = self.call(model, endpoint, purpose, seconds)
            if isinstance(got, Reply):
                return got
            if refused is not None and refusals < MOST_REFUSALS:
                refusals += 1
                continue
            pause = _pause(got, repeats, more)
            if pause is None or pause > self.left - LEAST_SECONDS:
                return got
            repeats += not isinstance(got, Denied)
            connections.release()
            sleep(pause)

    def call(
        self, model: LanguageModel, endpoint: Endpoint, purpose: str, seconds: float
    ) -> tuple[Reply | Denied | Trouble, str | None]:
        """One request, reserved before and settled after; and what of it the provider refused."""
        given = asking_form.parameters(endpoint, self.form, self.question.schema, model.refused)
        size = len(json.dumps([self.sent, given], ensure_ascii=False, default=str).encode("utf-8", "replace"))
        wanted = Wanted(
            model=model, tokens_in=usage.most_tokens(size), tokens_out=model.most_output, seconds=seconds,
            messages=self.sent, parameters=asking_form.told(given), form=self.form, purpose=purpose,
            attempt=self.attempt + 1, bot=self.question.bot, cycle=self.question.cycle,
        )  # fmt: skip
        try:
            reserved = reservations.reserve(wanted=wanted, wall=datetime.now(UTC))
        except Denied as denied:
            return denied, None
        self.attempt += 1
        connections.release()
        asked = language_model.ask(language_model.Request(endpoint, self.sent, given, seconds))
        refused = _refused(asked, given, self.form, model)
        reservations.settle(call=reserved, asked=asked, refused=refused, wall=datetime.now(UTC))
        connections.release()
        return asked.reply or asked.trouble, refused  # type: ignore[return-value]

    def read(self, model: LanguageModel, reply: Reply) -> Found:
        """The answer in a reply. Where items were refused, or nothing was readable, the model is asked once more."""
        first = reading.read(reply.text)
        if isinstance(first, reading.Unreadable):
            second = self.mended(model, reply, repair.question_about(_cut_off(reply, first).refusal))
            if isinstance(second, dict):
                return Found(_plain(second), model=model)
            return _held("unreadable", _cut_off(reply, first).refusal.text)
        refused = self.question.judge(_plain(first))
        if refused:
            second = self.mended(model, reply, repair.question(refused))
            if isinstance(second, dict):
                first = repair.merged(first, second, refused)
        return Found(_plain(first), model=model)

    def mended(self, model: LanguageModel, reply: Reply, why: str) -> dict[str, Any] | reading.Unreadable | None:
        """What the model says to the one question back; None where there was no time, budget or answer."""
        if self.left < LEAST_FOR_REPAIR:
            return None
        said = {"role": "assistant", "content": reply.text[: 4 * model.most_output]}
        self.sent = [*self.sent, said, {"role": "user", "content": why}]
        got, _ = self.call(model, endpoint_of(model), Purpose.REPAIR, min(model.call_seconds, self.left))
        return reading.read(got.text) if isinstance(got, Reply) else None


def endpoint_of(model: LanguageModel) -> Endpoint:
    """Whom to ask, with the key. Raises credentials.Unreadable."""
    takes = {"schema": model.takes_schema, "json": model.takes_json, "tools": model.takes_tools}
    return Endpoint(
        base_url=model.provider.base_url,
        key=model.provider.key,
        model=model.model_id,
        takes=frozenset(name for name, taken in takes.items() if taken),
        most_output=model.most_output,
        token_limit=model.token_limit,
        effort=model.effort,
        temperature=model.temperature,
    )


def as_today(call: ModelCall, model: LanguageModel) -> bool:
    """Whether a call of then would be made with the same model id, form and parameters now."""
    try:
        endpoint = endpoint_of(model)
    except KeyUnreadable:
        return False
    form = asking_form.forms(endpoint, model.refused)[0]
    now = asking_form.told(asking_form.parameters(endpoint, form, {}, model.refused))
    return (call.model_id_sent, call.form, call.parameters) == (model.model_id, form, now)


def _refused(asked: Asked, given: Mapping[str, Any], form: Form, model: LanguageModel) -> str | None:
    """A form or parameter that this answer says is not taken, and that was not known before."""
    trouble = asked.trouble
    if trouble is None or trouble.status not in STEP_DOWN or trouble.code in ("too_long_question", "quota"):
        return None
    if trouble.code == "unknown_model" and "support" not in trouble.text.lower():
        return None
    found = asking_form.refusal_in(trouble.text, given, form)
    return found if found not in model.refused else None


def _pause(got: Denied | Trouble, repeats: int, more: bool) -> float | None:
    """Seconds until the same model is asked again; None where it should not be."""
    if isinstance(got, Denied):
        # A provider that rests for long is down; one that rests briefly has asked for fewer calls.
        if got.wait is None or (got.code == "resting" and (more or got.wait > SHORT_REST)):
            return None
        return got.wait * random.uniform(1, 1.5)
    if not got.repeat or repeats >= MOST_REPEATS:
        return None
    return got.after if got.after is not None else FIRST_PAUSE * 2**repeats * random.uniform(1, 1.5)


def _cut_off(reply: Reply, found: reading.Unreadable) -> reading.Unreadable:
    """An answer that ended at its limit of tokens says so, because that is what a person can change."""
    if reply.finish_reason != "length":
        return found
    text = "The answer was cut off at the model's limit of output tokens."
    return reading.Unreadable(type(found.refusal)("cut_off", text))


def _plain(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Only what an answer is made of, as it can be stored."""
    return {"summary": reading.storable(raw.get("summary")), "items": reading.storable(raw.get("items", []))}
