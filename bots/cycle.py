"""One cycle of a bot: the eleven steps its users know, as one short function. Start reading here.

A cycle is claimed once (its row is unique for bot and slot), runs under the lease and the fencing number of its
book, and writes every decision there is. Nothing else writes decisions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from time import monotonic, sleep

import structlog
from django.db import transaction
from django.db.models import Q, QuerySet

from ledger import ordering, protection, reports, states, valuation
from ledger.domain.intents import Kind
from ledger.domain.portfolio import AccountPortfolio, Portfolio
from ledger.models import Account, Book, Order, Position, PositionState, Source
from ledger.ordering import Cause
from markets import comovement, connections, snapshots
from markets.domain.snapshot import Snapshot
from markets.feeds import clock
from markets.models import Instrument
from markets.prepared import Given, Prepared

from . import deciding, locking
from .claiming import sooner
from .deciders import Decider
from .decision_log import record_decision
from .domain.briefing import Briefing
from .domain.decisions import Answer
from .domain.judgement import Plan, judge
from .models import Bot, Cycle, CycleStatus, Trigger
from .models.cycles import TERMINAL
from .questions import Question, question
from .steps import StepLog

DEADLINE = timedelta(seconds=60)
log = structlog.get_logger(__name__)


class OutOfTime(Exception):
    """The cycle's deadline passed before its plan was committed."""


@dataclass(slots=True)
class Run:
    """A cycle under way. `now` is market time, later that of a live judgement; `cycle.deadline_at` is wall time."""

    cycle: Cycle
    bot: Bot
    instruments: Mapping[str, Instrument]
    now: datetime
    step: StepLog = field(default_factory=StepLog)
    plan: Plan | None = None

    @property
    def book(self) -> Book:
        return self.bot.book

    @property
    def account(self) -> Account:
        account = self.bot.book.account
        assert account is not None
        return account

    @property
    def cause(self) -> Cause:
        return Cause(Source.DECISION, f"cycle:{self.cycle.pk}", self.now, self.cycle.fence)


def eleven_steps(run: Run) -> None:
    """What a bot does in one cycle, in this order and in no other."""
    step = run.step
    with step("fetch market data") as note:
        snapshot = snapshots.snapshot(run.account.feed, run.instruments.values(), run.bot.timeframes, run.now)
        note.note = f"{len(snapshot.instruments)} instruments"
    with step("compute indicators"):
        warm(snapshot)
    with step("read the portfolio") as note:
        seen = valuation.account_portfolio(account=run.account)
        briefing = brief(run, snapshot, seen)
        note.note = f"equity {briefing.portfolio.equity:.2f}, {len(briefing.portfolio.positions)} positions"
    with step("build the prompt") as note:
        decider = deciding.decider_of(run.bot, run.cycle)
        asked = ask_about(run, decider, briefing)
        briefing = briefing if asked is None else asked.briefing
        note.note = "none needed: a strategy in code" if asked is None else told(asked)
    with step("get the decision") as note:
        if decider.remote:
            connections.release()
        raw = decider.decide(briefing) if asked is None or asked.asks else asked.unasked()
        answer = deciding.understood(briefing, raw, emergency_only=run.cycle.trigger == Trigger.EMERGENCY)
        note.note = answer.summary
    with step("validate with the risk manager") as note:
        orders = validate(run, briefing, seen, raw, answer, asked)
        note.note = verdict_of(run.plan)
    with step("execute") as note:
        changed = execute(run, orders)
        note.note = f"{len(orders)} orders" if orders else "nothing to send"
    with step("update positions with current prices") as note:
        note.note = f"equity {revalued(briefing.portfolio, snapshot, changed).equity:.2f}"
    with step("check stops and targets") as note:
        note.note = protect(run, changed)
    with step("log everything"):
        log.info("cycle", bot=run.bot.pk, cycle=run.cycle.pk, slot=str(run.cycle.slot), verdict=verdict_of(run.plan))
    with step("wait for the next slot") as note:
        if run.bot.position_interval_seconds and not run.bot.crontab and changed:
            sooner(bot=run.bot, slot=run.cycle.slot)
        note.note = next_slot(run)
    finish(run, CycleStatus.DONE)


def run(*, cycle_id: int, deadline: timedelta = DEADLINE) -> Cycle | None:
    """Run a queued cycle to its end. None where another delivery has taken it: then nothing was done."""
    started = begin(cycle_id, deadline)
    if started is None:
        return None
    try:
        eleven_steps(started)
    except (OutOfTime, ordering.Superseded) as error:
        finish(started, CycleStatus.FAILED, error=str(error))
    except Exception as error:  # A cycle may fail for reasons nobody foresaw; the market and other bots go on.
        log.exception("cycle_failed", bot=started.bot.pk, cycle=cycle_id)
        finish(started, CycleStatus.FAILED, error=f"{type(error).__name__}: {error}")
    return started.cycle


