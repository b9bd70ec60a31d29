"""Risk policies: the limits that code enforces for every order of a bot."""

from decimal import Decimal

from django.conf import settings
from django.db import models

from bots.domain.policy import Policy
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
        return Policy(
            name=self.name, version=self.version, risk_per_trade=self.risk_per_trade,
            max_position_notional=self.max_position_notional, max_positions=self.max_positions,
            max_exposure=self.max_exposure, max_leverage=self.max_leverage, max_margin_use=self.max_margin_use,
            min_reward_to_risk=self.min_reward_to_risk, min_confidence=self.min_confidence,
            min_stop_distance=self.min_stop_distance, max_stop_distance=self.max_stop_distance,
            min_notional=self.min_notional, max_slippage=self.max_slippage,
            max_data_age_seconds=self.max_data_age_seconds,
        )  # fmt: skip
