"""One question over the wire: the real client against a server that answers well, badly, slowly, or not at all."""

import json
from decimal import Decimal

import pytest

from bots.deciders import language_model
from bots.deciders.language_models.asking_form import Endpoint, Form, forms, messages, parameters, refusal_in
from bots.domain.answer_schema import schema
from bots.domain.prompt import Prompt
from bots.tests import fake_models
from bots.tests.fake_models import completion, cut, huge, in_pieces, raw, says, slowly, status

KEY = "sk-test-abcdefghijklmnopqrstuvwxyz"


@pytest.fixture
def server():
    with fake_models.serving() as running:
        yield running


def endpoint(url: str, **fields) -> Endpoint:
    defaults = {"key": KEY, "model": "fake-1", "takes": frozenset({"schema", "json", "tools"}), "most_output": 900}
    return Endpoint(base_url=url, **defaults | fields)


def ask(url: str, seconds: float = 5.0, **parameters_) -> language_model.Asked:
    sent = [{"role": "system", "content": "Decide."}, {"role": "user", "content": "BTC 100"}]
    return language_model.ask(language_model.Request(endpoint(url), sent, parameters_, seconds))


@pytest.mark.requirement("BOT-03")
def test_a_good_answer_comes_with_its_usage_reasoning_and_request_id(server):
    server.then(says({"summary": "ok", "items": []}, reasoning="I thought."))

    asked = ask(server.url, max_tokens=900)

    assert asked.trouble is None
    assert json.loads(asked.reply.text) == {"summary": "ok", "items": []}
    assert (asked.reply.reasoning, asked.reply.finish_reason, asked.reply.request_id) == ("I thought.", "stop", "req-7")
    used = asked.reply.usage
    assert (used.input, used.cached, used.output, used.reasoning) == (1200, 1000, 300, 120)
    assert asked.latency_ms > 0
    [request] = server.requests
    assert request["model"] == "fake-1"
    assert request["max_tokens"] == 900
    assert request["headers"]["authorization"] == f"Bearer {KEY}"


TROUBLES = [
    (status(401, message=f"Incorrect API key provided: {KEY}"), "wrong_key"),
    (status(403), "forbidden"),
    (status(404, message="The model `fake-1` does not exist"), "unknown_model"),
    (status(400, message="invalid model ID"), "unknown_model"),
    (status(429), "rate_limit"),
    (status(429, code="insufficient_quota", message="You exceeded your current quota"), "quota"),
    (status(402, message="Insufficient Balance"), "quota"),
    (status(400, code="context_length_exceeded", message="maximum context length is 8192 tokens"), "too_long_question"),
    (status(400, message="something odd"), "refused"),
    (status(500), "provider_down"),
    (status(502), "provider_down"),
    (status(503), "provider_down"),
    (status(529), "provider_down"),
    (status(408), "provider_down"),
    (raw(b"", 302, {"location": "http://127.0.0.1:1/"}), "moved"),
    (raw(b"<html>It works!</html>", 200, {"content-type": "text/html"}), "unreadable_reply"),
    (raw(b""), "unreadable_reply"),
    (raw(b"[]"), "unreadable_reply"),
    (raw(b"null"), "unreadable_reply"),
    (raw(b'{"choices": []}'), "unreadable_reply"),
    (raw(b'{"choices": [{"message": null}]}'), "unreadable_reply"),
    (raw(b"[" * 100_000), "unreadable_reply"),
    (raw(b"\x1f\x8b\x08\x00", 200, {"content-encoding": "gzip"}), "unreadable_reply"),
    (raw(b'{"error": {"message": "Rate limited upstream", "code": 429}}'), "rate_limit"),
    (huge(6), "too_long"),
    (cut(), "cut_connection"),
    (cut(200), "cut_connection"),
]


@pytest.mark.requirement("BOT-03")
@pytest.mark.parametrize(("behaviour", "code"), TROUBLES, ids=[f"{n}-{code}" for n, (_, code) in enumerate(TROUBLES)])
def test_every_trouble_is_a_code_and_a_sentence(server, behaviour, code):
    server.then(behaviour)

    asked = ask(server.url)

    assert asked.reply is None
    assert asked.trouble.code == code
    assert len(asked.trouble.text) > 20
    assert "127.0.0.1" in asked.trouble.text or "fake-1" in asked.trouble.text
    assert KEY not in asked.trouble.text
    assert server.count == 1, "the client must not repeat anything by itself"


def test_nobody_there_and_no_such_host_are_told_apart():
    refused, unknown = ask("http://127.0.0.1:9/v1"), ask("http://no-such-host.invalid/v1")

    assert refused.trouble.code == unknown.trouble.code == "unreachable"
    assert "server running" in refused.trouble.text
    assert "no host" in unknown.trouble.text
    assert not refused.trouble.sent, "nothing was sent, so nothing can cost"


