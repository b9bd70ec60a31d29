"""Lists of the API come in pages of one form."""

import pytest
from django.contrib.auth import get_user_model
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from tradingsite.pages import Pages


@pytest.mark.requirement("API-01")
@pytest.mark.django_db
def test_newest_first_and_page_by_page():
    people = [get_user_model().objects.create(username=f"person{number}") for number in range(3)]
    pages = Pages()
    request = Request(APIRequestFactory().get("/api/v1/people/", {"page_size": "2"}))
    shown = pages.paginate_queryset(get_user_model().objects.all(), request)
    answer = pages.get_paginated_response([person.pk for person in shown]).data
    assert set(answer) == {"results", "next", "previous"}
    assert answer["results"] == [people[2].pk, people[1].pk]
    assert answer["next"]
    assert answer["previous"] is None
