"""What may stand in the query of a list of records. A bad value is refused in one sentence and changes nothing."""

from django import forms


class PageForm(forms.Form):
    """`before` is the id of the last row seen."""

    before = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
