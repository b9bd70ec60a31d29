"""The guardian's own timer beats, goes on after a failure, and ends when told."""

import threading
from datetime import UTC, datetime

import pytest

from ledger import guardian_watch, heartbeats

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_round_beats_the_heart():
    now = datetime(2025, 5, 1, tzinfo=UTC)
    guardian_watch.one_round(now)
    assert heartbeats.last(heartbeats.GUARDIAN) == now


@pytest.mark.requirement("RSK-06")
def test_a_failing_round_does_not_end_it(monkeypatch):
    rounds, ended = [], threading.Event()

    def fails(now):
        rounds.append(now)
        if len(rounds) == 3:
            ended.set()
        raise RuntimeError("the venue answers nonsense")

    monkeypatch.setattr(guardian_watch, "ROUND_SECONDS", 0.001)
    monkeypatch.setattr(guardian_watch, "one_round", fails)
    guardian_watch.run(ended)

    assert len(rounds) == 3
