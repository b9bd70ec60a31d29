"""The request weight a fake exchange allows per minute and address, and what happens to who does not obey.

Beyond the limit every answer is 429 with Retry-After; who goes on regardless is banned (418), as Binance does it.
"""

import threading
from dataclasses import dataclass, field


@dataclass
class Limits:
    """`banned_until` is UTC ms. A test may set it, or `limit`, at any moment; a «minute» may be shorter than one."""

    limit: int = 2400
    minute_ms: int = 60_000
    patience: int = 10  # refused calls within a minute before the ban
    ban_seconds: int = 120
    banned_until: int = 0
    used: int = 0
    refused: int = 0
    minute: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ban(self, now: int, seconds: float) -> None:
        self.banned_until = now + int(seconds * 1000)

    def refusal(self, weight: int, now: int) -> tuple[int, int] | None:
        """(status, Retry-After in seconds) where the call is refused; else its weight is counted."""
        with self._lock:
            if now // self.minute_ms != self.minute:
                self.minute, self.used, self.refused = now // self.minute_ms, 0, 0
            if now < self.banned_until:
                return 418, -(-(self.banned_until - now) // 1000)
            if self.used + weight > self.limit:
                self.refused += 1
                if self.refused > self.patience:
                    self.banned_until = now + self.ban_seconds * 1000
                    return 418, self.ban_seconds
                return 429, -(-(self.minute_ms - now % self.minute_ms) // 1000)
            self.used += weight
            return None
