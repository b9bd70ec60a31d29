"""How the statistics of one bot read: numbers that are floats, amounts that are exact, intervals as two numbers."""

from datetime import UTC, date, datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ledger.api import Amount
from ledger.domain.statistics import DailyFigures
from ledger.domain.statistics.positions import DAY

TWO_NUMBERS = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2, "nullable": True}


@extend_schema_field(TWO_NUMBERS)
class IntervalField(serializers.Field):
    """The middle 95 % of a block bootstrap: low and high; null for fewer than ten observations."""

    def to_representation(self, value: Any) -> list[float]:
        return [value.low, value.high]


def ratio(help_text: str = "", **kwargs: Any) -> serializers.FloatField:
    return serializers.FloatField(allow_null=True, help_text=help_text, **kwargs)


class SideSerializer(serializers.Serializer):
    positions = serializers.IntegerField()
    net = serializers.FloatField()
    win_rate = ratio()


class HoldSerializer(serializers.Serializer):
    """Seconds from the first fill to flat."""

    shortest = serializers.IntegerField()
    mean = serializers.FloatField()
    median = serializers.FloatField()
    longest = serializers.IntegerField()


class ResultSerializer(serializers.Serializer):
    position = serializers.IntegerField()
    net = Amount()


class FallSerializer(serializers.Serializer):
    """Days; `longest` is the longest time below a peak, the one that lasts included."""

    depth = serializers.FloatField()
    peak_on = serializers.DateField()
    trough_on = serializers.DateField()
    recovered_on = serializers.DateField(allow_null=True)
    days_to_trough = serializers.IntegerField()
    days_to_recovery = serializers.IntegerField(allow_null=True)
    longest_days = serializers.IntegerField()


class ClosedPositionsSerializer(serializers.Serializer):
    positions = serializers.IntegerField()
    won = serializers.IntegerField()
    lost = serializers.IntegerField()
    realised = Amount(source="totals.realised")
    fees = Amount(source="totals.fees")
    funding = Amount(source="totals.funding")
    net = Amount(source="totals.net")
    win_rate = ratio()
    win_rate_interval = IntervalField()
    profit_factor = ratio()
    profit_factor_interval = IntervalField()
    expectancy = ratio("Mean net result.")
    expectancy_interval = IntervalField()
    expectancy_ratio = ratio("(1 + payoff) x win rate - 1.")
    payoff = ratio("Mean gain over mean loss.")
    sqn = ratio("Root of the number x mean / standard deviation of net results.")
    sqn_interval = IntervalField()
    best = ResultSerializer(allow_null=True)
    worst = ResultSerializer(allow_null=True)
    winning_streak = serializers.IntegerField()
    losing_streak = serializers.IntegerField()
    current_streak = serializers.IntegerField(help_text="Negative while losing.")
    longs = SideSerializer(allow_null=True)
    shorts = SideSerializer(allow_null=True)
    held = HoldSerializer(allow_null=True)
    held_won = HoldSerializer(allow_null=True)
    held_lost = HoldSerializer(allow_null=True)


class DailySerializer(serializers.Serializer):
    """A year is 365 days, and no risk-free rate is taken off."""

    days = serializers.IntegerField()
    total_return = ratio()
    annual_return = ratio()
    mean = ratio("Mean return of a day.")
    mean_interval = IntervalField()
    volatility = ratio("Standard deviation of a year.")
    volatility_interval = IntervalField()
    sharpe = ratio()
    sharpe_interval = IntervalField()
    sortino = ratio()
    sortino_interval = IntervalField()
    calmar = ratio()
    omega = ratio()
    cvar = ratio("Mean of the worst twentieth of the days.")
    best_day = ratio()
    worst_day = ratio()
    days_up = serializers.IntegerField()
    days_down = serializers.IntegerField()
    drawdown = serializers.SerializerMethodField()

    @extend_schema_field(FallSerializer(allow_null=True))
    def get_drawdown(self, figures: DailyFigures) -> dict[str, Any] | None:
        fall = figures.fall
        if fall is None:
            return None
        told = {
            "depth": fall.depth, "days_to_trough": fall.to_trough, "days_to_recovery": fall.to_recovery,
            "longest_days": fall.longest,
            "peak_on": _date(figures, fall.peak), "trough_on": _date(figures, fall.trough),
            "recovered_on": None if fall.recovered is None else _date(figures, fall.recovered),
        }  # fmt: skip
        return dict(FallSerializer(told).data)


def _date(figures: DailyFigures, place: int) -> date:
    return datetime.fromtimestamp(figures.day(place) * DAY, UTC).date()


class StatisticsSerializer(serializers.Serializer):
    """Definitions are in docs/statistics.md."""

    closed_positions = ClosedPositionsSerializer(source="record.positions")
    on_closed = DailySerializer(source="record.on_closed", help_text="Daily, as if open positions counted for nothing.")
    on_equity = DailySerializer(source="record.on_equity", help_text="Daily equity, open positions included.")
    buy_and_hold = DailySerializer(source="held_instead", help_text="The bot's instruments in equal parts.")
    exposure = ratio("Mean of notional over equity.", source="record.exposure")
    invested = ratio("Share of time with a position.", source="record.invested")
    turnover = ratio("Value of all fills over mean equity, a day.", source="record.turnover")
