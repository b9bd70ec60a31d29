"""Log lines: coloured text for a person in development, JSON in production, secrets masked in both.

Lines go to standard error, because commands own standard output; with a folder they also go to five files
(app, trading, market_data, llm, errors). No line leaves before `SecretMask` has seen it, tracebacks too.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

MASK = "***"
SECRET_NAME = re.compile(r"key|secret|token|passw|authorization|cookie|credential|mnemonic|signature", re.I)
# Text that shows a secret whatever it is called: headers, addresses with a password, provider keys.
SECRET_TEXT = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (
            r"(?i)\b(authorization['\"]?\s*[:=]\s*['\"]?)(?:(?:token|bearer|basic)\s+)?[^\s'\",;}]+",
            rf"\1{MASK}",
        ),
        (r"(?i)\b(token|bearer|basic)\s+[A-Za-z0-9._~+/=-]{16,}", rf"\1 {MASK}"),
        (r"\b([a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s@/]+@", rf"\1:{MASK}@"),
        (r"\bsk-[A-Za-z0-9_-]{8,}", MASK),
        (
            r"(?i)(\b\w*(?:key|secret|token|passw(?:or)?d|signature)\w*['\"]?\s*[=:]\s*['\"]?)[^\s'\",;&)}]{6,}",
            rf"\1{MASK}",
        ),
    )
)
FILES = {
    "app": ("",),
    "trading": ("bots", "ledger"),
    "market_data": ("markets",),
    "llm": ("bots.deciders",),
    "errors": ("",),
}
QUIET = ("daphne", "django.channels", "celery", "kombu", "httpx2", "httpcore2", "asyncio", "ccxt", "openai")


class SecretMask:
    """The last processor before a line is rendered: masks by name, by known value and by shape."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # The longest first, so that a secret which holds another one goes as a whole.
        self.secrets = sorted(set(secrets), key=len, reverse=True)

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        return {name: self.masked(name, value) for name, value in event.items()}

    def masked(self, name: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {inner: self.masked(str(inner), content) for inner, content in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.masked(name, content) for content in value]
        # Numbers stay: a count of tokens is no secret.
        if value is None or isinstance(value, bool | int | float):
            return value
        if SECRET_NAME.search(name):
            return MASK
        return self.masked_text(value if isinstance(value, str) else str(value))

    def masked_text(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, MASK)
        for pattern, replacement in SECRET_TEXT:
            text = pattern.sub(replacement, text)
        return text


def secret_values(variables: Mapping[str, str]) -> list[str]:
    """The values that must never be printed, found by the names of their variables."""
    named = (value for name, value in variables.items() if SECRET_NAME.search(name))
    return [word for value in named for word in value.split(",") if len(word) >= 8]


def configuration(*, level: str, folder: Path | None, json_lines: bool, secrets: Iterable[str]) -> dict[str, Any]:
    """The dictionary for Django's LOGGING."""
    secrets = list(secrets)
    handlers: dict[str, dict[str, Any]] = {
        "stderr": {
            "class": "tradingsite.logfiles.StandardError",
            "formatter": "json" if json_lines else "console",
            # Where the files tell everything, a person at the terminal is told what needs attention.
            "level": "WARNING" if folder is not None and not json_lines else "NOTSET",
        }
    }
    loggers: dict[str, dict[str, Any]] = {name: {"level": "WARNING"} for name in QUIET}
    loggers["django"] = {"handlers": [], "propagate": True}
    # Refused requests are told by the request middleware already, with who asked.
    loggers["django.request"] = {"level": "ERROR"}
    # Each try to reach the database again would be a line; whoever needs it tells that it is away.
    loggers["psycopg.pool"] = {"level": "ERROR"}
    root = {"handlers": ["stderr"], "level": level}
    if folder is not None:
        handlers |= {name: _file(folder, name) for name in FILES}
        root["handlers"] = ["stderr", "app", "errors"]
        loggers |= _loggers_of_files()
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": _formatter(structlog.processors.JSONRenderer(default=str), secrets),
            "console": _formatter(_console(), secrets),
        },
        "handlers": handlers,
        "loggers": loggers,
        "root": root,
    }


def configure_structlog() -> None:
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _file(folder: Path, name: str) -> dict[str, Any]:
    return {
        "class": "tradingsite.logfiles.OwnedFile",
        "path": str(folder / f"{name}.log"),
        "formatter": "json",
        "level": "ERROR" if name == "errors" else "NOTSET",
    }


def _loggers_of_files() -> dict[str, dict[str, Any]]:
    return {logger: {"handlers": [name]} for name, loggers in FILES.items() for logger in loggers if logger}


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _console() -> Processor:
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
    )


def _formatter(renderer: Processor, secrets: Iterable[str]) -> dict[str, Any]:
    return {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": [*_shared(), structlog.stdlib.ExtraAdder()],
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            # Before the mask, so that a traceback is text by the time it looks.
            structlog.processors.format_exc_info,
            SecretMask(secrets),
            renderer,
        ],
    }
