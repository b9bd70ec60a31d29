"""Runs of the suite on the servers of one machine do not meet."""

import pytest

from bench import places
from tradingsite.tests import on_servers


def test_two_runs_at_once_share_neither_database_nor_redis():
    if not places.postgres_answers() or places.empty_redis() is None:
        pytest.skip("No servers answer here that could be shared.")

    with on_servers.servers() as one, on_servers.servers() as other:
        assert not set(one.values()) & set(other.values())