_CYCLE = Prepared(
    lambda pk: (
        Cycle.objects.filter(pk=pk)
        .select_related(
            "bot__book__account__feed", "bot__book__account__owner", "bot__policy", "bot__prompt_version__prompt"
        )
        .select_for_update(of=("bot__book",))
    ),
    "pk",
)


@transaction.atomic
def begin(cycle_id: int, deadline: timedelta) -> Run | None:
    """Claim the cycle and the lease of its book; None where either is taken."""
    wall = datetime.now(UTC)
    claimed = Cycle.objects.filter(pk=cycle_id, status=CycleStatus.QUEUED)
    if not claimed.update(status=CycleStatus.RUNNING, started_at=wall, deadline_at=wall + deadline):
        return None
    [cycle] = _CYCLE(pk=cycle_id)
    book = cycle.bot.book
    if book.lease_until is not None and book.lease_until >= wall:
        skipped = "The book is held by another cycle of this bot."
        Cycle.objects.filter(pk=cycle_id).update(status=CycleStatus.SKIPPED, error=skipped, ended_at=wall)
        return None
    if more := deciding.more_time(cycle.bot):
        deadline += more
        cycle.deadline_at = wall + deadline
        cycle.save(update_fields=["deadline_at"])
    cycle.fence = book.fence = book.fence + 1
    Book.objects.filter(pk=book.pk).update(fence=book.fence, lease_until=wall + deadline)
    feed = book.account.feed  # type: ignore[union-attr]
    return Run(cycle, cycle.bot, instruments_of(cycle.bot), clock.now(feed, wall))


def instruments_of(bot: Bot) -> dict[str, Instrument]:
    """By symbol: the bot's instruments, and those it still holds a position in."""
    return {instrument.symbol: instrument for instrument in _INSTRUMENTS(bot=bot.pk, book=bot.book_id)}


def _chosen_or_held(bot: Given, book: Given) -> QuerySet[Instrument]:
    chosen = Bot.instruments.through.objects.filter(bot=bot).values("instrument")
    held = Position.objects.current().filter(book=book).values("instrument")
    return Instrument.objects.filter(Q(pk__in=chosen) | Q(pk__in=held)).order_by("pk")


_INSTRUMENTS = Prepared(_chosen_or_held, "bot", "book")


def warm(snapshot: Snapshot) -> None:
    """Compute what the fewest do without; a series computes any other indicator at its first use, once for all."""
    for view in snapshot.instruments.values():
        for series in view.series.values():
            series.indicator("ema_20")


def brief(run: Run, snapshot: Snapshot, seen: AccountPortfolio) -> Briefing:
    """All that the decider is told, as one frozen value."""
    feed = run.account.feed
    since = run.cycle.slot - (feed.starts_at or feed.created_at)
    return Briefing(
        bot=run.bot.name,
        now=run.now,
        timeframes=tuple(run.bot.timeframes),
        policy=run.bot.policy.limits,
        snapshot=snapshot,
        portfolio=seen.books[run.book.pk],
        state=states.strictest(run.book),
        seed=run.bot.seed,
        slot_index=int(since / run.bot.interval),
        account_exposure=seen.exposure,
        account_equity=seen.equity,
        account_max_exposure=seen.max_exposure,
        safe_mode=run.bot.safe_mode,
        interval_seconds=run.bot.interval_seconds,
        locks=locking.holding(bot=run.bot, portfolio=seen.books[run.book.pk], now=run.now),
        user_exposure=seen.user_exposure,
        user_equity=seen.user_equity,
        user_max_exposure=seen.user_max_exposure,
        covariance=comovement.of(run.instruments.values(), run.now),
    )


def ask_about(run: Run, decider: Decider, briefing: Briefing) -> Question | None:
    """What a model is asked; None for a strategy in code, which needs no words and is asked at every slot."""
    if not decider.remote:
        return None
    asked = question(cycle=run.cycle, bot=run.bot, briefing=briefing, instruments=run.instruments)
    deciding.put(decider, asked.prompt)
    return asked


def told(asked: Question) -> str:
    """How long the prompt is, or why there is none."""
    if not asked.asks:
        return asked.weighed.text
    return f"{asked.prompt.characters} characters: {asked.weighed.text}"


def next_slot(run: Run) -> str:
    """When the bot is due again, as far as is known now."""
    if run.bot.crontab:
        return f"by its crontab {run.bot.crontab}"
    return f"next at {run.cycle.slot + run.bot.interval:%H:%M} market time"


