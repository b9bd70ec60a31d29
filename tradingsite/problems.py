"""Finds every impossible setting at once and says each in a plain sentence.

It looks only at the text of the variables, so it runs before anything is parsed, opened or connected.
It refuses to guess: a value that is not understood stops the start instead of falling back to a default.
"""

from __future__ import annotations

import base64
import binascii
import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from markets.domain.candles import TIMEFRAMES

Values = Mapping[str, str]

ENVIRONMENTS = ("development", "testing", "production")
SWITCHES = ("LIVE_TRADING", "DEBUG", "TLS_PROXY")
SWITCH_WORDS = ("true", "false", "yes", "no", "on", "off", "1", "0")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
SCHEMES = {
    "DATABASE_URL": ("postgres", "postgresql", "sqlite"),
    "REDIS_URL": ("redis", "rediss", "unix"),
    "EMAIL_URL": tuple(sorted(environ.Env.EMAIL_SCHEMES)),
}
CENTURY = 36_500  # days
WHOLE_NUMBERS = {
    "PORT": (1, 65535),
    "DATABASE_POOL": (2, 1000),
    "WORKER_THREADS": (1, 1000),
    # A day back is what the change over 24 hours is told from, so two are the least.
    "KEEP_CANDLES_DAYS": (2, CENTURY),
    "KEEP_EQUITY_DAYS": (1, CENTURY),
    "KEEP_EQUITY_HOURLY_DAYS": (1, CENTURY),
    "KEEP_HOLDS_DAYS": (1, CENTURY),
    "KEEP_REPORTS_DAYS": (1, CENTURY),
}
RATES = ("API_RATE", "API_RATE_ANONYMOUS")
ORIGIN_LISTS = ("CSRF_TRUSTED_ORIGINS", "CORS_ALLOWED_ORIGINS")
DEFAULT_SECRETS = ("django-insecure", "changeme", "change-me", "secret", "example")


class ImpossibleSettings(ImproperlyConfigured):
    """The product cannot start with these settings; the text is the numbered list of reasons."""


def refuse_impossible(values: Values, data_dir: Path) -> None:
    found = [sentence for check in CHECKS for sentence in check(values)]
    found += unusable_folder("DATA_DIR", data_dir)
    if found:
        listed = "\n".join(f"  {number}. {sentence}" for number, sentence in enumerate(found, 1))
        raise ImpossibleSettings(f"The settings cannot work:\n{listed}")


def words(value: str) -> list[str]:
    return [word.strip() for word in value.split(",") if word.strip()]


def environment_name(values: Values) -> Iterator[str]:
    name = values.get("ENVIRONMENT", "development")
    if name not in ENVIRONMENTS:
        yield f"ENVIRONMENT is {name!r}; it must be one of {', '.join(ENVIRONMENTS)}."


def whole_numbers(values: Values) -> Iterator[str]:
    for name, (least, most) in WHOLE_NUMBERS.items():
        text = values.get(name, str(least)).strip()
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            yield f"{name} is {text!r}; it must be a whole number from {least} to {most}."


def timeframe_days(text: str) -> dict[str, int]:
    """Days by timeframe of a text such as `1m:90,5m:730`. Raises ValueError."""
    pairs = (word.partition(":") for word in words(text))
    return {timeframe: int(days) for timeframe, _, days in pairs}


def kept_candles(values: Values) -> Iterator[str]:
    for word in words(values.get("KEEP_REAL_CANDLES", "")):
        timeframe, _, days = word.partition(":")
        if timeframe not in TIMEFRAMES or not (days.isascii() and days.isdigit() and 1 <= int(days) <= CENTURY):
            yield f"KEEP_REAL_CANDLES holds {word!r}; it must be a timeframe and days, such as 1m:90,5m:730."


def speed(values: Values) -> Iterator[str]:
    text = values.get("SPEED", "1")
    try:
        possible = math.isfinite(float(text)) and float(text) > 0
    except ValueError:
        possible = False
    if not possible:
        yield f"SPEED is {text!r}; it must be a positive number of market seconds per second."


def feed(values: Values) -> Iterator[str]:
    name = values.get("FEED", "simulated")
    if not re.fullmatch(r"[a-z][a-z0-9]*", name):
        yield f"FEED is {name!r}; it must be simulated, replay or the name of an exchange in lower case."


