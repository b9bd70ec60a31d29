"""Sockets open for the site's own pages and for scripts, not for pages of other sites."""

from urllib.parse import urlparse

import pytest

from tradingsite.asgi import OwnPagesOrScripts

DOOR = OwnPagesOrScripts(None, ["trade.example"])


@pytest.mark.requirement("SEC-03")
@pytest.mark.parametrize("origin", ["https://trade.example", "http://trade.example:8000"])
def test_own_pages_may(origin):
    assert DOOR.valid_origin(urlparse(origin))


def test_a_script_names_no_site():
    assert DOOR.valid_origin(None)


@pytest.mark.requirement("SEC-03")
@pytest.mark.parametrize("origin", ["https://evil.example", "https://trade.example.evil.example", "null", ""])
def test_other_sites_may_not(origin):
    assert not DOOR.valid_origin(urlparse(origin))