def validate(
    run: Run,
    briefing: Briefing,
    seen: AccountPortfolio,
    raw: Mapping[str, object],
    answer: Answer,
    asked: Question | None,
) -> list[Order]:
    """Judge the answer under the account's lock and commit what stands, together with the decision."""
    wait_for_turn(run.cycle)
    if asked is not None and asked.asks and not run.account.feed.lock_step:
        briefing, seen = anew(run, briefing)
    with ordering.locked(book=run.book, seen=seen, cause=run.cause) as portfolio:
        if datetime.now(UTC) > (run.cycle.deadline_at or datetime.now(UTC)):
            raise OutOfTime("The deadline passed before the plan was committed.")
        # Whatever was pressed while the decider thought holds already.
        briefing = replace(briefing, state=states.strictest(run.book))
        if portfolio is not seen:
            briefing = replace(
                briefing,
                portfolio=portfolio.books[run.book.pk],
                account_exposure=portfolio.exposure,
                account_equity=portfolio.equity,
                user_exposure=portfolio.user_exposure,
                user_equity=portfolio.user_equity,
                user_max_exposure=portfolio.user_max_exposure,
                locks=locking.holding(bot=run.bot, portfolio=portfolio.books[run.book.pk], now=run.now),
            )
        run.plan = judge(briefing, answer)
        intents, orders = ordering.commit(
            book=run.book,
            portfolio=portfolio,
            drafts=run.plan.drafts,
            instruments=run.instruments,
            cause=run.cause,
        )
        record_decision(
            cycle=run.cycle,
            bot=run.bot,
            raw=raw,
            briefing=briefing,
            plan=run.plan,
            intents=intents,
            instruments=run.instruments,
            latency_ms=run.step.steps[4].ms,
            asked=asked,
        )
    return orders


def anew(run: Run, briefing: Briefing) -> tuple[Briefing, AccountPortfolio]:
    """The market and the portfolio of now: a live market has gone on while the model thought, and `run.now` with it."""
    run.now = clock.now(run.account.feed)
    shown = snapshots.snapshot(run.account.feed, run.instruments.values(), run.bot.timeframes, run.now)
    seen = valuation.account_portfolio(account=run.account)
    kept = {name: getattr(briefing, name) for name in ("story", "open_interest", "covariance")}
    return replace(brief(run, shown, seen), **kept), seen


def wait_for_turn(cycle: Cycle) -> None:
    """In lock-step the bots of one account commit in order, so that the same market gives the same trades."""
    if cycle.waits_for_id is None:
        return
    until = monotonic() + (DEADLINE + deciding.more_time(cycle.bot)).total_seconds()
    before = Cycle.objects.filter(Q(decision__isnull=False) | Q(status__in=TERMINAL), pk=cycle.waits_for_id)
    while not before.exists():
        if monotonic() > until:
            raise OutOfTime("The cycle before this one on the same account did not end in time.")
        connections.release()
        sleep(0.01)


def execute(run: Run, orders: Sequence[Order]) -> list[Position]:
    """Send what was committed and book what the venue reports. Returns the positions that changed."""
    if not orders:
        return []
    answers = ordering.send(account=run.account, orders=orders)
    return reports.collect(account=run.account, now=run.now, answers=answers)


def revalued(portfolio: Portfolio, snapshot: Snapshot, changed: Sequence[Position]) -> Portfolio:
    """The portfolio after execution, at current marks, without another look at the database."""
    mine = [position for position in changed if position.book_id == portfolio.book]
    if not mine:
        return portfolio
    held = {position.id: position for position in portfolio.positions}
    for position in mine:
        held.pop(position.pk, None)
        if position.state == PositionState.OPEN:
            position.mark = snapshot[position.instrument.symbol].quote.mark  # type: ignore[attr-defined]
            held[position.pk] = valuation.held(position)
    return replace(portfolio, cash=mine[0].book.cash, positions=tuple(held.values()))


def protect(run: Run, changed: Sequence[Position]) -> str:
    """Stops and targets rest from the first fill; plans that were adjusted get new ones, new before cancel."""
    assert run.plan is not None
    adjusted = any(draft.kind == Kind.ADJUST_EXITS for draft in run.plan.drafts)
    if not adjusted and not any(position.state == PositionState.OPEN for position in changed):
        return "as planned"
    protection.cover(account=run.account, now=run.now)
    return "brackets brought in line"


def verdict_of(plan: Plan | None) -> str:
    """The outcome of a plan in a few words, such as «1 planned, 2 refused»."""
    counts: dict[str, int] = {}
    for item in plan.items if plan else ():
        counts[item.outcome] = counts.get(item.outcome, 0) + 1
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.items()) or "nothing asked"


@transaction.atomic
def finish(run: Run, status: CycleStatus, *, error: str = "") -> None:
    """Close the cycle's row and give the lease back, unless somebody has closed it before."""
    cycle = run.cycle
    cycle.status, cycle.error, cycle.ended_at = status, error[:300], datetime.now(UTC)
    cycle.steps = run.step.as_json()
    fields = {name: getattr(cycle, name) for name in ("status", "error", "ended_at", "steps", "fence")}
    Cycle.objects.filter(pk=cycle.pk, status=CycleStatus.RUNNING).update(**fields)
    Book.objects.filter(pk=run.book.pk, fence=cycle.fence).update(lease_until=None)
