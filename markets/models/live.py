"""What is known of exchanges that are asked for prices: whether they answer, what may still be asked, who wants what.

These rows are shared by all processes, so a limit counts for all of them together and a breaker opened by one is open
for all. Nothing here is money: they may be emptied at any time, and fill again.
"""

from datetime import datetime

from django.db import models

from markets.fields import ExactDecimalField

from .instruments import Instrument


class Breaker(models.TextChoices):
    CLOSED = "closed", "Closed"
    OPEN = "open", "Open"
    PROBING = "probing", "Probing"


class Source(models.TextChoices):
    NONE = "", "nothing"
    STREAM = "stream", "Stream"
    POLLING = "polling", "Polling"


class ExchangeState(models.Model):
    """One exchange: its circuit breaker, the request weight of this minute, and who brings its prices."""

    exchange = models.CharField(max_length=40, unique=True)
    breaker = models.CharField(max_length=8, choices=Breaker, default=Breaker.CLOSED)
    failures = models.PositiveIntegerField(default=0, help_text="Failed requests in a row.")
    open_until = models.DateTimeField(null=True, blank=True, help_text="Nothing is asked before this wall time.")
    banned = models.BooleanField(default=False, help_text="The exchange has banned this address: no probing either.")
    reason = models.CharField(max_length=200, blank=True)
    changed_at = models.DateTimeField(null=True, blank=True)
    minute = models.BigIntegerField(default=0, help_text="The minute of wall time that `used` counts.")
    used = models.FloatField(default=0, help_text="Request weight used in this minute, over all processes.")
    wait_until = models.DateTimeField(null=True, blank=True, help_text="Retry-After: entries and data wait, exits do.")
    clock_offset_ms = models.IntegerField(null=True, blank=True, help_text="The exchange's clock minus ours.")
    source = models.CharField(max_length=8, choices=Source, default=Source.NONE, blank=True)
    lease_holder = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    rules_at = models.DateTimeField(null=True, blank=True, help_text="When instruments and rules were last read.")

    def __str__(self) -> str:
        return self.exchange


class WatchQuerySet(models.QuerySet["Watch"]):
    def wanted(self, exchange: str, now: datetime) -> "WatchQuerySet":
        return self.filter(instrument__exchange=exchange, until__gt=now)


class Watch(models.Model):
    """Somebody wants the prices of an instrument until then, and its candles of a timeframe where one is named."""

    instrument = models.ForeignKey(Instrument, on_delete=models.CASCADE, related_name="watches", db_index=False)
    timeframe = models.CharField(max_length=4, blank=True)
    until = models.DateTimeField(help_text="Wall time.")

    objects = WatchQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["instrument", "timeframe"], name="watch_once")]

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.timeframe}".strip()


class DataAge(models.Model):
    """How fresh one part of what is known of an instrument is: `at` is the data's own time, `received_at` ours.

    A part of its own notes until when funding was settled on a feed (see `markets.live.funding`).
    """

    instrument = models.ForeignKey(Instrument, on_delete=models.CASCADE, related_name="ages", db_index=False)
    part = models.CharField(max_length=16, help_text="price, mark, funding, interest, or candles and their timeframe.")
    at = models.DateTimeField()
    received_at = models.DateTimeField()
    source = models.CharField(max_length=8, choices=Source)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["instrument", "part"], name="data_age_once")]

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.part} {self.at:%H:%M:%S}"


class RefusedData(models.Model):
    """Data that was not let in, counted. `example` is what the newest of them said."""

    exchange = models.CharField(max_length=40)
    symbol = models.CharField(max_length=60)
    part = models.CharField(max_length=16)
    reason = models.CharField(max_length=24)
    count = models.PositiveBigIntegerField(default=0)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    example = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name_plural = "refused data"
        constraints = [
            models.UniqueConstraint(fields=["exchange", "symbol", "part", "reason"], name="refused_data_once")
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.part} {self.reason} {self.count}"


class OpenInterest(models.Model):
    """Contracts open on one instrument at a moment, in units of the base currency."""

    instrument = models.ForeignKey(Instrument, on_delete=models.CASCADE, related_name="+", db_index=False)
    at = models.DateTimeField()
    amount = ExactDecimalField()

    class Meta:
        verbose_name_plural = "open interest"
        constraints = [
            models.UniqueConstraint(fields=["instrument", "at"], name="open_interest_once"),
            models.CheckConstraint(condition=models.Q(amount__gte=0), name="open_interest_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.at:%Y-%m-%d %H:%M} {self.amount}"
