"""What the machine says: files fill gaps, names are grouped, keys stay the same."""

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from tradingsite import environment


@pytest.fixture
def process(monkeypatch):
    """An environment of its own: whatever a file adds is gone after the test."""
    own = {"PATH": os.environ["PATH"]}
    monkeypatch.setattr(os, "environ", own)
    monkeypatch.setattr(environment.environ.Env, "ENVIRON", own)
    return own


def test_the_process_wins_over_local_and_local_over_shared(process, tmp_path):
    (tmp_path / ".env").write_text("PORT=1\nFEED=replay\nSPEED=2\n")
    (tmp_path / ".env.local").write_text("PORT=3\nFEED=simulated\n")
    process["PORT"] = "4"
    given = environment.given(tmp_path)
    assert (given["PORT"], given["FEED"], given["SPEED"]) == ("4", "simulated", "2")


def test_tests_read_no_files(process, tmp_path):
    (tmp_path / ".env").write_text("OPENAI_API_KEY=real\n")
    process["ENVIRONMENT"] = "testing"
    assert "OPENAI_API_KEY" not in environment.given(tmp_path)


def test_an_empty_variable_is_not_given(process, tmp_path):
    process["REDIS_URL"] = ""
    assert "REDIS_URL" not in environment.given(tmp_path)


def test_providers_are_those_with_a_key():
    values = {"OPENAI_API_KEY": "k", "OPENAI_MODEL": "m", "OTHER_MODEL": "x", "MY_HOST_API_KEY": "h"}
    assert environment.providers(values) == {
        "openai": {"api_key": "k", "model": "m"},
        "my_host": {"api_key": "h"},
    }


def test_exchange_accounts_are_grouped_by_name():
    values = {
        "ACCOUNT_MAIN_EXCHANGE": "aster",
        "ACCOUNT_MAIN_PRIVATE_KEY": "0x1",
        "ACCOUNT_MY_SECOND_API_SECRET": "s",
        "ACCOUNTING": "no",
    }
    assert environment.exchange_accounts(values) == {
        "main": {"exchange": "aster", "private_key": "0x1"},
        "my_second": {"api_secret": "s"},
    }


def test_an_exchange_account_is_no_provider():
    assert environment.providers({"ACCOUNT_MAIN_API_KEY": "k"}) == {}


def test_processes_that_start_together_keep_one_key(tmp_path):
    numbers = count()
    with ThreadPoolExecutor(8) as pool:
        starts = [pool.submit(environment.kept_key, tmp_path, "k", lambda: f"key {next(numbers)}") for _ in range(40)]
    keys = {start.result() for start in starts}
    assert len(keys) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["k"]
