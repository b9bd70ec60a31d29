"""What may be asked of pages and written into them. A bad value is refused in one sentence and changes nothing."""

from collections.abc import Iterator, Sequence
from typing import Any

from django import forms

from .domain.policy import LIMITS
from .domain.soundness import objections
from .models import PromptVersion, RiskPolicy


class PageForm(forms.Form):
    """What may stand in the query of a list of records: `before` is the id of the last row seen."""

    before = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)


class PreviewForm(forms.Form):
    text = forms.CharField(max_length=100_000, strip=False)


class VersionForm(forms.Form):
    """A new version of the prompt of this name."""

    name = forms.CharField(max_length=60, error_messages={"required": "Give the prompt a name."})
    text = forms.CharField(max_length=100_000, strip=False)
    note = forms.CharField(max_length=200, required=False)


class ReplayForm(forms.Form):
    """What is to be different in a replay; each may be left as it was."""

    model = forms.ChoiceField(required=False)
    version = forms.ModelChoiceField(PromptVersion.objects.none(), required=False)
    rules_today = forms.BooleanField(required=False)

    def __init__(self, data: Any, *, versions: Any, models: Sequence[str]) -> None:
        super().__init__(data)
        self.fields["version"].queryset = versions  # type: ignore[attr-defined]
        self.fields["model"].choices = [("", ""), *((name, name) for name in models)]  # type: ignore[attr-defined]


GROUPS = {
    "Size": ("risk_per_trade", "max_position_notional", "min_notional", "max_positions", "max_leverage"),
    "Exposure": (
        "max_exposure", "max_side_exposure", "max_volatility", "max_margin_use", "liquidation_buffer",
    ),
    "Entries": ("min_confidence", "min_reward_to_risk", "min_stop_distance", "max_stop_distance"),
    "Market": (
        "max_slippage", "max_spread", "max_depth_share", "max_funding", "price_band", "max_data_age_seconds",
    ),
    "Locks": (
        "cooldown_minutes", "stop_guard_count", "stop_guard_instrument_count", "max_loss_streak", "max_daily_loss",
        "max_drawdown", "max_trades_per_day", "low_profit_count", "low_profit", "max_failures",
        "lock_look_back_minutes", "lock_minutes",
    ),
}  # fmt: skip


class LimitsForm(forms.ModelForm):
    """All limits of a policy, in groups; each that makes no sense has a sentence beside it."""

    seen = forms.IntegerField(widget=forms.HiddenInput)

    class Meta:
        model = RiskPolicy
        fields = list(LIMITS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["seen"].initial = self.instance.version
        for field in self.fields.values():
            field.widget.attrs |= {"inputmode": "decimal", "autocomplete": "off"}
            if not field.widget.is_hidden:
                field.widget = forms.TextInput(field.widget.attrs)

    def groups(self) -> Iterator[tuple[str, list[forms.BoundField]]]:
        return ((name, [self[field] for field in fields]) for name, fields in GROUPS.items())

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if not self.errors:
            for name, sentence in objections(self.instance.limits).items():
                self.add_error(name, sentence)
