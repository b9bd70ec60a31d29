"""Every page of the control room opens with rows in it, and a list costs the same however long it is."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from bots import wordings
from bots.models import Budget
from bots.tests import models, rows
from ledger import audit
from ledger.tests import builders
from markets.models import DataAge, ExchangeState, FundingRate, RefusedData, SeriesNote
from tradingsite.admin import SECTIONS

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("UI-10")]


def periodic_task(number):
    interval = IntervalSchedule.objects.create(every=number, period="seconds")
    return PeriodicTask.objects.create(name=f"task {number}", task="bots.tasks.dispatch", interval=interval)


def coin(number):
    return builders.instrument(f"C{number}/USDT:USDT")


# One row of each model; another one for each other number.
BUILDERS = {
    "auth.group": lambda n: Group.objects.create(name=f"group {n}"),
    "bots.bot": lambda n: rows.bot(builders.user(f"user{n}")),
    "bots.budget": lambda n: Budget.objects.create(
        owner=builders.user(f"user{n}"), bot=rows.bot(builders.user(f"user{n}"))
    ),
    "bots.languagemodel": lambda n: models.model(models.provider(owner=builders.user(f"user{n}"))),
    "bots.modelcall": lambda n: models.call(rows.bot(builders.user(f"user{n}"))),
    "bots.provider": lambda n: models.provider(owner=builders.user(f"user{n}")),
    "bots.cycle": lambda n: rows.cycle(rows.bot(builders.user(f"user{n}"))),
    "bots.decision": lambda n: rows.decision(rows.bot(builders.user(f"user{n}")), items=2),
    "bots.promptversion": lambda n: wordings.write(owner=builders.user(f"user{n}"), name="mine", text="Be calm."),
    "bots.riskpolicy": lambda n: rows.policy(builders.user(f"user{n}")),
    "django_celery_beat.crontabschedule": lambda n: CrontabSchedule.objects.create(minute=n),
    "django_celery_beat.intervalschedule": lambda n: periodic_task(n).interval,
    "django_celery_beat.periodictask": periodic_task,
    "ledger.account": lambda n: builders.account(builders.user(f"user{n}")),
    "ledger.alert": lambda n: builders.alert(),
    "ledger.apitoken": lambda n: builders.token(builders.user(f"user{n}"), text=f"{n}" * 40),
    "ledger.auditentry": lambda n: audit.write(kind="limits", subject=f"account:{n}", change={}, by=None),
    "ledger.book": lambda n: builders.book(builders.user(f"user{n}")),
    "ledger.cashentry": lambda n: builders.cash_entry(trade=builders.trade()),
    "ledger.discrepancy": lambda n: builders.discrepancy(what=f"order {n}"),
    "ledger.equitypoint": lambda n: builders.equity_point(),
    "ledger.lock": lambda n: builders.lock(),
    "ledger.order": lambda n: builders.order(instrument=coin(n)),
    "ledger.position": lambda n: builders.position(instrument=coin(n)),
    "ledger.trade": lambda n: builders.trade(instrument=coin(n)),
    "ledger.tradingstate": lambda n: state(n),
    "ledger.user": lambda n: builders.user(f"user{n}"),
    "markets.dataage": lambda n: DataAge.objects.create(
        instrument=coin(n), part="price", at=builders.NOW, received_at=builders.NOW, source="stream"
    ),
    "markets.refuseddata": lambda n: RefusedData.objects.create(
        exchange="okx", symbol=f"C{n}", part="price", reason="jump", first_at=builders.NOW, last_at=builders.NOW
    ),
    "markets.feed": lambda n: builders.feed(f"feed {n}"),
    "markets.instrument": lambda n: builders.quote(coin(n)).instrument,
    "markets.quote": lambda n: builders.quote(coin(n)),
    "markets.exchangestate": lambda n: ExchangeState.objects.create(exchange=f"exchange{n}"),
    "markets.fundingrate": lambda n: FundingRate.objects.create(instrument=coin(n), at=builders.NOW, rate="0.0001"),
    "markets.seriesnote": lambda n: SeriesNote.objects.create(instrument=coin(n), timeframe="1m"),
}
every_model = pytest.mark.parametrize("label", sorted(BUILDERS))


def state(number):
    book = builders.book(builders.user(f"user{number}"))
    return builders.state(f"book:{book.pk}", book=book, changed_by=book.owner)


def page(name, label, *args):
    return reverse(f"admin:{label.replace('.', '_')}_{name}", args=args)


def test_no_page_of_the_control_room_is_left_out():
    assert {model._meta.label_lower for model in admin.site._registry} == set(BUILDERS)


def test_every_list_is_in_the_sidebar():
    assert {label for _, models in SECTIONS for label, _ in models} == set(BUILDERS)


def test_the_front_page_leads_to_every_list_and_to_the_live_pages(root):
    answer = root.get(reverse("admin:index"))

    assert answer.status_code == 200
    text = answer.content.decode()
    for label in BUILDERS:
        assert f'href="{page("changelist", label)}"' in text
    assert 'href="/bots/"' in text


@every_model
def test_a_list_opens_and_shows_its_row(root, label):
    row = BUILDERS[label](1)

    answer = root.get(page("changelist", label))

    assert answer.status_code == 200
    assert page("change", label, row.pk) in answer.content.decode()


def test_instants_are_written_to_the_second_and_sort_by_eye(root):
    builders.order()

    assert "2025-05-01 12:00:00" in root.get(page("changelist", "ledger.order")).content.decode()


@every_model
def test_a_row_opens(root, label):
    row = BUILDERS[label](1)

    assert root.get(page("change", label, row.pk)).status_code == 200


@every_model
def test_a_list_can_be_searched(root, label):
    BUILDERS[label](1)

    assert root.get(page("changelist", label), {"q": "no such row"}).status_code == 200


@every_model
def test_the_number_of_queries_does_not_grow_with_the_rows(root, label):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert root.get(page("changelist", label)).status_code == 200
        return len(captured)

    BUILDERS[label](1)
    queries()  # the first request also loads what Django keeps
    one = queries()
    for number in range(2, 6):
        BUILDERS[label](number)

    assert queries() == one


@every_model
def test_a_page_that_adds_opens_or_does_not_exist(root, label):
    possible = admin.site._registry[
        next(model for model in admin.site._registry if model._meta.label_lower == label)
    ].has_add_permission

    answer = root.get(page("add", label))

    assert answer.status_code == (200 if possible(answer.wsgi_request) else 403)


# --- refusals --------------------------------------------------------------------------------------------


@every_model
def test_people_who_are_no_staff_see_nothing(client, bob, label):
    client.force_login(bob)

    answer = client.get(page("changelist", label))

    assert answer.status_code == 302
    assert answer.url.startswith(reverse("admin:login"))


def test_staff_without_permissions_get_an_empty_sidebar(client, bob):
    bob.is_staff = True
    bob.save()
    client.force_login(bob)

    text = client.get(reverse("admin:index")).content.decode()

    assert not any(page("changelist", label) in text for label in BUILDERS)


@pytest.mark.parametrize("label", ["django_celery_beat.periodictask", "django_celery_beat.intervalschedule"])
def test_no_schedule_is_deleted(root, label):
    row = BUILDERS[label](1)

    assert root.post(page("delete", label, row.pk), {"post": "yes"}).status_code == 403
    assert PeriodicTask.objects.count() == 1


def test_a_task_can_be_switched_off(root):
    task = periodic_task(3)
    form = {"enabled": "", "interval": task.interval_id, "crontab": "", "description": ""}

    answer = root.post(page("change", "django_celery_beat.periodictask", task.pk), form)

    assert answer.status_code == 302, answer.context["errors"]
    task.refresh_from_db()
    assert (task.enabled, task.task) == (False, "bots.tasks.dispatch")
