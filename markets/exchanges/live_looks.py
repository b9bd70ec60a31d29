"""When a client last looked where, so that lists that cost much of an exchange's budget are not read every second."""

import time
from typing import Any


def due(client: Any, where: str, rest: float) -> bool:
    """Whether `rest` seconds have passed since this was last true for the client."""
    looked: dict[str, float] = client.__dict__.setdefault("looked", {})
    now = time.monotonic()
    if where in looked and now - looked[where] < rest:
        return False
    looked[where] = now
    return True
