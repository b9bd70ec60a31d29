"""F28: a venue that has changed what it takes ends the new exposure of its account by itself; exits go on."""

from decimal import Decimal

import pytest
from django.urls import reverse

from ledger import live_accounts, states
from ledger.models import Alert, AuditEntry, OrderState, Position, TradingState, TradingStateKind
from ledger.tests.fake_desk import BTC

pytestmark = pytest.mark.django_db
NO_STOPS = '{"code":-4120,"msg":"Order type not supported for this endpoint."}'
SOMETHING_NEW = '{"code":-9999,"msg":"Something new."}'


def no_stops(desk, body=NO_STOPS):
    return desk.fake.faults.add("status", "algoOrder", method="POST", times=None, status=400, body=body)


def state(desk):
    return TradingState.objects.current().filter(account=desk.account).first()


@pytest.mark.requirement("EXE-04")
@pytest.mark.parametrize("body", [NO_STOPS, SOMETHING_NEW], ids=["changed", "unknown"])
def test_stops_that_are_refused_as_unknown_end_entries_of_the_account_and_exits_go_on(desk, body):
    resting = desk.trade(desk.draft(limit=Decimal(48000), stop=Decimal(47000)))
    desk.customer.share = Decimal("0.5")
    no_stops(desk, body)
    desk.move("47900")
    desk.customer.share = Decimal(1)
    for _ in range(6):
        desk.wait(5)

    resting.refresh_from_db()
    assert resting.ended
    assert desk.customer.position(BTC).quantity == 0
    assert (state(desk).state, state(desk).changed_by) == (TradingStateKind.REDUCE_ONLY, None)
    sent = desk.fake.log.count("/fapi/v1/order", method="POST")
    assert desk.trade(desk.draft()).state == OrderState.PLANNED
    assert desk.fake.log.count("/fapi/v1/order", method="POST") == sent
    [alert] = Alert.objects.open()
    assert (alert.kind, alert.severity) == ("venue_changed", "critical")
    assert "The venue refuses stop orders" in alert.sentence
    assert desk.balanced() == []


def test_the_page_says_so_and_a_person_resumes(desk, client):
    no_stops(desk)
    desk.trade(desk.draft())
    desk.wait(5)
    client.force_login(desk.account.owner)

    page = client.get("/accounts/").content.decode()
    assert "The venue refuses stop orders" in page
    assert "exits only" in page
    desk.fake.faults.clear()
    said = client.post(reverse("resume-account", args=[desk.account.pk]), follow=True).content.decode()

    assert "takes new exposure again" in said
    assert "exits only" not in said
    assert AuditEntry.objects.filter(kind="state", actor=desk.account.owner.username).exists()
    assert desk.trade(desk.draft()).state == OrderState.FILLED
    desk.round()
    assert desk.balanced() == []
    assert desk.alerts() == []
    with pytest.raises(live_accounts.NotPossible, match="already"):
        live_accounts.resume(account=desk.account, by=desk.account.owner, wall=desk.now)


def test_it_ends_by_itself_when_such_an_order_is_taken_again(desk):
    desk.trade(desk.draft())
    desk.fake.faults.add("status", "algoOrder", method="POST", times=1, status=400, body=NO_STOPS)
    Position.objects.update(stop=Decimal(49500))  # moved: the old one rests until the new one is taken
    desk.round()
    assert state(desk).state == TradingStateKind.REDUCE_ONLY
    for _ in range(3):
        desk.wait(5)

    assert (desk.stop().trigger, state(desk).state) == (Decimal(49500), TradingStateKind.ACTIVE)
    assert desk.alerts() == []
    assert desk.balanced() == []


def test_an_account_that_agrees_again_goes_on_with_exits_only(desk):
    """A halt for want of an answer must not wash away what the venue refused meanwhile."""
    states.change(scope=desk.account, state=TradingStateKind.HALTED, reason="Silent", by=None)
    type(desk.account).objects.filter(pk=desk.account.pk).update(trouble="Silent", refusal="No stops.")
    type(desk.account).objects.update(compared_at=None)
    desk.round()

    assert desk.account.trouble == ""
    assert (state(desk).state, state(desk).reason) == (TradingStateKind.REDUCE_ONLY, "No stops.")
    assert desk.alerts() == ["venue_changed"]


def test_ordinary_refusals_leave_the_account_as_it_is(desk):
    body = '{"code":-2019,"msg":"Margin is insufficient."}'
    desk.fake.faults.add("status", "/fapi/v1/order", method="POST", status=400, body=body)

    assert desk.trade(desk.draft()).state == OrderState.REFUSED
    assert state(desk) is None


def test_what_ended_during_a_halt_does_not_come_back_with_the_agreement(desk):
    """The venue took stops again while the account was halted: nothing is left that would ever end a reduce-only."""
    desk.trade(desk.draft())
    desk.fake.faults.add("status", "algoOrder", method="POST", times=1, status=400, body=NO_STOPS)
    Position.objects.update(stop=Decimal(49500))
    desk.round()
    assert state(desk).state == TradingStateKind.REDUCE_ONLY
    states.change(scope=desk.account, state=TradingStateKind.HALTED, reason="Silent", by=None)
    type(desk.account).objects.filter(pk=desk.account.pk).update(trouble="Silent")
    for _ in range(3):
        desk.wait(5)
    type(desk.account).objects.update(compared_at=None)
    desk.round()

    desk.account.refresh_from_db()
    assert (desk.account.trouble, desk.account.refusal) == ("", "")
    assert state(desk).state == TradingStateKind.ACTIVE


def test_what_a_person_has_limited_outlives_a_refusal_and_a_halt(desk):
    states.change(scope=desk.account, state=TradingStateKind.REDUCE_ONLY, reason="By hand", by=desk.account.owner)
    type(desk.account).objects.filter(pk=desk.account.pk).update(
        trouble="Silent", refusal="No stops.", refused_role="stop"
    )
    states.change(scope=desk.account, state=TradingStateKind.HALTED, reason="Silent", by=None)
    type(desk.account).objects.update(compared_at=None)
    desk.round()

    assert state(desk).state == TradingStateKind.REDUCE_ONLY
    assert "By hand" in state(desk).reason


def test_a_person_who_limits_an_account_that_a_rule_has_limited_already_is_heard(desk):
    no_stops(desk)
    desk.trade(desk.draft())
    desk.wait(5)
    assert state(desk).changed_by is None
    states.change(scope=desk.account, state=TradingStateKind.REDUCE_ONLY, reason="By hand", by=desk.account.owner)

    assert (state(desk).reason, state(desk).changed_by) == ("By hand", desk.account.owner)
