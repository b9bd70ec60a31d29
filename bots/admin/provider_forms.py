"""What a person may set on a provider and a model. Every refusal is one sentence beside its field."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from bots.deciders.language_models import presets
from bots.models import KeySource, LanguageModel, Provider


class ProviderForm(forms.ModelForm):
    """A key may be typed in and is never shown again; it is not sent to another address than it was given for."""

    may_use_environment = False
    base_url = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=f"Such as https://api.example.com/v1. May stay empty for {', '.join(presets.names())}.",
    )
    new_key = forms.CharField(
        label="new key",
        required=False,
        strip=True,
        max_length=2000,
        widget=UnfoldAdminPasswordWidget(render_value=False, attrs={"autocomplete": "off"}),
        help_text="Stored encrypted. Empty: keep the present one.",
    )

    class Meta:
        model = Provider
        exclude: tuple[str, ...] = ()

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        preset = presets.provider(cleaned.get("name") or self.instance.name)
        cleaned["base_url"] = (cleaned.get("base_url") or (preset.base_url if preset else "")).rstrip("/")
        if not cleaned["base_url"]:
            self.add_error("base_url", "There is no preset of this name: give the address.")
        self._check_key(cleaned)
        return cleaned

    def _check_key(self, cleaned: dict[str, Any]) -> None:
        source, typed = cleaned.get("key_source"), cleaned.get("new_key")
        moved = self.instance.pk and cleaned["base_url"] != Provider.objects.get(pk=self.instance.pk).base_url
        if source == KeySource.ENVIRONMENT:
            name = Provider(name=cleaned.get("name") or self.instance.name).environment_name
            if not self.may_use_environment:
                self.add_error("key_source", "Only a superuser may use keys of the environment.")
            elif not settings.PROVIDERS.get(name, {}).get("api_key"):
                self.add_error("key_source", f"The environment has no {name.upper()}_API_KEY.")
        elif source == KeySource.STORED and not typed and not self.instance.sealed_key:
            self.add_error("new_key", "Enter the key.")
        elif source == KeySource.STORED and not typed and moved:
            self.add_error("new_key", "Enter the key again: it would be sent to another address now.")

    def save(self, commit: bool = True) -> Any:
        if typed := self.cleaned_data.get("new_key"):
            self.instance.keep(typed)
        if self.instance.key_source != KeySource.STORED:
            self.instance.sealed_key = ""
        return super().save(commit)


class ModelForm(forms.ModelForm):
    """Refuses a name that another model of the same owner has: bots find models by name."""

    class Meta:
        model = LanguageModel
        exclude: tuple[str, ...] = ()

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        provider, name = cleaned.get("provider"), cleaned.get("name")
        if provider is not None and name:
            same = LanguageModel.objects.filter(provider__owner=provider.owner_id, name=name)
            if same.exclude(pk=self.instance.pk).exists():
                self.add_error("name", f"There is a model named {name} already.")
        refused = cleaned.get("refused")
        if refused is None:
            cleaned["refused"] = []
        elif not isinstance(refused, list) or not all(isinstance(word, str) for word in refused):
            self.add_error("refused", 'Give a list of words such as ["schema"], or [] to try everything again.')
        return cleaned
