"""People. A user owns accounts; everything else is reached from there."""

from django.contrib.auth.models import AbstractUser

from markets.fields import ExactDecimalField


class User(AbstractUser):
    """A person who signs in. Owns accounts and, through them, books, orders and positions."""

    max_exposure = ExactDecimalField(
        null=True,
        blank=True,
        help_text="Limit of total notional over equity for all accounts of one currency together; empty: none.",
    )
