"""Limits of an exchange as all processes share them: weight, Retry-After, and the circuit breaker."""

from datetime import UTC, datetime, timedelta

import pytest

from markets.exchanges.budget import SharedGate
from markets.exchanges.clients import NotAsked
from markets.models import Breaker, ExchangeState

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
pytestmark = [pytest.mark.django_db, pytest.mark.requirement("MKT-02")]


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now

    def pass_(self, seconds):
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock():
    return Clock()


def gate(clock, *, urgent=False):
    """Each is what another process would have: they share nothing but the database."""
    return SharedGate("okx", urgent=urgent, clock=clock)


def state():
    return ExchangeState.objects.get(exchange="okx")


def test_the_weight_of_a_minute_is_shared_and_a_share_is_kept_for_exits(clock):
    for _ in range(8):
        gate(clock).admit(10, 100)
    with pytest.raises(NotAsked, match="used up"):
        gate(clock).admit(10, 100)
    gate(clock, urgent=True).admit(10, 100)
    gate(clock, urgent=True).admit(10, 100)
    with pytest.raises(NotAsked):
        gate(clock, urgent=True).admit(10, 100)
    clock.pass_(60)
    gate(clock).admit(10, 100)

    assert state().used == 10


def test_retry_after_is_obeyed_by_everybody_but_what_is_urgent(clock):
    gate(clock).admit(1, 100)
    gate(clock).answered(429, {"Retry-After": "17"})

    with pytest.raises(NotAsked, match="asked us to wait") as held:
        gate(clock).admit(1, 100)
    assert held.value.until == (NOW + timedelta(seconds=17)).timestamp()
    gate(clock, urgent=True).admit(1, 100)
    clock.pass_(17.1)
    gate(clock).admit(1, 100)


def test_what_is_urgent_is_tried_once_and_waits_where_it_is_limited_too(clock):
    gate(clock).admit(1, 100)
    gate(clock).answered(429, {"Retry-After": "17"})
    gate(clock, urgent=True).admit(1, 100)
    gate(clock, urgent=True).answered(429, {"Retry-After": "15"})

    for _ in range(3):
        with pytest.raises(NotAsked, match="takes no orders"):
            gate(clock, urgent=True).admit(1, 100)
        clock.pass_(4)
    clock.pass_(3.1)
    gate(clock, urgent=True).admit(1, 100)
    gate(clock, urgent=True).answered(200, {})
    clock.pass_(2)
    gate(clock).admit(1, 100)

    assert state().breaker == Breaker.CLOSED


def test_a_ban_holds_back_everything_until_it_ends(clock):
    gate(clock).admit(1, 100)
    gate(clock).answered(418, {"retry-after": "300"})

    for _ in range(29):
        for urgent in (False, True):
            with pytest.raises(NotAsked, match="left alone"):
                gate(clock, urgent=urgent).admit(1, 100)
        clock.pass_(10)
    gate(clock).failed("A socket broke.")  # whatever else happens meanwhile
    gate(clock).answered(200, {})
    with pytest.raises(NotAsked):
        gate(clock, urgent=True).admit(1, 100)
    clock.pass_(11)
    gate(clock).admit(1, 100)
    gate(clock).answered(200, {})

    assert state().breaker == Breaker.CLOSED
    assert not state().banned


def test_failures_in_a_row_open_the_breaker_and_one_probe_closes_it(clock):
    for _ in range(3):
        gate(clock).admit(1, 100)
        gate(clock).answered(503, {})
    with pytest.raises(NotAsked, match="left alone"):
        gate(clock).admit(1, 100)
    gate(clock, urgent=True).admit(1, 100)  # an exit is tried all the same
    clock.pass_(6)
    gate(clock).admit(1, 100)
    assert state().breaker == Breaker.PROBING
    with pytest.raises(NotAsked):
        gate(clock).admit(1, 100)  # one probe, by one process
    gate(clock).answered(200, {})
    gate(clock).admit(1, 100)

    assert state().breaker == Breaker.CLOSED
    assert state().failures == 0


def test_a_failed_probe_waits_longer_and_never_longer_than_five_minutes(clock):
    pauses = []
    for _ in range(12):
        try:
            gate(clock).admit(1, 100)
        except NotAsked as held:
            pauses.append(held.until - clock.now.timestamp())
            clock.pass_(pauses[-1] + 0.1)
            gate(clock).admit(1, 100)
        gate(clock).failed("It cannot be reached.")

    assert pauses == sorted(pauses)
    assert pauses[0] == 5
    assert pauses[-1] == 300


def test_a_prober_that_died_is_followed_by_another(clock):
    for _ in range(3):
        gate(clock).admit(1, 100)
        gate(clock).failed("It cannot be reached.")
    clock.pass_(6)
    gate(clock).admit(1, 100)
    clock.pass_(21)
    gate(clock).admit(1, 100)


def test_an_error_of_the_question_is_no_failure_of_the_exchange(clock):
    for _ in range(5):
        gate(clock).admit(1, 100)
        gate(clock).answered(400, {})

    assert state().breaker == Breaker.CLOSED
    assert state().failures == 0
