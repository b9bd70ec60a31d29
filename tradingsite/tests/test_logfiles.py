"""Each log file has one writer, and a full one is set aside."""

import json
import logging
import multiprocessing
import subprocess
import sys

import pytest

from tradingsite import logfiles


def record(text):
    return logging.LogRecord("x", logging.INFO, "f", 1, text, (), None)


@pytest.fixture
def open_file(tmp_path):
    opened = []

    def opener():
        opened.append(logfiles.OwnedFile(str(tmp_path / "logs" / "app.log")))
        return opened[-1]

    yield opener
    for handler in opened:
        handler.close()


@pytest.mark.requirement("OPS-02")
def test_the_second_writer_takes_a_file_of_its_own(open_file, tmp_path):
    first, second = open_file(), open_file()
    first.emit(record("one"))
    second.emit(record("two"))
    assert (tmp_path / "logs" / "app.log").read_text() == "one\n"
    assert (tmp_path / "logs" / "app-2.log").read_text() == "two\n"


def test_a_file_is_free_again_after_its_writer(open_file, tmp_path):
    first = open_file()
    first.emit(record("one"))
    first.close()
    open_file().emit(record("two"))
    assert (tmp_path / "logs" / "app.log").read_text() == "one\ntwo\n"


@pytest.mark.requirement("OPS-02")
def test_a_full_file_is_set_aside(open_file, tmp_path, monkeypatch):
    handler = open_file()
    handler.maxBytes = 10
    handler.emit(record("one two"))
    handler.emit(record("three four"))
    assert (tmp_path / "logs" / "app.log.1").read_text() == "one two\n"
    assert (tmp_path / "logs" / "app.log").read_text() == "three four\n"


def test_a_forked_child_writes_elsewhere(open_file, tmp_path):
    handler = open_file()
    handler.emit(record("parent"))
    child = multiprocessing.get_context("fork").Process(target=handler.emit, args=(record("child"),))
    child.start()
    child.join(10)
    handler.emit(record("parent"))
    assert (tmp_path / "logs" / "app.log").read_text() == "parent\nparent\n"
    assert (tmp_path / "logs" / "app-2.log").read_text() == "child\n"


def test_nothing_is_made_before_the_first_line(open_file, tmp_path):
    open_file()
    assert not (tmp_path / "logs").exists()


LOG_TWO_LINES = """
import logging, logging.config, pathlib, sys
from tradingsite import logs
logging.config.dictConfig(
    logs.configuration(level="INFO", folder=pathlib.Path(sys.argv[1]), json_lines=True, secrets=[])
)
logging.getLogger("bots.deciders.house").info("asked")
logging.getLogger("markets.stream").error("lost")
"""


@pytest.mark.requirement("OPS-02")
def test_each_subject_has_its_file(tmp_path):
    subprocess.run([sys.executable, "-c", LOG_TWO_LINES, str(tmp_path)], check=True, capture_output=True, timeout=60)
    events = {path.stem: [json.loads(line)["event"] for line in path.open()] for path in tmp_path.iterdir()}
    assert events == {
        "app": ["asked", "lost"],
        "errors": ["lost"],
        "llm": ["asked"],
        "market_data": ["lost"],
        "trading": ["asked"],
    }


def test_standard_error_is_the_one_of_the_moment(capsys):
    logfiles.StandardError().emit(record("heard"))
    assert capsys.readouterr().err == "heard\n"
