"""Risk policies: the limits that code enforces for every order of a bot."""

from decimal import Decimal

from django.conf import settings
from django.db import models

from bots.domain.policy import LIMITS, Policy
from markets.fields import ExactDecimalField


class RiskPolicyQuerySet(models.QuerySet["RiskPolicy"]):
    def of(self, user: models.Model) -> "RiskPolicyQuerySet":
        return self.filter(owner=user)


class RiskPolicy(models.Model):
    """Limits of a bot. Fractions are of equity unless said otherwise; `version` grows with each change."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="policies")
    name = models.CharField(max_length=60)
    version = models.PositiveIntegerField(default=1, editable=False)
    risk_per_trade = ExactDecimalField(
        default=Decimal("0.01"), help_text="Most a position may lose at its stop, as a fraction of equity."
    )
    max_position_notional = ExactDecimalField(default=Decimal("0.5"), help_text="Largest position over equity.")
    max_positions = models.PositiveSmallIntegerField(default=4)
    max_exposure = ExactDecimalField(default=Decimal("1.5"), help_text="All positions together over equity.")
    max_leverage = models.PositiveSmallIntegerField(default=3)
    max_margin_use = ExactDecimalField(default=Decimal("0.6"), help_text="Margins and reservations over equity.")
    min_reward_to_risk = ExactDecimalField(
        default=Decimal("1.2"), help_text="Distance of target over distance of stop."
    )
    min_confidence = ExactDecimalField(default=Decimal("0.3"), help_text="Least conviction of an entry, 0 to 1.")
    min_stop_distance = ExactDecimalField(default=Decimal("0.002"), help_text="As a fraction of the price.")
    max_stop_distance = ExactDecimalField(default=Decimal("0.1"), help_text="As a fraction of the price.")
    min_notional = ExactDecimalField(default=Decimal("10"), help_text="Smallest entry, in the book's currency.")
    max_slippage = ExactDecimalField(
        default=Decimal("0.002"), help_text="Slippage that an entry is valued with, as a fraction of the price."
    )
    max_data_age_seconds = models.PositiveIntegerField(default=180, help_text="Oldest price an entry may rest on.")
    max_side_exposure = ExactDecimalField(
        default=Decimal("1.5"), help_text="All longs together, and all shorts together, over equity."
    )
    price_band = ExactDecimalField(
        default=Decimal("0.1"), help_text="Largest distance of an entry price from the mark, as a fraction of it."
    )
    max_spread = ExactDecimalField(
        default=Decimal("0.002"), help_text="Widest distance from bid to ask, as a fraction of the price."
    )
    max_depth_share = ExactDecimalField(
        default=Decimal("0.5"), help_text="Largest position over the value that usually trades in one candle."
    )
    max_funding = ExactDecimalField(
        default=Decimal("0.003"), help_text="Most a position may pay in funding a day, as a fraction of its value."
    )
    liquidation_buffer = ExactDecimalField(
        default=Decimal("0.25"),
        help_text="How far liquidation must lie beyond the stop, as a share of the stop's distance.",
    )
    max_volatility = ExactDecimalField(
        default=Decimal("0.08"),
        help_text="How much the book as a whole may move a day, as a fraction of equity (standard deviation).",
    )
    cooldown_minutes = models.PositiveIntegerField(
        default=5, help_text="Rest of an instrument after a position closed there. 0: none."
    )
    stop_guard_count = models.PositiveSmallIntegerField(
        default=6, help_text="Positions stopped out with a loss within the look-back that lock all entries. 0: off."
    )
    stop_guard_instrument_count = models.PositiveSmallIntegerField(
        default=3, help_text="So many of one side of one instrument lock that side there. 0: off."
    )
    low_profit_count = models.PositiveSmallIntegerField(
        default=0, help_text="Positions of an instrument after which its result is judged. 0: off."
    )
    low_profit = ExactDecimalField(
        default=Decimal(0), help_text="Less than this, as the sum of results over values, locks the instrument."
    )
    max_drawdown = ExactDecimalField(
        default=Decimal("0.2"), help_text="Fall of equity from its peak within the look-back. 0: off."
    )
    max_daily_loss = ExactDecimalField(
        default=Decimal("0.05"), help_text="Loss of a UTC day over equity at its beginning. 0: off."
    )
    max_trades_per_day = models.PositiveIntegerField(default=50, help_text="Positions a UTC day. 0: no limit.")
    max_loss_streak = models.PositiveSmallIntegerField(default=6, help_text="Losses in a row. 0: off.")
    max_failures = models.PositiveSmallIntegerField(default=5, help_text="Cycles that fail in a row. 0: off.")
    lock_look_back_minutes = models.PositiveIntegerField(default=1440, help_text="How far locks look back.")
    lock_minutes = models.PositiveIntegerField(default=120, help_text="How long a lock holds after what caused it.")
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    objects = RiskPolicyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "risk policies"
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="policy_name_once")]

    def __str__(self) -> str:
        return self.name

    @property
    def limits(self) -> Policy:
        """The frozen value that the rules take."""
        return Policy(self.name, self.version, **{name: getattr(self, name) for name in LIMITS})
