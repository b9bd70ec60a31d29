"""Times as the commands of this app read them: ISO 8601, UTC where no zone is said."""

from datetime import UTC, datetime

from django.core.management.base import CommandError

from markets.domain.candles import milliseconds


def milliseconds_of(text: str) -> int | None:
    """UTC ms of a time such as 2025-05-01 or 2025-05-01T12:00; None of nothing. Raises CommandError."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{text} is no time: write 2025-05-01 or 2025-05-01T12:00 (UTC).", returncode=2) from None
    return milliseconds(at if at.tzinfo else at.replace(tzinfo=UTC))
