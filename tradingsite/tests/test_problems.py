"""Impossible settings are all named at once; possible ones start."""

import base64
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tradingsite.problems import CHECKS, ImpossibleSettings, refuse_impossible, unusable_folder

ROOT = Path(__file__).resolve().parents[2]
GOOD_KEY = base64.urlsafe_b64encode(bytes(32)).decode()
PRODUCTION = {
    "ENVIRONMENT": "production",
    "SECRET_KEY": "a1B2c3D4e5" * 6,
    "CREDENTIALS_KEYS": GOOD_KEY,
    "ALLOWED_HOSTS": "trade.example.org",
}


def sentences(values):
    return [sentence for check in CHECKS for sentence in check(values)]


def manage(*arguments, **variables):
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.requirement("OPS-01")
@pytest.mark.parametrize(
    "values",
    [
        {},
        PRODUCTION,
        {"ENVIRONMENT": "testing", "PORT": "1", "SPEED": "0.5", "FEED": "binanceusdm"},
        {"DATABASE_URL": "postgres://u:p@host/name", "REDIS_URL": "rediss://host", "LIVE_TRADING": "Yes"},
        {"EXCHANGE_URL_OKX": "https://proxy.example:8443/okx", "EXCHANGE_URL_ASTER": "http://127.0.0.1:8100"},
        {"EMAIL_URL": "consolemail://", "CORS_ALLOWED_ORIGINS": "https://a.example, http://b.example:81"},
    ],
)
def test_possible_settings_have_no_problem(values):
    assert sentences(values) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENVIRONMENT", "prod"),
        ("PORT", "abc"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("DATABASE_POOL", "1"),
        ("SPEED", "0"),
        ("SPEED", "nan"),
        ("SPEED", "inf"),
        ("SPEED", "fast"),
        ("FEED", "Binance USDM"),
        ("DATABASE_URL", "mysql://host/name"),
        ("DATABASE_URL", "postgres://host/"),
        ("REDIS_URL", "http://host"),
        ("REDIS_URL", "localhost:6379"),
        ("EMAIL_URL", "mail.example.org"),
        ("LIVE_TRADING", "maybe"),
        ("LOG_LEVEL", "loud"),
        ("CSRF_TRUSTED_ORIGINS", "trade.example.org"),
        ("CORS_ALLOWED_ORIGINS", "https://a.example/path"),
        ("CORS_ALLOWED_ORIGINS", "*"),
        ("EXCHANGE_URL_OKX", "okx.example"),
        ("EXCHANGE_URL_OKX", "wss://okx.example/ws"),
        ("CREDENTIALS_KEYS", "short"),
        ("CREDENTIALS_KEYS", f"{GOOD_KEY},nonsense"),
    ],
)
def test_an_impossible_value_is_named(name, value):
    (sentence,) = sentences({name: value})
    assert sentence.startswith(name)


@pytest.mark.parametrize("missing", ["SECRET_KEY", "CREDENTIALS_KEYS", "ALLOWED_HOSTS"])
def test_production_names_what_is_missing(missing):
    (sentence,) = sentences({name: value for name, value in PRODUCTION.items() if name != missing})
    assert sentence.startswith(f"{missing} is missing")


@pytest.mark.parametrize("secret", ["changeme", "django-insecure-" + "x1y2z3" * 10, "a" * 60])
def test_production_refuses_a_default_secret(secret):
    (sentence,) = sentences(PRODUCTION | {"SECRET_KEY": secret})
    assert "default or too weak" in sentence
    assert secret not in sentence


def test_production_refuses_debug():
    (sentence,) = sentences(PRODUCTION | {"DEBUG": "true"})
    assert sentence.startswith("DEBUG is on")


def test_tests_never_trade_real_money():
    (sentence,) = sentences({"ENVIRONMENT": "testing", "LIVE_TRADING": "1"})
    assert sentence.startswith("LIVE_TRADING")


def test_an_address_is_never_repeated_whole():
    (sentence,) = sentences({"DATABASE_URL": "mysql://bob:hunter2@host/name"})
    assert "hunter2" not in sentence


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "taken").write_text("")
    (sentence,) = unusable_folder("DATA_DIR", tmp_path / "taken" / "inside")
    assert "is a file" in sentence


def test_all_problems_come_in_one_numbered_list(tmp_path):
    with pytest.raises(ImpossibleSettings, match=r"1\. PORT.*\n.*2\. SPEED"):
        refuse_impossible({"PORT": "x", "SPEED": "y"}, tmp_path)


@pytest.mark.requirement("OPS-01")
def test_a_command_prints_the_list_without_a_traceback(tmp_path):
    answer = manage(
        "check",
        ENVIRONMENT="production",
        DATA_DIR=str(tmp_path / "data"),
        PORT="abc",
        SPEED="-1",
        DATABASE_URL="oracle://host/name",
    )
    assert answer.returncode == 2
    assert "Traceback" not in answer.stderr
    for name in ("PORT", "SPEED", "DATABASE_URL", "SECRET_KEY", "CREDENTIALS_KEYS", "ALLOWED_HOSTS"):
        assert f". {name}" in answer.stderr
    assert not (tmp_path / "data").exists()


def test_the_first_start_makes_the_folder_and_private_keys(tmp_path):
    answer = manage("diffsettings", DATA_DIR=str(tmp_path / "data"), ENVIRONMENT="testing", REDIS_URL="")
    assert answer.returncode == 0, answer.stderr
    keys = sorted((tmp_path / "data" / "keys").iterdir())
    assert [key.name for key in keys] == ["credentials_key", "secret_key"]
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
