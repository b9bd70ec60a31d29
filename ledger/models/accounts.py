"""Accounts (money at a venue) and books (a bot's slice of an account).

One-way positions and isolated margin only. Lease and fencing number of a book guard against two writers.
"""

import uuid
from decimal import Decimal

from django.conf import settings
from django.db import models

from markets.fields import ExactDecimalField
from markets.models import Feed


class AccountKind(models.TextChoices):
    PAPER = "paper", "Paper"
    LIVE = "live", "Live"


class AccountQuerySet(models.QuerySet["Account"]):
    def of(self, user: models.Model) -> "AccountQuerySet":
        """What this user may see."""
        return self.filter(owner=user)

    def on(self, feed: Feed) -> "AccountQuerySet":
        return self.filter(feed=feed)

    def kept(self) -> "AccountQuerySet":
        """Those whose books have begun: a live account has none before its key was found good."""
        return self.filter(models.Q(kind=AccountKind.PAPER) | models.Q(books_from__isnull=False))

    def in_doubt(self) -> "AccountQuerySet":
        """With orders that were claimed or sent without a known answer, or entries that were never sent."""
        undecided = models.Q(orders__state__in=("sending", "unknown")) | models.Q(
            orders__state="planned", orders__role="entry"
        )
        # None of these has ended; asking for that too lets the small index of such orders serve.
        return self.filter(undecided, orders__closed_at__isnull=True).distinct()


class Account(models.Model):
    """Money at one venue, on one feed for life. `report_cursor` is the last venue report that is booked."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="accounts")
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=8, choices=AccountKind, default=AccountKind.PAPER)
    feed = models.ForeignKey(Feed, on_delete=models.PROTECT, related_name="accounts")
    currency = models.CharField(max_length=20, default="USDT", help_text="The currency its instruments settle in.")
    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False, help_text="How the venue knows it.")
    revision = models.PositiveBigIntegerField(
        default=0, editable=False, help_text="Grows with every plan and every booking: tells a stale portfolio."
    )
    report_cursor = models.BigIntegerField(default=0, editable=False)
    max_exposure = ExactDecimalField(
        null=True, blank=True, help_text="Limit of total notional over equity for all its books; empty: none."
    )
    trouble = models.CharField(max_length=300, blank=True, help_text="Why it does not trade, in one sentence.")
    refusal = models.CharField(
        max_length=300, blank=True, editable=False,
        help_text="What its venue refuses as if it had changed: until it takes such an order, only exits.",
    )  # fmt: skip
    refused_role = models.CharField(max_length=8, blank=True, editable=False, help_text="The role of that order.")
    reconciled_at = models.DateTimeField(null=True, blank=True)
    compared_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Wall time of the newest comparison, however it ended."
    )
    compare_asked_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Wall time at which somebody asked for a comparison."
    )
    silent_since = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Wall time since which its venue has not answered."
    )
    books_from = models.DateTimeField(
        null=True, blank=True, editable=False,
        help_text="Market time from which the books of a live account are kept: what was there then is its opening.",
    )  # fmt: skip
    armed = models.BooleanField(
        default=False, help_text="Live accounts only: whether new exposure may be taken with real money."
    )
    sealed_credentials = models.TextField(blank=True, editable=False, help_text="Sealed; never shown.")
    credentials_hint = models.CharField(max_length=40, blank=True, editable=False, help_text="The end of the key.")
    check_asked_at = models.DateTimeField(null=True, blank=True, editable=False)
    checked_at = models.DateTimeField(null=True, blank=True, editable=False)
    check_passed = models.BooleanField(null=True, blank=True, editable=False)
    check_result = models.CharField(max_length=400, blank=True, help_text="What the check of the key found, in words.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = AccountQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner", "feed", "name"], name="account_name_once"),
            models.CheckConstraint(
                condition=models.Q(armed=False) | models.Q(kind=AccountKind.LIVE), name="only_live_is_armed"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def certain(self) -> bool:
        """Whether its venue answers for certain and at once: our own does, one across a network may not."""
        return self.kind == AccountKind.PAPER


class BookKind(models.TextChoices):
    BOT = "bot", "Bot"
    UNASSIGNED = "unassigned", "Unassigned"
    MODEL_SPEND = "model_spend", "Model spend"


class BookQuerySet(models.QuerySet["Book"]):
    def of(self, user: models.Model) -> "BookQuerySet":
        return self.filter(owner=user)


class Book(models.Model):
    """A slice of an account with its own cash, positions and results, in one currency.

    `cash` is the sum of the book's cash entries, kept by `ledger.booking` in the same transaction.
    `fence` grows with each lease; a writer with an older number is refused.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="books")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, null=True, blank=True, related_name="books")
    kind = models.CharField(max_length=12, choices=BookKind, default=BookKind.BOT)
    name = models.CharField(max_length=80)
    currency = models.CharField(max_length=20, default="USDT")
    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    cash = ExactDecimalField(default=Decimal(0), editable=False)
    deposited = ExactDecimalField(
        default=Decimal(0), editable=False, help_text="Deposits and transfers, net: the base of the return."
    )
    fence = models.PositiveBigIntegerField(default=0, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    flatten_requested_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = BookQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account"], condition=models.Q(kind="unassigned"), name="one_unassigned_book"
            ),
            models.UniqueConstraint(fields=["account", "name"], name="book_name_once"),
            models.UniqueConstraint(
                fields=["owner"], condition=models.Q(kind="model_spend"), name="one_model_spend_book"
            ),
        ]

    def __str__(self) -> str:
        return self.name
