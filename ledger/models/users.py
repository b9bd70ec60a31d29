"""People. A user owns accounts; everything else is reached from there."""

from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """A person who signs in. Owns accounts and, through them, books, orders and positions."""
