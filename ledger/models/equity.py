"""Equity of a book over market time: the line of every chart."""

from django.db import models

from markets.fields import ExactDecimalField

from .accounts import Book


class EquityQuerySet(models.QuerySet["EquityPoint"]):
    def of(self, user: models.Model) -> "EquityQuerySet":
        return self.filter(book__owner=user)


class EquityPoint(models.Model):
    """Cash plus unrealised results of a book at one market instant; `exposure` is the sum of notionals."""

    book = models.ForeignKey(Book, on_delete=models.CASCADE, related_name="equity_points", db_index=False)
    at = models.DateTimeField()
    equity = ExactDecimalField()
    cash = ExactDecimalField()
    exposure = ExactDecimalField()

    objects = EquityQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["book", "at"], name="equity_once")]

    def __str__(self) -> str:
        return f"{self.book_id} {self.at:%Y-%m-%d %H:%M} {self.equity}"
