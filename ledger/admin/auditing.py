"""Changes in the control room that the audit trail must tell: written in the transaction of the change itself."""

from __future__ import annotations

from typing import Any, cast

from django.db.models import Model
from django.forms import ModelForm
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from ledger import audit
from ledger.models import AuditKind, User


class Audited(ModelAdmin):
    """`audited` are the columns whose changes go to the trail, under `audit_kind`."""

    audited: tuple[str, ...] = ()
    audit_kind = AuditKind.LIMITS

    def save_model(self, request: HttpRequest, obj: Model, form: ModelForm[Any], change: bool) -> None:
        rows = type(obj)._default_manager.values(*self.audited)
        before = rows.filter(pk=obj.pk).first() or {}
        self.store(request, obj, form, change)
        self.tell(request, obj, audit.differences(before, rows.get(pk=obj.pk)))

    def store(self, request: HttpRequest, obj: Model, form: ModelForm[Any], change: bool) -> None:
        """Write the row; what a page may not write over is left out by whoever knows better."""
        super().save_model(request, obj, form, change)

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        subject = self.subject(obj)
        super().delete_model(request, obj)
        audit.write(kind=self.audit_kind, subject=subject, change={"deleted": str(obj)}, by=cast(User, request.user))

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for row in queryset:
            self.delete_model(request, row)

    def tell(self, request: HttpRequest, row: Model, change: dict[str, Any]) -> None:
        if change:
            audit.write(kind=self.audit_kind, subject=self.subject(row), change=change, by=cast(User, request.user))

    def subject(self, row: Model) -> str:
        """The row by its kind and its key, such as `account:3`."""
        return f"{row._meta.model_name}:{row.pk}"
