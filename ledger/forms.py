"""What people send to the ledger: signing in, trading states, live accounts and their keys, positions to adopt."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.db.models import QuerySet

from markets.models import Feed, FeedKind

from .models import Book, TradingStateKind


class SignInForm(AuthenticationForm):
    error_messages = {
        "invalid_login": "This name and password do not go together.",
        "inactive": "This account is switched off.",
    }


class StateForm(forms.Form):
    state = forms.ChoiceField(choices=TradingStateKind.choices)
    reason = forms.CharField(max_length=200, required=False, strip=True)


class LiveAccountForm(forms.Form):
    """A live account: the exchange by its live feed, and the key, which goes in and never comes out."""

    name = forms.CharField(max_length=80)
    feed = forms.ModelChoiceField(
        queryset=Feed.objects.filter(kind=FeedKind.LIVE).order_by("exchange"),
        error_messages={"required": "Choose the exchange.", "invalid_choice": "There is no such live feed."},
    )
    currency = forms.CharField(max_length=20, initial="USDT")
    key = forms.CharField(max_length=300, error_messages={"required": "The API key is missing."})
    secret = forms.CharField(max_length=8000, error_messages={"required": "The secret is missing."})
    demo = forms.BooleanField(required=False)


class KeyForm(forms.Form):
    key = forms.CharField(max_length=300, error_messages={"required": "The API key is missing."})
    secret = forms.CharField(max_length=8000, error_messages={"required": "The secret is missing."})
    demo = forms.BooleanField(required=False)


class AdoptForm(forms.Form):
    """The book that takes a position, and the stop it gets."""

    book = forms.ModelChoiceField(
        queryset=Book.objects.none(),
        error_messages={"required": "Choose a book.", "invalid_choice": "There is no such book on this account."},
    )
    stop = forms.DecimalField(
        max_digits=30,
        min_value=0,
        error_messages={"required": "A position is adopted with a stop: name it."},
    )
    target = forms.DecimalField(max_digits=30, min_value=0, required=False)

    def __init__(self, *args: Any, books: QuerySet[Book], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["book"].queryset = books  # type: ignore[attr-defined]


def first_error(form: forms.Form) -> str:
    """What is wrong with a form, in one sentence."""
    name, errors = next(iter(form.errors.items()))
    sentence = str(errors[0])
    return sentence if name == "__all__" or sentence[:4] in ("The ", "Choo", "Ther", "A po") else f"{name}: {sentence}"
