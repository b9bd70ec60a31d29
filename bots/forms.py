"""What people send to pages of bots. A bad value is refused in one sentence and changes nothing."""

from collections.abc import Sequence
from typing import Any

from django import forms

from .models import PromptVersion


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
