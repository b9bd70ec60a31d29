import re
from datetime import timedelta

import pytest
from django.contrib import admin
from django.urls import reverse
from django.utils import timezone

from markets import history, quality, refusals
from markets.admin import elapsed, exact, freshness
from markets.models import Feed, FundingRate, Instrument, Quote
from markets.tests import rows, samples

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("UI-10")]

BUILDERS = {Feed: rows.feed, Instrument: rows.instrument, Quote: rows.quote}
every_model = pytest.mark.parametrize("model", BUILDERS)


def page(name, model, *args):
    return reverse(f"admin:markets_{model._meta.model_name}_{name}", args=args)


def text(answer):
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_price_is_shown_as_it_is_with_its_age(root):
    rows.feed(market_now=rows.NOW + timedelta(seconds=90))
    rows.quote(price="50000.1")

    for model in (Instrument, Quote):
        shown = text(root.get(page("changelist", model)))
        assert "50000.1<" in shown.replace("\n", "").replace(" ", "")
        assert "50000.10" not in shown
        assert "1 min" in shown


def test_an_instrument_shows_the_price_of_the_feed_that_runs(root):
    past = rows.feed("replay", kind="replay", running=False)
    rows.quote(price="99", feed=past, at=rows.NOW + timedelta(days=9))
    rows.quote(price="50000", feed=rows.feed(running=True))

    assert "50000" in text(root.get(page("changelist", Instrument)))


def test_an_instrument_shows_how_fresh_each_part_is_and_what_was_refused(root):
    bitcoin = rows.instrument(assumed=True, status="leaving")
    rows.quote(bitcoin, price="50000", at=rows.NOW - timedelta(seconds=20))
    part = samples.without(samples.candles(20, begin=rows.NOW - timedelta(minutes=30)), 4, 5)
    history.store(instrument=bitcoin, timeframe="1m", candles=part)
    quality.check(instrument=bitcoin, kind="candles", timeframe="1m", now=rows.NOW)
    FundingRate.objects.create(instrument=bitcoin, at=rows.NOW - timedelta(hours=3), rate="0.0001")
    refusals.count(exchange=bitcoin.exchange, symbol=bitcoin.symbol, part="price", reason="jump", times=4, example="9")
    refusals.write(rows.NOW)

    shown = " ".join(re.sub(r"<[^>]*>", " ", text(root.get(page("changelist", Instrument)))).split())
    assert "To be delisted - 50000" not in shown
    assert "To be delisted 50000 20 s 10 min 3 h 4 2 assumed" in shown
    inside = text(root.get(page("change", Instrument, bitcoin.pk)))
    assert f'href="/markets/{bitcoin.pk}/"' in inside
    assert "1m Candles: 18 candles, 2 missing, 1 holes" in inside
    assert "price: 4 jump (9)" in inside


def test_an_instrument_without_a_price_says_so(root):
    rows.instrument()

    assert "no price" in text(root.get(page("changelist", Instrument)))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "0 s"), (0, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (7200, "2 h"), (200000, "2 d")],
)
def test_a_duration_is_told_in_its_largest_unit(seconds, words):
    assert elapsed(seconds) == words


@pytest.mark.parametrize(("seconds", "verdict"), [(180, "fresh"), (181, "stale")])
def test_a_price_is_stale_after_three_steps_of_its_feed(seconds, verdict):
    later = rows.NOW + timedelta(seconds=seconds)

    assert freshness(at=rows.NOW, market_now=later, live=False, step=60)[0] == verdict


def test_a_live_price_is_aged_by_the_clock_on_the_wall():
    found = freshness(at=timezone.now() - timedelta(hours=2), market_now=rows.NOW, live=True, step=60)

    assert found == ("stale", "2 h")


def test_a_missing_decimal_is_a_dash():
    assert exact(Quote, "day_open")(Quote(day_open=None)) == "-"


# --- refusals --------------------------------------------------------------------------------------------


@every_model
def test_nobody_adds_changes_or_deletes(root, model):
    row = BUILDERS[model]()
    before = model.objects.values().get(pk=row.pk)

    assert root.post(page("add", model), {}).status_code == 403
    assert root.post(page("change", model, row.pk), {"active": "", "speed": 5}).status_code == 403
    assert root.post(page("delete", model, row.pk), {"post": "yes"}).status_code == 403
    everything = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
    root.post(page("changelist", model), everything)

    assert model.objects.values().get(pk=row.pk) == before


@every_model
def test_no_list_offers_to_delete(root, model):
    BUILDERS[model]()

    assert "delete_selected" not in text(root.get(page("changelist", model)))
    assert admin.site._registry[model].actions is None or "delete_selected" not in (admin.site._registry[model].actions)
