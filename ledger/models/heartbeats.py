"""Signs of life of the parts of the product, shared by all processes. Each row is written by its part alone."""

from django.db import models


class Heartbeat(models.Model):
    """When the part `name` last finished a round, in wall time."""

    name = models.CharField(max_length=40, primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} {self.at:%Y-%m-%d %H:%M:%S}"
