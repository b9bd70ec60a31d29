"""What people send to the ledger: signing in, and a change of a trading state."""

from django import forms
from django.contrib.auth.forms import AuthenticationForm

from .models import TradingStateKind


class SignInForm(AuthenticationForm):
    error_messages = {
        "invalid_login": "This name and password do not go together.",
        "inactive": "This account is switched off.",
    }


class StateForm(forms.Form):
    state = forms.ChoiceField(choices=TradingStateKind.choices)
    reason = forms.CharField(max_length=200, required=False, strip=True)
