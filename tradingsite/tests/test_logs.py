"""No secret leaves in a log line, whatever way it came in."""

import io
import json
import logging

import pytest
import structlog

from tradingsite import logs

SECRET = "hunter2-hunter2"


def handler_of(stream, json_lines):
    configuration = logs.configuration(level="INFO", folder=None, json_lines=json_lines, secrets=[SECRET])
    formatter = dict(configuration["formatters"][configuration["handlers"]["stderr"]["formatter"]])
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter.pop("()")(**formatter))
    return handler


@pytest.fixture
def lines(caplog):
    """Log as production does, and read back the lines."""
    stream = io.StringIO()
    handler = handler_of(stream, json_lines=True)
    caplog.set_level("INFO")
    logging.root.addHandler(handler)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.root.removeHandler(handler)


@pytest.mark.requirement("OPS-02")
def test_a_line_says_who_when_and_what(lines):
    with structlog.contextvars.bound_contextvars(bot=7, cycle=12):
        structlog.get_logger("bots.somewhere").info("cycle_started", order=3)
    (line,) = lines()
    assert (line["event"], line["bot"], line["cycle"], line["order"]) == ("cycle_started", 7, 12, 3)
    assert (line["logger"], line["level"]) == ("bots.somewhere", "info")
    assert line["timestamp"].endswith("Z")


@pytest.mark.requirement("OPS-02")
@pytest.mark.parametrize(
    "name", ["api_key", "apiKey", "SECRET", "refresh_token", "password", "Authorization", "cookie"]
)
def test_a_secret_name_is_masked(lines, name):
    structlog.get_logger("x").info("sent", **{name: "visible", "nested": {name: ["visible"]}})
    (line,) = lines()
    assert (line[name], line["nested"][name]) == (logs.MASK, [logs.MASK])


def test_a_count_of_tokens_is_not_a_secret(lines):
    structlog.get_logger("x").info("answered", prompt_tokens=812)
    assert lines()[0]["prompt_tokens"] == 812


@pytest.mark.parametrize(
    "text",
    [
        f"the value {SECRET} itself",
        "Authorization: Token visible-visible-visible",
        "{'Authorization': 'Bearer visible-visible-visible'}",
        "redis://user:visible@host:6379/0",
        "sk-visiblevisiblevisible",
        "https://host/path?signature=visiblevisible&x=1",
        "api_key='visiblevisible'",
    ],
)
def test_a_secret_in_text_is_masked(lines, text):
    logging.getLogger("library").warning("failed: %s", text)
    (line,) = lines()
    assert SECRET not in line["event"]
    assert "visible" not in line["event"]
    assert logs.MASK in line["event"]


@pytest.mark.requirement("OPS-02")
def test_a_secret_in_a_traceback_is_masked(lines):
    try:
        raise ValueError(f"password={SECRET} at postgres://me:visible@host/name")
    except ValueError:
        structlog.get_logger("x").exception("broke")
    (line,) = lines()
    assert "Traceback" in line["exception"]
    assert SECRET not in line["exception"]
    assert "visible" not in line["exception"]


def test_ordinary_text_stays(lines):
    structlog.get_logger("x").info("the key level is near", why="price 64,210.5 crossed the 20 EMA at http://host:80/x")
    (line,) = lines()
    assert line["why"] == "price 64,210.5 crossed the 20 EMA at http://host:80/x"
    assert line["event"] == "the key level is near"


def test_secret_values_are_found_by_the_names_of_variables():
    given = {
        "OPENAI_API_KEY": "abcdefgh",
        "CREDENTIALS_KEYS": "12345678,87654321",
        "PORT": "80000000",
        "MY_TOKEN": "ab",
    }
    assert logs.secret_values(given) == ["abcdefgh", "12345678", "87654321"]


def test_text_for_a_person_masks_too():
    stream = io.StringIO()
    handler_of(stream, json_lines=False).emit(logging.LogRecord("x", 20, "f", 1, f"uses {SECRET}", (), None))
    assert logs.MASK in stream.getvalue()
    assert SECRET not in stream.getvalue()
