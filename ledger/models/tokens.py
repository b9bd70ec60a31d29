"""API tokens. Only a digest is stored; the token itself is shown once, when it is made."""

from django.conf import settings
from django.db import models


class Scope(models.TextChoices):
    """Each scope holds the ones before it."""

    READ = "read", "Read"
    TRADE = "trade", "Trade"
    ADMIN = "admin", "Admin"


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def of(self, user: models.Model) -> "ApiTokenQuerySet":
        return self.filter(user=user)


class ApiToken(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=80, blank=True)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    prefix = models.CharField(max_length=8, editable=False, help_text="The first characters, to recognise it by.")
    scope = models.CharField(max_length=8, choices=Scope, default=Scope.READ)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        verbose_name = "API token"

    def __str__(self) -> str:
        return f"{self.prefix}… ({self.scope})"
