"""Prompts and their versions: to read, to compare, and to follow with a new one. No version is edited or removed."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html_join
from unfold.decorators import action, display

from bots import wordings
from bots.models import PromptVersion
from ledger.admin import Own, Owned
from ledger.models import User
from markets.admin import Exact, link

from .forms import PromptVersionForm


@admin.register(PromptVersion)
class PromptVersionAdmin(Owned, Exact):
    """Adding writes the next version of a prompt; `?text=` and `?name=` begin it from another one."""

    form = PromptVersionForm
    owner_path = "prompt__owner"
    actions = ("compare",)
    list_display = ("__str__", "owner", "note", "used_by", "created_at", "follow")
    list_filter = (("prompt__owner", Own), ("prompt", Own))
    list_select_related = ("prompt__owner",)
    search_fields = ("prompt__name", "text", "note")
    fields = ("name", "text", "note")

    def get_queryset(self, request: HttpRequest) -> QuerySet[PromptVersion]:
        return super().get_queryset(request).prefetch_related("bots")

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return self.fields if obj is None else ("prompt", "number", "text", "note", "sha256", "created_at")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A new version begins with the text of the one it follows."""
        mine = PromptVersion.objects.of(cast(User, request.user))
        found = mine.filter(pk=_number(request.GET.get("from"))).first()
        return {"name": found.prompt.name, "text": found.text} if found else {"text": wordings.text_of(None)}

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm, change: bool) -> None:
        given = {name: form.cleaned_data[name] for name in ("name", "text", "note")}
        written = wordings.write(owner=cast(User, request.user), **given)
        obj.__dict__.update(written.__dict__)

    @display(description="owner", ordering="prompt__owner")
    def owner(self, version: PromptVersion) -> str:
        return str(version.prompt.owner)

    @display(description="used by: preview")
    def used_by(self, version: PromptVersion) -> str:
        """The bots it words the question of; each leads to where it is shown with today's data."""
        pages = ((reverse("prompt", args=[bot.pk]), bot.name) for bot in version.bots.all())
        return format_html_join(", ", '<a href="{}">{}</a>', pages) or "-"

    @display(description="new version from this")
    def follow(self, version: PromptVersion) -> str:
        return link("new version", f"{reverse('admin:bots_promptversion_add')}?from={version.pk}")

    @action(description="Compare two versions", permissions=["view"])
    def compare(self, request: HttpRequest, queryset: QuerySet[PromptVersion]) -> HttpResponse | None:
        """The older of two beside the newer."""
        chosen = list(queryset.order_by("pk"))
        if len(chosen) != 2:
            self.message_user(request, "Choose two versions to compare.", messages.WARNING)
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": f"{chosen[0]} and {chosen[1]}",
            "opts": self.opts,
            "lines": wordings.between(chosen[0], chosen[1]),
        }
        return TemplateResponse(request, "admin/bots/compare.html", context)


def _number(text: str | None) -> int:
    return int(text) if text and text.isdigit() and len(text) < 19 else 0
