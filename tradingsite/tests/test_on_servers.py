"""Runs of the suite on the servers of one machine do not meet."""

import pytest

from faults.servers import NoServers
from tradingsite.tests import on_servers


def test_two_runs_at_once_share_neither_database_nor_redis():
    try:
        with on_servers.servers() as one, on_servers.servers() as other:
            assert not set(one.values()) & set(other.values())
    except NoServers as missing:
        pytest.skip(str(missing))
