"""Instruments with their rules, and the newest quote of each instrument on each feed."""

from decimal import Decimal
from functools import cached_property
from typing import Any

from django.db import models

from markets.domain.instruments import InstrumentRules, MarginTier
from markets.fields import ExactDecimalField
from markets.rules import tiers_dated

from .feeds import Feed


class InstrumentKind(models.TextChoices):
    PERPETUAL = "perpetual", "Linear perpetual"
    SPOT = "spot", "Spot"


class InstrumentStatus(models.TextChoices):
    TRADING = "trading", "Trading"
    LEAVING = "leaving", "To be delisted"
    HALTED = "halted", "Halted"
    DELISTED = "delisted", "Delisted"


class Instrument(models.Model):
    """One tradable thing of one exchange. `symbol` is in ccxt's unified form, such as BTC/USDT:USDT."""

    exchange = models.CharField(max_length=40)
    symbol = models.CharField(max_length=60)
    kind = models.CharField(max_length=12, choices=InstrumentKind, default=InstrumentKind.PERPETUAL)
    base = models.CharField(max_length=20)
    quote = models.CharField(max_length=20)
    settle = models.CharField(max_length=20)
    contract_size = ExactDecimalField(default=Decimal(1))
    tick = ExactDecimalField()
    step = ExactDecimalField()
    min_quantity = ExactDecimalField()
    min_notional = ExactDecimalField()
    max_quantity = ExactDecimalField(null=True, blank=True)
    maker_fee = ExactDecimalField()
    taker_fee = ExactDecimalField()
    half_spread = ExactDecimalField(default=Decimal("0.0001"))
    impact = ExactDecimalField(default=Decimal("0.01"))
    funding_hours = models.PositiveSmallIntegerField(default=8)
    tiers = models.JSONField(help_text="Leverage tiers: floor, maintenance_rate, maintenance_amount, max_leverage.")
    assumed = models.BooleanField(default=False, help_text="The rules are inferred, not the exchange's own.")
    active = models.BooleanField(default=True)
    status = models.CharField(max_length=8, choices=InstrumentStatus, default=InstrumentStatus.TRADING)
    delists_at = models.DateTimeField(null=True, blank=True, help_text="When the exchange settles it for good.")

    class Meta:
        ordering = ["exchange", "symbol"]
        constraints = [
            models.UniqueConstraint(fields=["exchange", "symbol"], name="instrument_once"),
            models.CheckConstraint(condition=models.Q(tick__gt=0, step__gt=0), name="instrument_steps_positive"),
        ]

    def __str__(self) -> str:
        return self.symbol

    @property
    def name(self) -> str:
        """The short name of pages: BTC for BTC/USDT:USDT."""
        return self.base

    @cached_property
    def rules(self) -> InstrumentRules:
        return InstrumentRules(
            symbol=self.symbol, base=self.base, quote=self.quote, settle=self.settle, kind=self.kind,
            tick=self.tick, step=self.step, min_quantity=self.min_quantity, min_notional=self.min_notional,
            max_quantity=self.max_quantity, maker_fee=self.maker_fee, taker_fee=self.taker_fee,
            tiers=tuple(_tier(row) for row in self.tiers), half_spread=self.half_spread, impact=self.impact,
            funding_hours=self.funding_hours, assumed=self.assumed, closing=self._closing(),
        )  # fmt: skip

    @property
    def tiers_dated(self) -> str:
        """The date of the shipped table that its leverage tiers are from; empty where they are not."""
        return tiers_dated(self.exchange, self.symbol, self.tiers)

    def _closing(self) -> str:
        if self.status == InstrumentStatus.TRADING:
            return ""
        when = f" on {self.delists_at:%Y-%m-%d %H:%M} UTC" if self.delists_at else ""
        leaving = self.status == InstrumentStatus.LEAVING
        return f"the exchange delists it{when}" if leaving else f"the exchange has {self.status} it"


def _tier(row: dict[str, Any]) -> MarginTier:
    return MarginTier(
        floor=Decimal(str(row["floor"])),
        maintenance_rate=Decimal(str(row["maintenance_rate"])),
        maintenance_amount=Decimal(str(row["maintenance_amount"])),
        max_leverage=int(row["max_leverage"]),
    )


class Quote(models.Model):
    """The newest price of an instrument on a feed, in market time. A missing mark price is the last price.

    `liquidity` is the quote-currency value traded in the last closed base candle: what the impact model needs.
    """

    feed = models.ForeignKey(Feed, on_delete=models.CASCADE, related_name="quotes")
    instrument = models.ForeignKey(Instrument, on_delete=models.CASCADE, related_name="+")
    last = ExactDecimalField()
    bid = ExactDecimalField()
    ask = ExactDecimalField()
    mark = ExactDecimalField()
    liquidity = ExactDecimalField(default=Decimal(0))
    day_open = ExactDecimalField(null=True, blank=True, help_text="The price 24 hours before: for the ticker's change.")
    funding_rate = ExactDecimalField(null=True, blank=True, help_text="The last known rate, a fraction per interval.")
    next_funding_at = models.DateTimeField(null=True, blank=True)
    at = models.DateTimeField(help_text="Market time of the price.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["feed", "instrument"], name="quote_once"),
            models.CheckConstraint(condition=models.Q(last__gt=0, mark__gt=0), name="quote_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.last}"
