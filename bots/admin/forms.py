"""What a person may set on a bot and on a policy. Every refusal is one sentence beside its field."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.db.models import Q, QuerySet
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from bots import deciding, schedules, wordings
from bots.domain.soundness import objections
from bots.models import Bot, PromptVersion, RiskPolicy
from ledger.models import Position
from markets.domain.candles import TIMEFRAMES
from markets.models import Instrument

SHADOW = "Share of the moments without a reason at which a model is asked all the same, such as {default}."
OVERTAKEN = "Somebody changed this policy while you were editing it; look at version {version} and try again."


class Timeframes(forms.CharField):
    """Timeframes as words with commas between them, such as `5m, 1h`; finest first when they come out."""

    widget = UnfoldAdminTextInputWidget

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        words = {word.strip() for word in super().clean(value).split(",") if word.strip()}
        unknown = sorted(words - set(TIMEFRAMES))
        if unknown or not words:
            named = f"There is no timeframe {unknown[0]}" if unknown else "A bot needs a timeframe"
            raise forms.ValidationError(f"{named}; choose from {', '.join(TIMEFRAMES)}.")
        return sorted(words, key=TIMEFRAMES.__getitem__)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(super().has_changed(self.prepare_value(initial), data))


class BotForm(forms.ModelForm):
    timeframes = Timeframes(help_text="Finest first, such as 5m, 15m, 1h.")
    decider = forms.ChoiceField(widget=UnfoldAdminSelectWidget)
    interval_seconds = forms.IntegerField(
        min_value=60,
        max_value=7 * 86400,
        widget=UnfoldAdminTextInputWidget,
        help_text="Market seconds between two cycles.",
        error_messages={"min_value": "A bot decides once a minute at most: give 60 seconds or more."},
    )
    position_interval_seconds = forms.IntegerField(
        min_value=60,
        max_value=7 * 86400,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Between two cycles while it holds a position; empty: the same.",
        error_messages={"min_value": "A bot decides once a minute at most: give 60 seconds or more."},
    )
    shadow_share = forms.DecimalField(
        min_value=0, max_value=1, widget=UnfoldAdminTextInputWidget, help_text=SHADOW.format(default="0.05")
    )
    colour = forms.IntegerField(min_value=0, max_value=7, widget=UnfoldAdminTextInputWidget)

    class Meta:
        model = Bot
        exclude: tuple[str, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "decider" in self.fields:
            self.fields["decider"].choices = deciding.choices(self.instance)  # type: ignore[attr-defined]
        # Who may only look gets no fields.
        if "policy" in self.fields:
            self.fields["policy"].queryset = RiskPolicy.objects.filter(owner=self.instance.owner)  # type: ignore[attr-defined]
        if "prompt_version" in self.fields:
            versions = PromptVersion.objects.filter(prompt__owner=self.instance.owner)
            self.fields["prompt_version"].queryset = versions.select_related("prompt")  # type: ignore[attr-defined]
        if "instruments" in self.fields:
            self.fields["instruments"].queryset = tradable(self.instance)  # type: ignore[attr-defined]

    def clean_crontab(self) -> str:
        line: str = self.cleaned_data["crontab"].strip()
        try:
            return " ".join(line.split()) if line and schedules.after(line, datetime.now(UTC)) else ""
        except schedules.BadCrontab as refusal:
            raise forms.ValidationError(str(refusal)) from None

    def clean_instruments(self) -> QuerySet[Instrument]:
        chosen: QuerySet[Instrument] = self.cleaned_data["instruments"]
        held = Position.objects.current().filter(book=self.instance.book).exclude(instrument__in=chosen)
        stranded = held.select_related("instrument").first()
        if stranded is not None:
            raise forms.ValidationError(
                f"{stranded.instrument} has an open position that the bot would no longer look after; close it first."
            )
        return chosen


def tradable(bot: Bot) -> QuerySet[Instrument]:
    """What this bot could trade: active, at its exchange, settled in the currency of its book; and what it has."""
    account = bot.book.account
    fits = Q(active=True, exchange=account.feed.exchange if account else "", settle=bot.book.currency)
    return Instrument.objects.filter(fits | Q(pk__in=bot.instruments.values("pk")))


class PromptVersionForm(forms.ModelForm):
    """The next version of the prompt of this name; what cannot be a wording is refused in words."""

    name = forms.CharField(max_length=60, widget=UnfoldAdminTextInputWidget, help_text="Of the prompt it belongs to.")

    class Meta:
        model = PromptVersion
        fields = ("text", "note")

    def clean_text(self) -> str:
        try:
            return wordings.cleaned(self.cleaned_data["text"])
        except wordings.Unfit as refusal:
            raise forms.ValidationError(str(refusal)) from None


class PolicyForm(forms.ModelForm):
    """Refuses limits that make no sense, and an edit of an older version than the one that holds."""

    seen_version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = RiskPolicy
        exclude: tuple[str, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "seen_version" in self.fields:
            self.fields["seen_version"].initial = self.instance.version

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.instance.pk and cleaned.get("seen_version") != self.instance.version:
            raise forms.ValidationError(OVERTAKEN.format(version=self.instance.version))
        return cleaned

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        # Only now the instance holds the new numbers; what could not be read as one has its error already.
        if not self.errors:
            for name, sentence in objections(self.instance.limits).items():
                self.add_error(name, sentence)
