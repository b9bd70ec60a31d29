import pytest

from ledger import sign_in
from ledger.tests import builders

pytestmark = pytest.mark.django_db


def parts(link):
    return link.strip("/").split("/")[1:]


def test_a_link_names_its_user(alice):
    assert sign_in.user_of(*parts(sign_in.link_for(alice))) == alice


def test_a_link_of_another_user_is_worth_nothing(alice, bob):
    uid, _ = parts(sign_in.link_for(alice))
    _, token = parts(sign_in.link_for(bob))
    assert sign_in.user_of(uid, token) is None


def test_a_link_of_somebody_switched_off_is_worth_nothing(alice):
    link = sign_in.link_for(alice)
    alice.is_active = False
    alice.save()
    assert sign_in.user_of(*parts(link)) is None


@pytest.mark.parametrize("uid", ["", "x", "MTIz", "4pyT", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5"])
def test_nonsense_names_nobody(uid):
    builders.user()
    assert sign_in.user_of(uid, "x-y") is None
