"""Users and API tokens. A token is never shown, only its prefix; it can be deleted and nothing else.

People are switched off instead of deleted, because history names them.
"""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.forms import UserChangeForm as BaseUserChangeForm
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from ledger.models import ApiToken, AuditKind, User
from markets.admin import History

from .auditing import Audited
from .ownership import Own, Owned


class UserForm(UserChangeForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # The theme's form takes the password for granted, but who may only look has no fields at all.
        start = UserChangeForm if "password" in self.base_fields else BaseUserChangeForm
        start.__init__(self, *args, **kwargs)


@admin.register(User)
class UserAdmin(Audited, Owned, BaseUserAdmin, ModelAdmin):
    audited = ("max_exposure", "is_active", "is_staff", "is_superuser")
    form = UserForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = (
        "username",
        "email",
        "is_active",
        "is_staff",
        "is_superuser",
        "account_count",
        "last_login",
    )
    list_filter = ("is_active", "is_staff", "is_superuser")
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (*(BaseUserAdmin.fieldsets or ()), ("Limits", {"fields": ("max_exposure",)}))

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).annotate(account_count=Count("accounts"))

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        fixed = tuple(super().get_readonly_fields(request, obj))
        # Otherwise somebody who may edit users could make a superuser of themselves.
        privileges = ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")
        return fixed if request.user.is_superuser else (*fixed, *privileges)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    @display(description="accounts", ordering="account_count")
    def account_count(self, user: Any) -> int:
        return int(user.account_count)


@admin.register(ApiToken)
class ApiTokenAdmin(Audited, Owned, History):
    audit_kind = AuditKind.KEYS
    list_display = (
        "starts_with",
        "user",
        "scope",
        "name",
        "created_at",
        "expires_at",
        "last_used_at",
        "valid",
    )
    list_filter = ("scope", ("user", Own))
    list_select_related = ("user",)
    search_fields = ("prefix", "name", "user__username")
    hidden = ("digest", "prefix")
    also = ("starts_with",)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return ModelAdmin.has_delete_permission(self, request, obj)

    @display(description="starts with", ordering="prefix")
    def starts_with(self, token: ApiToken) -> str:
        return f"{token.prefix}…"

    @display(description="valid", boolean=True)
    def valid(self, token: ApiToken) -> bool:
        return token.expires_at is None or token.expires_at > timezone.now()
