"""Who sees what in the control room: a superuser everything, other staff what they own."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import RelatedFieldListFilter
from django.db.models import BooleanField, ExpressionWrapper, Field, ForeignKey, Q, QuerySet
from django.forms import ModelChoiceField
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from ledger.models import User

# Whose rows nobody owns. Rows of any other app must be able to say whose they are, or nobody sees them.
EVERYBODYS = {"auth", "contenttypes", "django_celery_beat", "markets"}


def own(rows: QuerySet[Any], request: HttpRequest) -> QuerySet[Any]:
    """The rows that this person may see."""
    user = request.user
    if user.is_superuser or rows.model._meta.app_label in EVERYBODYS:
        return rows
    if rows.model is User:
        return rows.filter(pk=user.pk)
    return rows.of(user)  # type: ignore[attr-defined]


class Owned(ModelAdmin):
    """Lists, pages, actions and choices of a form show only what the person may see.

    With `owner_path` set each row also says whether it is the person's own (`mine`): only then its live page
    opens, because pages show nobody else's rows, not even to a superuser.
    """

    owner_path: str | None = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = own(super().get_queryset(request), request)
        if self.owner_path is None:
            return rows
        mine = Q(**{self.owner_path: request.user})
        return rows.annotate(mine=ExpressionWrapper(mine, output_field=BooleanField()))

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField | None:
        rows = own(db_field.remote_field.model._default_manager.all(), request)
        return super().formfield_for_foreignkey(db_field, request, **{"queryset": rows} | kwargs)


class Own(RelatedFieldListFilter):
    """A filter by a related row that offers only those the person may see."""

    def field_choices(self, field: Field[Any, Any], request: HttpRequest, model_admin: Any) -> list[tuple[Any, Any]]:
        related: Any = field.related_model
        return [(row.pk, str(row)) for row in own(related._default_manager.all(), request)]
