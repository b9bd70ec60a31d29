"""How old each part of what is known of an instrument is, kept in memory and written every few seconds."""

from datetime import datetime

from markets.models import DataAge

_Noted = tuple[datetime, datetime, str]  # the data's own time, when it came, and from where


class Ages:
    """What was noted since the last `write`."""

    def __init__(self) -> None:
        self._noted: dict[tuple[int, str], _Noted] = {}

    def note(self, instrument: int, part: str, at: datetime, now: datetime, source: str) -> None:
        """A part of an instrument is of `at`, and came at `now` by `source`."""
        self._noted[instrument, part] = (at, now, source)

    def write(self) -> int:
        """Store what was noted: one statement."""
        noted, self._noted = self._noted, {}
        rows = [
            DataAge(instrument_id=pk, part=part, at=at, received_at=now, source=source)
            for (pk, part), (at, now, source) in sorted(noted.items())
        ]
        if rows:
            DataAge.objects.bulk_create(
                rows,
                update_conflicts=True,
                unique_fields=["instrument", "part"],
                update_fields=["at", "received_at", "source"],
            )
        return len(rows)
