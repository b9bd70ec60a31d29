"""The form of accounts in the control room. A key goes in and never comes out; only live accounts have one."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from ledger.models import Account, AccountKind
from markets.models import FeedKind


class AccountForm(forms.ModelForm):
    """`new_key` and `new_secret` replace the key; both or neither."""

    new_key = forms.CharField(
        max_length=300, required=False, widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="Stored sealed, checked at once, and never shown again. The account is disarmed until you arm it.",
    )  # fmt: skip
    new_secret = forms.CharField(
        max_length=8000, required=False, widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})
    )

    class Meta:
        model = Account
        fields = ("name", "max_exposure", "feed", "currency")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "feed" in self.fields:
            feeds: Any = self.fields["feed"]
            feeds.queryset = feeds.queryset.filter(kind=FeedKind.LIVE)

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        key, secret = given.get("new_key"), given.get("new_secret")
        making = self.instance.pk is None
        if bool(key) != bool(secret) or (making and not key):
            raise forms.ValidationError("A live account needs both its API key and its secret.")
        if key and not making and self.instance.kind != AccountKind.LIVE:
            raise forms.ValidationError("A paper account has no key.")
        feed, name = given.get("feed"), given.get("name")
        if making and Account.objects.filter(owner=self.initial.get("owner"), feed=feed, name=name).exists():
            raise forms.ValidationError(f"There is an account named {name} on this feed already.")
        return given