def addresses(values: Values) -> Iterator[str]:
    for name, schemes in SCHEMES.items():
        if name not in values:
            continue
        # The address may hold a password, so only its scheme is repeated.
        scheme = values[name].partition(":")[0]
        if "://" not in values[name] or scheme not in schemes:
            yield f"{name} starts with {scheme[:20]!r}; it must start with one of {', '.join(schemes)}, then ://."
        elif name == "DATABASE_URL" and not urlsplit(values[name]).path.strip("/"):
            yield "DATABASE_URL names no database; it must end with /name."


def switches(values: Values) -> Iterator[str]:
    for name in SWITCHES:
        if values.get(name, "false").strip().lower() not in SWITCH_WORDS:
            yield f"{name} is {values[name]!r}; it must be true or false."


def rates(values: Values) -> Iterator[str]:
    for name in RATES:
        if not re.fullmatch(r"[1-9]\d{0,6}/(sec|min|hour|day)", values.get(name, "1/min").strip()):
            yield f"{name} is {values[name]!r}; it must be a number per sec, min, hour or day, such as 600/min."


def log_level(values: Values) -> Iterator[str]:
    level = values.get("LOG_LEVEL", "INFO")
    if level not in LOG_LEVELS:
        yield f"LOG_LEVEL is {level!r}; it must be one of {', '.join(LOG_LEVELS)}."


def origins(values: Values) -> Iterator[str]:
    for name in ORIGIN_LISTS:
        for origin in words(values.get(name, "")):
            if not re.fullmatch(r"https?://[^/\s]+", origin):
                yield f"{name} holds {origin!r}; an origin is http:// or https:// and a host, without a path."


def exchange_urls(values: Values) -> Iterator[str]:
    for name, url in values.items():
        if name.startswith("EXCHANGE_URL_") and not re.fullmatch(r"https?://[^/\s?#@]+(/[^\s?#]*)?", url):
            # An address may hold a password, so it is not repeated.
            yield f"{name} must be http:// or https:// with a host and at most a path."


def credentials_keys(values: Values) -> Iterator[str]:
    for place, key in enumerate(words(values.get("CREDENTIALS_KEYS", "")), 1):
        try:
            size = len(base64.urlsafe_b64decode(key))
        except (binascii.Error, ValueError):
            size = 0
        if size != 32:
            yield f"CREDENTIALS_KEYS: key {place} is not 32 bytes in URL-safe base64 (44 characters)."


def testing_stays_on_paper(values: Values) -> Iterator[str]:
    live = values.get("LIVE_TRADING", "false").strip().lower() in ("true", "yes", "on", "1")
    if live and values.get("ENVIRONMENT") == "testing":
        yield "LIVE_TRADING is on while ENVIRONMENT is testing; tests never trade real money."


def production_needs(values: Values) -> Iterator[str]:
    if values.get("ENVIRONMENT") != "production":
        return
    secret = values.get("SECRET_KEY", "")
    if not secret:
        yield "SECRET_KEY is missing; production needs one of its own (50 random characters or more)."
    elif len(secret) < 50 or len(set(secret)) < 5 or secret.lower().startswith(DEFAULT_SECRETS):
        yield "SECRET_KEY is a default or too weak; production needs 50 random characters or more."
    if "CREDENTIALS_KEYS" not in values:
        yield "CREDENTIALS_KEYS is missing; production needs the key that encrypts exchange credentials."
    if "ALLOWED_HOSTS" not in values:
        yield "ALLOWED_HOSTS is missing; production needs the host names it answers to."
    if values.get("DEBUG", "false").strip().lower() in ("true", "yes", "on", "1"):
        yield "DEBUG is on; production would show its insides to anyone."


def unusable_folder(name: str, folder: Path) -> Iterator[str]:
    nearest = next(place for place in (folder, *folder.parents) if place.exists())
    if not nearest.is_dir():
        yield f"{name} is {str(folder)!r}, but {str(nearest)!r} is a file, not a folder."
    elif not os.access(nearest, os.W_OK | os.X_OK):
        yield f"{name} is {str(folder)!r}, but nothing may be written in {str(nearest)!r}."


CHECKS = (
    environment_name,
    whole_numbers,
    kept_candles,
    speed,
    feed,
    addresses,
    switches,
    rates,
    log_level,
    origins,
    exchange_urls,
    credentials_keys,
    testing_stays_on_paper,
    production_needs,
)
