"""Puts every stored secret under the newest of CREDENTIALS_KEYS, so that an older key can be taken away.

A column that holds sealed secrets is named `sealed_…`: this is how they are found, whichever app they belong to. A
secret that no key opens stays as it is and is told; nothing is lost by running this twice or by ending it halfway.
"""

from collections.abc import Iterator

from django.apps import apps
from django.db.models import Model

from ledger import credentials

PREFIX = "sealed_"


def sealed_columns() -> list[tuple[type[Model], str]]:
    """Every column that holds sealed secrets."""
    return [
        (model, field.name)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if field.name.startswith(PREFIX)
    ]


def rotate() -> Iterator[tuple[Model, str]]:
    """Seal secret after secret anew. Yields each row with nothing, or with the sentence why it could not be."""
    for model, column in sealed_columns():
        for row in model._default_manager.exclude(**{column: ""}).order_by("pk").iterator(chunk_size=500):
            old = getattr(row, column)
            try:
                sealed = credentials.resealed(old)
            except credentials.Unreadable as problem:
                yield row, str(problem)
                continue
            # Whoever entered a new secret meanwhile sealed it with the newest key: it stays.
            model._default_manager.filter(pk=row.pk, **{column: old}).update(**{column: sealed})
            yield row, ""
