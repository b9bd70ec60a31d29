"""The life of a stored backtest: asked for, run, cancelled, lost, begun again. The only writer of its row.

What is wrong with a request is said before anything is stored. A run writes only while the row is its own, so a process
that was given up for dead and comes back changes nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from time import monotonic
from typing import Any

import structlog
from django.db.models import F

from bots.domain.untrusted import text as clean
from bots.models import Asker, Backtest, BacktestState
from bots.models.backtests import packed
from ledger.models import User

from . import loader, options, request
from .checks import check
from .document import document
from .loader import NotThere
from .options import Unclear
from .preparing import Prepared, likened, prepare
from .request import Request

MOST_UNDER_WAY = 20
EVERY_SECONDS = 0.5
MOST_ATTEMPTS = 2
# The rest of the bar is for the report.
RUN_SHARE = 0.95
log = structlog.get_logger(__name__)


class Cancelled(Exception):
    """Somebody wants no more of it, or another process has taken it over."""


class NotPossible(ValueError):
    """What is asked of a stored backtest cannot be done; the message is for people."""


def ask(*, owner: User, wanted: Request, by: Asker, wall: datetime) -> Backtest:
    """A queued row. Raises Unclear and NotThere with the sentence to show."""
    look_over(wanted, owner)
    _room(owner)
    decider = request.read(wanted).asked.decider.name
    return Backtest.objects.create(
        owner=owner, asked_by=by, request=wanted.as_json(), decider=decider[:140], queued_at=wall
    )


def _room(owner: User) -> None:
    if Backtest.objects.of(owner).under_way().count() >= MOST_UNDER_WAY:
        raise Unclear(f"{MOST_UNDER_WAY} of your backtests are waiting or running: wait for one, or cancel one.")


def look_over(wanted: Request, owner: User | None) -> None:
    """Everything that can be wrong with a request and takes no reading of candles. Raises Unclear and NotThere."""
    found = request.read(wanted)
    loader.look_over(
        exchange=wanted.exchange, symbols=found.symbols, timeframes=found.asked.timeframes,
        start=found.start, end=found.end, base=found.asked.walk,
    )  # fmt: skip
    if isinstance(found.asked.decider, options.Unmade):
        from . import remembered

        remembered.look_up(found.asked, owner=owner, run=None)
    elif "like" in found.asked.more:
        likened(found.asked.more["like"], wanted)


def cancel(*, backtest: Backtest, wall: datetime) -> None:
    """One that waits ends at once, one that runs at its next sign of life. Raises NotPossible for one that ended."""
    rows = Backtest.objects.filter(pk=backtest.pk)
    ended = {"state": BacktestState.CANCELLED, "ended_at": wall, "note": "", "cancel_asked": True}
    if rows.filter(state=BacktestState.QUEUED).update(**ended):
        return
    if not rows.filter(state=BacktestState.RUNNING).update(cancel_asked=True):
        raise NotPossible("It has ended already.")


def again(*, backtest: Backtest, wall: datetime, settings: Sequence[str] | None = None) -> None:
    """Queue one that failed or was cancelled, with other settings where some are given. Raises NotPossible."""
    wanted = dict(backtest.request) | ({} if settings is None else {"settings": list(settings)})
    try:
        if settings is not None:
            look_over(Request.of_json(wanted), backtest.owner)
        _room(backtest.owner)
    except (Unclear, NotThere) as problem:
        raise NotPossible(str(problem)) from None
    ended = Backtest.objects.filter(pk=backtest.pk, state__in=(BacktestState.FAILED, BacktestState.CANCELLED))
    fresh: dict[str, Any] = {"progress": 0.0, "note": "", "error": "", "cancel_asked": False, "ended_at": None}
    if not ended.update(state=BacktestState.QUEUED, queued_at=wall, request=wanted, **fresh):
        raise NotPossible("Only one that failed or was cancelled can be run again; ask for a new one instead.")


def remove(*, backtest: Backtest) -> None:
    """Raises NotPossible for one that runs."""
    if not Backtest.objects.filter(pk=backtest.pk).exclude(state=BacktestState.RUNNING).delete()[0]:
        raise NotPossible("It is running: cancel it first.")


def sweep(*, wall: datetime) -> int:
    """Queue what a dead process left, once; after that it has failed. How many were left."""
    lost = list(Backtest.objects.lost(wall).values_list("pk", "attempts"))
    return sum(given_up(pk=pk, attempt=attempt, wall=wall) for pk, attempt in lost)


def given_up(*, pk: int, attempt: int, wall: datetime, why: str = "The process that ran it ended.") -> bool:
    """A run whose process is gone: it is queued once more, and has failed after that."""
    mine = Backtest.objects.filter(pk=pk, attempts=attempt, state=BacktestState.RUNNING)
    if attempt < MOST_ATTEMPTS:
        return bool(mine.update(state=BacktestState.QUEUED, progress=0.0, note=""))
    return bool(mine.update(state=BacktestState.FAILED, error=why[:400], ended_at=wall, note=""))


def put_back(*, pk: int) -> None:
    """A run that was ended from outside before its time: it waits for another process; this was no attempt."""
    mine = Backtest.objects.filter(pk=pk, state=BacktestState.RUNNING)
    mine.update(state=BacktestState.QUEUED, progress=0.0, note="", attempts=F("attempts") - 1)


def claim(*, pk: int) -> Backtest | None:
    """The row, running and nobody else's; None where it does not wait any more."""
    wall = datetime.now(UTC)
    waiting = Backtest.objects.filter(pk=pk, state=BacktestState.QUEUED)
    begun = {"started_at": wall, "beat_at": wall, "progress": 0.0, "note": "Reading candles"}
    if not waiting.update(state=BacktestState.RUNNING, attempts=F("attempts") + 1, **begun):
        return None
    return Backtest.objects.select_related("owner").get(pk=pk)


