from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from markets.fields import DECIMALS, ExactDecimalField
from markets.models import Feed, FeedKind, Instrument, PaperAccount

pytestmark = pytest.mark.django_db

LONG = Decimal("123456789012.123456789012345678")  # 30 digits
LONGER = Decimal("123456789012.123456789012345679")


def account(wallet) -> PaperAccount:
    feed, _ = Feed.objects.get_or_create(name="simulated-1", kind=FeedKind.SIMULATED, exchange="simulated-1")
    return PaperAccount.objects.create(feed=feed, currency="USDT", wallet=wallet)


def stored(row: PaperAccount) -> Decimal:
    return PaperAccount.objects.get(pk=row.pk).wallet


def instrument(**fields) -> Instrument:
    steps = dict.fromkeys(("tick", "step", "min_quantity", "min_notional", "maker_fee", "taker_fee"), Decimal("0.1"))
    return Instrument.objects.create(symbol="BTC/USDT:USDT", exchange="simulated-1", tiers=[], **steps | fields)


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "1",
        "-1",
        "0.1",
        "10",
        "1000000",
        "0.00000001",
        "123456789012.123456789012345678",
        "-123456789012.123456789012345678",
        "99999999999999999999.999999999999999999",
        "0.000000000000000001",
    ],
)
def test_a_value_comes_back_to_the_last_digit(text):
    assert format(stored(account(Decimal(text))), "f") == text


class Exactness(TestCase):
    @settings(max_examples=200, deadline=None)
    @given(st.decimals("-99999999999999999999", "99999999999999999999", places=DECIMALS, allow_nan=False))
    def test_every_value_comes_back(self, value):
        assert stored(account(value)) == value


def test_the_same_number_has_one_spelling():
    for spelling in ("100", "100.000", "1E+2"):
        assert str(stored(account(Decimal(spelling)))) == "100"
    assert str(stored(account(Decimal("-0.00")))) == "0"


def test_every_way_to_write_is_exact():
    row = account(Decimal(1))
    PaperAccount.objects.filter(pk=row.pk).update(wallet=LONG)
    assert stored(row) == LONG
    row.wallet = -LONG
    PaperAccount.objects.bulk_update([row], ["wallet"])
    assert stored(row) == -LONG
    (made,) = PaperAccount.objects.bulk_create([PaperAccount(feed=row.feed, currency="USDT", wallet=LONGER)])
    assert stored(made) == LONGER
    assert PaperAccount.objects.values_list("wallet", flat=True).get(pk=made.pk) == LONGER


def test_integers_and_text_are_taken():
    assert stored(account(7)) == 7
    assert stored(account("7.25")) == Decimal("7.25")


def test_equality_tells_the_last_digit_apart():
    row = account(LONG)
    assert PaperAccount.objects.get(wallet=LONG) == row
    assert PaperAccount.objects.get(wallet__in=[LONG, Decimal(3)]) == row
    assert PaperAccount.objects.get(wallet=F("wallet")) == row
    if connection.vendor == "sqlite":  # F() times a number is computed as a float there, and compared as one
        assert PaperAccount.objects.filter(wallet=F("wallet") * 1).exists()
    assert not PaperAccount.objects.filter(wallet=LONGER).exists()
    assert not PaperAccount.objects.exclude(wallet=LONG).exists()


def test_comparison_is_numeric():
    nine, ten = account(Decimal(9)), account(Decimal(10))
    wallets = PaperAccount.objects.order_by("pk")
    assert list(wallets.filter(wallet__lt=10)) == [nine]
    assert list(wallets.filter(wallet__lte=Decimal("9.0"))) == [nine]
    assert list(wallets.filter(wallet__gt=9)) == [ten]
    assert list(wallets.filter(wallet__gte="9")) == [nine, ten]
    assert list(wallets.filter(wallet__range=(Decimal("9.5"), Decimal(11)))) == [ten]
    assert list(wallets.filter(wallet__gt=Decimal(28) / 3)) == [ten]
    assert list(wallets.filter(wallet__gt=-5)) == [nine, ten]


def test_columns_compare_with_columns():
    assert Instrument.objects.filter(pk=instrument(tick="9", step="10").pk, tick__lt=F("step")).exists()


@pytest.mark.parametrize("value", ["0", "-1", "-0.000000000000000001"])
def test_a_check_for_above_zero_holds(value):
    with pytest.raises(IntegrityError), transaction.atomic():
        instrument(tick=Decimal(value))


def test_a_check_for_above_zero_lets_the_smallest_value_pass():
    instrument(tick=Decimal("0.000000000000000001"))


def test_nothing_stays_nothing():
    row = instrument(max_quantity=None)
    assert Instrument.objects.get(pk=row.pk).max_quantity is None
    assert Instrument.objects.filter(max_quantity__isnull=True).exists()


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (Decimal("0.0000000000000000001"), "more than 18 decimals"),
        (Decimal(1) / 3, "more than 18 decimals"),
        (0.1, "more than 18 decimals"),
        (Decimal(10) ** 20, "more than 20 digits before the point"),
        (Decimal("-1E+30"), "more than 20 digits before the point"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(value, sentence):
    with pytest.raises(ValidationError, match=sentence), transaction.atomic():
        account(value)
    assert not PaperAccount.objects.exists()


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), float("nan"), "much"])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(ValidationError):
        account(value)


def test_a_migration_names_the_field_without_its_size():
    _, path, args, kwargs = ExactDecimalField(null=True).deconstruct()
    assert (path, args, kwargs) == ("markets.fields.ExactDecimalField", [], {"null": True})
