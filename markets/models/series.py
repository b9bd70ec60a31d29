"""What is known about stored series beside their rows: where they came from, and how good they are.

One row per instrument, kind and timeframe, made when there is something to say.
"""

from django.db import models, transaction

from .instruments import Instrument


class SeriesKind(models.TextChoices):
    CANDLES = "candles", "Candles"
    MARK = "mark", "Mark prices"
    FUNDING = "funding", "Funding rates"


class SeriesNoteQuerySet(models.QuerySet["SeriesNote"]):
    @transaction.atomic
    def of(self, instrument: Instrument, kind: str, timeframe: str) -> "SeriesNote":
        """The note of a series, locked until the transaction of the caller ends; made where there is none."""
        self.get_or_create(instrument=instrument, kind=kind, timeframe=timeframe)
        return self.select_for_update().get(instrument=instrument, kind=kind, timeframe=timeframe)

    @transaction.atomic
    def add_built(self, *, instrument: Instrument, timeframe: str, source: str, count: int) -> None:
        """Remember that so many candles were resampled from those of the timeframe `source`."""
        if not count:
            return
        note = self.of(instrument, SeriesKind.CANDLES, timeframe)
        note.built_from, note.built = source, note.built + count
        note.save(update_fields=["built_from", "built"])


class SeriesNote(models.Model):
    """`report` is the quality of what was stored at `checked_at`. What was refused is counted in `RefusedData`."""

    instrument = models.ForeignKey(Instrument, on_delete=models.CASCADE, related_name="series_notes")
    kind = models.CharField(max_length=8, choices=SeriesKind, default=SeriesKind.CANDLES)
    timeframe = models.CharField(max_length=4, blank=True, help_text="Empty for funding rates.")
    built_from = models.CharField(max_length=4, blank=True, help_text="The timeframe it was resampled from, if it was.")
    built = models.PositiveBigIntegerField(default=0, help_text="How many of its candles were resampled.")
    report = models.JSONField(default=dict, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)

    objects = SeriesNoteQuerySet.as_manager()

    class Meta:
        ordering = ["instrument", "kind", "timeframe"]
        constraints = [
            models.UniqueConstraint(fields=["instrument", "kind", "timeframe"], name="series_note_once"),
        ]

    def __str__(self) -> str:
        return f"{self.instrument} {self.timeframe} {self.get_kind_display().lower()}"


class ChartValues(models.Model):
    """Indicators of one instrument and timeframe for pages: asked for by a page, filled by a worker.

    `values` holds an array for each of `names` over the candles that opened from `first` to `last` (UTC ms); a name
    that cannot be had is in `refused` instead, with the reason.
    """

    feed = models.ForeignKey("markets.Feed", on_delete=models.CASCADE, related_name="+")
    instrument = models.ForeignKey(Instrument, on_delete=models.CASCADE, related_name="+", db_index=False)
    timeframe = models.CharField(max_length=4)
    names = models.JSONField(default=list)
    asked_at = models.DateTimeField(db_index=True, help_text="Wall time at which a page last wanted them.")
    first = models.BigIntegerField(null=True)
    last = models.BigIntegerField(null=True)
    values = models.JSONField(default=dict)
    refused = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["feed", "instrument", "timeframe"], name="chart_values_once"),
        ]

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.timeframe} {self.last}"
