"""The control room's frame: its navigation, groups, and the schedule of the system's own tasks.

Schedules can be slowed down or switched off here, but no task is added: what runs is a matter of settings.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin
from django.contrib.auth.models import Group
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import capfirst
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.admin import ModelAdmin
from unfold.decorators import display

admin.autodiscover()  # this one may have been asked for first, and takes out what others put in
# Their own pages do not fit the theme; clocks and suns are no schedules of this product.
admin.site.unregister(
    [Group, ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule],
)

# Title, then the models with their icons, in the order of the sidebar.
SECTIONS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Bots",
        (
            ("bots.bot", "smart_toy"),
            ("bots.riskpolicy", "shield"),
            ("bots.promptversion", "notes"),
            ("bots.cycle", "cycle"),
            ("bots.decision", "psychology"),
        ),
    ),
    (
        "Language models",
        (
            ("bots.provider", "dns"),
            ("bots.languagemodel", "neurology"),
            ("bots.budget", "savings"),
            ("bots.modelcall", "forum"),
        ),
    ),
    (
        "Money",
        (
            ("ledger.account", "account_balance"),
            ("ledger.book", "menu_book"),
            ("ledger.position", "stacked_line_chart"),
            ("ledger.order", "receipt_long"),
            ("ledger.trade", "swap_horiz"),
            ("ledger.cashentry", "payments"),
            ("ledger.equitypoint", "show_chart"),
            ("ledger.tradingstate", "traffic"),
            ("ledger.lock", "lock_clock"),
            ("ledger.discrepancy", "difference"),
            ("ledger.alert", "notifications"),
        ),
    ),
    (
        "Markets",
        (
            ("markets.feed", "rss_feed"),
            ("markets.instrument", "candlestick_chart"),
            ("markets.quote", "sell"),
            ("markets.fundingrate", "percent"),
            ("markets.seriesnote", "fact_check"),
            ("markets.exchangestate", "cell_tower"),
            ("markets.dataage", "hourglass_top"),
            ("markets.refuseddata", "block"),
        ),
    ),
    (
        "People",
        (
            ("ledger.user", "person"),
            ("auth.group", "group"),
            ("ledger.apitoken", "key"),
            ("ledger.auditentry", "history_edu"),
        ),
    ),
    (
        "Schedule",
        (
            ("django_celery_beat.periodictask", "schedule"),
            ("django_celery_beat.intervalschedule", "timer"),
            ("django_celery_beat.crontabschedule", "calendar_month"),
        ),
    ),
)
LIVE_PAGES = (("Arena", "/", "leaderboard"), ("Bots", "/bots/", "monitoring"))


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar: the live pages, then what this person may see, by section."""
    registered = {model._meta.label_lower: (model, page) for model, page in admin.site._registry.items()}
    live = [
        # The theme would mark them as open wherever their address is a part of the page's own.
        {"title": title, "link": address, "icon": icon, "active": False}
        for title, address, icon in LIVE_PAGES
    ]
    found: list[dict[str, Any]] = [{"title": "Live", "items": live}]
    for title, models in SECTIONS:
        shown = [(*registered[label], icon) for label, icon in models]
        items = [_item(model, icon) for model, page, icon in shown if page.has_view_permission(request)]
        found += [{"title": title, "separator": True, "items": items}] if items else []
    return found


def _item(model: type[Model], icon: str) -> dict[str, str]:
    opts = model._meta
    address = reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
    return {"title": capfirst(str(opts.verbose_name_plural)), "link": address, "icon": icon}


@admin.register(Group)
class GroupAdmin(BaseGroupAdmin, ModelAdmin):
    pass


class Schedule(ModelAdmin):
    list_display = ("__str__", "used_by")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).annotate(tasks=Count("periodictask"))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False  # its tasks would go with it

    @display(description="tasks", ordering="tasks")
    def used_by(self, schedule: Any) -> int:
        return int(schedule.tasks)


@admin.register(IntervalSchedule)
class IntervalAdmin(Schedule):
    pass


@admin.register(CrontabSchedule)
class CrontabAdmin(Schedule):
    pass


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(ModelAdmin):
    list_display = ("name", "task", "enabled", "scheduled", "last_run_at", "total_run_count")
    list_filter = ("enabled", "queue")
    list_select_related = ("interval", "crontab")
    search_fields = ("name", "task")
    fields = (
        "name", "task", "enabled", "interval", "crontab", "queue", "last_run_at", "total_run_count", "description"
    )  # fmt: skip
    readonly_fields = ("name", "task", "queue", "last_run_at", "total_run_count")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    @display(description="schedule")
    def scheduled(self, task: PeriodicTask) -> str:
        return str(task.interval or task.crontab or "-")
