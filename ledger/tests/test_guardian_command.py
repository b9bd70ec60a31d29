"""`manage.py guardian` ends in order when it is told to."""

import os
import signal
import threading

import pytest
from django.core.management import call_command

from ledger import guardian_watch, heartbeats


@pytest.mark.requirement("RSK-06")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.django_db(transaction=True)
def test_it_looks_after_feeds_until_a_signal(monkeypatch, capsys, number):
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
    monkeypatch.setattr(guardian_watch, "ROUND_SECONDS", 0.01)
    original = guardian_watch.one_round

    def and_then_the_signal(now):
        original(now)
        os.kill(os.getpid(), number)

    monkeypatch.setattr(guardian_watch, "one_round", and_then_the_signal)
    try:
        assert threading.current_thread() is threading.main_thread()
        call_command("guardian")
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)

    assert heartbeats.last(heartbeats.GUARDIAN) is not None
    assert "stops" in capsys.readouterr().err