def test_tls_against_a_plain_server_is_named(server):
    assert ask(server.url.replace("http:", "https:")).trouble.code == "tls"


@pytest.mark.requirement("BOT-08")
@pytest.mark.parametrize(
    "behaviour",
    [slowly(60), in_pieces("{}", 0.2, pieces=300), in_pieces("{}", 60, pieces=2)],
    ids=["thinks", "dribbles", "stops halfway"],
)
def test_a_call_ends_at_its_time_however_the_server_spends_it(server, behaviour):
    server.then(behaviour)

    asked = ask(server.url, seconds=0.6)

    assert asked.trouble.code == "timeout"
    assert asked.trouble.sent
    assert server.inside == 1, "it waited for the server instead of its own time"


def test_an_answer_in_pieces_within_the_time_is_whole(server):
    server.then(in_pieces('{"summary": "ok"}', 0.02, before=b"\n\n\n"))

    assert ask(server.url).reply.text == '{"summary": "ok"}'


def test_what_no_database_stores_is_cleaned_and_the_key_is_masked(server):
    text = f"a\x00b \ud800 {KEY}"
    server.then(raw(json.dumps(completion(text)).encode()))

    asked = ask(server.url)

    assert "\x00" not in asked.reply.text
    assert KEY not in asked.reply.text
    asked.reply.text.encode()


@pytest.mark.parametrize("usage", [None, [], {"prompt_tokens": -1}, {"prompt_tokens": 10**15, "completion_tokens": 1}])
def test_impossible_usage_is_unknown(server, usage):
    server.then(says({"items": []}, usage=usage))

    assert ask(server.url).reply.usage is None


@pytest.mark.parametrize(
    ("usage", "output", "reasoning"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 40}, 30, 0),
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 115,
             "completion_tokens_details": {"reasoning_tokens": 100}}, 105, 100,
        ),
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 100}},
            105, 100,
        ),
    ],
)  # fmt: skip
def test_reasoning_that_is_only_in_the_total_is_counted(server, usage, output, reasoning):
    server.then(says({"items": []}, usage=usage))

    used = ask(server.url).reply.usage

    assert (used.output, used.reasoning) == (output, reasoning)


def test_the_environment_adds_no_proxy_and_no_organisation(server, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-secret")

    assert ask(server.url).reply is not None
    headers = server.requests[0]["headers"]
    assert "openai-organization" not in headers
    assert "openai-project" not in headers


@pytest.mark.requirement("BOT-04")
def test_the_ladder_goes_from_schema_to_text():
    ends = endpoint("http://x/v1")

    assert forms(ends, ()) == [Form.SCHEMA, Form.JSON, Form.TOOL, Form.TEXT]
    assert forms(ends, ("schema", "tool")) == [Form.JSON, Form.TEXT]
    assert forms(endpoint("http://x/v1", takes=frozenset()), ()) == [Form.TEXT]


@pytest.mark.requirement("BOT-04")
def test_each_form_asks_in_its_own_way():
    prompt, shape = Prompt("Rules.", "Data."), schema(["BTC/USDT:USDT"])
    ends = endpoint("http://x/v1", temperature=Decimal("0.5"), effort="low")

    for form in Form:
        sent, given = messages(prompt, form, shape), parameters(ends, form, shape, ())
        assert [one["role"] for one in sent] == ["system", "user"]
        assert sent[0]["content"].startswith("Rules.")
        assert sent[1]["content"] == "Data."
        assert given["max_completion_tokens"] == 900
        assert (given["temperature"], given["reasoning_effort"]) == (0.5, "low")
        assert ("json_schema" in str(given.get("response_format"))) == (form == Form.SCHEMA)
        assert ("tools" in given) == (form == Form.TOOL)
        assert ("JSON" in sent[0]["content"]) == (form in (Form.JSON, Form.TEXT))
    fewer = parameters(ends, Form.TEXT, shape, ("max_completion_tokens", "temperature", "reasoning_effort"))
    assert fewer == {"max_tokens": 900}


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", "max_completion_tokens"),
        ("'temperature' does not support 0.5 with this model.", "temperature"),
        ("Unknown name reasoning_effort", "reasoning_effort"),
        ("response_format type json_schema is unavailable", "schema"),
        ("No endpoints found that support structured outputs", "schema"),
        ("The moon is in the wrong house", None),
    ],
)
def test_what_a_provider_refuses_is_found_in_its_words(message, found):
    sent = {"max_completion_tokens": 1, "temperature": 0.5, "reasoning_effort": "low"}

    assert refusal_in(message, sent, Form.SCHEMA) == found
