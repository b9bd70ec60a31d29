"""What may be asked of pages and written into them. A bad value is refused in one sentence and changes nothing."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from django import forms

from ledger.models import User
from markets.domain.candles import TIMEFRAMES
from markets.domain.rounding import plain
from markets.models import Instrument

from . import deciders, deciding
from .backtests.options import RECORDED
from .backtests.request import Request, words
from .domain.policy import LIMITS, PRESETS
from .domain.soundness import objections
from .models import Bot, PromptVersion, RiskPolicy


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


class InstrumentsField(forms.ModelMultipleChoiceField):
    """Refuses what can be no id before a database is asked for it."""

    def clean(self, value: Any) -> Any:
        for one in value or ():
            if not (str(one).isascii() and str(one).isdigit() and len(str(one)) <= 18):
                raise forms.ValidationError("Choose instruments from the list.")
        return super().clean(value)


class BacktestForm(forms.Form):
    """What may be asked of a backtest by page. Words are read by `bots.backtests.request`; here is what is chosen."""

    decider = forms.ChoiceField(initial="house:trend")
    instruments = InstrumentsField(
        Instrument.objects.all(), error_messages={"required": "Choose at least one instrument."}
    )
    timeframe = forms.ChoiceField(choices=[(name, name) for name in TIMEFRAMES], initial="5m")
    start = forms.DateField(required=False)
    end = forms.DateField(required=False)
    cash = forms.CharField(max_length=30, initial="10000")
    policy = forms.ChoiceField(initial="balanced")
    settings = forms.CharField(max_length=4_000, required=False)
    check = forms.BooleanField(required=False)

    def __init__(self, data: Any, *, user: User, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        bots = Bot.objects.of(user).order_by("pk").values_list("name", flat=True)
        names = [*deciding.names_for(user.pk), *(f"{RECORDED}{name}" for name in bots)]
        self.described = {name: deciders.get(name).description for name in deciders.names()}
        self.own = {f"own:{row.pk}": row for row in RiskPolicy.objects.filter(owner=user).order_by("name")}
        self.fields["decider"].choices = [(name, name) for name in names]  # type: ignore[attr-defined]
        self.fields["policy"].choices = [  # type: ignore[attr-defined]
            *((name, name) for name in PRESETS),
            *((key, f"{row.name} (yours, version {row.version})") for key, row in self.own.items()),
        ]

    def clean_instruments(self) -> Any:
        chosen = self.cleaned_data["instruments"]
        exchanges = sorted({one.exchange for one in chosen})
        if len(exchanges) > 1:
            raise forms.ValidationError(f"One account is at one exchange, and these are at {' and '.join(exchanges)}.")
        return chosen

    def request(self) -> Request:
        """What was asked for; only of a form that is valid."""
        asked = self.cleaned_data
        chosen = list(asked["instruments"])
        return Request(
            decider=asked["decider"],
            exchange=chosen[0].exchange,
            symbols=tuple(one.symbol for one in chosen),
            timeframe=asked["timeframe"],
            start=asked["start"] and f"{asked['start']:%Y-%m-%d}",
            end=asked["end"] and f"{asked['end']:%Y-%m-%d}",
            cash=asked["cash"],
            settings=(*self._policy(asked["policy"]), *words([asked["settings"]])),
            check=asked["check"],
        )

    def _policy(self, name: str) -> tuple[str, ...]:
        """A preset by its name; a policy of the user by what differs from balanced, so that it stands as it is now."""
        if name not in self.own:
            return () if name == "balanced" else (f"policy={name}",)
        limits, usual = self.own[name].limits, PRESETS["balanced"]
        pairs = ((limit, getattr(limits, limit)) for limit in LIMITS)
        return tuple(f"{limit}={plain(Decimal(value)):f}" for limit, value in pairs if value != getattr(usual, limit))
