"""Providers of language models, their models, and the order in which a bot asks them.

A key is sealed, or stands in the environment under the provider's name; it is never shown again. `resting_until` is the
breaker that all workers share.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

from ledger import credentials
from markets.fields import ExactDecimalField

from .bots import Bot

NAME = RegexValidator(r"^[a-z0-9][a-z0-9._/-]*$", "Small letters, digits and . _ / - only.")
WEB_ADDRESS = RegexValidator(r"^https?://[^\s/?#@]+(/[^\s?#]*)?$", "An address such as https://api.example.com/v1.")


class KeySource(models.TextChoices):
    ENVIRONMENT = "environment", "Environment"
    STORED = "stored", "Stored, encrypted"
    NONE = "none", "None needed"


class ProviderQuerySet(models.QuerySet["Provider"]):
    def of(self, user: models.Model) -> "ProviderQuerySet":
        return self.filter(owner=user)


class Provider(models.Model):
    """Who answers at `base_url`. With the key source `environment` the key is <NAME>_API_KEY of the process."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="providers")
    name = models.CharField(max_length=40, validators=[NAME])
    base_url = models.CharField(max_length=300, validators=[WEB_ADDRESS])
    key_source = models.CharField(max_length=12, choices=KeySource, default=KeySource.STORED)
    sealed_key = models.TextField(blank=True, editable=False)
    most_calls = models.PositiveSmallIntegerField(
        default=16, validators=[MinValueValidator(1)], help_text="Calls at the same time, over all workers."
    )
    failures = models.PositiveIntegerField(default=0, editable=False, help_text="In a row.")
    resting_until = models.DateTimeField(null=True, blank=True, editable=False, help_text="Not asked before this.")
    resting_why = models.CharField(max_length=300, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ProviderQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="provider_name_once")]

    def __str__(self) -> str:
        return self.name

    @property
    def key(self) -> str:
        """The key itself, for who sends it. Raises credentials.Unreadable; empty where none is needed or there."""
        if self.key_source == KeySource.ENVIRONMENT:
            given: dict[str, Any] = settings.PROVIDERS.get(self.environment_name, {})
            return str(given.get("api_key", ""))
        return credentials.unseal(self.sealed_key) if self.sealed_key else ""

    @property
    def environment_name(self) -> str:
        return self.name.replace("-", "_").replace(".", "_").replace("/", "_").lower()

    @property
    def masked_key(self) -> str:
        """What pages may show of the key."""
        try:
            return credentials.masked(self.key) if self.key else "none"
        except credentials.Unreadable:
            return "unreadable"

    def keep(self, key: str) -> None:
        """Seal a key into the row, which is not saved."""
        self.sealed_key, self.key_source = credentials.seal(key), KeySource.STORED

    def rests(self, wall: datetime) -> bool:
        return self.resting_until is not None and self.resting_until > wall


class TokenLimit(models.TextChoices):
    COMPLETION = "max_completion_tokens", "max_completion_tokens"
    TOKENS = "max_tokens", "max_tokens"
    NONE = "none", "None"


class Effort(models.TextChoices):
    DEFAULT = "", "The model's own"
    MINIMAL = "minimal", "Minimal"
    LOW = "low", "Low"
    MEDIUM = "medium", "Medium"
    HIGH = "high", "High"


class LanguageModelQuerySet(models.QuerySet["LanguageModel"]):
    def of(self, user: models.Model) -> "LanguageModelQuerySet":
        return self.filter(provider__owner=user)

    def named(self, owner_id: int, name: str) -> "LanguageModelQuerySet":
        """By its name, or by its id."""
        rows = self.filter(provider__owner=owner_id)
        if name.isascii() and name.isdigit() and len(name) <= 18:
            return rows.filter(models.Q(name=name) | models.Q(pk=int(name)))
        return rows.filter(name=name)


def _price(help_text: str) -> ExactDecimalField:
    return ExactDecimalField(null=True, blank=True, validators=[MinValueValidator(Decimal(0))], help_text=help_text)


class LanguageModel(models.Model):
    """A model of a provider. Prices are US dollars per million tokens; without one the cost is unknown, never zero.

    `refused` lists what the provider has said it does not take (forms of answers and parameters); it is not sent again.
    """

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="models")
    name = models.CharField(
        max_length=100,
        validators=[NAME],
        help_text="Bots name it so, after model: in their decider. It does not change.",
    )
    model_id = models.CharField(max_length=200, help_text="As the provider names it.")
    price_input = _price("Input tokens. Empty: unknown.")
    price_cached = _price("Input tokens the provider had cached. Empty: as input.")
    price_output = _price("Output tokens. Empty: unknown.")
    price_reasoning = _price("Reasoning tokens. Empty: as output.")
    prices_checked = models.DateField(null=True, blank=True, help_text="When a person last compared the prices.")
    context_tokens = models.PositiveIntegerField(default=128_000, help_text="What question and answer may be together.")
    most_output = models.PositiveIntegerField(
        default=4_000, validators=[MinValueValidator(200)], help_text="Most tokens of an answer, reasoning included."
    )
    takes_schema = models.BooleanField(default=True, help_text="The provider enforces a JSON schema.")
    takes_json = models.BooleanField(default=True, help_text="It has a JSON mode.")
    takes_tools = models.BooleanField(default=True, help_text="It calls tools.")
    token_limit = models.CharField(max_length=24, choices=TokenLimit, default=TokenLimit.COMPLETION)
    effort = models.CharField("reasoning effort", max_length=8, choices=Effort, blank=True, default="")
    temperature = ExactDecimalField(
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(2))],
        help_text="Empty: not sent; many reasoning models refuse it.",
    )
    call_seconds = models.PositiveSmallIntegerField(
        default=25, validators=[MinValueValidator(1)], help_text="Most wall seconds of one call."
    )
    refused = models.JSONField(default=list, blank=True, help_text="What the provider refused; empty to try again.")
    test_asked_at = models.DateTimeField(null=True, blank=True, editable=False)
    tested_at = models.DateTimeField(null=True, blank=True, editable=False)
    test_passed = models.BooleanField(null=True, editable=False)
    test_result = models.CharField(max_length=400, blank=True, editable=False)

    objects = LanguageModelQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["provider", "name"], name="model_name_once")]

    def __str__(self) -> str:
        return self.name

    @property
    def priced(self) -> bool:
        return self.price_input is not None and self.price_output is not None


class FallbackModel(models.Model):
    """Who is asked after the bot's own model has failed, in the order of `place`."""

    bot = models.ForeignKey(Bot, on_delete=models.CASCADE, related_name="fallbacks")
    model = models.ForeignKey(LanguageModel, on_delete=models.CASCADE, related_name="+")
    place = models.PositiveSmallIntegerField(default=1)

    class Meta:
        ordering = ["place", "pk"]
        constraints = [models.UniqueConstraint(fields=["bot", "model"], name="fallback_once")]

    def __str__(self) -> str:
        return f"{self.place}. {self.model}"
