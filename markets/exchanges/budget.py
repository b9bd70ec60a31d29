"""What may still be asked of an exchange, by all processes together: weight per minute, Retry-After, circuit breaker.

The state is one row per exchange, changed by conditional updates only. A share of the weight is kept for what is
urgent: exits and look-ups of orders go out when data and entries already wait.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import structlog
from django.db.models import F, Q, QuerySet

from markets import connections
from markets.models import Breaker, ExchangeState

from .clients import NotAsked

DATA_SHARE = 0.8  # of the weight; the rest is for accounts
ACCOUNT_SHARE = 0.9  # what questions of accounts may use; the rest is for orders, cancels and look-ups
FAILURES = 3  # in a row that open the breaker
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=5)
PROBE = timedelta(seconds=20)  # one request at a time, longer than its own time-out
DEFAULT_RETRY, DEFAULT_BAN = timedelta(seconds=30), timedelta(minutes=2)
REASON_LENGTH = 200
log = structlog.get_logger(__name__)


def wall() -> datetime:
    return datetime.now(UTC)


class SharedGate:
    """The gate of the clients of one exchange. See `clients.Gate`; `urgent` ones are the last to be held back.

    A ban (418) holds back everything until it ends, the probe too: who knocks on is banned for longer. So does a 429
    that meets what is urgent, which is tried once while others wait. Beyond that an open breaker lets one request
    through after each pause, and what is urgent always. No connection to the database is held while the exchange is
    waited for.
    """

    def __init__(
        self,
        exchange: str,
        *,
        urgent: bool = False,
        share: float = DATA_SHARE,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self.exchange, self.urgent, self._share, self._clock = exchange, urgent, share, clock

    def admit(self, cost: float, capacity: float) -> None:
        try:
            self._admit(cost, capacity)
        finally:
            connections.release()

    def _admit(self, cost: float, capacity: float) -> None:
        now, state = self._now(), self._state()
        if state.breaker != Breaker.CLOSED:
            self._pass_breaker(state, now)
        if state.wait_until is not None and state.wait_until > now and not self.urgent:
            raise NotAsked(f"{self.exchange} asked us to wait.", state.wait_until.timestamp())
        self._spend(state, cost, capacity if self.urgent else capacity * self._share, now)

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        try:
            self._answered(status, headers)
        finally:
            connections.release()

    def _answered(self, status: int, headers: Mapping[str, str]) -> None:
        now = self._now()
        if status == 418:
            self._open(now + _retry_after(headers, DEFAULT_BAN), "It has banned this address for a while.", banned=True)
        elif status == 429:
            until = now + _retry_after(headers, DEFAULT_RETRY)
            self._rows().filter(Q(wait_until__isnull=True) | Q(wait_until__lt=until)).update(wait_until=until)
            log.warning("exchange_asks_to_wait", exchange=self.exchange, until=until.isoformat())
            if self.urgent:  # orders are limited, too: to knock on would end in a ban
                self._open(until, "It takes no orders for a while, for there were too many requests.", banned=True)
            else:
                self._works(now)
        elif status >= 500 or status == 403:
            self.failed(f"It answered with status {status}.")
        else:
            self._works(now)

    def failed(self, reason: str) -> None:
        """A request that got no usable answer. Enough of them in a row open the breaker, longer each time."""
        now = self._now()
        self._rows().update(failures=F("failures") + 1)
        state = self._state()
        if state.failures >= FAILURES or state.breaker == Breaker.PROBING:
            pause = min(FIRST_PAUSE * 2 ** min(max(state.failures - FAILURES, 0), 10), LONGEST_PAUSE)
            self._open(now + pause, reason)

    def _now(self) -> datetime:
        return (self._clock or wall)()

    # --- The breaker ---------------------------------------------------------------------------------

    def _pass_breaker(self, state: ExchangeState, now: datetime) -> None:
        until = state.open_until or now
        if until > now:
            if self.urgent and not state.banned:
                return
            raise NotAsked(f"{self.exchange} is left alone for now: {state.reason}", until.timestamp())
        # One of all processes probes; a prober that died is followed by another one.
        probing = self._rows().filter(breaker=state.breaker, open_until=state.open_until)
        if not probing.update(breaker=Breaker.PROBING, open_until=now + PROBE, banned=False):
            raise NotAsked(f"{self.exchange} is being probed by another process.", (now + PROBE).timestamp())

    def _open(self, until: datetime, reason: str, *, banned: bool = False) -> None:
        fields = {"breaker": Breaker.OPEN, "open_until": until, "reason": reason[:REASON_LENGTH], "banned": banned}
        # A ban ends when it ends, whatever else goes wrong meanwhile.
        free = self._rows() if banned else self._rows().exclude(banned=True, open_until__gt=self._now())
        closed = free.filter(breaker=Breaker.CLOSED).update(changed_at=self._now(), **fields)
        if closed:
            log.error("exchange_left_alone", exchange=self.exchange, reason=reason, until=until.isoformat())
        else:
            free.update(**fields)

    def _works(self, now: datetime) -> None:
        troubled = self._rows().filter(Q(failures__gt=0) | ~Q(breaker=Breaker.CLOSED))
        mended = troubled.exclude(banned=True, open_until__gt=now).update(
            breaker=Breaker.CLOSED, failures=0, open_until=None, reason="", banned=False, changed_at=now
        )
        if mended:
            log.warning("exchange_answers_again", exchange=self.exchange)

    # --- The weight ----------------------------------------------------------------------------------

    def _spend(self, state: ExchangeState, cost: float, capacity: float, now: datetime) -> None:
        minute = int(now.timestamp() // 60)
        if state.minute < minute:
            self._rows().filter(minute__lt=minute).update(minute=minute, used=0)
        if not self._rows().filter(minute=minute, used__lte=capacity - cost).update(used=F("used") + cost):
            raise NotAsked(f"What may be asked of {self.exchange} in this minute is used up.", (minute + 1) * 60.0)

    def _rows(self) -> QuerySet[ExchangeState]:
        return ExchangeState.objects.filter(exchange=self.exchange)

    def _state(self) -> ExchangeState:
        return ExchangeState.objects.get_or_create(exchange=self.exchange)[0]


def _retry_after(headers: Mapping[str, str], default: timedelta) -> timedelta:
    """What the exchange asks for, in whole seconds; the default where it says nothing readable."""
    text = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    return timedelta(seconds=min(int(text), 7 * 86_400)) if text.isascii() and text.isdigit() else default