def run(*, pk: int) -> bool:
    """Run a queued backtest to its end, whatever that is; False where it was not queued."""
    row = claim(pk=pk)
    if row is None:
        return False
    ticker = Ticker(row)
    try:
        end = _made(row, ticker)
    except Cancelled:
        end = {"state": BacktestState.CANCELLED}
    except (Unclear, NotThere) as problem:
        end = {"state": BacktestState.FAILED, "error": str(problem)[:400]}
    except KeyboardInterrupt:
        ticker.mine().update(state=BacktestState.CANCELLED, ended_at=datetime.now(UTC), note="")
        raise
    except Exception as error:  # Told on the page that waits; the next one must not suffer.
        log.exception("backtest_failed", backtest=pk)
        end = {"state": BacktestState.FAILED, "error": clean(f"{type(error).__name__}: {error}", 400)}
    ticker.mine().update(**end, ended_at=datetime.now(UTC), note="")
    return True


def _made(row: Backtest, ticker: "Ticker") -> dict[str, Any]:
    wanted = Request.of_json(row.request)
    prepared = prepare(wanted, owner=row.owner, run=row, alive=ticker.beat)
    ticker.begin(prepared.market.instants, "Trading", detail=getattr(prepared.setup.decider, "progress", None))
    result, seconds = prepared.run(ticker)
    checks = None
    if wanted.check:
        ticker.begin(prepared.market.instants, "Looking for look-ahead and too little warm-up", bar=False)
        checks = check(prepared.market, prepared.setup, ticker)
    ticker.begin(1, "Writing the report", bar=False)
    return stored(document(prepared, result, seconds, checks))


def stored(report: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a backtest that is done."""
    large = ("charts", "listing", "rows", "luck", "tables", "made", "request")
    return {
        "state": BacktestState.DONE,
        "progress": 1.0,
        "error": "",
        "made": report["made"],
        "summary": {name: value for name, value in report.items() if name not in large},
        "packed": packed(dict(report)),
    }


def save(*, prepared: Prepared, report: Mapping[str, Any], owner: User, began: datetime, wall: datetime) -> Backtest:
    """A row for a run that a command made by itself."""
    return Backtest.objects.create(
        owner=owner, asked_by=Asker.COMMAND, request=prepared.request.as_json(), decider=str(report["decider"])[:140],
        queued_at=began, started_at=began, beat_at=wall, ended_at=wall, attempts=1, **stored(report),
    )  # fmt: skip


class Ticker:
    """Tells the row twice a second how far its run is. Raises Cancelled where somebody wants no more of it."""

    def __init__(self, row: Backtest) -> None:
        self._row, self._instants, self._note, self._bar = row, 1, row.note, True
        self._told, self._detail = monotonic(), lambda: ""
        self._progress = 0.0

    def mine(self) -> Any:
        """The row, as long as it is this run's."""
        own = {"pk": self._row.pk, "attempts": self._row.attempts, "state": BacktestState.RUNNING}
        return Backtest.objects.filter(**own)

    def begin(self, instants: int, note: str, *, bar: bool = True, detail: Callable[[], str] | None = None) -> None:
        """Another part of the work; `detail` adds to `note` what there is to say at that moment."""
        self._instants, self._note, self._bar = max(instants, 1), note, bar
        self._detail = detail or (lambda: "")
        self.say(note, 0.0 if bar else RUN_SHARE)

    def __call__(self, number: int) -> None:
        if monotonic() - self._told >= EVERY_SECONDS:
            share = number / self._instants if self._bar else 1.0
            self.say(self._note, share * RUN_SHARE)

    def beat(self) -> None:
        """Still alive, no further. Raises Cancelled."""
        if monotonic() - self._told >= EVERY_SECONDS:
            self.say(self._note, self._progress)

    def say(self, note: str, progress: float) -> None:
        self._told, self._progress = monotonic(), progress
        words = ": ".join(filter(None, (note, self._detail())))
        told = {"progress": progress, "note": words[:200], "beat_at": datetime.now(UTC)}
        if not self.mine().filter(cancel_asked=False).update(**told):
            raise Cancelled
